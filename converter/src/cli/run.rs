//! `mote run`.

use super::Json;
use super::text::{line, table, thousands};
use crate::board::{BOARDS, Board, LayerRun};
use crate::data;
use crate::error::{Error, Result};
use crate::evaluate::{model_spec, only_input};
use crate::infer::{infer, sample_bytes};
use crate::model_file;
use clap::Args;
use mote_runtime::{DType, Hook, Model, Quant, Session, Step, Tensor, TensorInfo, macs, micro_kernel};
use ndarray::{Array1, ArrayD, IxDyn};
use ndarray_npy::{ReadNpyExt, WriteNpyExt};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "Examples:
  mote run net.mote --input cat.png
  mote run net.mote --input x.npy --output y.npy --on qemu-m4
  mote run net.mote --input q.npy --raw --output q_out.npy --isa scalar";

/// Arguments of `mote run`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Run {
    /// The model
    model: PathBuf,
    /// Samples: an .npy or an image; prepared as the model says. States carry from each to the next
    #[arg(long, value_name = "X.npy|IMAGE")]
    input: PathBuf,
    /// Also write the first output of every sample to this file
    #[arg(long, value_name = "Y.npy")]
    output: Option<PathBuf>,
    /// Take the input and give the outputs as the stored values: int8, uint8 or int16
    #[arg(long)]
    raw: bool,
    /// Run on this instruction set instead of the fastest one
    #[arg(long, value_name = "NAME", conflicts_with = "on")]
    isa: Option<String>,
    /// Run on an emulated board
    #[arg(long, value_name = "BOARD", value_parser = clap::builder::PossibleValuesParser::new(BOARDS))]
    on: Option<String>,
    #[command(flatten)]
    json: Json,
}

/// One layer of a run.
#[derive(Debug, Serialize)]
struct Layer {
    name: String,
    op: &'static str,
    kernel: String,
    micro_kernel: &'static str,
    macs: u64,
    instructions: Option<u64>,
}

/// Everything that is known of a run; null where it does not apply.
#[derive(Debug, Serialize)]
struct Outcome {
    outputs: BTreeMap<String, Vec<f32>>,
    isa: String,
    board: Option<&'static str>,
    instructions: Option<u64>,
    arena_bytes: usize,
    stack_bytes: Option<u64>,
    static_bytes: Option<u64>,
    text_bytes: Option<u64>,
    layers: Vec<Layer>,
}

pub(super) fn main(args: &Run) -> Result<()> {
    let bytes = model_file::read(&args.model)?;
    let model = model_file::parse(&args.model, &bytes)?;
    let inputs = inputs(args, &model)?;
    let (outcome, outputs) = match &args.on {
        Some(board) => on_board(&model, &Board::open(board, args.json.progress())?, &inputs)?,
        None => here(&model, args.isa.as_deref(), &inputs)?,
    };
    let last = outputs.last().map_or(&[][..], |last| last);
    let outcome = Outcome { outputs: named(&model, last, args.raw), ..outcome };
    if let Some(path) = &args.output {
        save(path, &model, &outputs, args.raw)?;
    }
    if args.json.print(&outcome)? {
        return Ok(());
    }
    print(&model, &outcome)
}

/// The bytes of the model's inputs, sample by sample; at least one.
fn inputs(args: &Run, model: &Model<'_>) -> Result<Vec<Vec<u8>>> {
    if args.raw {
        return raw(&args.input, &only_input(model)?);
    }
    let samples = data::open(&args.input, &model_spec(model, None)?)?;
    let samples = samples.map(|sample| Ok(sample_bytes(model, &sample?)));
    let samples = samples.collect::<Result<Vec<_>>>()?;
    if samples.is_empty() {
        return Err(data_error(&args.input, "it holds no sample", "give one sample"));
    }
    Ok(samples)
}

/// The int8 values of an .npy file, or uint8 or int16 ones where the model takes these, sample by sample.
fn raw(path: &Path, info: &TensorInfo) -> Result<Vec<Vec<u8>>> {
    let kind = match info.dtype {
        DType::U8 => "uint8",
        DType::I16 => "int16",
        _ => "int8",
    };
    let file = std::fs::File::open(path).map_err(|e| data_error(path, e.to_string(), "check the path"))?;
    let values = match info.dtype {
        DType::U8 => ArrayD::<u8>::read_npy(file),
        DType::I16 => ArrayD::<i16>::read_npy(file)
            .map(|values| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Array1<u8>>().into_dyn()),
        _ => ArrayD::<i8>::read_npy(file).map(|values| values.mapv(|v| v as u8)),
    };
    let values = values.map_err(|e| {
        data_error(path, e.to_string(), &format!("with --raw the input is an .npy of {kind} values"))
    })?;
    if values.is_empty() || !values.len().is_multiple_of(info.bytes()) {
        let (count, shape) = (values.len(), values.shape());
        let cause = format!("it has {count} bytes of shape {shape:?}, the input takes {}", info.bytes());
        return Err(data_error(path, cause, "give samples in the model's own layout (NHWC)"));
    }
    let values: Vec<u8> = values.into_iter().collect();
    Ok(values.chunks_exact(info.bytes()).map(<[u8]>::to_vec).collect())
}

fn data_error(path: &Path, cause: impl Into<String>, remedy: &str) -> Error {
    Error::new("cannot read the input").at(path.display().to_string()).cause(cause).remedy(remedy)
}

/// Notes which kernel ran each layer.
#[derive(Default)]
struct Kernels(BTreeMap<u16, LayerRun>);

impl Hook for Kernels {
    fn after(&mut self, step: &Step<'_>) {
        let run = || LayerRun { kernel: step.kernel().to_string(), instructions: 0 };
        self.0.entry(step.index()).or_insert_with(run);
    }
}

/// What a run has told, and for each sample the bytes of every output.
type Told = (Outcome, Vec<Vec<Vec<u8>>>);

fn here(model: &Model<'_>, isa: Option<&str>, inputs: &[Vec<u8>]) -> Result<Told> {
    let kernels = model_file::kernels(isa)?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session =
        Session::with_kernels(model, &mut arena, kernels).map_err(|e| Error::internal(e.to_string()))?;
    let mut hook = Kernels::default();
    let mut outputs = Vec::new();
    for input in inputs {
        hook.0.clear();
        infer(&mut session, input, &mut hook)?;
        outputs.push(session.outputs().map(|o| o.bytes().to_vec()).collect());
    }
    let outcome = Outcome {
        outputs: BTreeMap::new(),
        isa: kernels.name().to_owned(),
        board: None,
        instructions: None,
        arena_bytes: model.arena_bytes(),
        stack_bytes: None,
        static_bytes: None,
        text_bytes: None,
        layers: layers(model, kernels.name(), &hook.0.into_values().collect::<Vec<_>>(), false),
    };
    Ok((outcome, outputs))
}

fn on_board(model: &Model<'_>, board: &Board, inputs: &[Vec<u8>]) -> Result<Told> {
    only_input(model)?;
    let run = board.run(model, inputs)?;
    let split = |mut rest: &[u8]| {
        let mut next = |info: TensorInfo| {
            let (mine, others) = rest.split_at(info.bytes().min(rest.len()));
            rest = others;
            mine.to_vec()
        };
        model.outputs().map(&mut next).collect()
    };
    let outputs = run.outputs.iter().map(|all| split(all)).collect();
    let layers = layers(model, &run.isa, &run.layers, true);
    let outcome = Outcome {
        outputs: BTreeMap::new(),
        isa: run.isa,
        board: Some(board.name),
        instructions: Some(run.instructions),
        arena_bytes: model.arena_bytes(),
        stack_bytes: Some(run.stack_bytes),
        static_bytes: Some(board.static_bytes),
        text_bytes: Some(board.text_bytes),
        layers,
    };
    Ok((outcome, outputs))
}

fn layers(model: &Model<'_>, isa: &str, runs: &[LayerRun], counted: bool) -> Vec<Layer> {
    let format = model.format();
    let steps = format.steps().zip(runs);
    let layer = |(step, run): (mote_format::StepInfo<'_>, &LayerRun)| {
        let name = format.tensor(step.output).map_or("", |t| format.tensor_name(&t)).to_owned();
        Layer {
            name,
            op: step.op.name(),
            kernel: run.kernel.clone(),
            micro_kernel: micro_kernel(model, step.index, isa),
            macs: macs(format, &step),
            instructions: counted.then_some(run.instructions),
        }
    };
    steps.map(layer).collect()
}

/// The outputs by name: real values, or with `raw` the stored integers.
fn named(model: &Model<'_>, outputs: &[Vec<u8>], raw: bool) -> BTreeMap<String, Vec<f32>> {
    let values = |(mut info, bytes): (TensorInfo, &Vec<u8>)| {
        if raw {
            info.quant = Quant { scale: 1.0, zero: 0 };
        }
        (model.name(&info).to_owned(), Tensor::new(info, bytes).reals().collect())
    };
    model.outputs().zip(outputs).map(values).collect()
}

/// Writes the first output as an .npy file; of several samples one behind the other.
fn save(path: &Path, model: &Model<'_>, outputs: &[Vec<Vec<u8>>], raw: bool) -> Result<()> {
    let Some(info) = model.outputs().next() else { return Ok(()) };
    let values: Vec<u8> = outputs.iter().filter_map(|sample| sample.first()).flatten().copied().collect();
    let samples = (outputs.len() > 1).then_some(outputs.len());
    let shape: Vec<usize> =
        samples.into_iter().chain(info.shape.dims().iter().map(|&d| d as usize)).collect();
    let mut bytes = Vec::new();
    let written = if raw && info.dtype == DType::I8 {
        let q: Vec<i8> = values.iter().map(|&v| v as i8).collect();
        ArrayD::from_shape_vec(IxDyn(&shape), q).map(|a| a.write_npy(&mut bytes))
    } else if raw && info.dtype == DType::I16 {
        let q: Vec<i16> = values.as_chunks().0.iter().map(|&b| i16::from_le_bytes(b)).collect();
        ArrayD::from_shape_vec(IxDyn(&shape), q).map(|a| a.write_npy(&mut bytes))
    } else if raw && info.dtype == DType::U8 {
        ArrayD::from_shape_vec(IxDyn(&shape), values).map(|a| a.write_npy(&mut bytes))
    } else {
        let all = named(model, &[values], raw);
        let reals = all.into_values().next().unwrap_or_default();
        ArrayD::from_shape_vec(IxDyn(&shape), reals).map(|a| a.write_npy(&mut bytes))
    };
    written.map_err(|e| Error::internal(e.to_string()))?.map_err(|e| Error::internal(e.to_string()))?;
    model_file::write(path, &bytes)
}

fn print(model: &Model<'_>, outcome: &Outcome) -> Result<()> {
    for (i, (name, values)) in outcome.outputs.iter().enumerate() {
        let labels: Vec<&str> = model.labels(i as u16).map(Iterator::collect).unwrap_or_default();
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        line(&format!("{name}: {} values, largest first", values.len()))?;
        for &k in order.iter().take(5) {
            line(&format!("  {:>5}  {:<16} {:.6}", k, labels.get(k).copied().unwrap_or(""), values[k]))?;
        }
    }
    let known = |v: Option<u64>| v.map_or("-".into(), thousands);
    if outcome.board.is_some() {
        let rows: Vec<_> = outcome
            .layers
            .iter()
            .map(|l| {
                let per_mac = l
                    .instructions
                    .filter(|_| l.macs > 0)
                    .map_or("-".into(), |n| format!("{:.2}", n as f64 / l.macs as f64));
                let (kernel, micro_kernel) = (l.kernel.clone(), l.micro_kernel.to_owned());
                let (macs, instructions) = (thousands(l.macs), known(l.instructions));
                vec![l.name.clone(), kernel, micro_kernel, macs, instructions, per_mac]
            })
            .collect();
        let head = ["layer", "<kernel", "<micro-kernel", "MACs", "instructions", "per MAC"];
        line(&format!("\n{}", table(&head, &rows)))?;
    }
    line(&format!(
        "\nran on       {} ({})\ninstructions {}\narena        {} bytes\nstack        {} bytes\nstatics      {} bytes\ntext         {} bytes",
        outcome.board.unwrap_or("this machine"),
        outcome.isa,
        known(outcome.instructions),
        thousands(outcome.arena_bytes as u64),
        known(outcome.stack_bytes),
        known(outcome.static_bytes),
        known(outcome.text_bytes)
    ))
}
