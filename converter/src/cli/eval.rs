//! `mote eval`.

use super::text::{line, percent};
use super::{Json, Preparation};
use crate::error::{Error, Result};
use crate::evaluate::{Options, evaluate};
use crate::model_file::kernels;
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  mote eval net.mote --data validation/
  mote eval net.mote --data x.npy --labels y.npy --json
  mote eval net.onnx --data validation/ --scale 1/255";

/// Arguments of `mote eval`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Eval {
    /// A .mote model, or a float .onnx or .tflite network for comparison
    model: PathBuf,
    /// Samples: a folder with one subfolder a class, a .csv, an .npy, an .npz or an IDX file
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Class indices, counted from 0, where the samples don't bring them: an .npy or an IDX file, or a column of the .csv
    #[arg(long, value_name = "Y.npy|NAME")]
    labels: Option<PathBuf>,
    /// Run on this instruction set
    #[arg(long, value_name = "NAME")]
    isa: Option<String>,
    #[command(flatten)]
    preparation: Preparation,
    #[command(flatten)]
    json: Json,
}

pub(super) fn main(args: &Eval) -> Result<()> {
    if args.preparation.is_given() && args.model.extension().is_none_or(|e| e != "onnx" && e != "tflite") {
        return Err(Error::new("cannot evaluate")
            .at(args.model.display().to_string())
            .cause("a mote model knows its input shape, mean and scale")
            .remedy("leave out --input-shape, --mean and --scale, or give them to mote convert"));
    }
    let options = Options {
        data: args.data.clone(),
        labels: args.labels.clone(),
        prepare: args.preparation.prepare()?,
        strict: args.preparation.strict,
        shapes: args.preparation.shapes()?,
        progress: args.json.progress(),
    };
    let accuracy = evaluate(&args.model, kernels(args.isa.as_deref())?, &options)?;
    if args.json.print(&accuracy)? {
        return Ok(());
    }
    line(&format!(
        "samples {}\ntop-1   {}\ntop-5   {}\nloss    {:.4}",
        accuracy.samples,
        percent(accuracy.top1),
        percent(accuracy.top5),
        accuracy.loss
    ))
}
