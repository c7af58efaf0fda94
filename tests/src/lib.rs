//! What the whole-product tests share: where models and data are, conversions, and the comparison of bits.

use mote_converter::convert::{Converted, Options, convert};
use mote_converter::data::{self, Prepare, Sample};
use mote_converter::evaluate::{self, Accuracy, evaluate, model_spec};
use mote_converter::import::InputShapes;
use mote_converter::progress::Progress;
use mote_converter::quantize::Calibration;
use mote_converter::recode::Weights;
use mote_runtime::{Host, Kernels, Model, Program, Session};
use ndarray::{Array1, ArrayD, IxDyn};
use ndarray_npy::NpzWriter;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A folder of the example network.
pub fn examples(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models").join(name)
}

/// The folder of trained models and data that are not part of the repository: `MOTE_SHARED`, or `shared` beside the
/// checkout. Says so and gives `None` when it is absent.
pub fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("MOTE_SHARED").map_or(beside, PathBuf::from);
    if folder.join("models").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no trained models at {} (set MOTE_SHARED)", folder.display());
    None
}

/// The model of a quantized network, which needs no samples, with the default settings.
pub fn converted(network: &Path) -> Converted {
    convert_with(network, None, Prepare::default())
}

/// The model of a network, with samples to calibrate with where it needs some.
pub fn convert_with(network: &Path, calib: Option<&Path>, prepare: Prepare) -> Converted {
    convert(network, &options(calib, prepare)).unwrap_or_else(|e| panic!("{e}"))
}

/// Min-max ranges, and nothing else asked for.
pub fn options(calib: Option<&Path>, prepare: Prepare) -> Options {
    Options {
        calib: calib.map(Path::to_owned),
        prepare,
        strict: true,
        calibration: Calibration::MinMax,
        ..Options::default()
    }
}

/// A network with samples to calibrate with and to judge by.
#[derive(Debug, Clone)]
pub struct Case {
    /// The float network.
    pub network: PathBuf,
    /// Calibration samples, none of them among `test`.
    pub calib: PathBuf,
    /// Labelled samples.
    pub test: PathBuf,
    /// Multiplied onto raw values.
    pub scale: &'static str,
}

impl Case {
    /// The example network of the repository.
    pub fn fashion() -> Self {
        Case {
            network: examples("fashion.onnx"),
            calib: examples("fashion_calib.npz"),
            test: examples("fashion_test.npz"),
            scale: "1/255",
        }
    }

    fn prepare(&self) -> Prepare {
        Prepare::parse(None, Some(self.scale)).expect("a number")
    }

    /// The int8 model, with the default settings.
    pub fn convert(&self) -> Converted {
        convert_with(&self.network, Some(&self.calib), self.prepare())
    }

    /// The model with weights as they are asked for.
    pub fn convert_as(&self, weights: &[&str]) -> Converted {
        let weights = Weights::parse(weights).unwrap_or_else(|e| panic!("{e}"));
        let options = Options { weights, ..options(Some(&self.calib), self.prepare()) };
        convert(&self.network, &options).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Accuracy of the float network or of a model file.
    pub fn accuracy(&self, path: &Path) -> Accuracy {
        let options = evaluate::Options {
            data: self.test.clone(),
            labels: None,
            prepare: self.prepare(),
            strict: true,
            shapes: InputShapes::default(),
            moved: None,
            progress: Progress::Hidden,
        };
        evaluate(path, Kernels::best(), &options).unwrap_or_else(|e| panic!("{e}"))
    }

    /// The first `n` test samples as the bytes of the model's input.
    pub fn inputs(&self, model: &Model<'_>, n: usize) -> Vec<Vec<u8>> {
        let samples = data::open(&self.test, &model_spec(model, None).expect("an input")).expect("samples");
        let mut arena = vec![0; model.arena_bytes()];
        let mut session = Session::new(model, &mut arena).expect("room");
        let mut bytes = |sample: Sample| {
            let mut input = session.input_mut(0).expect("an input");
            input.fill(sample.x.iter().copied());
            input.bytes_mut().to_vec()
        };
        samples.take(n).map(|s| bytes(s.expect("a sample"))).collect()
    }
}

/// The bytes of all outputs for each input, on one instruction set; those of the model as it is made ready for a host
/// are the same.
pub fn outputs(model: &Model<'_>, kernels: &'static Kernels, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let plain = program_outputs(model, kernels, inputs);
    for threads in [1, 3] {
        let host = Host::new(model, kernels, threads);
        let same = program_outputs(&host, kernels, inputs) == plain;
        assert!(same, "other bits on a host's {} with {threads} threads", kernels.name());
    }
    plain
}

fn program_outputs<'m, P: Program<'m>>(
    model: &'m P,
    kernels: &'static Kernels,
    inputs: &[Vec<u8>],
) -> Vec<Vec<u8>> {
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::with_kernels(model, &mut arena, kernels).expect("room");
    let mut one = |input: &Vec<u8>| {
        session.input_mut(0).expect("an input").bytes_mut().copy_from_slice(input);
        session.run();
        session.outputs().flat_map(|o| o.bytes().to_vec()).collect()
    };
    inputs.iter().map(&mut one).collect()
}

/// Writes images and labels as the converter reads them. `shape` is that of one image.
pub fn write_npz(path: &Path, images: Vec<u8>, shape: &[usize], labels: &[i64]) {
    let dims: Vec<usize> = std::iter::once(labels.len()).chain(shape.iter().copied()).collect();
    let images = ArrayD::from_shape_vec(IxDyn(&dims), images).expect("as many pixels as the shape says");
    let mut npz = NpzWriter::new(File::create(path).expect("a file"));
    npz.add_array("images", &images).expect("room");
    npz.add_array("labels", &Array1::from(labels.to_vec())).expect("room");
    npz.finish().expect("room");
}
