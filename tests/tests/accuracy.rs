//! What models of others say of real pictures and sounds, beside what LiteRT says of the same: the figures of
//! `docs/accuracy.md`. Needs the folder of trained models, and for LiteRT Python; says so when either is absent.

#[path = "../peers/litert.rs"]
mod litert;

use mote_converter::data::{self, Prepare, Spec};
use mote_runtime::{Model, Session};
use mote_tests::{convert_with, converted, shared};
use std::path::Path;

/// The real values of a model's outputs.
fn run(model: &Model<'_>, input: &[f32]) -> Vec<Vec<f32>> {
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(model, &mut arena).expect("room");
    session.input_mut(0).expect("an input").fill(input.iter().copied());
    session.run();
    session.outputs().map(|output| output.reals().collect()).collect()
}

/// A picture at the size of an image, prepared.
fn picture(path: &Path, shape: &[usize], prepare: &Prepare) -> Vec<f32> {
    let spec = Spec {
        input: String::new(),
        shape: shape.to_vec(),
        prepare: prepare.clone(),
        strict: true,
        labels: None,
        limit: Some(1),
        others: Default::default(),
    };
    data::open(path, &spec)
        .expect("a picture")
        .next()
        .expect("one")
        .expect("a picture")
        .x
        .iter()
        .copied()
        .collect()
}

/// Whole pictures of all kinds, none of which is asked about.
fn calibration(shared: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let data = shared.join("data");
    let pictures =
        ["coco_pictures", "faces"].map(|name| std::fs::read_dir(data.join(name)).expect("pictures"));
    let others = ["skimage/chelsea.png", "skimage/coffee.png"].map(|name| data.join(name));
    let pictures = pictures.into_iter().flatten().map(|entry| entry.expect("a file").path());
    for path in pictures.chain(others) {
        std::fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("room");
    }
    folder
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// What LiteRT's reference kernels make of the float network: all outputs, one after the other.
fn litert_floats(network: &Path, inputs: &[Vec<f32>]) -> Option<Vec<Vec<f32>>> {
    let bytes = |x: &Vec<f32>| x.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let inputs: Vec<Vec<u8>> = inputs.iter().map(bytes).collect();
    Some(litert::outputs("BUILTIN_REF", network, &inputs, &[])?.iter().map(|y| floats(y)).collect())
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
#[ignore = "needs Python with LiteRT"]
fn faces_are_detected_as_by_the_float_network() {
    let Some(shared) = shared() else { return };
    let network = shared.join("models/detection/mediapipe_face_detection_short_range.tflite");
    let prepare = Prepare::parse(Some("127.5"), Some("1/127.5")).expect("numbers");
    let bytes = convert_with(&network, Some(calibration(&shared).path()), prepare.clone()).bytes;
    let model = Model::new_checked(&bytes).expect("a model");
    let pictures =
        [("skimage/astronaut.png", 0.92), ("coral/grace_hopper.bmp", 0.90), ("coral/cat.bmp", 0.37)];
    let inputs: Vec<Vec<f32>> = pictures
        .iter()
        .map(|(name, _)| picture(&shared.join("data").join(name), &[128, 128, 3], &prepare))
        .collect();
    let best = |scores: &[f32]| sigmoid(scores.iter().copied().fold(f32::MIN, f32::max));
    let Some(expected) = litert_floats(&network, &inputs) else { return };
    for (((name, published), input), expected) in pictures.iter().zip(&inputs).zip(&expected) {
        let outputs = run(&model, input);
        let scores = outputs.iter().find(|scores| scores.len() == 896).expect("a score for each anchor");
        let (float, int8) = (best(&expected[expected.len() - 896..]), best(scores));
        println!(
            "face detection, {name}: published {published}, LiteRT float {float:.2}, mote int8 {int8:.2}"
        );
        assert!((float - int8).abs() < 0.15 && (float > 0.5) == (int8 > 0.5), "{float} {int8}");
    }
}

/// Part of a picture at another size, each pixel the nearest.
fn crop(pixels: &[f32], width: usize, [left, top, right, bottom]: [usize; 4], size: usize) -> Vec<f32> {
    let pixel = |y: usize, x: usize| {
        let (row, column) = (top + y * (bottom - top) / size, left + x * (right - left) / size);
        &pixels[3 * (row * width + column)..][..3]
    };
    (0..size * size).flat_map(|i| pixel(i / size, i % size).to_vec()).collect()
}

#[test]
#[ignore = "needs Python with LiteRT"]
fn landmarks_lie_where_the_float_network_sees_them() {
    let Some(shared) = shared() else { return };
    let network = shared.join("models/landmark/mediapipe_face_landmark.tflite");
    let prepare = Prepare::parse(None, Some("1/255")).expect("a number");
    let bytes = convert_with(&network, Some(calibration(&shared).path()), prepare.clone()).bytes;
    let model = Model::new_checked(&bytes).expect("a model");
    let astronaut = picture(&shared.join("data/skimage/astronaut.png"), &[512, 512, 3], &prepare);
    let face = crop(&astronaut, 512, [150, 30, 300, 220], 192);
    let outputs = run(&model, &face);
    let ours = outputs.iter().find(|y| y.len() == 1404).expect("468 points");
    let Some(expected) = litert_floats(&network, &[face]) else { return };
    // Two of three values are places in the picture.
    let apart =
        |i: usize| (0..2).map(|c| (expected[0][3 * i + c] - ours[3 * i + c]).powi(2)).sum::<f32>().sqrt();
    let mean = (0..468).map(apart).sum::<f32>() / 468.0;
    println!("face landmarks: LiteRT's float points and mote's int8 ones lie {mean:.2} of 192 pixels apart");
    assert!(mean < 2.0, "{mean}");
}

/// The reconstruction error of a normal sound, as the benchmark computes it: over windows of five frames.
#[test]
fn anomaly_detection() {
    let Some(shared) = shared() else { return };
    let file = std::fs::read(shared.join("data/ad01_sample/normal_id_01_00000000_hist_librosa.bin"));
    let spectrum = floats(&file.expect("a sound"));
    let bytes = converted(&shared.join("models/mlperf_tiny/ad01_int8.tflite")).bytes;
    let model = Model::new_checked(&bytes).expect("a model");
    let windows: Vec<&[f32]> = spectrum.windows(640).step_by(128).collect();
    let error = |x: &&[f32]| {
        let outputs = run(&model, x);
        x.iter().zip(&outputs[0]).map(|(x, y)| (x - y).powi(2)).sum::<f32>() / 640.0
    };
    let score = windows.iter().map(error).sum::<f32>() / windows.len() as f32;
    println!("ad: score {score:.3}, published 10.265");
    assert!((score - 10.265).abs() < 0.001, "{score}");
}
