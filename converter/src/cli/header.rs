//! `mote header`: what a C program needs to know of a model that is part of it.

use super::text::line;
use crate::error::{Error, Result};
use crate::model_file;
use clap::Args;
use mote_format::{DType, TensorInfo};
use mote_runtime::Model;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Arguments of `mote header`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mote header kws.mote -o kws.h\n  mote header kws.mote --name keywords")]
pub(super) struct Header {
    /// The model
    model: PathBuf,
    /// The header to write [default: standard output]
    #[arg(short, long, value_name = "OUT.h")]
    output: Option<PathBuf>,
    /// What the functions' names begin with [default: the file's name]
    #[arg(long)]
    name: Option<String>,
}

pub(super) fn main(args: &Header) -> Result<()> {
    let bytes = model_file::read(&args.model)?;
    let model = model_file::parse(&args.model, &bytes)?;
    let stem = args.model.file_stem().unwrap_or_default().to_string_lossy();
    let name = args.name.as_deref().unwrap_or(&stem);
    let text = header(&model, &checked(name, &args.model)?);
    match &args.output {
        Some(path) => model_file::write(path, text.as_bytes()),
        None => line(text.trim_end()),
    }
}

/// The name, when C can use it.
fn checked(name: &str, model: &Path) -> Result<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(good) && name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Ok(name.to_owned());
    }
    Err(Error::new("cannot write the header")
        .at(model.display().to_string())
        .cause(format!("{name:?} cannot begin the name of a C function"))
        .remedy("give a --name of letters, digits and _"))
}

/// The header of a model whose functions begin with `name`.
fn header(model: &Model<'_>, name: &str) -> String {
    let upper = name.to_uppercase();
    let mut text = format!(
        "/* {} as a part of a C program; written by `mote header`. The functions are in the library\n\
         \x20* that was built with MOTE_NAME={name}. */\n\
         #ifndef {upper}_H\n#define {upper}_H\n\n#include <stdint.h>\n\n\
         #ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n\
         /* Bytes of RAM for activations and scratch, and where they must start: a multiple of 16. */\n\
         #define {upper}_ARENA {}\n\n",
        if model.format().name().is_empty() { "A model" } else { model.format().name() },
        model.arena_bytes(),
    );
    ends(&mut text, &upper, name, "input", model.inputs().collect(), false);
    ends(&mut text, &upper, name, "output", model.outputs().collect(), true);
    if let Some(labels) = model.labels(0) {
        let labels: Vec<String> = labels.map(|label| format!("    {label:?},")).collect();
        let _ = write!(
            text,
            "/* The class names of the first output. */\n#define {upper}_LABELS {{ \\\n{} \\\n}}\n\n",
            labels.join(" \\\n")
        );
    }
    let _ = write!(
        text,
        "/* One inference: the inputs are in the arena before it, the outputs after it. */\n\
         void {name}_run(uint8_t *arena);\n\n\
         /* Gives the states, if the model has any, their initial values: before the first run. */\n\
         void {name}_reset(uint8_t *arena);\n\n\
         #ifdef __cplusplus\n}}\n#endif\n\n#endif\n"
    );
    text
}

/// Where the inputs or outputs lie, and what their values mean.
fn ends(text: &mut String, upper: &str, name: &str, end: &str, tensors: Vec<TensorInfo>, read_only: bool) {
    let single = tensors.len() == 1;
    for (i, tensor) in tensors.iter().enumerate() {
        let number = if single { String::new() } else { i.to_string() };
        let (macros, constant) =
            (format!("{upper}_{}{number}", end.to_uppercase()), if read_only { "const " } else { "" });
        let dims: Vec<String> = tensor.shape.dims().iter().map(u32::to_string).collect();
        let element = match tensor.dtype {
            DType::I8 => "int8_t",
            DType::U8 => "uint8_t",
            DType::I16 => "int16_t",
            DType::I32 => "int32_t",
            DType::F32 => "float",
        };
        let _ = write!(
            text,
            "/* The {end}: {}. Of a quantized one, real = SCALE * (q - ZERO). */\n\
             #define {macros}_LENGTH {}\n\
             #define {macros}_SCALE {:e}f\n\
             #define {macros}_ZERO {}\n\
             static inline {constant}{element} *{name}_{end}{number}({constant}uint8_t *arena)\n\
             {{\n    return ({constant}{element} *)(arena + {});\n}}\n\n",
            dims.join(" x "),
            tensor.shape.elements(),
            tensor.quant.scale,
            tensor.quant.zero,
            tensor.offset
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_c_knows() {
        for name in ["kws", "Kws_2"] {
            assert!(checked(name, Path::new("x.mote")).is_ok());
        }
        for name in ["", "2kws", "k-ws", "é"] {
            assert!(checked(name, Path::new("x.mote")).is_err());
        }
    }
}
