//! Quantized ONNX models of others: the accuracy that ONNX Runtime has with them, and its probabilities. Needs the folder of
//! trained models; says so when it is absent.

#[path = "../peers/onnxruntime.rs"]
mod peer;

use mote_runtime::{Model, Session};
use mote_tests::{converted, shared};
use std::path::Path;

/// The probabilities for each input.
fn probabilities(path: &Path, inputs: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let bytes = converted(path).bytes;
    let model = Model::new_checked(&bytes).expect("a model");
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).expect("room");
    let mut one = |input: &Vec<f32>| {
        session.input_mut(0).expect("an input").fill(input.iter().copied());
        session.run();
        session.output(0).expect("an output").reals().collect()
    };
    inputs.iter().map(&mut one).collect()
}

fn right(probabilities: &[Vec<f32>], labels: &[usize]) -> usize {
    let best = |p: &Vec<f32>| (0..p.len()).max_by(|&a, &b| p[a].total_cmp(&p[b]).then(b.cmp(&a)));
    probabilities.iter().zip(labels).filter(|(p, label)| best(p) == Some(**label)).count()
}

/// Features of 600 spoken words, and which these are.
fn words(shared: &Path) -> (Vec<Vec<f32>>, Vec<usize>) {
    let features = std::fs::read(shared.join("data/kws01/features_int8_49x10.bin")).expect("clips");
    let real = |b: &u8| (f32::from(*b as i8) - 83.0) * 0.5847;
    let inputs = features.chunks_exact(490).map(|clip| clip.iter().map(real).collect()).collect();
    let table = std::fs::read_to_string(shared.join("data/kws01/labels.csv")).expect("labels");
    (inputs, table.lines().filter_map(|l| l.rsplit(',').next()?.trim().parse().ok()).collect())
}

/// 300 pictures of CIFAR-10, rows and columns before colours.
fn pictures(shared: &Path) -> (Vec<Vec<f32>>, Vec<usize>) {
    let records = std::fs::read(shared.join("data/cifar10_lossless/test_300.bin")).expect("CIFAR-10");
    let picture = |r: &[u8]| (0..3072).map(|i| r[1 + i % 3 * 1024 + i / 3].into()).collect();
    let records = records.chunks_exact(3073);
    (records.clone().map(picture).collect(), records.map(|r| r[0].into()).collect())
}

#[test]
fn as_accurate_as_onnx_runtime() {
    let Some(shared) = shared() else { return };
    let models = shared.join("models/mlperf_tiny_onnx");
    let (inputs, labels) = words(&shared);
    let kws = right(&probabilities(&models.join("kws_dscnn_qdq_int8.onnx"), &inputs), &labels);
    let (inputs, labels) = pictures(&shared);
    let ic = right(&probabilities(&models.join("ic_resnet8_qdq_int8.onnx"), &inputs), &labels);
    println!("kws {kws} of 600, ic {ic} of 300");
    assert_eq!((kws, ic), (540, 271));
}

/// Steps of 1/256: neither 1 nor what is less than half a step can be told.
#[test]
#[ignore = "needs Python with ONNX Runtime"]
fn the_probabilities_of_onnx_runtime() {
    let Some(shared) = shared() else { return };
    let models = shared.join("models/mlperf_tiny_onnx");
    for (name, inputs) in
        [("kws_dscnn_qdq_int8", words(&shared).0), ("ic_resnet8_qdq_int8", pictures(&shared).0)]
    {
        let path = models.join(name).with_extension("onnx");
        let Some(peer) = peer::outputs(&path, &inputs) else { return };
        let found = probabilities(&path, &inputs);
        let off = found.iter().flatten().zip(peer.iter().flatten()).map(|(a, b)| (a - b).abs());
        let (worst, far) = (off.clone().fold(0f32, f32::max), off.filter(|d| *d > 1.0 / 200.0).count());
        println!("{name}: {far} probabilities more than a step apart, the furthest {worst}");
        assert!(worst < 0.1 && far < 30, "{name}");
    }
}
