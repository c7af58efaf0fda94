//! Takes out nodes that do nothing: Identity and Dropout, reshapes to the same shape, transposes
//! that keep the order, padding by nothing, multiplication by one, addition of zero, clamps without
//! bounds, joins of one, pooling of single elements.

use super::patch::{Patch, View};
use crate::error::Result;
use crate::ir::{Activation, Node, Op, ValueId, Window};

/// Node rule.
pub(crate) fn rule(view: &View<'_>, index: usize) -> Result<Option<Patch>> {
    let node = &view.graph.nodes[index];
    let Some((x, reason)) = does_nothing(view, node) else { return Ok(None) };
    let mut patch = Patch::new(view);
    if let Some(clamp) = node.clamp {
        // The operator does nothing but its bounds do.
        patch.drop(index);
        let op = Op::Activation(Activation::Clip { min: clamp.min, max: clamp.max });
        patch.node(Node { op, inputs: vec![x], clamp: None, ..node.clone() });
        return Ok(Some(patch));
    }
    if patch.bypass(view, index, x) {
        patch.removed(node, reason);
        return Ok(Some(patch));
    }
    if node.op == Op::Reshape {
        return Ok(None);
    }
    // From a value of the caller's to another: a copy is needed, and Reshape is the copy.
    patch.drop(index);
    patch.node(Node { op: Op::Reshape, inputs: vec![x], ..node.clone() });
    Ok(Some(patch))
}

/// The operand that the node hands through, and why it does.
fn does_nothing(view: &View<'_>, node: &Node) -> Option<(ValueId, &'static str)> {
    let x = *node.inputs.first()?;
    let same_shape = view.shape(x) == view.shape(node.output);
    let reason = match &node.op {
        Op::Identity => "does nothing",
        Op::Reshape if same_shape => "does not change the shape",
        Op::Transpose { perm } if perm.iter().copied().eq(0..perm.len()) => "does not change the order",
        Op::Pad { before, after, .. } if before.iter().chain(after).all(|&p| p == 0) => "pads by nothing",
        Op::Activation(Activation::Clip { min: f32::NEG_INFINITY, max: f32::INFINITY }) => "has no bounds",
        Op::Concat { .. } if node.inputs.len() == 1 => "joins a single tensor",
        Op::MaxPool(w) | Op::AveragePool(w) | Op::SumPool(w) if *w == Window::global(1, 1) => {
            "pools single elements"
        }
        Op::Add if same_shape && all_are(view, node, 0.0) => "adds zero",
        Op::Mul if same_shape && all_are(view, node, 1.0) => "multiplies by one",
        _ => return None,
    };
    Some((x, reason))
}

fn all_are(view: &View<'_>, node: &Node, value: f32) -> bool {
    node.inputs.get(1).and_then(|&b| view.graph.konst(b)).is_some_and(|b| b.iter().all(|&x| x == value))
}
