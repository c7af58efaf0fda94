//! Element-wise functions move in front of reshapes and transposes, where the layer that feeds them
//! can take them in; the reshapes and transposes sink towards the end, where they meet and merge.
//!
//! The same for adding or multiplying a constant after a reshape that keeps the last axis, which is
//! how a dense layer over more than two axes gets its bias; and for batch normalisation after one that
//! keeps the channels, as behind a one-dimensional convolution.

use super::patch::{Patch, View};
use crate::error::Result;
use crate::ir::{Layout, Node, Op, Origin, ValueId};

/// Node rule.
pub(crate) fn rule(view: &View<'_>, index: usize) -> Result<Option<Patch>> {
    let node = &view.graph.nodes[index];
    let Some((before, mover)) = view.private_producer(node.inputs[0]) else { return Ok(None) };
    let x = mover.inputs[0];
    let movable = match (&node.op, &mover.op) {
        (Op::Activation(_) | Op::Function(_), Op::Reshape | Op::Transpose { .. }) => true,
        (Op::Add | Op::Mul, Op::Reshape) => along_last_axis(view, x, node),
        (Op::BatchNorm { .. }, Op::Reshape) => keeps_channels(view, x, node.inputs[0]),
        _ => false,
    };
    if !movable || view.shape(node.inputs[0]) != view.shape(node.output) {
        return Ok(None);
    }
    let result = view.graph.value(node.output);
    let origin = result.origin.as_ref().and_then(|o| origin_before(o, &result.shape, &mover.op));
    let mut patch = Patch::new(view);
    let moved = patch.value(&format!("{}_moved", result.name), view.shape(x), origin);
    let mut inputs = node.inputs.clone();
    inputs[0] = x;
    patch.drop(before);
    patch.drop(index);
    patch.node(Node { inputs, output: moved, ..node.clone() });
    patch.node(Node { inputs: vec![moved], output: node.output, ..mover.clone() });
    Ok(Some(patch))
}

/// Whether batch and channels are the first two axes on both sides of the reshape.
fn keeps_channels(view: &View<'_>, x: ValueId, y: ValueId) -> bool {
    let (from, to) = (view.shape(x), view.shape(y));
    view.graph.layout == Layout::Nchw && from.len() > 1 && to.len() > 1 && from[..2] == to[..2]
}

/// Whether the second operand is a constant that only varies along the last axis, which the reshape
/// from `x` keeps.
fn along_last_axis(view: &View<'_>, x: ValueId, node: &Node) -> bool {
    let Some(konst) = view.graph.konst(node.inputs[1]) else { return false };
    let (from, to) = (view.shape(x), view.shape(node.inputs[0]));
    let vector = konst.shape().iter().rev().skip(1).all(|&d| d == 1) && konst.ndim() <= from.len();
    let kept = from.last() == to.last() && konst.ndim() <= from.len();
    konst.len() == 1 && konst.ndim() <= from.len() || vector && kept
}

/// Origin of the value in front of the mover, from that of the value behind.
fn origin_before(behind: &Origin, shape: &[usize], mover: &Op) -> Option<Origin> {
    match mover {
        Op::Reshape => Some(behind.clone()),
        Op::Transpose { perm } => {
            let mut back = vec![0; perm.len()];
            perm.iter().enumerate().for_each(|(place, &axis)| back[axis] = place);
            behind.permuted(shape, &back)
        }
        _ => None,
    }
}
