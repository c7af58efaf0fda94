//! Runs produced bytes in the real runtime: beside the float model, to measure the error of every step; and beside a
//! model that must return the same bits.

use crate::data::Sample;
use crate::error::{Error, Result};
use crate::import::InputShapes;
use crate::infer::{infer, sample_bytes};
use crate::ir::{Graph, ValueId};
use crate::program::Program;
use crate::progress::Bar;
use crate::reference::Reference;
use mote_runtime::{Hook, Model, Session, Step};
use std::collections::HashMap;

/// How far one step is from the float model.
#[derive(Debug, Clone, PartialEq)]
pub struct StepError {
    /// The tensor that the step writes.
    pub name: String,
    /// Its operator.
    pub op: &'static str,
    /// Largest absolute difference of a value.
    pub max_abs: f32,
    /// Mean absolute difference.
    pub mean_abs: f32,
    /// Signal to quantization noise ratio in dB; infinite when there is no difference.
    pub sqnr_db: f32,
}

/// Sums over values.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    signal: f64,
    noise: f64,
    absolute: f64,
    largest: f64,
    count: u64,
}

impl Sums {
    fn add(&mut self, float: f32, int8: f32) {
        let (float, error) = (f64::from(float), f64::from(float - int8));
        self.signal += float * float;
        self.noise += error * error;
        self.absolute += error.abs();
        self.largest = self.largest.max(error.abs());
        self.count += 1;
    }
}

/// Keeps the real values of every step's output.
#[derive(Default)]
struct Record(Vec<Vec<f32>>);

impl Hook for Record {
    fn after(&mut self, step: &Step<'_>) {
        let (index, output) = (usize::from(step.index()), step.output());
        self.0.resize(self.0.len().max(index + 1), Vec::new());
        // Rows of a step come in order.
        let values = &mut self.0[index];
        values.truncate(step.offset() / output.info().dtype.size());
        values.extend(output.reals());
    }
}

/// The error of every step that has a counterpart in the float model, over all samples.
pub fn verify(
    graph: &Graph,
    program: &Program,
    bytes: &[u8],
    onnx: &[u8],
    shapes: &InputShapes,
    samples: &[Sample],
    bar: Bar,
) -> Result<Vec<StepError>> {
    let taps: Vec<(usize, ValueId, String)> = (0..program.steps.len())
        .filter_map(|k| {
            let id = program.output(k).value?;
            Some((k, id, graph.reference_name(id)?.to_owned()))
        })
        .collect();
    let names: Vec<String> = taps.iter().map(|t| t.2.clone()).collect();
    let reference = Reference::new(onnx, shapes, &names)?;
    let model = Model::new_checked(bytes).map_err(|e| Error::internal(e.to_string()))?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).map_err(|e| Error::internal(e.to_string()))?;
    let mut sums: HashMap<usize, Sums> = HashMap::new();
    for sample in bar.over(samples.iter()) {
        let mut record = Record::default();
        infer(&mut session, &sample_bytes(&model, sample), &mut record)?;
        let floats = reference.run_samples(graph, &sample.inputs())?;
        for ((k, id, _), tensor) in taps.iter().zip(floats) {
            let Some(value) = graph.value(*id).from_reference(tensor.view()) else { continue };
            let sums = sums.entry(*k).or_default();
            value.iter().zip(&record.0[*k]).for_each(|(&float, &int8)| sums.add(float, int8));
        }
    }
    Ok(taps.iter().filter_map(|(k, ..)| Some(report(program, *k, sums.get(k)?))).collect())
}

fn report(program: &Program, k: usize, sums: &Sums) -> StepError {
    let count = sums.count.max(1) as f64;
    StepError {
        name: program.output(k).name.clone(),
        op: program.steps[k].op.name(),
        max_abs: sums.largest as f32,
        mean_abs: (sums.absolute / count) as f32,
        sqnr_db: (10.0 * (sums.signal / sums.noise).log10()) as f32,
    }
}

/// An error unless two models return the same bytes for inputs of extremes, of noise and of ramps.
pub fn same_outputs(a: &[u8], b: &[u8]) -> Result<()> {
    let (a, b) = (outputs(a)?, outputs(b)?);
    if a == b {
        Ok(())
    } else {
        Err(Error::internal("the optimised model returns other values than the original"))
    }
}

/// What a model returns for each kind of input.
fn outputs(bytes: &[u8]) -> Result<Vec<u8>> {
    let model = Model::new_checked(bytes).map_err(|e| Error::internal(e.to_string()))?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).map_err(|e| Error::internal(e.to_string()))?;
    // Knuth's MMIX.
    let mut state = 1u64;
    let mut noise = move |_: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let kinds: [&mut dyn FnMut(usize) -> u8; 4] =
        [&mut |_| 0x80, &mut |_| 0x7f, &mut noise, &mut |i| (i / 3) as u8];
    let mut all = Vec::new();
    for kind in kinds {
        let length: usize = model.inputs().map(|x| x.bytes()).sum();
        let bytes: Vec<u8> = (0..length).map(&mut *kind).collect();
        infer(&mut session, &bytes, &mut ())?;
        session.outputs().for_each(|o| all.extend_from_slice(o.bytes()));
    }
    Ok(all)
}
