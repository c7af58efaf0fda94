//! What each layer costs the whole network: the error of the outputs if this layer alone were float. The network as it is
//! imported is written with roundings (`export`) at the scales of the quantized program and run by the float reference,
//! once as it is and once for each layer without that layer's. Corrected biases are not in it.
//!
//! The error of each layer against the float network is `verify`'s.

use crate::data::Sample;
use crate::error::{Error, Result};
use crate::export::{simulated, weight_scales};
use crate::import::InputShapes;
use crate::ir::{Graph, Node, Op, Tensor, ValueId};
use crate::program::Program;
use crate::progress::Bar;
use crate::quantize::{Judgement, keeps_scale};
use crate::reference::Reference;
use mote_format::{DType, Quant};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Samples that are run at most.
const SAMPLES: usize = 32;

/// What the outputs would gain by single layers in float.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SensitivityReport {
    /// How many samples were run.
    pub samples: usize,
    /// Signal to quantization noise ratio of the outputs with all layers rounded, in dB; the mean of samples and outputs.
    pub sqnr_db: f64,
    /// The share of samples whose class is right; null where outputs are no classes.
    pub top1: Option<f64>,
    /// Whether classes are judged by labels; by the float network's classes otherwise.
    pub labelled: bool,
    /// The layers in order.
    pub layers: Vec<LayerSensitivity>,
}

/// What the outputs would gain by one layer in float.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerSensitivity {
    /// The tensor that it writes.
    pub layer: String,
    /// Its operator.
    pub op: &'static str,
    /// Decibels that the outputs would be closer to the float network's.
    pub gain_db: f64,
    /// How much the share of right classes would grow, as a fraction of 1.
    pub gain_top1: Option<f64>,
}

/// A value of the quantized graph in the network as it is imported.
struct Place {
    value: ValueId,
    name: String,
    op: &'static str,
}

/// Measures every layer. `imported` is the network before any pass, `graph` what `program` was made of.
pub fn sensitivity(
    imported: &Graph,
    graph: &Graph,
    program: &Program,
    answers: &[(Sample, Vec<Vec<f32>>)],
    bar: Bar,
) -> Result<SensitivityReport> {
    if program.tensors.iter().any(|t| t.dtype == DType::I16) {
        return Err(Error::new("cannot measure what each layer costs")
            .cause("activations are int16, whose rounding is too fine to tell layers apart")
            .remedy("leave out --sensitivity, or --activations int16"));
    }
    let step = answers.len().div_ceil(SAMPLES).max(1);
    let answers: Vec<_> = answers.iter().step_by(step).collect();
    let labelled = !answers.is_empty() && answers.iter().all(|(sample, _)| sample.label.is_some());
    let (places, quants, divided) = placed(imported, graph, program);
    let taps: Option<Vec<String>> =
        graph.outputs.iter().map(|&id| graph.reference_name(id).map(str::to_owned)).collect();
    let taps = taps.ok_or_else(|| Error::internal("an output has no name"))?;
    let run = |without: Option<&Place>| -> Result<Judgement> {
        let mut quants = quants.clone();
        let float = without.and_then(|place| {
            quants.remove(&place.value);
            layer(imported, place.value, &quants)
        });
        let rounded_graph = rounded(imported, &divided, float);
        let bytes = simulated(&rounded_graph, &quants, &divided)?;
        let reference = Reference::new(&bytes, &InputShapes::default(), &taps)?;
        let mut found = Judgement::default();
        for (sample, floats) in &answers {
            let tensors = reference.run_samples(graph, &sample.inputs())?;
            let outputs = graph.outputs.iter().zip(tensors).map(|(&id, tensor)| {
                let value = graph.value(id).from_reference(tensor.view());
                (value.into_iter().flatten().collect(), 0.0)
            });
            found.add(&outputs.collect::<Vec<_>>(), floats, sample.label.filter(|_| labelled));
        }
        Ok(found)
    };
    let whole = run(None)?;
    let layers = bar.over(places.iter()).map(|place| {
        let found = run(Some(place))?;
        Ok(LayerSensitivity {
            layer: place.name.clone(),
            op: place.op,
            gain_db: found.sqnr_db() - whole.sqnr_db(),
            gain_top1: found.share_right().zip(whole.share_right()).map(|(with, without)| with - without),
        })
    });
    let layers = layers.collect::<Result<_>>()?;
    let (sqnr_db, top1) = (whole.sqnr_db(), whole.share_right());
    Ok(SensitivityReport { samples: answers.len(), sqnr_db, top1, labelled, layers })
}

type Placed = (Vec<Place>, BTreeMap<ValueId, Quant>, HashMap<ValueId, Vec<f32>>);

/// Where each value that is rounded lies in the imported network, with its scale, and what its channels are divided by.
/// Operators that keep a scale round nothing.
fn placed(imported: &Graph, graph: &Graph, program: &Program) -> Placed {
    let named: HashMap<&str, ValueId> = (0..imported.values.len())
        .filter(|&v| imported.values[v].konst.is_none())
        .filter_map(|v| Some((imported.reference_name(ValueId(v))?, ValueId(v))))
        .collect();
    let (mut places, mut quants, mut divided) = (Vec::new(), BTreeMap::new(), HashMap::new());
    for tensor in &program.tensors {
        let Some(id) = tensor.value else { continue };
        let op = graph.producer(id).map(|n| &graph.nodes[n].op);
        let value = graph.reference_name(id).and_then(|name| named.get(name));
        let Some(&value) = value else { continue };
        let by = graph.value(id).origin.as_ref().map(|o| o.divided.clone()).unwrap_or_default();
        if imported.shape(value).len() == 4 && imported.shape(value)[1] == by.len() {
            divided.insert(value, by);
        }
        if !op.is_some_and(keeps_scale) {
            quants.insert(value, tensor.quant);
            places.push(Place { value, name: tensor.name.clone(), op: op.map_or("input", Op::name) });
        }
    }
    (places, quants, divided)
}

/// The layer with weights whose result becomes a value without being rounded in between.
fn layer(imported: &Graph, mut value: ValueId, quants: &BTreeMap<ValueId, Quant>) -> Option<ValueId> {
    loop {
        let node = &imported.nodes[imported.producer(value)?];
        if node.op.is_layer() {
            return Some(value);
        }
        let mut computed = node.inputs.iter().filter(|&&id| imported.konst(id).is_none());
        value = *computed.next().filter(|id| !quants.contains_key(id))?;
    }
}

/// The network with the weights of all layers rounded, but those of the layer that makes `float`.
fn rounded(imported: &Graph, divided: &HashMap<ValueId, Vec<f32>>, float: Option<ValueId>) -> Graph {
    let mut graph = imported.clone();
    for (n, node) in imported.nodes.iter().enumerate() {
        if !node.op.is_layer() || float == Some(node.output) {
            continue;
        }
        let Some(weights) = imported.konst(node.inputs[1]) else { continue };
        let by = passed(imported, divided, node.inputs[0]);
        let mut weights = weights.to_owned().into_owned();
        let (shape, run) = (weights.shape().to_vec(), weights.len() / weights.shape()[0].max(1));
        let factor = |i: usize| by.map_or(1.0, |by| by[input_channel(node, &shape, by.len(), i) % by.len()]);
        weights.iter_mut().enumerate().for_each(|(i, w)| *w *= factor(i));
        let scales = weight_scales(&weights.iter().copied().collect::<Vec<_>>(), shape[0]);
        let round = |(i, w): (usize, &mut f32)| {
            let scale = scales[i / run];
            *w = (*w / scale).round() * scale / factor(i);
        };
        weights.iter_mut().enumerate().for_each(round);
        let name = imported.value(node.inputs[1]).name.clone();
        graph.nodes[n].inputs[1] = graph.add_const(&name, Tensor::from(weights));
    }
    graph
}

/// What the channels of a layer's input are divided by, through what only gives them another shape.
fn passed<'a>(
    imported: &Graph,
    divided: &'a HashMap<ValueId, Vec<f32>>,
    mut input: ValueId,
) -> Option<&'a Vec<f32>> {
    loop {
        if let Some(by) = divided.get(&input) {
            return Some(by);
        }
        let node = &imported.nodes[imported.producer(input)?];
        input = *node.inputs.first().filter(|_| matches!(node.op, Op::Reshape | Op::Identity))?;
    }
}

/// Which of an input's `channels` weight `i` of a layer is for.
fn input_channel(node: &Node, shape: &[usize], channels: usize, i: usize) -> usize {
    match node.op {
        Op::Conv { groups, .. } => {
            let (own, taps) = (shape[1], shape[2..].iter().product::<usize>());
            let output = i / (own * taps).max(1);
            output / (shape[0] / groups).max(1) * own + i / taps.max(1) % own.max(1)
        }
        // Channels come before rows and columns where an image became a row.
        _ => i % shape[1].max(1) / (shape[1] / channels).max(1),
    }
}
