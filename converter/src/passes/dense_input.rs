//! A dense layer that reads a flattened image in channels-first order reads it in memory order
//! instead: the transpose before the flattening goes into the order of its weights.

use super::patch::{Patch, View};
use crate::error::Result;
use crate::ir::{Node, Op, Tensor};

/// Node rule.
pub(crate) fn rule(view: &View<'_>, index: usize) -> Result<Option<Patch>> {
    let node = &view.graph.nodes[index];
    if node.op != Op::FullyConnected {
        return Ok(None);
    }
    let Some((at, flatten)) = view.producer(node.inputs[0]) else { return Ok(None) };
    let Some((_, transpose)) = view.producer(flatten.inputs[0]) else { return Ok(None) };
    let (Op::Reshape, Op::Transpose { perm }) = (&flatten.op, &transpose.op) else { return Ok(None) };
    let Some(weights) = view.graph.value(node.inputs[1]).konst.as_ref() else { return Ok(None) };
    let Some(weights) = reordered(weights, view.shape(flatten.inputs[0]), perm, view.shape(node.inputs[0]))
    else {
        return Ok(None);
    };
    let image = view.graph.value(transpose.inputs[0]);
    let mut patch = Patch::new(view);
    let w = patch.konst(&format!("{}_w", node.name), weights);
    let flat = patch.value(&format!("{}_flat", image.name), view.shape(node.inputs[0]), image.origin.clone());
    patch.drop(index);
    if view.private_producer(node.inputs[0]).is_some() {
        patch.drop(at);
    }
    patch.node(Node { inputs: vec![transpose.inputs[0]], output: flat, ..flatten.clone() });
    let mut inputs = node.inputs.clone();
    (inputs[0], inputs[1]) = (flat, w);
    patch.node(Node { inputs, ..node.clone() });
    Ok(Some(patch))
}

/// Weights `[n, k]` whose k axis follows the transposed image, brought into the order before the
/// transpose. `None` unless rows stay rows.
fn reordered(weights: &Tensor, image: &[usize], perm: &[usize], flat: &[usize]) -> Option<Tensor> {
    let rows_stay = perm.first() == Some(&0) && image.first() == flat.first() && flat.len() == 2;
    if !rows_stay {
        return None;
    }
    let n = *weights.shape().first()?;
    let shape: Vec<usize> = std::iter::once(n).chain(image[1..].iter().copied()).collect();
    let mut back = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(place, &axis)| back[axis] = place);
    weights.reshaped(&shape)?.transposed(&back)?.reshaped(weights.shape())
}
