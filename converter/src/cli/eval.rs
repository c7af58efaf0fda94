//! `mote eval`.

use super::text::{line, percent, table};
use super::{Json, Preparation};
use crate::error::{Error, Result};
use crate::evaluate::{Accuracy, Mover, Options, evaluate};
use crate::model_file::kernels;
#[cfg(feature = "train")]
use crate::train::{Attack, Attacker, Subject};
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  mote eval net.mote --data validation/
  mote eval net.mote --data x.npy --labels y.npy --json
  mote eval net.onnx --data validation/ --scale 1/255
  mote eval net.mote --data validation/ --attack fgsm:0.03 --through net.onnx";

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
    /// Move samples against a network first: fgsm:REACH or pgd:REACH:STEPS
    #[cfg(feature = "train")]
    #[arg(long, value_name = "ATTACK")]
    attack: Option<Attack>,
    /// The float network whose gradients the attack follows, where the model is not one itself
    #[cfg(feature = "train")]
    #[arg(long, value_name = "FILE.onnx", requires = "attack")]
    through: Option<PathBuf>,
    #[command(flatten)]
    preparation: Preparation,
    #[command(flatten)]
    json: Json,
}

/// What moves the samples, if that is wanted.
#[cfg(feature = "train")]
fn mover(args: &Eval) -> Result<Option<Mover>> {
    let Some(attack) = args.attack else { return Ok(None) };
    let network = args.through.as_ref().unwrap_or(&args.model);
    if network.extension().is_none_or(|e| e != "onnx") {
        return Err(Error::new("cannot attack the model")
            .at(network.display().to_string())
            .cause("there are no gradients in integers")
            .remedy("name the float network that it was made from: --through NET.onnx"));
    }
    let attacker = Attacker::new(Subject::of(network, &args.preparation.shapes()?)?, attack)?;
    Ok(Some(Box::new(move |x, label| attacker.moved(x, label))))
}

#[cfg(not(feature = "train"))]
fn mover(_: &Eval) -> Result<Option<Mover>> {
    Ok(None)
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
        moved: mover(args)?,
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
    ))?;
    line(&classes(&accuracy))
}

/// A matrix of more columns is not printed.
const WIDEST: usize = 20;

/// A row a class; with the confusion matrix, where it is not too wide.
fn classes(accuracy: &Accuracy) -> String {
    let share = |v: Option<f64>| v.map_or("-".into(), percent);
    let columns = if accuracy.classes.len() <= WIDEST { accuracy.classes.len() } else { 0 };
    let numbers: Vec<String> = (0..columns).map(|c| format!("as {c}")).collect();
    let mut heading = vec!["class", "samples", "precision", "recall", "F1"];
    heading.extend(numbers.iter().map(String::as_str));
    let rows = accuracy.classes.iter().zip(&accuracy.confusion).enumerate().map(|(c, (class, taken))| {
        let mut row = vec![c.to_string(), class.samples.to_string()];
        row.extend([class.precision, class.recall, class.f1].map(share));
        row.extend(taken.iter().take(columns).map(u64::to_string));
        row
    });
    format!("\n{}", table(&heading, &rows.collect::<Vec<_>>()))
}
