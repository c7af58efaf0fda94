//! A constant per channel that is added to or multiplied with the result of a convolution or a
//! dense layer goes into that layer's bias and weights.

use super::patch::{Patch, View};
use crate::error::{Error, Result};
use crate::ir::{Node, Op, ValueId, broadcast};
use ndarray::{Array1, ArrayD, Axis};

/// Node rule.
pub(crate) fn rule(view: &View<'_>, index: usize) -> Result<Option<Patch>> {
    let node = &view.graph.nodes[index];
    if !matches!(node.op, Op::Add | Op::Mul) {
        return Ok(None);
    }
    let Some(per_channel) = per_channel(view, node.inputs[0], node.inputs[1]) else { return Ok(None) };
    let ones = Array1::ones(per_channel.len());
    let zeros = Array1::zeros(per_channel.len());
    match node.op {
        Op::Add => into_layer(view, index, &ones, &per_channel),
        _ => into_layer(view, index, &per_channel, &zeros),
    }
}

/// Moves `x · scale + shift`, which is what node `index` computes, into the layer that computes its
/// first operand, if that is one.
pub(crate) fn into_layer(
    view: &View<'_>,
    index: usize,
    scale: &Array1<f64>,
    shift: &Array1<f64>,
) -> Result<Option<Patch>> {
    let node = &view.graph.nodes[index];
    let Some((before, layer)) = view.private_producer(node.inputs[0]) else { return Ok(None) };
    if layer.clamp.is_some() || !layer.op.is_layer() {
        return Ok(None);
    }
    let Some((weights, bias)) = scaled(view, layer, scale, shift) else { return Ok(None) };
    if weights.iter().chain(&bias).any(|w| !w.is_finite()) {
        return Err(Error::new("the model computes with values beyond float32")
            .at_node(&node.name, node.op.name())
            .cause(format!("its constants make the weights of \"{}\" infinite or NaN", layer.name))
            .remedy("check the constants of this node (variance, epsilon, scale)"));
    }
    let mut patch = Patch::new(view);
    let w = patch.konst(&format!("{}_w", layer.name), weights);
    let b = patch.konst(&format!("{}_b", layer.name), bias.into_dyn());
    patch.drop(before);
    patch.drop(index);
    patch.node(Node {
        inputs: vec![layer.inputs[0], w, b],
        output: node.output,
        clamp: node.clamp,
        ..layer.clone()
    });
    patch.removed(node, format!("folded into \"{}\"", layer.name));
    Ok(Some(patch))
}

/// The layer's weights and bias with `scale` and `shift` in them; `None` when they are computed.
fn scaled(
    view: &View<'_>,
    layer: &Node,
    scale: &Array1<f64>,
    shift: &Array1<f64>,
) -> Option<(ArrayD<f32>, Array1<f32>)> {
    let bias = match layer.inputs.get(2) {
        None => Array1::zeros(scale.len()),
        Some(&b) => view.graph.konst(b)?.iter().map(|&b| f64::from(b)).collect(),
    };
    let mut weights: ArrayD<f32> = view.graph.konst(layer.inputs[1])?.to_owned().into_owned();
    for (mut channel, &factor) in weights.axis_iter_mut(Axis(0)).zip(scale) {
        channel.mapv_inplace(|w| (f64::from(w) * factor) as f32);
    }
    Some((weights, (bias * scale + shift).mapv(|b| b as f32)))
}

/// The constant `b` as one number per channel of `x`, if it is that.
fn per_channel(view: &View<'_>, x: ValueId, b: ValueId) -> Option<Array1<f64>> {
    let (shape, konst) = (view.shape(x), view.graph.konst(b)?);
    if broadcast(shape, konst.shape())? != shape {
        return None;
    }
    let axis = view.graph.layout.channel_axis(shape.len());
    let from_end = shape.len() - axis;
    let dims = konst.shape();
    let only_channels = (0..dims.len()).all(|i| dims[i] == 1 || dims.len() - i == from_end);
    let channels = *shape.get(axis)?;
    match konst.len() {
        1 => konst.first().map(|&v| Array1::from_elem(channels, f64::from(v))),
        n if n == channels && only_channels => Some(konst.iter().map(|&v| f64::from(v)).collect()),
        _ => None,
    }
}
