//! Batch normalisation with known statistics is `x · scale + shift` per channel. It goes into the
//! layer before it; where there is none, it becomes a 1×1 depthwise convolution.

use super::fold_scale::into_layer;
use super::patch::{Patch, View};
use crate::error::{Error, Result};
use crate::ir::{Node, Op};
use ndarray::Array1;

/// Node rule: into the layer before.
pub(crate) fn fold(view: &View<'_>, index: usize) -> Result<Option<Patch>> {
    match scale_and_shift(view, index)? {
        None => Ok(None),
        Some((scale, shift)) => into_layer(view, index, &scale, &shift),
    }
}

/// Node rule: a layer of its own.
pub(crate) fn lone(view: &View<'_>, index: usize) -> Result<Option<Patch>> {
    let node = &view.graph.nodes[index];
    let Some((scale, shift)) = scale_and_shift(view, index)? else { return Ok(None) };
    let shape = view.shape(node.inputs[0]);
    let channels = scale.len();
    let (scale, shift) = (scale.mapv(|s| s as f32), shift.mapv(|s| s as f32));
    if scale.iter().chain(&shift).any(|s| !s.is_finite()) {
        return Err(Error::new("the model computes with values beyond float32")
            .at_node(&node.name, node.op.name())
            .cause("its scale and variance give infinity or NaN")
            .remedy("check the statistics of this node"));
    }
    let mut patch = Patch::new(view);
    patch.drop(index);
    // The same for both layouts: every kernel axis has extent 1.
    let weights = scale.into_dyn().into_shape_with_order(vec![channels, 1, 1, 1]);
    let weights = weights.map_err(|e| Error::internal(e.to_string()))?;
    let w = patch.konst(&format!("{}_w", node.name), weights);
    let b = patch.konst(&format!("{}_b", node.name), shift.into_dyn());
    let op = Op::Conv { stride: [1, 1], dilation: [1, 1], pads: [0; 4], groups: channels };
    let x = node.inputs[0];
    if shape.len() == 4 {
        patch.node(Node { op, inputs: vec![x, w, b], ..node.clone() });
        return Ok(Some(patch));
    }
    let image = [shape[0], channels, 1, shape.iter().skip(2).product()];
    let origin = |id| view.graph.value(id).origin.clone();
    let from = patch.value(&format!("{}_image", node.name), &image, origin(x));
    let to = patch.value(&format!("{}_normal", node.name), &image, origin(node.output));
    let reshape = |name: &str, x, output| {
        let name = format!("{}_{name}", node.name);
        Node { name, op: Op::Reshape, inputs: vec![x], output, clamp: None }
    };
    patch.node(reshape("image", x, from));
    patch.node(Node { op, inputs: vec![from, w, b], output: to, ..node.clone() });
    patch.node(reshape("flat", to, node.output));
    Ok(Some(patch))
}

fn scale_and_shift(view: &View<'_>, index: usize) -> Result<Option<(Array1<f64>, Array1<f64>)>> {
    let node = &view.graph.nodes[index];
    let Op::BatchNorm { epsilon } = node.op else { return Ok(None) };
    let parameter = |i: usize| -> Result<Array1<f64>> {
        let konst = view.graph.konst(node.inputs[i]);
        let konst = konst.ok_or_else(|| Error::internal("a parameter is not constant"))?;
        Ok(konst.iter().map(|&v| f64::from(v)).collect())
    };
    let [gamma, beta, mean, variance] = [parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?];
    let scale = gamma / variance.mapv(|v| (v + f64::from(epsilon)).sqrt());
    let shift = beta - mean * &scale;
    Ok(Some((scale, shift)))
}
