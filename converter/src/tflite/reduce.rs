//! Operators along axes: softmax, means, largest values.

use super::file::Node;
use super::lower::Lowering;
use crate::error::Result;
use crate::program::Tensor;
use mote_format::{
    ArgMax, DType, MaxPool2d, Op as Kernel, Pads, Quant, Reshape, Rounding, Scale, Softmax, Stride, SumPool2d,
};
use mote_kernels::quant::scale_of;
use tract_tflite::tflite::TensorType;

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

/// The mean over rows and columns: a sum whose multiplier is divided by their number, as TFLite does it in integers.
pub(super) fn mean<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let [_, h, w, _] = reduced(l, node)?;
    let (x, y) = (l.quant(node, l.input(node, 0)?)?, l.quant(node, l.output(node)?)?);
    let real = scale_of(f64::from(x.scale / y.scale));
    let count = (h * w) as i64;
    let widen = i32::from(count.ilog2() as u8).min(32).min(31 + i32::from(real.shift));
    let scale = Scale {
        mult: l.narrow(node, "multiplier", (i64::from(real.mult) << widen.max(0)) / count)?,
        shift: l.narrow(node, "exponent", i64::from(i32::from(real.shift) - widen.max(0)))?,
    };
    let [kh, kw] = [l.narrow(node, "height", h as i64)?, l.narrow(node, "width", w as i64)?];
    let (stride, pads, round) = (Stride { h: 1, w: 1 }, NO_PADS, Rounding::Double);
    pooled(l, node, Kernel::SumPool2d(SumPool2d { kh, kw, stride, pads, scale, round, min: -128, max: 127 }))
}

/// The largest value over rows and columns.
pub(super) fn max<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let [_, h, w, _] = reduced(l, node)?;
    l.keeps_scale(node, 0)?;
    let [kh, kw] = [l.narrow(node, "height", h as i64)?, l.narrow(node, "width", w as i64)?];
    let (stride, pads) = (Stride { h: 1, w: 1 }, NO_PADS);
    pooled(l, node, Kernel::MaxPool2d(MaxPool2d { kh, kw, stride, pads, min: -128, max: 127 }))
}

const NO_PADS: Pads = Pads { top: 0, left: 0, bottom: 0, right: 0 };

/// The dimensions of an image that is reduced over rows and columns.
fn reduced(l: &Lowering<'_>, node: &Node<'_>) -> Result<[usize; 4]> {
    let (x, axes) = (l.input(node, 0)?, l.integers(node, 1)?);
    let keep = l.options(node, node.options.builtin_options_as_reducer_options())?.keep_dims();
    let &[n, h, w, c] = &x.dims[..] else {
        return Err(l.refuse(node, format!("its input has the shape {:?}", x.dims)));
    };
    let mut over: Vec<i64> = axes.iter().map(|&a| if a < 0 { a.saturating_add(4) } else { a }).collect();
    over.sort_unstable();
    if over != [1, 2] || n * h * w * c == 0 {
        return Err(l.refuse(node, format!("it reduces axes {axes:?}; rows and columns are 1 and 2")));
    }
    l.expect_shape(node, &if keep { vec![n, 1, 1, c] } else { vec![n, c] })?;
    Ok([n, h, w, c])
}

/// Appends a pool over the whole image, and a reshape where the axes are dropped.
fn pooled<'a>(l: &mut Lowering<'a>, node: &Node<'a>, op: Kernel) -> Result<()> {
    let (input, _) = l.operand(node, 0)?;
    let (x, y) = (l.input(node, 0)?, l.output(node)?);
    if y.dims.len() == 4 {
        return l.push(node, op, &[input]);
    }
    let dims = [x.dims[0], 1, 1, x.dims[3]];
    let shape = super::lower::shape(&dims).map_err(|cause| l.refuse(node, cause))?;
    let quant = l.quant(node, y)?;
    let tensor = Tensor { name: y.name.clone(), dtype: DType::I8, shape, quant, value: None };
    let whole = l.push_as(node, op, input, tensor);
    l.push(node, Kernel::Reshape(Reshape {}), &[whole])
}

/// The index of the largest value along the last axis, the first of equals.
pub(super) fn arg_max<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, axis, y) = (l.input(node, 0)?, l.integers(node, 1)?, l.output(node)?);
    let rank = x.dims.len();
    let last = axis == [-1] || axis == [rank as i64 - 1];
    if !last || ![TensorType::INT32, TensorType::INT64].contains(&y.kind) {
        return Err(l.refuse(node, "it works along the last axis and gives int32 or int64"));
    }
    l.expect_shape(node, &x.dims[..rank.saturating_sub(1)])?;
    let (input, _) = l.operand(node, 0)?;
    l.push(node, Kernel::ArgMax(ArgMax {}), &[input])
}
