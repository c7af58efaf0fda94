//! Channels of like ranges between two layers: what the first multiplies less by, the second multiplies more by, and the
//! function is the same (Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction",
//! section 4.1). Weights have a scale per output channel here, which costs a row's factor nothing; so that the ranges to
//! balance are those of the values between the layers, as observed, and of the second layer's columns.

use super::Observations;
use crate::ir::{Activation, Graph, Node, Op, Tensor, ValueId};
use ndarray::Axis;

/// Channels whose ranges differ by less than this are left as they are.
const ALIKE: f32 = 2.0;

/// No channel counts as narrower than this share of the widest one: little was seen of it.
const NARROWEST: f32 = 1e-4;

/// Two layers with nothing between them that a factor per channel could not pass.
struct Pair {
    first: usize,
    second: usize,
    /// What lies between them, the first layer's output first.
    between: Vec<ValueId>,
}

/// The graph with equalized channels; `None` when there is nothing to equalize.
pub fn equalize(graph: &Graph, seen: &Observations) -> Option<Graph> {
    let mut new = graph.clone();
    let mut any = false;
    for pair in (0..graph.nodes.len()).filter_map(|first| pair(graph, first)) {
        let Some(factors) = factors(graph, seen, &pair) else { continue };
        for &id in &pair.between {
            if let Some(origin) = &mut new.values[id.0].origin {
                origin.divided.clone_from(&factors);
            }
        }
        divide_rows(&mut new, pair.first, &factors);
        multiply_columns(&mut new, pair.second, &factors);
        any = true;
    }
    any.then_some(new)
}

fn pair(graph: &Graph, first: usize) -> Option<Pair> {
    let layer = &graph.nodes[first];
    let is_layer = |n: &Node| matches!(n.op, Op::Conv { .. } | Op::FullyConnected);
    if !is_layer(layer) && !matches!(layer.op, Op::ConvTranspose { .. }) || !scalable(graph, layer) {
        return None;
    }
    let channels = *graph.shape(layer.output).last()?;
    let mut between = vec![layer.output];
    loop {
        let last = *between.last()?;
        graph.value(last).origin.as_ref()?;
        let &[next] = &*graph.consumers(last) else { return None };
        let node = &graph.nodes[next];
        if graph.outputs.contains(&last) || node.inputs[0] != last || node.inputs[1..].contains(&last) {
            return None;
        }
        if is_layer(node) {
            let whole = graph.shape(last).last()?.is_multiple_of(channels);
            return (whole && graph.konst(node.inputs[1]).is_some()).then_some(Pair {
                first,
                second: next,
                between,
            });
        }
        if !passes(graph, node, channels) {
            return None;
        }
        between.push(node.output);
    }
}

/// Whether a layer's weights and bias are constants and its bounds pass factors above zero.
fn scalable(graph: &Graph, layer: &Node) -> bool {
    layer.inputs[1..].iter().all(|&id| graph.konst(id).is_some()) && homogeneous(layer)
}

/// Whether bounds, if there are any, are zero or infinite.
fn homogeneous(node: &Node) -> bool {
    node.clamp.is_none_or(|c| [c.min, c.max].iter().all(|b| *b == 0.0 || b.is_infinite()))
}

/// Whether a factor on each input channel comes out as the same factor on each output channel.
fn passes(graph: &Graph, node: &Node, channels: usize) -> bool {
    let (x, y) = (graph.shape(node.inputs[0]), graph.shape(node.output));
    let moves = match &node.op {
        Op::MaxPool(_) | Op::AveragePool(_) | Op::SumPool(_) => true,
        Op::Activation(Activation::Relu | Activation::LeakyRelu { .. }) => true,
        Op::Pad { before, after, value } => {
            *value == 0.0 && before.last() == Some(&0) && after.last() == Some(&0)
        }
        // Elements keep their order, so that channels stay the fastest index.
        Op::Reshape => [x, y].iter().all(|s| s.last().is_some_and(|n| n.is_multiple_of(channels))),
        _ => false,
    };
    moves && homogeneous(node)
}

/// What each channel is divided by.
fn factors(graph: &Graph, seen: &Observations, pair: &Pair) -> Option<Vec<f32>> {
    let peaks = seen.channel_peaks(pair.between[0])?;
    let widest = peaks.iter().copied().fold(0.0, f32::max);
    let narrowest = peaks.iter().copied().filter(|&p| p > 0.0).fold(widest, f32::min);
    if narrowest * ALIKE >= widest {
        return None;
    }
    let second = &graph.nodes[pair.second];
    let alone = matches!(second.op, Op::Conv { groups, .. } if groups == peaks.len());
    let columns = column_peaks(graph, second, peaks.len())?;
    let one = |(&peak, &column): (&f32, &f32)| {
        // Nothing was seen of a channel without a value: it is no reason to amplify it.
        let peak = if peak > 0.0 { peak.max(widest * NARROWEST) } else { widest };
        // A depthwise filter has a scale of its own, and no column to balance with.
        if alone || column == 0.0 { peak } else { (peak / column).sqrt() }
    };
    let raw: Vec<f32> = peaks.iter().zip(&columns).map(one).collect();
    // The widest channel stays as wide as it was.
    let most = peaks.iter().zip(&raw).map(|(p, f)| p / f).fold(0.0, f32::max);
    let factors: Vec<f32> = raw.iter().map(|f| f * most / widest).collect();
    factors.iter().all(|f| f.is_finite() && *f > 0.0).then_some(factors)
}

/// Per input channel, the largest weight as a share of the largest one of its row.
fn column_peaks(graph: &Graph, layer: &Node, channels: usize) -> Option<Vec<f32>> {
    let weights = graph.konst(layer.inputs[1])?;
    let mut peaks = vec![0f32; channels];
    let rows = weights.shape()[0];
    for (o, row) in weights.axis_iter(Axis(0)).enumerate() {
        let largest = row.iter().fold(0f32, |m, w| m.max(w.abs()));
        if largest > 0.0 {
            row.iter().enumerate().for_each(|(j, w)| {
                let peak = &mut peaks[channel(layer, (o, rows), (j, &row), channels)];
                *peak = peak.max(w.abs() / largest);
            });
        }
    }
    Some(peaks)
}

/// The input channel that weight `j` of row `o` belongs to.
fn channel(
    layer: &Node,
    (o, rows): (usize, usize),
    (j, row): (usize, &ndarray::ArrayViewD<'_, f32>),
    channels: usize,
) -> usize {
    match layer.op {
        Op::Conv { groups, .. } => {
            let own = row.shape().last().copied().unwrap_or(1).max(1);
            o / (rows / groups).max(1) * own + j % own
        }
        _ => j % channels,
    }
}

fn divide_rows(graph: &mut Graph, layer: usize, factors: &[f32]) {
    for place in 1..graph.nodes[layer].inputs.len() {
        let divide = |(o, mut row): (usize, ndarray::ArrayViewMutD<'_, f32>)| {
            row.mapv_inplace(|w| w / factors[o]);
        };
        change(graph, layer, place, |w| w.axis_iter_mut(Axis(0)).enumerate().for_each(divide));
    }
}

fn multiply_columns(graph: &mut Graph, layer: usize, factors: &[f32]) {
    let node = graph.nodes[layer].clone();
    change(graph, layer, 1, |weights| {
        let rows = weights.shape()[0];
        for (o, mut row) in weights.axis_iter_mut(Axis(0)).enumerate() {
            let shape = row.view().into_owned();
            row.iter_mut().enumerate().for_each(|(j, w)| {
                *w *= factors[channel(&node, (o, rows), (j, &shape.view()), factors.len())];
            });
        }
    });
}

/// Gives a layer a constant of its own, changed.
fn change(graph: &mut Graph, layer: usize, place: usize, change: impl FnOnce(&mut ndarray::ArrayD<f32>)) {
    let id = graph.nodes[layer].inputs[place];
    let Some(konst) = graph.konst(id) else { return };
    let mut array = konst.to_owned().into_owned();
    change(&mut array);
    let name = graph.value(id).name.clone();
    graph.nodes[layer].inputs[place] = graph.add_const(&name, Tensor::from(array));
}
