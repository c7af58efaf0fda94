//! Operators that move values, reductions, and constants that change their type.

use super::Lowered;
use super::network::{Network, axis};
use crate::proto::{int, size, sizes};
use crate::tflite::file::Node;

/// The file says what shape comes out; which operator it was makes no difference.
pub(super) fn reshape<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let y = n.output(node)?;
    if let Some(values) = n.constant(node, 0) {
        let values = values.into_shape_with_order(y.dims.clone()).map_err(|e| e.to_string())?;
        return n.know(node, values);
    }
    let plain = n.in_order(node, 0)?;
    let dims: Vec<i64> = y.dims.iter().map(|&d| d as i64).collect();
    let shape = n.integers_as(&plain, &dims);
    if y.dims.len() != 4 {
        return n.emit(node, "Reshape", &[plain, shape], &[]);
    }
    let plain = n.step(node, "Reshape", &[plain, shape], &[])?;
    n.emit_in_order(node, plain)
}

/// Constants of 16 bits, or of integers with scales.
pub(super) fn dequantize<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let values = n.floats(node, 0)?;
    n.know(node, values)
}

pub(super) fn concat<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let options = node.options.builtin_options_as_concatenation_options().ok_or("its options are missing")?;
    let rank = n.output(node)?.dims.len();
    let along = axis(rank, options.axis().into())?;
    let inputs = (0..node.inputs.len()).map(|i| n.operand(node, i)).collect::<Lowered<Vec<_>>>()?;
    n.emit_activated(node, "Concat", &inputs, &[size("axis", along)], options.fused_activation_function())
}

/// The border holds 0, or a value that is given.
pub(super) fn pad<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let (amounts, rank) = (n.integers(node, 1)?, n.input(node, 0)?.dims.len());
    if amounts.len() != 2 * rank {
        return Err(format!("it has {} amounts for {rank} dimensions", amounts.len()));
    }
    let mut pads = vec![0; 2 * rank];
    for (from, sides) in amounts.chunks_exact(2).enumerate() {
        let to = axis(rank, from as i64)?;
        (pads[to], pads[to + rank]) = (sides[0], sides[1]);
    }
    let x = n.operand(node, 0)?;
    let mut inputs = vec![n.integers_as(&x, &pads), x];
    inputs.reverse();
    if node.inputs.len() > 2 {
        let value = n.floats(node, 2)?.first().copied().ok_or("it has no value")?;
        inputs.push(n.number("border", value));
    }
    n.emit(node, "Pad", &inputs, &[])
}

pub(super) fn transpose<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let (order, rank) = (n.integers(node, 1)?, n.input(node, 0)?.dims.len());
    let order: Vec<usize> = order.iter().filter_map(|&a| usize::try_from(a).ok()).collect();
    if !crate::ir::is_permutation(&order, rank) {
        return Err(format!("its order of dimensions is {order:?}"));
    }
    let plain = n.in_order(node, 0)?;
    let turned = n.step(node, "Transpose", &[plain], &[sizes("perm", &order)])?;
    n.emit_in_order(node, turned)
}

pub(super) fn mean<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    reduce(n, node, "ReduceMean")
}

pub(super) fn max<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    reduce(n, node, "ReduceMax")
}

pub(super) fn min<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    reduce(n, node, "ReduceMin")
}

pub(super) fn sum<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    reduce(n, node, "ReduceSum")
}

/// Reduced axes are kept first, so that the order of the others is known, and dropped then.
fn reduce(n: &mut Network<'_>, node: &Node<'_>, op: &str) -> Lowered {
    let (x, y) = (n.input(node, 0)?, n.output(node)?);
    let rank = x.dims.len();
    let axes = n.integers(node, 1)?;
    let axes = axes.iter().map(|&a| axis(rank, a)).collect::<Lowered<Vec<_>>>()?;
    let mut inputs = vec![n.operand(node, 0)?];
    let mut attributes = vec![int("keepdims", 1)];
    if op == "ReduceSum" {
        let axes: Vec<i64> = axes.iter().map(|&a| a as i64).collect();
        inputs.push(n.integers_as("axes", &axes));
    } else {
        attributes.push(sizes("axes", &axes));
    }
    if y.dims.len() == rank {
        return n.emit(node, op, &inputs, &attributes);
    }
    // What is left has ones where the axes were; only where several others remain does their order matter.
    let left = (0..rank).filter(|a| !axes.contains(a)).count();
    if rank == 4 && left > 2 {
        return Err("it drops one axis of an image".into());
    }
    let reduced = n.step(node, op, &inputs, &attributes)?;
    let dims: Vec<i64> = y.dims.iter().map(|&d| d as i64).collect();
    let shape = n.integers_as(&reduced, &dims);
    n.emit(node, "Reshape", &[reduced, shape], &[])
}
