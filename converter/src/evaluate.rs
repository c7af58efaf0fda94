//! Accuracy of a classifier, as a mote model or as the float network, over labelled samples.

mod classes;

pub use classes::ClassAccuracy;

use crate::convert::{float_network, of_one, prepared_graph, spec};
use crate::data::{self, Prepare, Sample, Spec};
use crate::error::{Error, Result};
use crate::import::{self, InputShapes};
use crate::infer::{infer, sample_bytes};
use crate::model_file;
use crate::progress::Progress;
use crate::reference::Reference;
use classes::Confusion;
use mote_runtime::{Host, Kernels, Model, Session, TensorInfo};
use ndarray::ArrayD;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The metric of a classifier; fractions of 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// How many samples were judged.
    pub samples: usize,
    /// The most likely class was the right one.
    pub top1: f64,
    /// The right class was among the five most likely ones.
    pub top5: f64,
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// Each class by itself; empty where there are more than 1,000.
    pub classes: Vec<ClassAccuracy>,
    /// How many samples of a class (row) are taken for which (column); empty where there are more than 1,000 classes.
    pub confusion: Vec<Vec<u64>>,
}

/// Makes another sample of a prepared one, whose class it knows.
pub type Mover = Box<dyn Fn(&ArrayD<f32>, usize) -> Result<ArrayD<f32>>>;

/// What to evaluate on.
pub struct Options {
    /// Samples.
    pub data: PathBuf,
    /// Labels in a file of their own.
    pub labels: Option<PathBuf>,
    /// Input preparation of a float network; a mote model brings its own.
    pub prepare: Prepare,
    /// Whether a file of samples that cannot be read is an error.
    pub strict: bool,
    /// Extents of a float network's dynamic dimensions.
    pub shapes: InputShapes,
    /// What moves samples before they are judged.
    pub moved: Option<Mover>,
    /// Whether to show progress.
    pub progress: Progress,
}

impl Options {
    /// A sample as it is judged.
    fn judged(&self, sample: Sample) -> Result<Sample> {
        match (&self.moved, sample.label) {
            (Some(moved), Some(label)) => Ok(Sample { x: moved(&sample.x, label)?, ..sample }),
            _ => Ok(sample),
        }
    }
}

/// Adds up answers.
#[derive(Debug, Default)]
struct Tally {
    samples: usize,
    top1: usize,
    top5: usize,
    loss: f64,
    confusion: Confusion,
}

impl Tally {
    fn add(&mut self, sample: &str, label: Option<usize>, scores: &[f32]) -> Result<()> {
        let refuse = |cause: String| {
            Error::new("cannot evaluate")
                .at(format!("sample {sample}"))
                .cause(cause)
                .remedy("give class subfolders, or --labels with one class index per sample, counted from 0")
        };
        let label = label.ok_or_else(|| refuse("it has no label".into()))?;
        let right = *scores
            .get(label)
            .ok_or_else(|| refuse(format!("its label is {label}, the model has {} classes", scores.len())))?;
        let better = |(i, &s): (usize, &f32)| s > right || (s == right && i < label);
        let rank = scores.iter().enumerate().filter(|&p| better(p)).count();
        self.samples += 1;
        self.top1 += usize::from(rank == 0);
        self.top5 += usize::from(rank < 5);
        self.loss += cross_entropy(scores, label);
        let answer = (1..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best });
        self.confusion.add(scores.len(), label, answer);
        Ok(())
    }

    fn accuracy(&self) -> Result<Accuracy> {
        if self.samples == 0 {
            return Err(Error::new("cannot evaluate").cause("there is no sample").remedy("check --data"));
        }
        let n = self.samples as f64;
        Ok(Accuracy {
            samples: self.samples,
            top1: self.top1 as f64 / n,
            top5: self.top5 as f64 / n,
            loss: self.loss / n,
            classes: self.confusion.classes(),
            confusion: self.confusion.0.clone(),
        })
    }
}

/// −ln of the right class's probability. Scores that are not probabilities already go through a softmax.
fn cross_entropy(scores: &[f32], label: usize) -> f64 {
    let sum: f64 = scores.iter().map(|&s| f64::from(s)).sum();
    let probabilities = scores.iter().all(|s| (0.0..=1.0).contains(s)) && (sum - 1.0).abs() < 0.1;
    if probabilities {
        return -(f64::from(scores[label]) / sum).max(1e-7).ln();
    }
    let max = scores.iter().copied().fold(f32::MIN, f32::max);
    let total: f64 = scores.iter().map(|&s| f64::from(s - max).exp()).sum();
    total.ln() - f64::from(scores[label] - max)
}

/// Evaluates a `.mote` model or, for comparison, a float `.onnx` or `.tflite`.
pub fn evaluate(path: &Path, kernels: &'static Kernels, options: &Options) -> Result<Accuracy> {
    if path.extension().is_some_and(|e| e == "onnx" || e == "tflite") {
        let file = import::read(path)?;
        if let Some(onnx) = float_network(path, &file)? {
            return float(path, &onnx, options);
        }
    }
    int8(path, kernels, options)
}

fn float(path: &Path, onnx: &[u8], options: &Options) -> Result<Accuracy> {
    let graph = prepared_graph(path, onnx, &options.shapes)?;
    let output = graph.outputs[0];
    let tap = graph.reference_name(output).ok_or_else(|| Error::internal("the output has no name"))?;
    let reference = Reference::new(onnx, &options.shapes, &[tap.to_owned()])?;
    let spec = spec(&graph, options.prepare.clone(), options.labels.clone(), None);
    let samples = data::open(&options.data, &Spec { strict: options.strict, ..spec })?;
    let bar = options.progress.bar("evaluating", samples.len());
    let mut tally = Tally::default();
    for sample in bar.over(samples) {
        let sample = options.judged(sample?)?;
        let answer = reference.run_samples(&graph, &sample.inputs())?;
        let scores: Vec<f32> = answer.iter().flatten().copied().collect();
        tally.add(&sample.name, sample.label, &scores)?;
    }
    tally.accuracy()
}

fn int8(path: &Path, kernels: &'static Kernels, options: &Options) -> Result<Accuracy> {
    let bytes = model_file::read(path)?;
    let model = model_file::parse(path, &bytes)?;
    let spec = Spec { strict: options.strict, ..model_spec(&model, options.labels.clone())? };
    let samples = data::open(&options.data, &spec)?;
    let bar = options.progress.bar("evaluating", samples.len());
    let host = Host::new(&model, kernels, 1);
    let mut arena = vec![0; host.arena_bytes()];
    let mut session =
        Session::with_kernels(&host, &mut arena, kernels).map_err(|e| Error::internal(e.to_string()))?;
    let mut tally = Tally::default();
    for sample in bar.over(samples) {
        let sample = options.judged(sample?)?;
        infer(&mut session, &sample_bytes(&model, &sample), &mut ())?;
        let scores: Vec<f32> = session.output(0).map(|o| o.reals().collect()).unwrap_or_default();
        tally.add(&sample.name, sample.label, &scores)?;
    }
    tally.accuracy()
}

/// A model's input, when it has one only.
pub fn only_input(model: &Model<'_>) -> Result<TensorInfo> {
    let mut inputs = model.inputs();
    match (inputs.next(), inputs.count()) {
        (Some(input), 0) => Ok(input),
        (_, others) => Err(Error::new("cannot run the model")
            .cause(format!("it has {} inputs; samples can be read for one", others + 1))
            .remedy("run it from a program, with mote_runtime::Session")),
    }
}

/// What samples of a model's inputs look like.
pub fn model_spec(model: &Model<'_>, labels: Option<PathBuf>) -> Result<Spec> {
    let values = |f: &dyn Fn(usize) -> f32, n: usize| (0..n).map(f).collect::<Vec<f32>>();
    let prepare = model.preparation(0).filter(|p| !p.is_empty()).map_or_else(Prepare::default, |p| Prepare {
        mean: values(&|c| p.mean(c), p.len()),
        scale: values(&|c| p.scale(c), p.len()),
    });
    let one = |input: TensorInfo| {
        let dims: Vec<usize> = input.shape.dims().iter().map(|&d| d as usize).collect();
        (model.name(&input).to_owned(), of_one(&dims))
    };
    let mut inputs = model.inputs().map(one);
    let (input, shape) = inputs.next().unwrap_or_default();
    Ok(Spec { input, shape, others: inputs.collect(), prepare, labels, strict: false, limit: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_first_class_and_loss_knows_probabilities() {
        let mut tally = Tally::default();
        tally.add("a", Some(1), &[0.5, 0.5]).ok();
        tally.add("b", Some(0), &[0.5, 0.5]).ok();
        assert_eq!((tally.samples, tally.top1, tally.top5), (2, 1, 2));
        assert!((tally.loss / 2.0 - 0.5f64.ln().abs()).abs() < 1e-9);
        assert!((cross_entropy(&[3.0, 3.0], 0) - 2f64.ln()).abs() < 1e-9);
        assert!(tally.add("c", Some(2), &[0.5, 0.5]).is_err() && tally.add("d", None, &[1.0]).is_err());
    }
}
