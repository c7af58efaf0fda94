//! Operators that move values: concatenation, padding, reshapes.

use super::file::Node;
use super::lower::Lowering;
use super::unsigned;
use crate::error::Result;
use crate::program::Operand;
use mote_format::{Concat, MAX_INPUTS, MAX_RANK, Op as Kernel, Pad, Reshape, Transpose};
use tract_tflite::tflite::ActivationFunctionType;

/// The file says what shape comes out; which operator it was makes no difference.
pub(super) fn reshape<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, y) = (l.input(node, 0)?, l.output(node)?);
    if x.dims.iter().product::<usize>() != y.dims.iter().product::<usize>() {
        return Err(l.refuse(node, format!("{:?} cannot become {:?}", x.dims, y.dims)));
    }
    l.quant(node, y)?;
    let (input, _) = l.operand(node, 0)?;
    l.push(node, Kernel::Reshape(Reshape {}), &[input])
}

pub(super) fn concat<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_concatenation_options())?;
    let (y, count) = (l.output(node)?, node.inputs.len());
    if options.fused_activation_function() != ActivationFunctionType::NONE {
        return Err(l.refuse(node, "it has a fused activation"));
    }
    let rank = y.dims.len() as i64;
    let axis = i64::from(options.axis());
    let axis = usize::try_from(if axis < 0 { axis + rank } else { axis }).unwrap_or(usize::MAX);
    let (mut inputs, mut joined) = (Vec::new(), vec![0; y.dims.len()]);
    for i in 0..count {
        let x = l.input(node, i)?;
        let fits = axis < y.dims.len()
            && x.dims.len() == y.dims.len()
            && (0..y.dims.len()).all(|d| d == axis || x.dims[d] == y.dims[d]);
        if !fits {
            return Err(l.refuse(node, format!("{:?} is no part of {:?} on axis {axis}", x.dims, y.dims)));
        }
        let before = joined[axis];
        joined.clone_from(&x.dims);
        joined[axis] += before;
        inputs.push((unsigned::joinable(l, node, i)?, x.dims[axis]));
    }
    l.expect_shape(node, &joined)?;
    join(l, node, axis, inputs)
}

/// Joins operands, given with their lengths along the axis. More than the kernel takes become joined parts first.
fn join<'a>(
    l: &mut Lowering<'a>,
    node: &Node<'a>,
    axis: usize,
    mut operands: Vec<(Operand, usize)>,
) -> Result<()> {
    let op = Kernel::Concat(Concat { axis: l.narrow(node, "axis", axis as i64)? });
    let mut dims = l.output(node)?.dims.clone();
    while operands.len() > MAX_INPUTS {
        let mut parts = Vec::new();
        for some in operands.chunks(MAX_INPUTS) {
            let inputs: Vec<Operand> = some.iter().map(|o| o.0).collect();
            dims[axis] = some.iter().map(|o| o.1).sum();
            let part = if some.len() == 1 { inputs[0] } else { l.push_shaped(node, op, &inputs, &dims)? };
            parts.push((part, dims[axis]));
        }
        operands = parts;
    }
    let inputs: Vec<Operand> = operands.iter().map(|o| o.0).collect();
    l.push(node, op, &inputs)
}

/// Tensors of one shape along a new axis: each becomes one slice.
pub(super) fn pack<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_pack_options())?;
    let (first, count) = (l.input(node, 0)?, node.inputs.len());
    let rank = first.dims.len() as i64 + 1;
    let axis = i64::from(options.axis());
    let axis = usize::try_from(if axis < 0 { axis + rank } else { axis }).unwrap_or(usize::MAX);
    if axis > first.dims.len() {
        return Err(l.refuse(node, format!("its axis is {}", options.axis())));
    }
    let mut slice = first.dims.clone();
    slice.insert(axis, 1);
    let mut whole = slice.clone();
    whole[axis] = count;
    l.expect_shape(node, &whole)?;
    let mut inputs = Vec::new();
    for i in 0..count {
        l.keeps_scale(node, i)?;
        if l.input(node, i)?.dims != first.dims {
            return Err(l.refuse(node, "its inputs have different shapes"));
        }
        inputs.push((l.place(node, i, &slice)?, 1));
    }
    join(l, node, axis, inputs)
}

pub(super) fn transpose<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, order) = (l.input(node, 0)?, l.integers(node, 1)?);
    l.keeps_scale(node, 0)?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if x.dims.len() > MAX_RANK || !sorted.iter().copied().eq(0..x.dims.len() as i64) {
        return Err(l.refuse(node, format!("its order of dimensions is {order:?}")));
    }
    let (mut perm, mut dims) = ([0; MAX_RANK], Vec::new());
    for (p, &axis) in perm.iter_mut().zip(&order) {
        *p = l.narrow(node, "axis", axis)?;
        dims.push(x.dims[axis as usize]);
    }
    l.expect_shape(node, &dims)?;
    let (input, _) = l.operand(node, 0)?;
    l.push(node, Kernel::Transpose(Transpose { perm }), &[input])
}

/// The border holds the output's zero point.
pub(super) fn pad<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let value = l.keeps_scale(node, 0)?.zero;
    pad_with(l, node, value)
}

/// The border holds a given value.
pub(super) fn pad_v2<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    l.keeps_scale(node, 0)?;
    match l.input(node, 2)?.i8s().as_deref() {
        Some(&[value]) => pad_with(l, node, value.into()),
        _ => Err(l.refuse(node, "its value is no int8 constant")),
    }
}

fn pad_with<'a>(l: &mut Lowering<'a>, node: &Node<'a>, value: i32) -> Result<()> {
    let (x, amounts) = (l.input(node, 0)?, l.integers(node, 1)?);
    if amounts.len() != 2 * x.dims.len() || x.dims.len() > MAX_RANK {
        return Err(l.refuse(node, format!("it has {} amounts for {:?}", amounts.len(), x.dims)));
    }
    let (mut before, mut dims) = ([0; MAX_RANK], Vec::new());
    for (axis, sides) in amounts.chunks_exact(2).enumerate() {
        before[axis] = l.narrow(node, "padding", sides[0])?;
        let after: u32 = l.narrow(node, "padding", sides[1])?;
        dims.push(x.dims[axis] + usize::from(before[axis]) + after as usize);
    }
    l.expect_shape(node, &dims)?;
    let value = l.narrow(node, "value", value.into())?;
    let (input, _) = l.operand(node, 0)?;
    l.push(node, Kernel::Pad(Pad { before, value }), &[input])
}
