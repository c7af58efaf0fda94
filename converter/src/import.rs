//! From an ONNX file to the float graph.

use crate::error::{Error, Result};
use crate::ir::Graph;
use std::path::Path;

/// Shapes given for the model's inputs on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputShapes(Vec<(Option<String>, Vec<usize>)>);

impl InputShapes {
    /// Reads `1,3,224,224` (for the only input) or `name:1,3,224,224`, one string an input.
    pub fn parse(texts: &[String]) -> Result<Self> {
        let _ = texts;
        Ok(InputShapes::default())
    }
}

/// Imports the bytes of an ONNX file. The graph is in [`Layout::Nchw`](crate::ir::Layout::Nchw);
/// `passes::run` brings it into the form that is quantized.
pub fn onnx(bytes: &[u8], shapes: &InputShapes) -> Result<Graph> {
    let _ = (bytes, shapes);
    Err(Error::internal("import is not there yet"))
}

/// Imports an ONNX file.
pub fn onnx_file(path: &Path, shapes: &InputShapes) -> Result<Graph> {
    onnx(&read(path)?, shapes)
}

/// Reads a model file, or says why it cannot.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let _ = path;
    Err(Error::internal("import is not there yet"))
}

/// The ONNX operators that can be imported, in alphabetical order, each with a note on its limits.
pub fn supported() -> Vec<(&'static str, &'static str)> {
    Vec::new()
}
