//! Sums, products and changes of scale.

use super::file::Node;
use super::lower::{Lowering, kind_name};
use crate::error::Result;
use crate::program::Operand;
use mote_format::{
    Add, Cast, Clamp, DType, Dequantize, Div, Maximum, Minimum, Mul, Op as Kernel, Prelu, Quant, Quantize,
    Requantize, Reshape, Rounding,
};
use mote_kernels::quant::{double, scale_of};
use tract_tflite::tflite::TensorType;

/// Bits by which the inputs of a sum are widened before they are brought to one scale.
const LEFT: u8 = 20;

pub(super) fn add<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_add_options())?;
    let ((a, qa), (b, qb)) = pair(l, node)?;
    let y = l.quant(node, l.output(node)?)?;
    let (min, max) = l.bounds(node, y, options.fused_activation_function())?;
    l.push(node, Kernel::Add(sum(qa, qb, y, (min, max))), &[a, b])
}

/// Both operands go to twice the larger scale, so that their sum cannot overflow.
fn sum(a: Quant, b: Quant, y: Quant, (min, max): (i8, i8)) -> Add {
    let common = 2.0 * f64::from(a.scale).max(f64::from(b.scale));
    Add {
        a: scale_of(f64::from(a.scale) / common),
        b: scale_of(f64::from(b.scale) / common),
        y: scale_of(common / (f64::from(1 << LEFT) * f64::from(y.scale))),
        left: LEFT,
        round: Rounding::Double,
        min,
        max,
    }
}

/// The sum with the second operand negated, where that is the difference bit for bit: rounding half up is not symmetric,
/// but few scales ever meet a half.
pub(super) fn sub<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_sub_options())?;
    let ((a, qa), (b, qb)) = pair(l, node)?;
    let y = l.quant(node, l.output(node)?)?;
    let (min, max) = l.bounds(node, y, options.fused_activation_function())?;
    let op = sum(qa, qb, y, (min, max));
    let scaled = |v: i32| double(v << LEFT, op.b.mult, op.b.shift.into());
    if (-255..=255).any(|v| scaled(-v) != -scaled(v)) {
        return Err(l.refuse(node, format!("scales {} and {} round differently", qa.scale, qb.scale)));
    }
    let b = l.push_mirror(node, b)?;
    l.push(node, Kernel::Add(op), &[a, b])
}

pub(super) fn maximum<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    compare(l, node, Kernel::Maximum(Maximum {}), |bound| (bound, 127))
}

pub(super) fn minimum<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    compare(l, node, Kernel::Minimum(Minimum {}), |bound| (-128, bound))
}

/// The larger or smaller of each two values; against a constant of one element, bounds.
fn compare<'a>(
    l: &mut Lowering<'a>,
    node: &Node<'a>,
    op: Kernel,
    bounds: impl Fn(i8) -> (i8, i8),
) -> Result<()> {
    l.keeps_scale(node, 0)?;
    l.keeps_scale(node, 1)?;
    let constant = if l.input(node, 1)?.data.is_some() { 1 } else { 0 };
    let (x, k) = (1 - constant, l.input(node, constant)?);
    if let Some(&[bound]) = k.i8s().as_deref()
        && l.input(node, x)?.dims == l.output(node)?.dims
    {
        let (input, _) = l.operand(node, x)?;
        let (min, max) = bounds(bound);
        return l.push(node, Kernel::Clamp(Clamp { min, max }), &[input]);
    }
    let ((a, _), (b, _)) = pair(l, node)?;
    l.push(node, op, &[a, b])
}

/// TFLite multiplies and divides the scales as floats.
pub(super) fn div<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_div_options())?;
    let ((a, qa), (b, qb)) = pair(l, node)?;
    let y = l.quant(node, l.output(node)?)?;
    let (min, max) = l.bounds(node, y, options.fused_activation_function())?;
    let scale = scale_of(f64::from(qa.scale / (qb.scale * y.scale)));
    // Beyond this, LiteRT shifts the largest quotients by fewer bits than none.
    if scale.shift > 23 {
        let cause = format!("scales {}, {} and {} leave its fixed point", qa.scale, qb.scale, y.scale);
        return Err(l.refuse(node, cause));
    }
    l.push(node, Kernel::Div(Div { scale, min, max }), &[a, b])
}

/// TFLite divides and multiplies the scales as floats.
pub(super) fn prelu<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    l.expect_shape(node, &l.input(node, 0)?.dims)?;
    let ((x, qx), (slope, qs)) = pair(l, node)?;
    let y = l.quant(node, l.output(node)?)?;
    let op = Prelu {
        positive: scale_of(f64::from(qx.scale / y.scale)),
        negative: scale_of(f64::from(qx.scale * qs.scale / y.scale)),
        round: Rounding::Double,
    };
    l.push(node, Kernel::Prelu(op), &[x, slope])
}

/// The stored numbers, whatever their scales.
pub(super) fn cast<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, y) = (l.input(node, 0)?, l.output(node)?);
    l.expect_shape(node, &x.dims)?;
    let (Some(from), Some(to)) = (dtype(x.kind), dtype(y.kind)) else {
        let cause = format!("it makes {} of {}", kind_name(y.kind), kind_name(x.kind));
        return Err(l.refuse(node, cause));
    };
    let input = l.place(node, 0, &x.dims)?;
    let op = if from == to { Kernel::Reshape(Reshape {}) } else { Kernel::Cast(Cast { from, to }) };
    l.push(node, op, &[input])
}

/// The type of numbers that the program holds as they are in the file.
fn dtype(kind: TensorType) -> Option<DType> {
    match kind {
        TensorType::INT8 => Some(DType::I8),
        TensorType::INT32 | TensorType::INT64 => Some(DType::I32),
        TensorType::FLOAT32 => Some(DType::F32),
        _ => None,
    }
}

/// TFLite multiplies and divides the scales as floats.
pub(super) fn mul<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_mul_options())?;
    let ((a, qa), (b, qb)) = pair(l, node)?;
    let y = l.quant(node, l.output(node)?)?;
    let (min, max) = l.bounds(node, y, options.fused_activation_function())?;
    let scale = scale_of(f64::from(qa.scale * qb.scale / y.scale));
    l.push(node, Kernel::Mul(Mul { scale, round: Rounding::Double, min, max }), &[a, b])
}

/// Two operands with as many dimensions as the output.
pub(super) fn pair(l: &mut Lowering<'_>, node: &Node<'_>) -> Result<((Operand, Quant), (Operand, Quant))> {
    let y = &l.output(node)?.dims;
    let both = [l.input(node, 0)?, l.input(node, 1)?];
    let rank = both.map(|t| t.dims.len()).into_iter().max().unwrap_or(0);
    if rank > 4 || rank == 0 {
        return Err(l.refuse(node, format!("it has {rank} dimensions")));
    }
    let wide = both.map(|t| [vec![1; rank - t.dims.len()], t.dims.clone()].concat());
    let broadcast = |d: usize| match (wide[0][d], wide[1][d]) {
        (1, n) | (n, 1) => Some(n),
        (a, b) => (a == b).then_some(a),
    };
    if (0..rank).map(broadcast).collect::<Option<Vec<_>>>().as_ref() != Some(y) {
        let cause = format!("{:?} and {:?} do not make {y:?}", both[0].dims, both[1].dims);
        return Err(l.refuse(node, cause));
    }
    let quants = [l.quant(node, both[0])?, l.quant(node, both[1])?];
    Ok(((l.place(node, 0, &wide[0])?, quants[0]), (l.place(node, 1, &wide[1])?, quants[1])))
}

/// Float to int8 at the edge of a model, or int8 to another scale.
pub(super) fn quantize<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, output) = (l.input(node, 0)?, l.output(node)?);
    l.expect_shape(node, &x.dims)?;
    let y = l.quant(node, output)?;
    if x.kind == TensorType::FLOAT32 {
        let input = l.place(node, 0, &x.dims)?;
        return l.push(node, Kernel::Quantize(Quantize {}), &[input]);
    }
    let (input, from) = l.operand(node, 0)?;
    let scale = scale_of(f64::from(from.scale) / f64::from(y.scale));
    let op = Requantize { scale, round: Rounding::Double, min: -128, max: 127 };
    l.push(node, Kernel::Requantize(op), &[input])
}

pub(super) fn dequantize<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    l.float(node, l.output(node)?)?;
    l.expect_shape(node, &l.input(node, 0)?.dims)?;
    let (input, _) = l.operand(node, 0)?;
    l.push(node, Kernel::Dequantize(Dequantize {}), &[input])
}
