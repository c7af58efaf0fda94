//! ReLU, ReLU6 and Clip become bounds on the result of the node before, where only they read it.
//!
//! Behind a max pooling they go to the node before the pooling, so that its result needs no range
//! for what the bounds would cut off.

use super::patch::{Patch, View};
use crate::error::Result;
use crate::ir::{Clamp, Node, Op};

/// Node rule.
pub(crate) fn rule(view: &View<'_>, index: usize) -> Result<Option<Patch>> {
    let node = &view.graph.nodes[index];
    let own = match node.op {
        Op::Activation(a) => a.as_clamp(),
        // Bounds that a max pooling took before its own producer could.
        Op::MaxPool(_) => return hoist(view, index),
        _ => None,
    };
    let Some(clamp) = own else { return Ok(None) };
    let Some((before, producer)) = view.private_producer(node.inputs[0]) else { return Ok(None) };
    if !takes_bounds(&producer.op) {
        return Ok(None);
    }
    let mut patch = Patch::new(view);
    patch.drop(before);
    patch.drop(index);
    let clamp = joined(joined(producer.clamp, Some(clamp)), node.clamp);
    patch.node(Node { output: node.output, clamp, ..producer.clone() });
    patch.removed(node, format!("fused into \"{}\"", producer.name));
    Ok(Some(patch))
}

fn hoist(view: &View<'_>, index: usize) -> Result<Option<Patch>> {
    let node = &view.graph.nodes[index];
    let Some((before, producer)) = view.private_producer(node.inputs[0]) else { return Ok(None) };
    let Some(clamp) = node.clamp.filter(|_| takes_bounds(&producer.op)) else { return Ok(None) };
    let mut patch = Patch::new(view);
    patch.drop(before);
    patch.drop(index);
    patch.node(Node { clamp: joined(producer.clamp, Some(clamp)), ..producer.clone() });
    patch.node(Node { clamp: None, ..node.clone() });
    let origin = view.graph.value(producer.output).origin.clone();
    let origin = origin.map(|mut o| {
        o.clamp = joined(o.clamp, Some(clamp));
        o
    });
    patch.origin(producer.output, origin);
    Ok(Some(patch))
}

fn takes_bounds(op: &Op) -> bool {
    matches!(
        op,
        Op::Conv { .. }
            | Op::ConvTranspose { .. }
            | Op::FullyConnected
            | Op::Add
            | Op::Sub
            | Op::Mul
            | Op::Div
            | Op::MaxPool(_)
            | Op::AveragePool(_)
            | Op::SumPool(_)
    )
}

fn joined(first: Option<Clamp>, second: Option<Clamp>) -> Option<Clamp> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.then(second)),
        (first, second) => first.or(second),
    }
}
