//! The command line: what can be asked, and which module answers. Each verb has a file of its own.

mod bench;
pub(crate) mod convert;
mod demo;
mod eval;
mod header;
mod inspect;
mod run;
pub(crate) mod text;
#[cfg(feature = "train")]
mod train;

use crate::data::Prepare;
use crate::error::{Error, Result};
use crate::import::InputShapes;
use crate::progress::Progress;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Takes a trained convolutional network from a file to the smallest computer that can hold it.
#[derive(Debug, Parser)]
#[command(name = "mote", version, after_help = EXAMPLES, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "Examples:
  mote demo
  mote convert net.onnx -o net.mote --calib photos/ --scale 1/255
  mote convert net.tflite -o net.mote
  mote run net.mote --input cat.png
  mote run net.mote --input x.npy --on qemu-m4
  mote eval net.mote --data validation/
  mote bench net.mote --per-layer
  mote inspect net.mote

Exit codes: 0 done, 1 it failed (the error says where, why and what to do), 2 wrong usage.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Convert a float ONNX network or an int8 TFLite model
    Convert(convert::Convert),
    /// Train a network on labelled samples
    #[cfg(feature = "train")]
    Train(train::Train),
    /// Teach a small network what a large one knows
    #[cfg(feature = "train")]
    Distill(train::Distill),
    /// Run a model once, here or on an emulated board
    Run(run::Run),
    /// Measure the accuracy of a classifier
    Eval(eval::Eval),
    /// Measure the time of an inference on this machine
    Bench(bench::Bench),
    /// Show operators, scales and the memory plan of a model
    Inspect(inspect::Inspect),
    /// Print the C header of a model that is part of a program
    Header(header::Header),
    /// Convert the example network, run it here and on an emulated Cortex-M4, and compare
    Demo(demo::Demo),
}

/// Does what the command line says.
pub fn main(cli: Cli) -> Result<()> {
    match cli.verb {
        Verb::Convert(args) => convert::main(&args),
        #[cfg(feature = "train")]
        Verb::Train(args) => train::main_train(&args),
        #[cfg(feature = "train")]
        Verb::Distill(args) => train::main_distill(&args),
        Verb::Run(args) => run::main(&args),
        Verb::Eval(args) => eval::main(&args),
        Verb::Bench(args) => bench::main(&args),
        Verb::Inspect(args) => inspect::main(&args),
        Verb::Header(args) => header::main(&args),
        Verb::Demo(args) => demo::main(&args),
    }
}

/// How samples become inputs of a float network.
#[derive(Debug, Args)]
struct Preparation {
    /// Shape of the input, as the network has it: 1,3,96,96 or NAME:1,3,96,96
    #[arg(long, value_name = "SHAPE")]
    input_shape: Vec<String>,
    /// Subtracted from every value of a sample: one number, or one a channel
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    mean: Option<String>,
    /// Multiplied onto every value after that: one number, or one a channel; fractions such as 1/255 are understood
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    scale: Option<String>,
    /// Stop at a file of samples that cannot be read, instead of naming it and leaving it out
    #[arg(long)]
    strict: bool,
}

impl Preparation {
    fn shapes(&self) -> Result<InputShapes> {
        InputShapes::parse(&self.input_shape)
    }

    fn prepare(&self) -> Result<Prepare> {
        Prepare::parse(self.mean.as_deref(), self.scale.as_deref())
    }

    fn is_given(&self) -> bool {
        self.mean.is_some() || self.scale.is_some() || !self.input_shape.is_empty()
    }
}

/// Output for programs rather than people.
#[derive(Debug, Clone, Copy, Args)]
struct Json {
    /// Print one JSON object instead of text, and no progress bars
    #[arg(long)]
    json: bool,
}

impl Json {
    fn progress(self) -> Progress {
        if self.json { Progress::Hidden } else { Progress::Shown }
    }

    /// Prints the object when it is wanted; says whether it was.
    fn print(self, value: &impl serde::Serialize) -> Result<bool> {
        if self.json {
            let text = serde_json::to_string_pretty(value).map_err(|e| Error::internal(e.to_string()))?;
            text::line(&text)?;
        }
        Ok(self.json)
    }
}

/// A file of class names, a line each.
fn read_labels(path: Option<&PathBuf>) -> Result<Vec<String>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path).map_err(|e| {
        Error::new("cannot read the class names")
            .at(path.display().to_string())
            .cause(e.to_string())
            .remedy("give a text file with one class name a line")
    })?;
    Ok(text.lines().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect())
}
