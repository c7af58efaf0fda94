//! `mote demo`: the whole line on the example network, from float ONNX to an emulated Cortex-M4; `--train` is beside it.

#[cfg(feature = "train")]
mod train;

use super::convert::layers;
use super::text::{line, percent, picture, table, thousands};
use crate::bench::bench;
use crate::board::{Board, emulator_present};
use crate::convert::{Options, convert};
use crate::data::{self, Prepare, Sample};
use crate::error::{Error, Result};
use crate::evaluate::{self, Accuracy, evaluate, model_spec, only_input};
use crate::import::InputShapes;
use crate::infer::{infer, input_bytes};
use crate::model_file;
use crate::progress::Progress;
use crate::quantize::Calibration;
use crate::report::ModelReport;
use clap::Args;
use mote_runtime::{Kernels, Model, Session};
use std::path::{Path, PathBuf};

/// Pictures shown.
const SHOWN: usize = 4;
/// Images that also run on the board.
const ON_BOARD: usize = 20;
/// The emulated board.
const BOARD: &str = "qemu-m4";

/// Arguments of `mote demo`.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where the converted model goes
    #[arg(short, long, value_name = "OUT.mote", default_value = "target/demo/fashion.mote")]
    output: PathBuf,
    /// Train a teacher and a student first, beside the output, and stop there
    #[cfg(feature = "train")]
    #[arg(long)]
    train: bool,
    /// What they learn from: images of 28 by 28 with labels, such as all of Fashion-MNIST; a thousand images when not given
    #[cfg(feature = "train")]
    #[arg(long, value_name = "PATH", requires = "train")]
    data: Option<PathBuf>,
    /// Times that both see all samples
    #[cfg(feature = "train")]
    #[arg(long, default_value_t = 30, requires = "train")]
    epochs: usize,
}

/// The files of the example network.
struct Files {
    network: PathBuf,
    calib: PathBuf,
    test: PathBuf,
    labels: PathBuf,
}

pub(super) fn main(args: &Demo) -> Result<()> {
    let files = files()?;
    #[cfg(feature = "train")]
    if args.train {
        return train::main(args, &files);
    }
    let prepare = Prepare::parse(None, Some("1/255"))?;
    let labels = super::read_labels(Some(&files.labels))?;
    line("1. A CNN trained on Fashion-MNIST, as ONNX in float, becomes an int8 model.\n")?;
    let options = Options {
        calib: Some(files.calib.clone()),
        prepare: prepare.clone(),
        calibration: Calibration::MinMax,
        labels,
        progress: Progress::Shown,
        ..Options::default()
    };
    let converted = convert(&files.network, &options)?;
    save(&args.output, &converted.bytes)?;
    let model = model_file::parse(&args.output, &converted.bytes)?;
    let report = ModelReport::new(&model, &converted.errors);
    line(&layers(&report))?;

    line("\n2. What it costs, and what was lost.\n")?;
    let accuracy = |path: &Path| {
        let options = evaluate::Options {
            data: files.test.clone(),
            labels: None,
            prepare: prepare.clone(),
            strict: false,
            shapes: InputShapes::default(),
            moved: None,
            progress: Progress::Shown,
        };
        evaluate(path, Kernels::best(), &options)
    };
    let (float, int8) = (accuracy(&files.network)?, accuracy(&args.output)?);
    line(&costs(&model, &report, &files.network, [float, int8])?)?;

    line("\n3. A few test images and what the int8 model sees in them.\n")?;
    let samples: Vec<Sample> =
        data::open(&files.test, &model_spec(&model, None)?)?.take(ON_BOARD).collect::<Result<_>>()?;
    let answers = run_here(&model, &samples)?;
    show(&model, &samples, &answers)?;

    line("\n4. The same bytes on an emulated Cortex-M4.\n")?;
    board(&model, &report, &answers)?;
    line(&format!("\nThe model is {}; try: mote inspect {0}", args.output.display()))
}

fn files() -> Result<Files> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models");
    let folder = folder.canonicalize().map_err(|e| {
        Error::new("cannot find the example network")
            .at(folder.display().to_string())
            .cause(e.to_string())
            .remedy("run the demo in mote's checkout: cargo run --release -- demo")
    })?;
    let file = |name: &str| folder.join(name);
    Ok(Files {
        network: file("fashion.onnx"),
        calib: file("fashion_calib.npz"),
        test: file("fashion_test.npz"),
        labels: file("fashion_labels.txt"),
    })
}

fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    folder_for(path)?;
    model_file::write(path, bytes)
}

/// Makes the folder that a file goes into.
fn folder_for(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|e| {
        Error::new("cannot make the folder")
            .at(folder.display().to_string())
            .cause(e.to_string())
            .remedy("use --output")
    })
}

fn costs(
    model: &Model<'_>,
    report: &ModelReport,
    network: &Path,
    [float, int8]: [Accuracy; 2],
) -> Result<String> {
    let onnx = std::fs::metadata(network).map_or(0, |m| m.len());
    let time = bench(model, Kernels::best(), 1, false, Progress::Shown)?;
    let row = |name: &str, float: String, int8: String| vec![name.to_owned(), float, int8];
    let bytes = |n: usize| format!("{} bytes", thousands(n as u64));
    Ok(table(
        &["", "float ONNX", "int8 mote"],
        &[
            row("top-1 on 1,000 test images", percent(float.top1), percent(int8.top1)),
            row("file", bytes(onnx as usize), bytes(report.model_bytes)),
            row("weights and tables", "".into(), bytes(report.weight_bytes)),
            row("RAM (arena)", "".into(), bytes(report.arena_bytes)),
            row("multiply-accumulates", "".into(), thousands(report.macs)),
            row(
                &format!("latency here ({})", time.isa),
                "".into(),
                format!("{:.0} µs", time.min_ns as f64 / 1e3),
            ),
        ],
    ))
}

/// The bytes of the outputs for each sample, with the bytes that went in.
fn run_here(model: &Model<'_>, samples: &[Sample]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(model, &mut arena).map_err(|e| Error::internal(e.to_string()))?;
    let (info, mut answers) = (only_input(model)?, Vec::new());
    for sample in samples {
        let input = input_bytes(info, sample.x.iter().copied());
        infer(&mut session, &input, &mut ())?;
        answers.push((input, session.outputs().flat_map(|o| o.bytes().to_vec()).collect()));
    }
    Ok(answers)
}

/// Pictures side by side with the predicted and the true class under each.
fn show(model: &Model<'_>, samples: &[Sample], answers: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
    let labels: Vec<&str> = model.labels(0).map(Iterator::collect).unwrap_or_default();
    let name = |i: usize| labels.get(i).copied().unwrap_or("?");
    let pictures: Vec<_> = samples.iter().take(SHOWN).map(|s| picture(&s.x, 0.0, 1.0)).collect();
    for row in 0..pictures.first().map_or(0, Vec::len) {
        line(&pictures.iter().map(|p| p[row].clone()).collect::<Vec<_>>().join("  "))?;
    }
    let width = samples.first().map_or(0, |s| s.x.shape()[1]);
    let caption =
        |texts: Vec<String>| texts.iter().map(|t| format!("{t:<width$}")).collect::<Vec<_>>().join("  ");
    let best = |bytes: &[u8]| (0..bytes.len()).rev().max_by_key(|&i| bytes[i] as i8).unwrap_or(0);
    let shown = || samples.iter().zip(answers).take(SHOWN);
    line(&caption(shown().map(|(_, a)| format!("says: {}", name(best(&a.1)))).collect()))?;
    line(&caption(shown().map(|(s, _)| format!("is:   {}", s.label.map_or("?", name))).collect()))
}

fn board(model: &Model<'_>, report: &ModelReport, answers: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
    if !emulator_present("qemu-m4") {
        return line("QEMU is not installed, so this part is left out. `cargo xtask setup` installs it.");
    }
    let inputs: Vec<Vec<u8>> = answers.iter().map(|a| a.0.clone()).collect();
    let board = Board::open(BOARD, Progress::Shown)?;
    let run = board.run(model, &inputs)?;
    let differing = run.outputs.iter().zip(answers).filter(|(board, here)| **board != here.1).count();
    if differing > 0 || run.outputs.len() != answers.len() {
        return Err(Error::new("the board gives other bits than this machine")
            .at(BOARD)
            .cause(format!("{differing} of {} outputs differ", answers.len()))
            .remedy("this is a defect of mote: please report it"));
    }
    line(&format!(
        "{BOARD} ({}): {} instructions an inference, arena {} bytes, stack {} bytes, statics {} bytes, code {} bytes",
        run.isa,
        thousands(run.instructions),
        thousands(report.arena_bytes as u64),
        thousands(run.stack_bytes),
        thousands(board.static_bytes),
        thousands(board.text_bytes)
    ))?;
    line(&format!(
        "all outputs of {} images are identical to those of this machine, bit for bit",
        answers.len()
    ))
}
