//! Zero padding of an image before a convolution becomes the convolution's own padding.

use super::patch::{Patch, View};
use crate::error::Result;
use crate::ir::{Node, Op};

/// Node rule.
pub(crate) fn rule(view: &View<'_>, index: usize) -> Result<Option<Patch>> {
    let node = &view.graph.nodes[index];
    let Op::Conv { stride, dilation, pads, groups } = node.op else { return Ok(None) };
    let Some((at, padding)) = view.producer(node.inputs[0]) else { return Ok(None) };
    let Op::Pad { before, after, value: 0.0 } = &padding.op else { return Ok(None) };
    let [height, width] = view.graph.layout.spatial_axes();
    let others = (0..before.len()).filter(|&a| a != height && a != width);
    if padding.clamp.is_some() || others.map(|a| before[a] + after[a]).any(|p| p > 0) {
        return Ok(None);
    }
    let more = [before[height], before[width], after[height], after[width]];
    let pads = [0, 1, 2, 3].map(|i| pads[i] + more[i]);
    let mut inputs = node.inputs.clone();
    inputs[0] = padding.inputs[0];
    let mut patch = Patch::new(view);
    patch.drop(index);
    patch.node(Node { op: Op::Conv { stride, dilation, pads, groups }, inputs, ..node.clone() });
    if view.private_producer(node.inputs[0]).is_some() {
        patch.drop(at);
        patch.removed(padding, format!("padding taken over by \"{}\"", node.name));
    }
    Ok(Some(patch))
}
