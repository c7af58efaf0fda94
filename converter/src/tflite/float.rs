//! From a float `.tflite` file to the ONNX network that computes the same, so that it goes the way of all float networks:
//! inference, calibration, quantization and verification know one kind of file.
//!
//! ```text
//! file.rs ─▶ tensors and operators ─ operators.rs, one lowering each ─▶ network.rs ─▶ bytes of an ONNX file
//! ```
//!
//! Tensors keep their names. Those of four dimensions are channels first inside, between transposes at the edges, which
//! the passes over the graph take out again. Constants behind DEQUANTIZE are constants, whatever their type was.

mod constants;
mod elementwise;
mod layout;
mod network;
mod operators;
mod slices;
mod window;

use super::file::{File, Node};
use super::lower::{position, refuse_all, refuse_unknown};
use crate::error::{Error, Result};
use network::Network;
use tract_tflite::tflite::TensorType;

/// What a lowering gives: nothing, or why there is none.
type Lowered<T = ()> = Result<T, String>;

/// Whether everything that is computed is float.
pub(super) fn is_float(file: &File<'_>) -> bool {
    let mut computed =
        file.nodes.iter().flat_map(|n| &n.outputs).chain(&file.inputs).map(|&t| &file.tensors[t]);
    let quantized = |kind| matches!(kind, TensorType::INT8 | TensorType::UINT8 | TensorType::INT16);
    computed.clone().any(|t| t.kind == TensorType::FLOAT32) && !computed.any(|t| quantized(t.kind))
}

/// The names of the operators that a network may have.
pub(super) fn operators() -> impl Iterator<Item = &'static str> {
    operators::OPERATORS.iter().map(|row| row.name)
}

/// The network as the bytes of an ONNX file.
pub(super) fn onnx(file: &File<'_>) -> Result<Vec<u8>> {
    refuse_unknown(file, |node| operators::find(node).is_none().then_some(""), &operators::names())?;
    let mut network = Network::new(file).map_err(|cause| {
        Error::new("cannot import the model").cause(cause).remedy("export the model with float inputs")
    })?;
    let mut refusals = Vec::new();
    for node in &file.nodes {
        let (Some(row), Some(node)) = (operators::find(node), network.folds.replace(node)) else { continue };
        if let Err(cause) = (row.lower)(&mut network, &node) {
            refusals.push(refusal(file, &node, cause));
            node.outputs.iter().for_each(|&t| network.pretend(t));
        }
    }
    refuse_all(refusals)?;
    network.finish().map_err(|cause| {
        Error::new("cannot import the model").cause(cause).remedy("remove this output from the model")
    })
}

fn refusal(file: &File<'_>, node: &Node<'_>, cause: String) -> Error {
    Error::new("cannot import an operator")
        .at(format!("{} ({})", position(file, node), node.name))
        .cause(cause)
        .remedy("export the model as docs/tflite.md says")
}
