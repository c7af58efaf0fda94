//! The float model as ONNX defines it, run by tract: what calibration measures and what the
//! quantized model is compared with.

use crate::error::{Error, Result};
use crate::import::InputShapes;
use ndarray::ArrayD;

/// The float model, ready to run.
#[derive(Debug)]
pub struct Reference {
    taps: Vec<String>,
}

impl Reference {
    /// Prepares the model so that every run gives the tensors named by `taps` (names as in the ONNX
    /// file: [`Graph::reference_name`](crate::ir::Graph::reference_name)).
    pub fn new(bytes: &[u8], shapes: &InputShapes, taps: &[String]) -> Result<Self> {
        let _ = (bytes, shapes, taps);
        Err(Error::internal("the reference is not there yet"))
    }

    /// Runs the model on inputs in the ONNX file's order, shape and layout. Gives one tensor per
    /// tap, in the order of the taps, in the ONNX file's layout;
    /// [`Value::from_reference`](crate::ir::Value::from_reference) turns them into the graph's.
    pub fn run(&self, inputs: &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>> {
        let _ = inputs;
        Err(Error::internal("the reference is not there yet"))
    }

    /// The names given as `taps`.
    pub fn taps(&self) -> &[String] {
        &self.taps
    }
}
