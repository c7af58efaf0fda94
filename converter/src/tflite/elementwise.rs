//! Sums, products and changes of scale.

use super::file::Node;
use super::lower::Lowering;
use crate::error::Result;
use crate::program::Operand;
use mote_format::{Add, Dequantize, Mul, Op as Kernel, Quant, Quantize, Requantize, Rounding};
use mote_kernels::quant::scale_of;
use tract_tflite::tflite::TensorType;

/// Bits by which the inputs of a sum are widened before they are brought to one scale.
const LEFT: u8 = 20;

pub(super) fn add<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_add_options())?;
    let ((a, qa), (b, qb)) = pair(l, node)?;
    let y = l.quant(node, l.output(node)?)?;
    let (min, max) = l.bounds(node, y, options.fused_activation_function())?;
    let common = 2.0 * f64::from(qa.scale).max(f64::from(qb.scale));
    let op = Add {
        a: scale_of(f64::from(qa.scale) / common),
        b: scale_of(f64::from(qb.scale) / common),
        y: scale_of(common / (f64::from(1 << LEFT) * f64::from(y.scale))),
        left: LEFT,
        round: Rounding::Double,
        min,
        max,
    };
    l.push(node, Kernel::Add(op), &[a, b])
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
fn pair(l: &mut Lowering<'_>, node: &Node<'_>) -> Result<((Operand, Quant), (Operand, Quant))> {
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
