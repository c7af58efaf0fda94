//! `mote convert`.

use super::text::{line, percent, table, thousands};
use super::{Json, Preparation, read_labels};
use crate::convert::{Converted, Options, convert, float_network};
use crate::error::{Error, Result};
use crate::evaluate::{self, evaluate};
use crate::import;
use crate::model_file;
use crate::page::Page;
use crate::plan::{Region, Request};
use crate::quantize::{Activations, Calibration};
use crate::recode::Weights;
use crate::report::{ModelReport, QuantizationReport, RegionReport};
use crate::sensitivity::{LayerSensitivity, SensitivityReport};
use clap::Args;
use mote_runtime::{Kernels, Model};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "Examples:
  mote convert net.onnx --calib photos/ --mean 123.7,116.3,103.5 --scale 1/58.4,1/57.1,1/57.4
  mote convert net.onnx -o net.mote --calib samples.npz --input-shape 1,3,96,96
  mote convert net.onnx --calib photos/ --scale 1/255 --report net.html --eval validation/
  mote convert net.onnx --calib x.npy --calibration percentile:99.99 --json
  mote convert net.onnx --calib x.npy --weights int4 --weights logits=int8
  mote convert int8.tflite -o net.mote --labels classes.txt
  mote convert float.tflite --calib samples.npz
  mote convert int8.tflite --region dtcm=16384 --region sram=65536:4";

/// Arguments of `mote convert`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Convert {
    /// A network in ONNX or TFLite: a float one, which is quantized, or one that is quantized already
    #[arg(value_name = "IN.onnx|IN.tflite")]
    input: PathBuf,
    /// The model to write [default: the input's name with .mote]
    #[arg(short, long, value_name = "OUT.mote")]
    output: Option<PathBuf>,
    /// Samples to calibrate a network with that has no scales: a folder of images or WAV recordings
    /// (class subfolders allowed), a .csv, an .npy, an .npz or an IDX file; at most 200 are read
    #[arg(long, value_name = "PATH")]
    calib: Option<PathBuf>,
    /// How activation ranges follow from the samples: minmax, average, mse, entropy, percentile or percentile:P; auto
    /// takes the best for each tensor, equalizes channels and corrects biases where the outputs gain by it
    /// [default: auto]
    #[arg(long, value_name = "METHOD")]
    calibration: Option<String>,
    /// What activations are stored in: int8, or int16 for twice the memory and less noise; weights are int8
    #[arg(long, value_name = "TYPE", default_value = "int8", value_parser = ["int8", "int16"])]
    activations: String,
    /// What weights of convolutions and dense layers are stored in: int8, int4, palette16 (sixteen values that a layer's
    /// weights share), or auto, the smallest that keeps the outputs close; LAYER=TYPE for one layer [default: int8]
    #[arg(long, value_name = "[LAYER=]TYPE")]
    weights: Vec<String>,
    /// Class names to store in the model, a line each
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Bytes that the arena may have: plan for the fewest calls of kernels that fit it, not for the smallest arena
    #[arg(long, value_name = "BYTES")]
    ram: Option<usize>,
    /// Plan for an input that is fed row by row, as cameras deliver it, and is never there as a whole
    #[arg(long)]
    rows: bool,
    /// A region of RAM to plan for, for example tightly coupled memory before external RAM; once for each, the fastest
    /// first. COST is what it takes to move a byte there, compared with the others [default: 1, 2, 3…]
    #[arg(long, value_name = "NAME=BYTES[:COST]", conflicts_with = "ram")]
    region: Vec<String>,
    /// Measure what the outputs would gain if each layer alone were float: in decibels, and in right classes where the
    /// samples have labels
    #[arg(long, requires = "calib")]
    sensitivity: bool,
    /// Write a page that explains the model: layers and their errors, graph, memory
    #[arg(long, value_name = "OUT.html")]
    report: Option<PathBuf>,
    /// Labelled samples: the page then shows accuracy, float against int8, and what is taken for what
    #[arg(long, value_name = "PATH", requires = "report")]
    eval: Option<PathBuf>,
    #[command(flatten)]
    preparation: Preparation,
    #[command(flatten)]
    json: Json,
}

impl Convert {
    /// Converts, and writes the model to `output`.
    pub(crate) fn write(&self, output: &Path) -> Result<Converted> {
        if self.calibration.is_some() && self.calib.is_none() {
            return Err(Error::new("the model has no use for --calibration")
                .at(self.input.display().to_string())
                .cause("it says how ranges follow from samples, and there are none")
                .remedy("give samples with --calib; for a model that is quantized already, leave out --calibration"));
        }
        let options = Options {
            shapes: self.preparation.shapes()?,
            calib: self.calib.clone(),
            prepare: self.preparation.prepare()?,
            strict: self.preparation.strict,
            calibration: self.calibration.as_deref().unwrap_or("auto").parse::<Calibration>()?,
            activations: if self.activations == "int16" { Activations::Int16 } else { Activations::Int8 },
            weights: Weights::parse(&self.weights)?,
            sensitivity: self.sensitivity,
            labels: read_labels(self.labels.as_ref())?,
            memory: Request {
                ram: self.ram,
                rows: self.rows,
                regions: self.region.iter().map(|text| text.parse::<Region>()).collect::<Result<_>>()?,
            },
            progress: self.json.progress(),
        };
        let converted = convert(&self.input, &options)?;
        model_file::write(output, &converted.bytes)?;
        if let Some(page) = &self.report {
            self.explain(page, output, &converted)?;
        }
        Ok(converted)
    }

    /// Writes the page about a model that has been written.
    fn explain(&self, page: &Path, output: &Path, converted: &Converted) -> Result<()> {
        let model = model_file::parse(output, &converted.bytes)?;
        let report = described(&model, converted);
        let accuracy = |path: &Path| {
            let Some(data) = self.eval.clone() else { return Ok(None) };
            let options = evaluate::Options {
                data,
                labels: None,
                prepare: self.preparation.prepare()?,
                strict: self.preparation.strict,
                shapes: self.preparation.shapes()?,
                moved: None,
                progress: self.json.progress(),
            };
            evaluate(path, Kernels::best(), &options).map(Some)
        };
        let is_float = float_network(&self.input, &import::read(&self.input)?)?.is_some();
        let float = if is_float { accuracy(&self.input)? } else { None };
        let int8 = accuracy(output)?;
        let html = Page { model: &model, report: &report, float: float.as_ref(), int8: int8.as_ref() }.html();
        model_file::write(page, html.as_bytes())
    }

    /// What it reads.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.input), self.calib.as_ref(), self.labels.as_ref(), self.eval.as_ref()]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
    }

    /// The model's file.
    pub(crate) fn output(&self) -> PathBuf {
        self.output.clone().unwrap_or_else(|| self.input.with_extension("mote"))
    }
}

pub(super) fn main(args: &Convert) -> Result<()> {
    let output = args.output();
    let converted = args.write(&output)?;
    let model = model_file::parse(&output, &converted.bytes)?;
    let report = described(&model, &converted);
    if args.json.print(&report)? {
        return Ok(());
    }
    line(&layers(&report))?;
    line(&summary(&report))?;
    if let Some(quantization) = &report.quantization {
        line(&quantized(quantization))?;
    }
    if let Some(sensitivity) = &report.sensitivity {
        line(&sensitive(sensitivity))?;
    }
    line(&format!("wrote {}", output.display()))
}

/// What is known of a model that has just been converted.
fn described(model: &Model<'_>, converted: &Converted) -> ModelReport {
    let mut report = ModelReport::new(model, &converted.errors);
    report.quantization.clone_from(&converted.quantization);
    report.values.clone_from(&converted.values);
    report.sensitivity.clone_from(&converted.sensitivity);
    report
}

/// A row per layer with its distance from the float network.
pub(super) fn layers(report: &ModelReport) -> String {
    let number = |v: Option<f32>, digits: usize| v.map_or("-".into(), |v| format!("{v:.digits$}"));
    let rows: Vec<_> = report
        .operators
        .iter()
        .map(|o| {
            let shape = o.shape.iter().map(u32::to_string).collect::<Vec<_>>().join("x");
            vec![
                o.name.clone(),
                o.op.to_owned(),
                shape,
                thousands(o.macs),
                number(o.sqnr_db, 1),
                number(o.max_abs_error, 4),
            ]
        })
        .collect();
    table(&["layer", "<operator", "<output", "MACs", "SQNR dB", "max error"], &rows)
}

/// How the network was quantized, and the layer that the plain way would have broken.
fn quantized(report: &QuantizationReport) -> String {
    let mut text = String::from(
        "\nquantized in the best of these ways (SQNR of the outputs, classes as the float network's):",
    );
    for (i, trial) in report.trials.iter().enumerate() {
        let mark = if i == report.taken { '*' } else { ' ' };
        let agreement = trial.agreement.map_or(String::new(), |a| format!("{:>10}", percent(a)));
        text += &format!("\n{mark} {:6.2} dB{agreement}  {}", trial.sqnr_db, trial.settings);
    }
    if let Some(r) = &report.repaired {
        text += &format!(
            "\nmin-max ranges alone break {} \"{}\": {:.1} dB, where it has {:.1} dB now",
            r.op, r.layer, r.naive_sqnr_db, r.sqnr_db
        );
    }
    text
}

/// What the outputs would gain by single layers in float, the costliest layer first.
fn sensitive(report: &SensitivityReport) -> String {
    let what = if report.labelled { "top-1" } else { "float's class" };
    let mut layers: Vec<_> = report.layers.iter().collect();
    layers.sort_by(|a, b| b.gain_db.total_cmp(&a.gain_db));
    let row = |l: &&LayerSensitivity| {
        let points = l.gain_top1.map_or("-".into(), |gain| format!("{:+.2}", 100.0 * gain));
        vec![l.layer.clone(), l.op.to_owned(), format!("{:+.2}", l.gain_db), points]
    };
    let rows: Vec<_> = layers.iter().map(row).collect();
    format!(
        "\nif one layer alone were float ({} samples, with all rounded {:.2} dB{}):\n{}",
        report.samples,
        report.sqnr_db,
        report.top1.map_or(String::new(), |top1| format!(", {what} {}", percent(top1))),
        table(&["layer", "<operator", "dB", "points"], &rows)
    )
}

/// Sizes in a few lines.
fn summary(report: &ModelReport) -> String {
    format!(
        "\nmodel  {} bytes, of which weights and tables {}\narena  {} bytes{}\n{}MACs   {}\n{}removed or made smaller: {} nodes of the original network (mote inspect lists them)",
        thousands(report.model_bytes as u64),
        thousands(report.weight_bytes as u64),
        thousands(report.arena_bytes as u64),
        proof(report).map_or(String::new(), |text| format!(", {text}")),
        regions(report).map_or(String::new(), |text| text + "\n"),
        thousands(report.macs),
        lossless(report).map_or(String::new(), |text| text + "\n"),
        report.removed.len(),
    )
}

/// How far the arena is from the smallest; nothing is said of one in regions, which is planned for other ends.
pub(super) fn proof(report: &ModelReport) -> Option<String> {
    let bound = report.arena_bound.filter(|_| report.regions.is_empty())?;
    Some(gap(report.arena_bytes as u64, bound.next_multiple_of(4) as u64, "as many are needed at one time"))
}

/// What is in each region of RAM, and how far the split is from the best.
pub(super) fn regions(report: &ModelReport) -> Option<String> {
    let bound = report.cost_bound?;
    let row = |r: &RegionReport| {
        vec![r.name.clone(), thousands(r.bytes as u64), thousands(r.moved_bytes), r.cost.to_string()]
    };
    let rows: Vec<_> = report.regions.iter().map(row).collect();
    let cost = report.regions.iter().map(|r| r.moved_bytes * u64::from(r.cost)).sum();
    Some(format!(
        "{}\ntraffic costs {}, {}",
        table(&["region", "bytes", "moved bytes", "cost"], &rows),
        thousands(cost),
        gap(cost, bound, "for these steps in lockstep")
    ))
}

/// Whether a number is proven to be the smallest, and how far it can be from it.
fn gap(found: u64, bound: u64, why: &str) -> String {
    match found.saturating_sub(bound) {
        0 => format!("proven to be the fewest: {why}"),
        gap => format!(
            "no plan is below {}: at most {} ({:.1} %) more than the fewest",
            thousands(bound),
            thousands(gap),
            100.0 * gap as f64 / bound.max(1) as f64
        ),
    }
}

/// What the lossless optimiser has made of the model.
pub(super) fn lossless(report: &ModelReport) -> Option<String> {
    let before = report.original.as_ref()?;
    let change = |before: u64, after: u64| format!("{} → {}", thousands(before), thousands(after));
    Some(format!(
        "lossless: {} MACs, {} bytes of weights and tables, {} bytes of arena, the same outputs",
        change(before.macs, report.macs),
        change(before.weight_bytes as u64, report.weight_bytes as u64),
        change(before.arena_bytes as u64, report.arena_bytes as u64),
    ))
}
