//! From an ONNX file to the float graph.
//!
//! ```text
//! file  ─ external.rs ─▶ bytes, with the weights that it keeps in other files
//! bytes ─ model.rs ─▶ protobuf with fixed input shapes; a quantized one made float by quantized.rs
//!       ─ rewrite.rs ─▶ operators that others make up, written out
//!       ─ facts.rs ─▶ shape, type and constant value of every tensor (by tract)
//!       ─ build.rs ─▶ graph, one lowering per operator (operators.rs and the files beside it)
//! ```
//!
//! Nothing is optimised here; that is `passes`. Whatever tract can compute without the input is a
//! constant from the start, so shape arithmetic never reaches the graph.

mod attributes;
mod build;
mod conv;
mod dense;
mod elementwise;
mod external;
mod facts;
mod functions;
mod guard;
mod infer;
mod model;
mod operators;
mod pool;
mod quantized;
mod reduce;
mod repeat;
mod rewrite;
mod select;
mod shape;
mod shapes;

pub use shapes::InputShapes;

pub(crate) use guard::guarded;
pub(crate) use infer::infer;
pub(crate) use model::{Parsed, damaged, decode, input_names, parse, tract_cause};

use crate::error::{Error, Result};
use crate::ir::Graph;
use std::path::Path;

/// Imports the bytes of an ONNX file. The graph is in [`Layout::Nchw`](crate::ir::Layout::Nchw);
/// [`passes::run`](crate::passes::run) brings it into the form that is quantized.
///
/// Symbolic dimensions must be given by `shapes`, except a leading batch dimension, which is 1.
pub fn onnx(bytes: &[u8], shapes: &InputShapes) -> Result<Graph> {
    let (proto, given) = model::decode(bytes, shapes)?;
    let facts = facts::analyse(&proto)?;
    Ok(Graph { given, ..build::build(&proto, &facts)? })
}

/// Imports an ONNX file.
pub fn onnx_file(path: &Path, shapes: &InputShapes) -> Result<Graph> {
    onnx(&read(path)?, shapes).map_err(|e| match e.at {
        None => e.at(path.display().to_string()),
        Some(_) => e,
    })
}

/// Reads a model file, with the weights that an ONNX file keeps in others beside it, or says why it cannot.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(|e| {
        Error::new("cannot read the model file")
            .at(path.display().to_string())
            .cause(e.to_string())
            .remedy("check the path and its permissions")
    })?;
    external::inlined(path, bytes)
}

/// The operators of quantized ONNX models that can be imported beside the others, in alphabetical order: name, the float
/// operator that it is, how far its results may be from those of ONNX Runtime.
pub fn supported_quantized() -> Vec<[&'static str; 3]> {
    quantized::supported()
}

/// The ONNX operators that can be imported, in alphabetical order, each with a note on its limits.
/// Besides these, every operator that tract can compute without the model's input is accepted,
/// since nothing of it is left to run.
pub fn supported() -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<_> = operators::OPERATORS.iter().map(|row| (row.name, row.note)).collect();
    all.extend(rewrite::supported());
    all.sort_unstable();
    all
}
