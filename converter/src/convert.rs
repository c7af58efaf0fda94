//! The whole way from a file to a model. A float ONNX network: import, passes, calibration, lowering, verification,
//! lossless optimisation, plan, bytes. A `.tflite` file is quantized already: import, lossless optimisation, plan, bytes.

use crate::data::{self, Prepare, Sample, Spec};
use crate::encode::{Metadata, encode};
use crate::error::{Error, Result};
use crate::import::{self, InputShapes};
use crate::ir::{Graph, Layout, ValueId};
use crate::lossless::{optimise, with_palettes};
use crate::passes;
use crate::plan::{Request, plan};
use crate::program::Program;
use crate::progress::Progress;
use crate::quantize::{self, Activations, Calibration, Observations, Quantized, Spread};
use crate::recode::{Runs, Weights, recode};
use crate::report::{ModelReport, QuantizationReport, RepairReport};
use crate::sensitivity::{SensitivityReport, sensitivity};
use crate::tflite;
use crate::verify::{StepError, same_outputs, verify};
use mote_format::{AlignedBytes, DType, Original};
use mote_runtime::Model;
use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Samples that calibration reads at most.
pub const CALIBRATION_SAMPLES: usize = 200;

/// Samples that weights of four bits are fitted to at most.
const RECODED: usize = 64;

/// Samples that verification runs at most.
const VERIFIED: usize = 8;

/// What a conversion needs beside the network. By default: no samples, and as little as possible is asked.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Extents of dynamic dimensions.
    pub shapes: InputShapes,
    /// Samples to calibrate with; a network needs them unless the file gives all scales.
    pub calib: Option<PathBuf>,
    /// How raw data becomes the input.
    pub prepare: Prepare,
    /// Whether a file of samples that cannot be read is an error.
    pub strict: bool,
    /// How ranges follow from the samples.
    pub calibration: Calibration,
    /// What activations are stored in.
    pub activations: Activations,
    /// What weights are stored in.
    pub weights: Weights,
    /// Whether to measure what each layer costs the outputs.
    pub sensitivity: bool,
    /// Class names of the first output.
    pub labels: Vec<String>,
    /// What is asked of the memory plan.
    pub memory: Request,
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
    /// How it was quantized, where there was something to choose.
    pub quantization: Option<QuantizationReport>,
    /// How the values of each layer are spread.
    pub values: Vec<Spread>,
    /// What the outputs would gain by single layers in float, where that was asked for.
    pub sensitivity: Option<SensitivityReport>,
}

/// Converts an ONNX or a TFLite file.
pub fn convert(path: &Path, options: &Options) -> Result<Converted> {
    let bytes = import::read(path)?;
    match float_network(path, &bytes)? {
        Some(onnx) => float(path, &onnx, options),
        None => quantized(path, &bytes, options),
    }
}

/// A float network as ONNX, which a `.tflite` file is brought to; `None` for a `.tflite` file that is quantized.
pub fn float_network<'a>(path: &Path, bytes: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>> {
    if tflite::is_tflite(bytes) || path.extension().is_some_and(|e| e == "tflite") {
        return Ok(tflite::onnx(bytes).map_err(|e| in_file(path, e))?.map(Cow::Owned));
    }
    Ok(Some(Cow::Borrowed(bytes)))
}

/// Converts a model that is quantized already.
fn quantized(path: &Path, bytes: &[u8], options: &Options) -> Result<Converted> {
    let wide = options.activations != Activations::Int8;
    let shapes = !options.shapes.is_empty();
    let unused = [
        ("--calib", options.calib.is_some()),
        ("--input-shape", shapes),
        ("--activations", wide),
        ("--sensitivity", options.sensitivity),
    ];
    if let Some((option, _)) = unused.iter().find(|(_, given)| *given) {
        return Err(Error::new(format!("the model has no use for {option}"))
            .at(path.display().to_string())
            .cause("it is quantized, with scales and shapes of its own")
            .remedy(format!("leave out {option}, or give the float network")));
    }
    let program = tflite::program(bytes).map_err(|e| in_file(path, e))?;
    let channels = program.tensors.first().map_or(1, |t| t.shape.channels());
    options.prepare.check(channels)?;
    let metadata = Metadata {
        name: stem(path).unwrap_or_default(),
        labels: options.labels.clone(),
        prepare: stored_bytes(&program)
            .filter(|_| options.prepare.is_identity())
            .unwrap_or(options.prepare.clone()),
        ..Metadata::default()
    };
    let (program, levels) = recode(&program, &options.weights, &Runs::default())?;
    Ok(finish(&program, metadata, &options.memory, &levels)?.0)
}

/// The preparation by which raw data are the bytes of a uint8 input: pixels, for all models of that kind.
fn stored_bytes(program: &Program) -> Option<Prepare> {
    let input = program.tensors.first().filter(|t| t.dtype == DType::U8)?;
    Some(Prepare { mean: vec![input.quant.zero as f32], scale: vec![input.quant.scale] })
}

/// Gives the program's buffers places and writes it.
fn assemble(program: &Program, metadata: &Metadata, request: &Request) -> Result<AlignedBytes> {
    encode(program, &plan(program, request)?, metadata)
}

/// Writes the program without what its outputs do not depend on, the weights of the nodes that have sixteen levels as
/// indices. The second value is the model with all of it and every weight a byte, where that is another one.
fn finish(
    program: &Program,
    mut metadata: Metadata,
    request: &Request,
    levels: &HashSet<String>,
) -> Result<(Converted, Option<AlignedBytes>)> {
    let (small, removed) = optimise(program)?;
    let small = if levels.is_empty() { small } else { with_palettes(&small, levels)? };
    let converted = |bytes| {
        let (errors, values) = (Vec::new(), Vec::new());
        Converted { bytes, errors, quantization: None, values, sensitivity: None }
    };
    if removed.is_empty() && levels.is_empty() {
        return Ok((converted(assemble(program, &metadata, request)?), None));
    }
    // What is left may fit where the whole does not.
    let anywhere = Request { rows: request.rows, ..Request::default() };
    let whole = assemble(program, &metadata, &anywhere)?;
    if !removed.is_empty() {
        metadata.original = Some(original(&whole)?);
    }
    metadata.removed.extend(removed);
    let converted = converted(assemble(&small, &metadata, request)?);
    same_outputs(&whole, &converted.bytes)?;
    Ok((converted, Some(whole)))
}

/// What a model takes.
fn original(bytes: &[u8]) -> Result<Original> {
    let model = Model::new_checked(bytes).map_err(|e| Error::internal(e.to_string()))?;
    let report = ModelReport::new(&model, &[]);
    let [constant_bytes, arena_bytes] = [report.weight_bytes, report.arena_bytes].map(|n| n as u32);
    Ok(Original { macs: report.macs, constant_bytes, arena_bytes })
}

/// Converts a float network.
fn float(path: &Path, onnx: &[u8], options: &Options) -> Result<Converted> {
    let imported = prepared_graph(path, onnx, &options.shapes)?;
    let samples = match &options.calib {
        Some(calib) => {
            let spec = spec(&imported, options.prepare.clone(), None, Some(CALIBRATION_SAMPLES));
            let spec = Spec { strict: options.strict, ..spec };
            Some(move || data::open(calib, &spec))
        }
        None => None,
    };
    let seen = match &samples {
        Some(samples) => {
            let bar = options.progress.bar("calibrating", samples()?.len());
            quantize::observe(&imported, onnx, &options.shapes, samples()?, bar)?
        }
        None => Observations::default(),
    };
    if options.activations != Activations::Int8 && !imported.given.tensors.is_empty() {
        return Err(Error::new("the model has no use for --activations")
            .at(path.display().to_string())
            .cause("it is quantized, with scales of its own")
            .remedy("leave out --activations, or give the float network"));
    }
    if samples.is_none()
        && let Some(value) =
            quantize::assign(&imported, &seen, Calibration::MinMax, options.activations)?.missing(&imported)
    {
        return Err(uncalibrated(path, &imported, value));
    }
    let again = |graph: &Graph| match &samples {
        Some(samples) => {
            let bar = options.progress.bar("equalizing", samples()?.len());
            quantize::observe_divided(&seen, graph, onnx, &options.shapes, samples()?, bar)
        }
        None => Ok(seen.clone()),
    };
    let Quantized { graph, program, naive, trials, taken } =
        quantize::search(&imported, &seen, options.calibration, options.activations, again)?;
    let metadata = Metadata {
        name: stem(path).unwrap_or_else(|| graph.name.clone()),
        labels: options.labels.clone(),
        prepare: options.prepare.clone(),
        channels_first: channels_first(&graph),
        removed: graph.removed.clone(),
        ..Metadata::default()
    };
    let runs = match &samples {
        Some(samples) if !options.weights.is_int8() => Runs(samples()?.take(RECODED).collect::<Result<_>>()?),
        _ => Runs::default(),
    };
    let (program, levels) = recode(&program, &options.weights, &runs)?;
    let (mut converted, whole) = finish(&program, metadata, &options.memory, &levels)?;
    let Some(samples) = samples else { return Ok(converted) };
    let some: Vec<Sample> = samples()?.take(VERIFIED).collect::<Result<_>>()?;
    let bar = options.progress.bar("verifying", some.len());
    let whole = whole.as_ref().unwrap_or(&converted.bytes);
    converted.errors = verify(&graph, &program, whole, onnx, &options.shapes, &some, bar)?;
    if !trials.is_empty() {
        let naive = match naive {
            Some(program) => {
                let bytes = assemble(&program, &Metadata::default(), &Request::FAST)?;
                let bar = options.progress.bar("blaming", some.len());
                verify(&imported, &program, &bytes, onnx, &options.shapes, &some, bar)?
            }
            None => Vec::new(),
        };
        let repaired = RepairReport::new(&naive, &converted.errors);
        converted.quantization = Some(QuantizationReport { trials, taken, repaired });
    }
    converted.values = quantize::spreads(&program, &seen);
    if options.sensitivity {
        let mut folded = import::onnx(onnx, &options.shapes)?;
        passes::fold(&mut folded)?;
        let bar = options.progress.bar("sensitivity", program.tensors.len());
        converted.sensitivity = Some(sensitivity(&folded, &graph, &program, &seen.answers, bar)?);
    }
    Ok(converted)
}

/// The error for a network that has no scales of its own, or not everywhere, and no samples either.
fn uncalibrated(path: &Path, graph: &Graph, value: ValueId) -> Error {
    let partly = || format!("the file gives no scale for \"{}\", and there", graph.value(value).name);
    let there = if graph.given.tensors.is_empty() { "there".to_owned() } else { partly() };
    Error::new("cannot quantize the network")
        .at(path.display().to_string())
        .cause(format!("{there} are no samples to calibrate with"))
        .remedy("give --calib: a folder of images or recordings, a .csv, an .npy, an .npz or an IDX file of typical inputs")
}

/// Imports a network and brings it into the form that is quantized.
pub fn prepared_graph(path: &Path, onnx: &[u8], shapes: &InputShapes) -> Result<Graph> {
    let mut graph = import::onnx(onnx, shapes).map_err(|e| in_file(path, e))?;
    passes::run(&mut graph)?;
    Ok(graph)
}

/// The error with the file as its place, where it has none.
fn in_file(path: &Path, e: Error) -> Error {
    if e.at.is_none() { e.at(path.display().to_string()) } else { e }
}

/// What samples of a graph's inputs look like.
pub fn spec(graph: &Graph, prepare: Prepare, labels: Option<PathBuf>, limit: Option<usize>) -> Spec {
    let mut inputs = graph.inputs.iter().map(|&id| (graph.value(id).name.clone(), of_one(graph.shape(id))));
    let (input, shape) = inputs.next().unwrap_or_default();
    Spec { input, shape, others: inputs.collect(), prepare, labels, strict: false, limit }
}

/// The shape of one sample of an input: without the batch axis, where there is one.
pub(crate) fn of_one(shape: &[usize]) -> Vec<usize> {
    match shape {
        [1, one @ ..] if !one.is_empty() => one.to_vec(),
        whole => whole.to_vec(),
    }
}

/// Whether the imported network takes channels before rows and columns.
fn channels_first(graph: &Graph) -> bool {
    let input = graph.value(graph.inputs[0]);
    graph.layout == Layout::Nhwc && input.origin.as_ref().is_some_and(|o| o.perm == [0, 2, 3, 1])
}

/// A file's name without its extension.
fn stem(path: &Path) -> Option<String> {
    Some(path.file_stem()?.to_string_lossy().into_owned())
}
