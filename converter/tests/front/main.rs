//! Tests of the converter's front half: import, passes, reference and data, seen from outside.
//!
//! `builder` writes small ONNX files, `oracle` runs a graph in naive loops, and `same` holds the two
//! against tract for every value that the graph says it can name.

mod builder;
mod data;
mod external;
mod hostile;
mod idioms;
mod models;
mod normalize;
mod operators;
mod oracle;
mod passes;
mod quantized;
mod random;
mod refusals;
mod unequal;
mod words;

use mote_converter::import::{self, InputShapes};
use mote_converter::ir::{Graph, Layout};
use mote_converter::passes as pipeline;
use mote_converter::reference::Reference;
use ndarray::ArrayD;

/// Imports, runs the passes, and compares the graph before and after with tract. Gives the graph
/// after the passes.
fn same(bytes: &[u8]) -> Graph {
    same_with(bytes, &InputShapes::default(), 1.0)
}

fn same_with(bytes: &[u8], shapes: &InputShapes, spread: f32) -> Graph {
    let mut graph = import::onnx(bytes, shapes).unwrap_or_else(|e| panic!("{e}"));
    let names: Vec<String> =
        graph.values.iter().filter_map(|v| v.origin.as_ref()).map(|o| o.tensor.clone()).collect();
    let reference = Reference::new(bytes, shapes, &names).unwrap_or_else(|e| panic!("{e}"));
    let mut random = builder::Random::new(7);
    let inputs: Vec<ArrayD<f32>> =
        reference.inputs().iter().map(|i| random.tensor(&i.shape).mapv(|x| x * spread)).collect();
    let tensors = reference.run(&inputs).unwrap_or_else(|e| panic!("{e}"));
    let lookup = |name: &str| names.iter().position(|n| n == name).map(|i| &tensors[i]);
    compare(&graph, &inputs, &lookup);
    pipeline::run(&mut graph).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(graph.layout, Layout::Nhwc);
    compare(&graph, &inputs, &lookup);
    graph
}

/// Every value of the graph that has an origin is what tract says.
fn compare<'a>(graph: &Graph, inputs: &[ArrayD<f32>], lookup: &dyn Fn(&str) -> Option<&'a ArrayD<f32>>) {
    let mut given = Vec::new();
    for (&id, x) in graph.inputs.iter().zip(inputs) {
        let value = graph.value(id);
        given.push(value.from_reference(x.view()).expect("an input has an origin"));
        assert_eq!(value.to_reference(given[given.len() - 1].view()).as_ref(), Some(x));
    }
    let values = oracle::run(graph, &given);
    let mut compared = 0;
    for (value, ours) in graph.values.iter().zip(&values) {
        let (Some(origin), Some(ours)) = (&value.origin, ours) else { continue };
        let tensor = lookup(&origin.tensor).expect("an origin is a tensor of the file");
        let theirs = value.from_reference(tensor.view()).expect("an origin has the right size");
        let scale = theirs.iter().fold(1.0f32, |m, x| m.max(x.abs()));
        let worst = ours.iter().zip(&theirs).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst <= 2e-4 * scale, "\"{}\" is off by {worst} of {scale}\n{graph}", value.name);
        compared += 1;
    }
    assert!(compared > graph.inputs.len(), "nothing to compare");
    assert!(graph.outputs.iter().all(|&id| graph.value(id).origin.is_some()), "an output has no origin");
}

/// Names of the operators that run, in order.
fn ops(graph: &Graph) -> Vec<&'static str> {
    graph.nodes.iter().map(|n| n.op.name()).collect()
}
