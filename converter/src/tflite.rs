//! From an int8 `.tflite` file to a program, without a float network in between.
//!
//! ```text
//! bytes ─ file.rs ─▶ tensors and operators, every index checked ─ lower.rs ─▶ program
//! ```
//!
//! The file's own scales are kept, and each operator is given the rounding with which LiteRT's reference kernels
//! (`BUILTIN_REF`) compute it: the outputs are theirs, bit for bit. `docs/tflite.md` says which operator follows what.
//! Nothing is optimised here.

mod dense;
mod dilation;
mod elementwise;
mod file;
mod float;
mod layout;
mod lower;
mod operators;
mod recurrent;
mod reduce;
mod resize;
mod slices;
mod state;
mod table;
mod transpose_conv;
mod unsigned;
mod window;
mod words;

use crate::error::Result;
use crate::program::Program;

/// The ONNX file of a `.tflite` file that is a float network; `None` where that is quantized already.
pub fn onnx(bytes: &[u8]) -> Result<Option<Vec<u8>>> {
    let file = file::read(bytes)?;
    if float::is_float(&file) { float::onnx(&file).map(Some) } else { Ok(None) }
}

/// Imports the bytes of a quantized `.tflite` file.
pub fn program(bytes: &[u8]) -> Result<Program> {
    lower::lower(&file::read(bytes)?)
}

/// Whether a file is a TFLite model, by the identifier that its format demands.
pub fn is_tflite(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"TFL3")
}

/// The operators that can be imported, in alphabetical order: name, the rounding with which it computes, limits.
pub fn supported() -> Vec<[&'static str; 3]> {
    operators::OPERATORS.iter().map(|row| [row.name, row.rounding, row.note]).collect()
}

/// The operators that can be imported on uint8 values too, in alphabetical order.
pub fn unsigned() -> impl Iterator<Item = &'static str> {
    unsigned::OPERATORS.iter().filter_map(|code| code.variant_name())
}

/// The operators that can be imported on int16 values too, in alphabetical order: name, rounding, limits.
pub fn words() -> impl Iterator<Item = [&'static str; 3]> {
    words::operators()
}

/// The operators that float networks can have, in alphabetical order.
pub fn float_operators() -> impl Iterator<Item = &'static str> {
    float::operators()
}
