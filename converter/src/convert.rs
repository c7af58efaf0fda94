//! The whole way from an ONNX file to a model: import, passes, calibration, lowering, plan, bytes, verification.

use crate::data::{self, Prepare, Sample, Spec};
use crate::encode::{Metadata, encode};
use crate::error::{Error, Result};
use crate::import::{self, InputShapes};
use crate::ir::{Graph, Layout};
use crate::passes;
use crate::plan::plan;
use crate::progress::Progress;
use crate::quantize::{self, Calibration};
use crate::verify::{StepError, verify};
use mote_format::AlignedBytes;
use std::path::{Path, PathBuf};

/// Samples that calibration reads at most.
pub const CALIBRATION_SAMPLES: usize = 200;

/// Samples that verification runs at most.
const VERIFIED: usize = 8;

/// What a conversion needs beside the network.
#[derive(Debug, Clone)]
pub struct Options {
    /// Extents of dynamic dimensions.
    pub shapes: InputShapes,
    /// Samples to calibrate with.
    pub calib: PathBuf,
    /// How raw data becomes the input.
    pub prepare: Prepare,
    /// How ranges follow from the samples.
    pub calibration: Calibration,
    /// Class names of the first output.
    pub labels: Vec<String>,
    /// Whether to show progress.
    pub progress: Progress,
}

/// A converted model.
#[derive(Debug, Clone)]
pub struct Converted {
    /// The model's bytes.
    pub bytes: AlignedBytes,
    /// The error of each step against the float model.
    pub errors: Vec<StepError>,
    /// The most bytes of RAM that are needed at one time; no plan is smaller.
    pub lower_bound: usize,
}

/// Converts an ONNX file.
pub fn convert(path: &Path, options: &Options) -> Result<Converted> {
    let onnx = import::read(path)?;
    let graph = prepared_graph(path, &onnx, &options.shapes)?;
    let samples = || {
        data::open(&options.calib, &spec(&graph, options.prepare.clone(), None, Some(CALIBRATION_SAMPLES)))
    };
    let bar = options.progress.bar("calibrating", samples()?.len());
    let seen = quantize::observe(&graph, &onnx, &options.shapes, samples()?, bar)?;
    let params = quantize::assign(&graph, &seen, options.calibration)?;
    let program = quantize::lower(&graph, &params)?;
    let plan = plan(&program)?;
    let metadata = Metadata {
        name: name(path, &graph),
        labels: options.labels.clone(),
        prepare: options.prepare.clone(),
        channels_first: channels_first(&graph),
        removed: graph.removed.clone(),
    };
    let bytes = encode(&program, &plan, &metadata)?;
    let some: Vec<Sample> = samples()?.take(VERIFIED).collect::<Result<_>>()?;
    let bar = options.progress.bar("verifying", some.len());
    let errors = verify(&graph, &program, &bytes, &onnx, &options.shapes, &some, bar)?;
    Ok(Converted { bytes, errors, lower_bound: plan.lower_bound })
}

/// Imports a network and brings it into the form that is quantized.
pub fn prepared_graph(path: &Path, onnx: &[u8], shapes: &InputShapes) -> Result<Graph> {
    let named = |e: Error| if e.at.is_none() { e.at(path.display().to_string()) } else { e };
    let mut graph = import::onnx(onnx, shapes).map_err(named)?;
    passes::run(&mut graph)?;
    if graph.inputs.len() != 1 {
        return Err(Error::new("cannot convert the model")
            .at(path.display().to_string())
            .cause(format!("it has {} inputs; samples can be read for one", graph.inputs.len()))
            .remedy("export the model with one input"));
    }
    Ok(graph)
}

/// What samples of a graph's input look like.
pub fn spec(graph: &Graph, prepare: Prepare, labels: Option<PathBuf>, limit: Option<usize>) -> Spec {
    let input = graph.value(graph.inputs[0]);
    Spec { input: input.name.clone(), shape: input.shape[1..].to_vec(), prepare, labels, limit }
}

/// Whether the imported network takes channels before rows and columns.
fn channels_first(graph: &Graph) -> bool {
    let input = graph.value(graph.inputs[0]);
    graph.layout == Layout::Nhwc && input.origin.as_ref().is_some_and(|o| o.perm == [0, 2, 3, 1])
}

fn name(path: &Path, graph: &Graph) -> String {
    path.file_stem().map_or_else(|| graph.name.clone(), |s| s.to_string_lossy().into_owned())
}
