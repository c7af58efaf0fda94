//! Int8 `.tflite` models of others: LiteRT's bits, and the published accuracies. Needs the folder of trained models; says
//! so when it is absent.

#[path = "../peers/litert.rs"]
mod litert;

use mote_converter::convert::{Converted, Options, convert};
use mote_converter::data::Prepare;
use mote_converter::import::InputShapes;
use mote_converter::progress::Progress;
use mote_converter::quantize::Calibration;
use mote_kernels::table::Kernels;
use mote_runtime::{Model, Session};
use mote_tests::{outputs, shared};
use std::path::Path;

/// The models that must give LiteRT's bits.
const MODELS: [&str; 5] = [
    "mlperf_tiny/kws_ref_model",
    "mlperf_tiny/pretrainedResnet_quant",
    "mlperf_tiny/vww_96_int8",
    "mlperf_tiny/ad01_int8",
    "audio/micro_speech_quantized",
];

fn converted(path: &Path) -> Converted {
    let options = Options {
        shapes: InputShapes::default(),
        calib: None,
        prepare: Prepare::default(),
        calibration: Calibration::MinMax,
        labels: Vec::new(),
        progress: Progress::Hidden,
    };
    convert(path, &options).unwrap_or_else(|e| panic!("{e}"))
}

/// Bytes that are the same on every run.
fn random(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
#[ignore = "needs Python with LiteRT"]
fn a_hundred_random_inputs_give_the_bits_of_litert() {
    let Some(shared) = shared() else { return };
    for name in MODELS {
        let path = shared.join("models").join(name).with_extension("tflite");
        let bytes = converted(&path).bytes;
        let model = Model::new_checked(&bytes).expect("a model");
        let length = model.inputs().next().expect("an input").bytes();
        let inputs: Vec<Vec<u8>> = (0..100).map(|i| random(i, length)).collect();
        let Some(expected) = litert::outputs(&path, &inputs) else { return };
        for kernels in Kernels::available() {
            let ours = outputs(&model, kernels, &inputs);
            assert_eq!(ours.concat().len(), expected.concat().len(), "{name}");
            let differ = ours.concat().iter().zip(expected.concat()).filter(|(a, b)| **a != *b).count();
            println!("{name} on {}: {differ} of {} bytes differ", kernels.name(), expected.concat().len());
            assert_eq!(differ, 0, "{name} on {}", kernels.name());
        }
    }
}

/// The share of inputs, given as stored bytes, whose largest output is the right one.
fn top1(path: &Path, inputs: &[&[u8]], labels: &[usize]) -> f64 {
    let bytes = converted(path).bytes;
    let model = Model::new_checked(&bytes).expect("a model");
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).expect("room");
    let mut right = 0;
    for (input, label) in inputs.iter().zip(labels) {
        session.input_mut(0).expect("an input").bytes_mut().copy_from_slice(input);
        session.run();
        right += usize::from(session.output(0).expect("an output").top::<1>()[0].index == *label);
    }
    right as f64 / inputs.len() as f64
}

/// The last column of a table.
fn labels(path: &Path) -> Vec<usize> {
    let table = std::fs::read_to_string(path).expect("labels");
    table.lines().filter_map(|l| l.rsplit(',').next()?.trim().parse().ok()).collect()
}

#[test]
fn keyword_spotting() {
    let Some(shared) = shared() else { return };
    let features = std::fs::read(shared.join("data/kws01/features_int8_49x10.bin")).expect("clips");
    let labels = labels(&shared.join("data/kws01/labels.csv"));
    let inputs: Vec<&[u8]> = features.chunks_exact(490).collect();
    assert_eq!((inputs.len(), labels.len()), (600, 600));
    let top1 = top1(&shared.join("models/mlperf_tiny/kws_ref_model.tflite"), &inputs, &labels);
    println!("kws: {top1:.4}");
    // LiteRT's reference kernels have the same 538; XNNPACK, which rounds in floats, has 537: the published 0.895.
    assert!((top1 - 538.0 / 600.0).abs() < 1e-9, "{top1}");
}

#[test]
fn image_classification() {
    let Some(shared) = shared() else { return };
    let records = std::fs::read(shared.join("data/cifar10_lossless/test_300.bin")).expect("CIFAR-10");
    let image = |r: &[u8]| (0..3072).map(|i| r[1 + i % 3 * 1024 + i / 3] ^ 0x80).collect::<Vec<u8>>();
    let images: Vec<Vec<u8>> = records.chunks_exact(3073).map(image).collect();
    let labels: Vec<usize> = records.chunks_exact(3073).map(|r| r[0].into()).collect();
    let inputs: Vec<&[u8]> = images.iter().map(|i| &i[..]).collect();
    assert_eq!(inputs.len(), 300);
    let top1 = top1(&shared.join("models/mlperf_tiny/pretrainedResnet_quant.tflite"), &inputs, &labels);
    println!("ic: {top1:.4}");
    assert!((top1 - 271.0 / 300.0).abs() < 1e-9, "{top1}");
}

#[test]
fn visual_wake_words() {
    let Some(shared) = shared() else { return };
    let pixels = std::fs::read(shared.join("data/vww_mini/images_u8_96x96x3.bin")).expect("pictures");
    let pixels: Vec<u8> = pixels.iter().map(|p| p ^ 0x80).collect();
    let labels = labels(&shared.join("data/vww_mini/labels.csv"));
    let inputs: Vec<&[u8]> = pixels.chunks_exact(96 * 96 * 3).collect();
    assert_eq!((inputs.len(), labels.len()), (42, 42));
    let top1 = top1(&shared.join("models/mlperf_tiny/vww_96_int8.tflite"), &inputs, &labels);
    println!("vww: {top1:.4}");
    assert!((top1 - 40.0 / 42.0).abs() < 1e-9, "{top1}");
}
