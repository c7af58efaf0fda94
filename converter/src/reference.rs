//! The float model as ONNX defines it, run by tract: what calibration measures and what the
//! quantized model is compared with. Nothing of `passes` is in it, so that it can tell whether they
//! are right.

use crate::error::{Error, Result};
use crate::import::{InputShapes, Parsed, damaged, decode, guarded, infer, input_names, parse, tract_cause};
use crate::ir::Graph;
use ndarray::{ArrayD, ArrayViewD};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use tract_onnx::prelude::*;

/// The float model, ready to run.
pub struct Reference {
    plan: Arc<TypedRunnableModel>,
    inputs: Vec<Input>,
    taps: Vec<String>,
    /// Place in the plan's results, per tap.
    places: Vec<usize>,
}

/// An input of the model in the ONNX file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its shape, batch included.
    pub shape: Vec<usize>,
}

impl Reference {
    /// Prepares the model so that every run gives the tensors named by `taps` (names as in the ONNX
    /// file: [`Graph::reference_name`]). Asking for fewer makes runs faster.
    pub fn new(bytes: &[u8], shapes: &InputShapes, taps: &[String]) -> Result<Self> {
        let (proto, _) = decode(bytes, shapes)?;
        let Parsed { mut model, outlets } = parse(&proto)?;
        let graph = proto.graph.as_ref().ok_or_else(|| damaged("there is no graph in it"))?;
        let mut asked: HashMap<&str, usize> = HashMap::new();
        let mut results = Vec::new();
        let mut places = Vec::new();
        for tap in taps {
            let outlet = outlets.get(tap).ok_or_else(|| no_tensor(tap))?;
            let place = *asked.entry(tap).or_insert_with(|| {
                results.push(*outlet);
                results.len() - 1
            });
            places.push(place);
        }
        let names = input_names(graph);
        let sources: Option<Vec<OutletId>> = names.iter().map(|&n| outlets.get(n).copied()).collect();
        let sources = sources.ok_or_else(|| damaged("an input is missing"))?;
        if let Some(cause) = infer(&mut model, &proto, &outlets) {
            return Err(damaged(cause));
        }
        let prepared = guarded(|| -> TractResult<_> {
            model.select_output_outlets(&results)?;
            model.set_input_outlets(&sources)?;
            let inputs = names.iter().zip(&sources).map(|(name, &s)| input_of(&model, name, s));
            let inputs = inputs.collect::<TractResult<Vec<_>>>()?;
            Ok((model.into_optimized()?.into_runnable()?, inputs))
        });
        let (plan, inputs) = prepared.map_err(damaged)?.map_err(|e| damaged(tract_cause(&e)))?;
        Ok(Reference { plan, inputs, taps: taps.to_vec(), places })
    }

    /// The model's inputs in the file's order.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The names given as `taps`.
    pub fn taps(&self) -> &[String] {
        &self.taps
    }

    /// Runs the model on inputs in the ONNX file's order, shape and layout. Gives one tensor per
    /// tap, in the order of the taps, in the ONNX file's layout;
    /// [`Value::from_reference`](crate::ir::Value::from_reference) turns them into the graph's.
    pub fn run(&self, inputs: &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>> {
        if inputs.len() != self.inputs.len() {
            return Err(failed(format!("{} inputs given, {} needed", inputs.len(), self.inputs.len())));
        }
        for (given, wanted) in inputs.iter().zip(&self.inputs) {
            if given.shape() != wanted.shape {
                return Err(failed(format!("expected {:?}, given {:?}", wanted.shape, given.shape()))
                    .at(format!("input \"{}\"", wanted.name)));
            }
        }
        let tensors = inputs.iter().map(|x| Tensor::from(x.as_standard_layout().into_owned()).into_tvalue());
        let results = guarded(|| self.plan.run(tensors.collect())).map_err(failed)?;
        let results = results.map_err(|e| failed(tract_cause(&e)))?;
        let to_array = |t: &TValue| -> TractResult<ArrayD<f32>> {
            Ok(t.cast_to::<f32>()?.to_plain_array_view::<f32>()?.to_owned())
        };
        let tensors = results.iter().map(to_array).collect::<TractResult<Vec<_>>>();
        let tensors = tensors.map_err(|e| failed(tract_cause(&e)))?;
        Ok(self.places.iter().map(|&p| tensors[p].clone()).collect())
    }

    /// Runs the model on one sample for each input of `graph`, in the graph's layout and without
    /// the batch axis, as [`data`](crate::data) gives them.
    pub fn run_samples(&self, graph: &Graph, samples: &[ArrayViewD<'_, f32>]) -> Result<Vec<ArrayD<f32>>> {
        let inputs: Option<Vec<ArrayD<f32>>> =
            graph.inputs.iter().zip(samples).map(|(&id, x)| graph.value(id).to_reference(x.view())).collect();
        self.run(&inputs.ok_or_else(|| failed("a sample does not have the shape of the input"))?)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reference").field("inputs", &self.inputs).field("taps", &self.taps).finish()
    }
}

fn input_of(model: &InferenceModel, name: &str, outlet: OutletId) -> TractResult<Input> {
    let shape = model.outlet_fact(outlet)?.shape.as_concrete_finite()?;
    Ok(Input { name: name.to_owned(), shape: shape.map(|s| s.to_vec()).unwrap_or_default() })
}

fn no_tensor(name: &str) -> Error {
    Error::new("the model has no such tensor")
        .at(format!("tensor \"{name}\""))
        .cause("nothing in the ONNX file has this name")
        .remedy("ask for names that Graph::reference_name gives")
}

fn failed(cause: impl Into<String>) -> Error {
    Error::new("the float model cannot be run").cause(cause).remedy("check the shape of the inputs")
}
