//! What has been removed from a program and why, layer by layer, in words.

use super::flow::{Flow, reads};
use super::interval::Interval;
use super::keep::Keep;
use super::layer::Layer;
use crate::ir::Removed;
use crate::program::Program;

/// A line for each step that has gone and for each layer that computes less.
pub(super) fn explain(
    program: &Program,
    flows: &[Flow],
    ranges: &[Vec<Interval>],
    keep: &Keep,
) -> Vec<Removed> {
    let reason = |k: usize| {
        let y = program.given() + k;
        if !keep.live(program, k) {
            let constant = ranges[y].iter().all(|r| r.constant().is_some());
            let why = if constant { "its output is constant" } else { "nothing depends on its output" };
            return Some(why.to_owned());
        }
        let (Flow::Mix(layer) | Flow::Each(_, Some(layer))) = &flows[k] else { return None };
        let (_, x) = reads(&program.steps[k]).next()?;
        let [inputs, outputs] = [keep.channels(x).len(), keep.channels(y).len()];
        if (inputs, outputs) == (layer.inputs, layer.outputs) {
            return None;
        }
        let mut parts = Vec::new();
        if outputs < layer.outputs {
            parts.push(lost(program, flows, ranges, keep, k));
        }
        if matches!(flows[k], Flow::Mix(_)) && inputs < layer.inputs {
            parts.push(format!("reads {inputs} of {} input channels", layer.inputs));
        }
        parts.push(cost(program, layer, y, inputs, outputs));
        Some(parts.join("; "))
    };
    let line = |k: usize| {
        let node = program.output(k).name.clone();
        Some(Removed { node, op: program.steps[k].op.name().to_owned(), reason: reason(k)? })
    };
    (0..program.steps.len()).filter_map(line).collect()
}

/// Which output channels of step `k` have gone.
fn lost(program: &Program, flows: &[Flow], ranges: &[Vec<Interval>], keep: &Keep, k: usize) -> String {
    let y = program.given() + k;
    let gone = || (0..keep.kept[y].len()).filter(|&o| !keep.kept[y][o]);
    let constant = gone().filter(|&o| ranges[y][o].constant().is_some()).count();
    let unread = gone().count() - constant;
    let mut kinds = Vec::new();
    if constant > 0 {
        kinds.push(match &layers_after(program, flows, k)[..] {
            [] => format!("{constant} constant"),
            [one] => format!("{constant} constant (folded into the bias of {one})"),
            [one, rest @ ..] => {
                format!("{constant} constant (folded into the biases of {one} and {} more)", rest.len())
            }
        });
    }
    if unread > 0 {
        kinds.push(format!("{unread} that nothing reads"));
    }
    format!("{} of {} output channels removed: {}", gone().count(), keep.kept[y].len(), kinds.join(", "))
}

/// The layers that read the output of step `k`, at once or through steps that keep channels apart.
fn layers_after(program: &Program, flows: &[Flow], k: usize) -> Vec<String> {
    let mut carries = vec![false; program.tensors.len()];
    carries[program.given() + k] = true;
    let mut names = Vec::new();
    for (later, step) in program.steps.iter().enumerate().skip(k + 1) {
        if !reads(step).any(|(_, x)| carries[x]) {
            continue;
        }
        match &flows[later] {
            Flow::Mix(_) => names.push(program.output(later).name.clone()),
            Flow::Each(..) => carries[program.given() + later] = true,
            Flow::Whole => {}
        }
    }
    names
}

/// Multiply-accumulates and weights before and after.
fn cost(program: &Program, layer: &Layer, y: usize, inputs: usize, outputs: usize) -> String {
    let places = program.tensors[y].shape.elements() / layer.outputs.max(1);
    let before = layer.weights();
    let after = before / (layer.outputs * layer.row()) * outputs * if layer.mixes() { inputs } else { 1 };
    format!("{} → {} MACs, {before} → {after} weights", places * before, places * after)
}
