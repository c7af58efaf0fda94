//! Operators along axes: softmax, means, largest values, norms.

use super::file::Node;
use super::lower::{Lowering, kind_name};
use super::slices::axis;
use crate::error::Result;
use crate::program::Operand;
use crate::walk::Walk;
use mote_format::{
    ArgMax, L2Norm, MaxPool2d, Op as Kernel, Pads, Quant, Reshape, Rounding, Scale, Softmax, Stride,
    SumPool2d, SumPool2d16, TopK,
};
use mote_kernels::quant::scale_of;
use tract_tflite::tflite::{ActivationFunctionType, TensorType};

/// Integer bits of the differences whose exponentials are taken.
const INTEGER_BITS: i32 = 5;

/// `PreprocessSoftmaxScaling` and `CalculateInputRadius` of TFLite.
pub(super) fn softmax<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_softmax_options())?;
    let (input, x) = l.operand(node, 0)?;
    l.expect_shape(node, &l.input(node, 0)?.dims)?;
    let y = l.quant(node, l.output(node)?)?;
    if y != (Quant { scale: 1.0 / 256.0, zero: -128 }) {
        return Err(l.refuse(node, format!("its output has {y:?}; it must be 1/256 and -128")));
    }
    let unit = f64::from(1 << (31 - INTEGER_BITS));
    let real = f64::from(options.beta()) * f64::from(x.scale) * unit;
    if !(real > 1.0 && real.is_finite()) {
        return Err(l.refuse(node, format!("beta {} at scale {} is too small", options.beta(), x.scale)));
    }
    let scale = scale_of(real.min(f64::from(i32::MAX)));
    let radius = f64::from((1 << INTEGER_BITS) - 1) * unit / 2f64.powi(scale.shift.into());
    let diff_min = -(radius.floor().min(255.0) as i32);
    l.push(node, Kernel::Softmax(Softmax { scale, diff_min }), &[input])
}

/// The mean: a sum whose multiplier is divided by the number of values, as TFLite does it in integers.
pub(super) fn mean<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let over = reduced(l, node)?;
    let (x, y) = (l.quant(node, l.input(node, 0)?)?, l.quant(node, l.output(node)?)?);
    let real = scale_of(f64::from(x.scale) / f64::from(y.scale));
    let count = (over.image[1] * over.image[2]) as i64;
    let widen = i32::from(count.ilog2() as u8).min(32).min(31 + i32::from(real.shift));
    let scale = Scale {
        mult: l.narrow(node, "multiplier", (i64::from(real.mult) << widen.max(0)) / count)?,
        shift: l.narrow(node, "exponent", i64::from(i32::from(real.shift) - widen.max(0)))?,
    };
    over.sum(l, node, scale)
}

pub(super) fn sum<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let over = reduced(l, node)?;
    let (x, y) = (l.quant(node, l.input(node, 0)?)?, l.quant(node, l.output(node)?)?);
    over.sum(l, node, scale_of(f64::from(x.scale) / f64::from(y.scale)))
}

pub(super) fn max<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let over = reduced(l, node)?;
    l.keeps_scale(node, 0)?;
    let input = over.operand(l, node)?;
    let (stride, pads, [kh, kw]) = (ONE, NO_PADS, over.kernel(l, node)?);
    over.pool(l, node, input, Kernel::MaxPool2d(MaxPool2d { kh, kw, stride, pads, min: -128, max: 127 }))
}

/// The smallest is the largest of the mirrored values, mirrored.
pub(super) fn min<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let over = reduced(l, node)?;
    let y = l.keeps_scale(node, 0)?;
    let input = over.operand(l, node)?;
    let input = l.push_mirror(node, input)?;
    let (stride, pads, [kh, kw]) = (ONE, NO_PADS, over.kernel(l, node)?);
    let [n, _, _, c] = over.image;
    let op = Kernel::MaxPool2d(MaxPool2d { kh, kw, stride, pads, min: -128, max: 127 });
    let whole = l.push_shaped(node, op, &[input], &[n, 1, 1, c])?;
    l.requantized(node, 0, whole, Quant { zero: -1 - y.zero, ..y })?;
    let whole = l.push_mirror(node, whole)?;
    l.push(node, Kernel::Reshape(Reshape {}), &[whole])
}

const ONE: Stride = Stride { h: 1, w: 1 };
const NO_PADS: Pads = Pads { top: 0, left: 0, bottom: 0, right: 0 };

/// A reduction as one over the rows and columns of an image.
struct Reduced {
    image: [usize; 4],
    /// How the input becomes that image, where the reduced dimensions are no neighbours.
    turn: Option<Walk>,
}

/// Checks the axes. An image's rows and columns stay what they are; other dimensions become rows and columns of some image.
fn reduced(l: &Lowering<'_>, node: &Node<'_>) -> Result<Reduced> {
    let (x, axes) = (l.input(node, 0)?, l.integers(node, 1)?);
    let keep = l.options(node, node.options.builtin_options_as_reducer_options())?.keep_dims();
    let rank = x.dims.len();
    let mut over = Vec::new();
    for &a in &axes {
        over.push(axis(l, node, a, rank)?);
    }
    if x.dims.contains(&0) {
        return Err(l.refuse(node, format!("its input has the shape {:?}", x.dims)));
    }
    let kept: Vec<usize> = (0..rank).filter(|d| !over.contains(d)).collect();
    let dims = |d: usize| if over.contains(&d) { keep.then_some(1) } else { Some(x.dims[d]) };
    l.expect_shape(node, &(0..rank).filter_map(dims).collect::<Vec<_>>())?;
    over.sort_unstable();
    over.dedup();
    let product = |list: &[usize]| list.iter().map(|&d| x.dims[d]).product::<usize>();
    let (first, count) = (over.first().copied().unwrap_or(0), over.len());
    let neighbours = over.iter().copied().eq(first..first + count);
    let [h, w] = match over[..] {
        [] => [1, 1],
        [a, ref rest @ ..] => [x.dims[a], product(rest)],
    };
    if neighbours {
        let image = [x.dims[..first].iter().product(), h, w, x.dims[first + count..].iter().product()];
        return Ok(Reduced { image, turn: None });
    }
    let order = [&kept[..], &over[..]].concat();
    Ok(Reduced { image: [product(&kept), h, w, 1], turn: Some(Walk::over(&x.dims).turn(&order)) })
}

impl Reduced {
    /// The image.
    fn operand<'a>(&self, l: &mut Lowering<'a>, node: &Node<'a>) -> Result<Operand> {
        let Some(way) = &self.turn else { return l.place(node, 0, &self.image) };
        let op = way.op().ok_or_else(|| l.refuse(node, "it moves along more than six dimensions"))?;
        let (input, quant) = l.operand(node, 0)?;
        let turned = l.push_shaped(node, op, &[input], &self.image)?;
        l.requantized(node, 0, turned, quant)?;
        Ok(turned)
    }

    fn kernel(&self, l: &Lowering<'_>, node: &Node<'_>) -> Result<[u16; 2]> {
        Ok([l.narrow(node, "height", self.image[1] as i64)?, l.narrow(node, "width", self.image[2] as i64)?])
    }

    fn sum<'a>(&self, l: &mut Lowering<'a>, node: &Node<'a>, scale: Scale) -> Result<()> {
        let input = self.operand(l, node)?;
        let (stride, pads, round, [kh, kw]) = (ONE, NO_PADS, Rounding::Double, self.kernel(l, node)?);
        if l.output(node)?.kind == TensorType::INT16 {
            let op = SumPool2d16 { kh, kw, stride, pads, scale, min: i16::MIN, max: i16::MAX };
            return self.pool(l, node, input, Kernel::SumPool2d16(op));
        }
        let op = SumPool2d { kh, kw, stride, pads, scale, round, min: -128, max: 127 };
        self.pool(l, node, input, Kernel::SumPool2d(op))
    }

    /// Appends a pool over the whole image, and a reshape where the output is none.
    fn pool<'a>(&self, l: &mut Lowering<'a>, node: &Node<'a>, input: Operand, op: Kernel) -> Result<()> {
        let [n, _, _, c] = self.image;
        if l.output(node)?.dims == [n, 1, 1, c] {
            return l.push(node, op, &[input]);
        }
        let whole = l.push_shaped(node, op, &[input], &[n, 1, 1, c])?;
        l.push(node, Kernel::Reshape(Reshape {}), &[whole])
    }
}

/// The index of the largest value along an axis, the first of equals.
pub(super) fn arg_max<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let input = along(l, node)?;
    l.push(node, Kernel::ArgMax(ArgMax {}), &[input])
}

/// The smallest is the largest of the mirrored values.
pub(super) fn arg_min<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let input = along(l, node)?;
    let input = l.push_mirror(node, input)?;
    l.push(node, Kernel::ArgMax(ArgMax {}), &[input])
}

/// The input with the axis that input 1 names as its last dimension.
fn along<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<Operand> {
    let (x, y) = (l.input(node, 0)?, l.output(node)?);
    let axis = match l.integers(node, 1)?[..] {
        [a] => axis(l, node, a, x.dims.len())?,
        ref many => return Err(l.refuse(node, format!("its axes are {many:?}"))),
    };
    if !matches!(y.kind, TensorType::INT32 | TensorType::INT64) {
        return Err(l.refuse(node, format!("it gives {}", kind_name(y.kind))));
    }
    let mut dims = x.dims.clone();
    let length = dims.remove(axis);
    l.expect_shape(node, &dims)?;
    let (input, quant) = l.operand(node, 0)?;
    if axis == dims.len() {
        return Ok(input);
    }
    let order: Vec<usize> = (0..=dims.len()).filter(|&d| d != axis).chain([axis]).collect();
    let op = Walk::over(&x.dims).turn(&order).op();
    let op = op.ok_or_else(|| l.refuse(node, "it moves along more than six dimensions"))?;
    dims.push(length);
    let turned = l.push_shaped(node, op, &[input], &dims)?;
    l.requantized(node, 0, turned, quant)?;
    Ok(turned)
}

/// Values and their indices, an output each.
pub(super) fn top_k<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, k) = (l.input(node, 0)?, l.integers(node, 1)?);
    let (values, indices) = (l.output_at(node, 0)?, l.output_at(node, 1)?);
    l.same_values(node, x, values)?;
    let Some((&length, rows)) = x.dims.split_last() else {
        return Err(l.refuse(node, "its input is a scalar"));
    };
    let k = match k[..] {
        [k] if k > 0 && k <= length as i64 => k as usize,
        ref other => return Err(l.refuse(node, format!("it takes the {other:?} largest of {length}"))),
    };
    let y = [rows, &[k]].concat();
    if node.outputs.len() != 2 || values.dims != y || indices.dims != y || indices.kind != TensorType::INT32 {
        return Err(l.refuse(node, format!("its outputs are not {y:?} of int8 and int32")));
    }
    let (input, _) = l.operand(node, 0)?;
    for output in 0..2 {
        l.push_output(node, output, Kernel::TopK(TopK {}), &[input])?;
    }
    Ok(())
}

/// Rows of length 1, at the scale that TFLite demands.
pub(super) fn l2_normalization<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_l2_norm_options())?;
    let (x, y) = (l.input(node, 0)?, l.quant(node, l.output(node)?)?);
    l.expect_shape(node, &x.dims)?;
    if y != (Quant { scale: 1.0 / 128.0, zero: 0 }) {
        return Err(l.refuse(node, format!("its output has {y:?}; it must be 1/128 and 0")));
    }
    if options.fused_activation_function() != ActivationFunctionType::NONE {
        return Err(l.refuse(node, "it has a fused activation"));
    }
    if x.dims.last().is_none_or(|&c| c > MAX_SQUARES) {
        return Err(l.refuse(node, format!("rows of {:?} have sums of squares beyond 32 bits", x.dims)));
    }
    let (input, _) = l.operand(node, 0)?;
    l.push(node, Kernel::L2Norm(L2Norm {}), &[input])
}

/// So many squares of at most 255² fit 31 bits.
const MAX_SQUARES: usize = 33_025;
