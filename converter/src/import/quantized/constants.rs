//! Constants of a quantized graph: integers, scales, zero points. Every length is checked before it is used.

use super::Rewriter;
use crate::ir::GivenLayer;
use mote_format::Quant;
use std::collections::HashMap;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, TensorProto};

/// A constant of integers and what they stand for.
#[derive(Debug, Clone)]
pub(super) struct Integers {
    pub(super) dims: Vec<i64>,
    /// Less the zero point.
    pub(super) values: Vec<i32>,
    /// One, or one per index of `axis`.
    pub(super) scales: Vec<f32>,
    pub(super) axis: usize,
    /// The zero point as it is after a shift to int8; `None` where there are several.
    pub(super) zero: Option<i32>,
}

/// Initializers, and what Constant nodes hold.
pub(super) fn all(graph: &GraphProto) -> HashMap<String, TensorProto> {
    let initializers = graph.initializer.iter().map(|t| (t.name.clone(), t.clone()));
    let nodes = graph.node.iter().filter(|n| n.op_type == "Constant").filter_map(|n| {
        let tensor = n.attribute.iter().find_map(|a| a.t.clone())?;
        Some((n.output.first()?.clone(), tensor))
    });
    initializers.chain(nodes).collect()
}

/// The integers of a tensor of int8, uint8 or int32.
pub(super) fn integers(t: &TensorProto) -> Option<Vec<i32>> {
    let kind = t.data_type;
    let raw = &t.raw_data;
    let values: Vec<i32> = if !t.int32_data.is_empty() {
        t.int32_data.clone()
    } else if kind == DataType::Int8 as i32 {
        raw.iter().map(|&b| i32::from(b as i8)).collect()
    } else if kind == DataType::Uint8 as i32 {
        raw.iter().map(|&b| i32::from(b)).collect()
    } else {
        raw.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    let fits = |v: &i32| match kind {
        k if k == DataType::Int8 as i32 => i8::try_from(*v).is_ok(),
        k if k == DataType::Uint8 as i32 => u8::try_from(*v).is_ok(),
        k => k == DataType::Int32 as i32,
    };
    (values.len() == count(t)? && values.iter().all(fits)).then_some(values)
}

fn floats(t: &TensorProto) -> Option<Vec<f32>> {
    let values: Vec<f32> = if t.float_data.is_empty() {
        t.raw_data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    } else {
        t.float_data.clone()
    };
    (t.data_type == DataType::Float as i32 && values.len() == count(t)?).then_some(values)
}

fn count(t: &TensorProto) -> Option<usize> {
    let dims = t.dims.iter().map(|&d| usize::try_from(d).ok());
    dims.into_iter().try_fold(1usize, |n, d| n.checked_mul(d?))
}

impl Rewriter {
    fn tensor(&self, name: &str, what: &str) -> Result<&TensorProto, String> {
        self.constants.get(name).ok_or_else(|| format!("its {what} \"{name}\" is not constant"))
    }

    /// Positive finite scales.
    pub(super) fn scales(&self, name: &str) -> Result<Vec<f32>, String> {
        let scales = floats(self.tensor(name, "scale")?).filter(|s| !s.is_empty());
        let good = |s: &f32| s.is_finite() && *s >= f32::MIN_POSITIVE;
        scales
            .filter(|s| s.iter().all(good))
            .ok_or_else(|| format!("its scale \"{name}\" is not made of positive floats"))
    }

    /// Zero points, and what they are shifted by to be int8. Without a name they are 0 of uint8.
    fn zeros(&self, name: &str) -> Result<(Vec<i32>, i32), String> {
        if name.is_empty() {
            return Ok((vec![0], 128));
        }
        let tensor = self.tensor(name, "zero point")?;
        let shift = match tensor.data_type {
            k if k == DataType::Uint8 as i32 => 128,
            k if k == DataType::Int8 as i32 || k == DataType::Int32 as i32 => 0,
            _ => return Err(format!("its zero point \"{name}\" is neither int8 nor uint8")),
        };
        let zeros = integers(tensor).filter(|z| !z.is_empty());
        Ok((zeros.ok_or_else(|| format!("its zero point \"{name}\" cannot be read"))?, shift))
    }

    /// Scale and zero point of an activation, as int8.
    pub(super) fn quant(&self, scale: &str, zero: &str) -> Result<Quant, String> {
        let (scales, (zeros, shift)) = (self.scales(scale)?, self.zeros(zero)?);
        let (&[scale], &[zero]) = (&scales[..], &zeros[..]) else {
            return Err(format!("an activation has {} scales; there can be one", scales.len()));
        };
        match i8::try_from(zero - shift) {
            Ok(zero) => Ok(Quant { scale, zero: zero.into() }),
            Err(_) => Err(format!("the zero point {zero} of an activation is not one of int8")),
        }
    }

    /// A constant of integers. A missing zero point is 0.
    pub(super) fn integers(
        &self,
        name: &str,
        scale: Vec<f32>,
        zero: &str,
        axis: i64,
    ) -> Result<Integers, String> {
        let tensor = self.tensor(name, "operand")?;
        let values = integers(tensor).ok_or_else(|| format!("\"{name}\" is not int8, uint8 or int32"))?;
        let shift = if tensor.data_type == DataType::Uint8 as i32 { 128 } else { 0 };
        let zeros = if zero.is_empty() { vec![0] } else { self.zeros(zero)?.0 };
        let rank = tensor.dims.len() as i64;
        let axis = if axis < 0 { axis + rank } else { axis };
        let of_axis = usize::try_from(axis).ok().and_then(|a| Some((a, *tensor.dims.get(a)? as usize)));
        let (axis, extent) = match of_axis {
            _ if scale.len() == 1 && zeros.len() == 1 => (0, 1),
            Some((axis, extent))
                if [1, extent].contains(&scale.len()) && [1, extent].contains(&zeros.len()) =>
            {
                (axis, extent)
            }
            _ => return Err(format!("\"{name}\" has {} scales along axis {axis}", scale.len())),
        };
        let inner: usize = tensor.dims.iter().skip(axis + 1).map(|&d| d as usize).product();
        let zero = |i: usize| if zeros.len() == 1 { zeros[0] } else { zeros[i / inner % extent] };
        let values = values.iter().enumerate().map(|(i, v)| v.wrapping_sub(zero(i))).collect();
        let one = zeros.iter().all(|z| *z == zeros[0]).then(|| zeros[0] - shift);
        Ok(Integers { dims: tensor.dims.clone(), values, scales: scale, axis, zero: one })
    }
}

impl Integers {
    /// How many elements lie behind one index of the axis, and how many indices there are.
    fn runs(&self, axis: usize) -> (usize, usize) {
        let inner = self.dims.iter().skip(axis + 1).map(|&d| d as usize).product();
        (inner, self.dims.get(axis).map_or(1, |&d| d as usize))
    }

    /// The reals.
    pub(super) fn reals(&self) -> Vec<f32> {
        let (inner, extent) = self.runs(self.axis);
        let scale =
            |i: usize| if self.scales.len() == 1 { self.scales[0] } else { self.scales[i / inner % extent] };
        self.values.iter().enumerate().map(|(i, &v)| v as f32 * scale(i)).collect()
    }

    /// What lowering wants to know of weights whose outputs lie along an axis, or why it cannot use them.
    pub(super) fn layer(&self, axis: usize) -> Result<GivenLayer, String> {
        let zero = self.zero.ok_or("its weights have several zero points; there can be one")?;
        let zero = i8::try_from(zero).map_err(|_| format!("the zero point of its weights is {zero}"))?;
        if self.scales.len() > 1 && self.axis != axis {
            return Err(format!(
                "its weights have scales along axis {}, its outputs lie along {axis}",
                self.axis
            ));
        }
        let (inner, extent) = self.runs(axis);
        let mut peaks = vec![0; extent];
        for (i, v) in self.values.iter().enumerate() {
            let peak = &mut peaks[i / inner % extent];
            *peak = v.saturating_abs().max(*peak);
        }
        Ok(GivenLayer { scales: self.scales.clone(), peaks, zero, bias: Vec::new() })
    }
}
