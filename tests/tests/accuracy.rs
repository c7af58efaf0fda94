//! What models of others say of real pictures and sounds, beside what LiteRT says of the same: the figures of
//! `docs/accuracy.md`. Needs the folder of trained models, and for LiteRT Python; says so when either is absent.

#[path = "../peers/litert.rs"]
mod litert;

use mote_converter::data::{self, Prepare, Spec};
use mote_converter::import::InputShapes;
use mote_converter::reference::Reference;
use mote_converter::tflite;
use mote_runtime::{Model, Session};
use mote_tests::{convert_with, converted, shared};
use ndarray::ArrayD;
use ndarray_npy::write_npy;
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

/// Whether there is a face at all, which is an output of the same network: calibrated without a face its range ends at 0,
/// which stands for one half; a single face among the samples is enough.
#[test]
#[ignore = "needs Python with LiteRT"]
fn a_face_is_told_from_none_where_calibration_saw_one() {
    let Some(shared) = shared() else { return };
    let network = shared.join("models/landmark/mediapipe_face_landmark.tflite");
    let prepare = Prepare::parse(None, Some("1/255")).expect("a number");
    let at = |name: &str, shape: &[usize]| picture(&shared.join("data").join(name), shape, &prepare);
    let astronaut = crop(&at("skimage/astronaut.png", &[512, 512, 3]), 512, [150, 30, 300, 220], 192);
    let inputs = [astronaut, at("coral/cat.bmp", &[192, 192, 3])];
    let Some(expected) = litert_floats(&network, &inputs) else { return };
    let folder = calibration(&shared);
    let pictures = std::fs::read_dir(folder.path()).expect("pictures").map(|e| e.expect("a file").path());
    let mut samples: Vec<Vec<f32>> = pictures.map(|path| picture(&path, &[192, 192, 3], &prepare)).collect();
    samples.push(crop(&at("coral/grace_hopper.bmp", &[600, 512, 3]), 512, [128, 30, 409, 330], 192));
    let shape = [samples.len(), 192, 192, 3];
    let samples = ArrayD::from_shape_vec(&shape[..], samples.concat()).expect("as many pixels");
    let file = folder.path().join("samples.npy");
    write_npy(&file, &samples).expect("room");
    let bytes = convert_with(&network, Some(&file), Prepare::default()).bytes;
    let model = Model::new_checked(&bytes).expect("a model");
    for (what, input, expected, there) in
        [("astronaut", &inputs[0], &expected[0], true), ("cat", &inputs[1], &expected[1], false)]
    {
        let flag = run(&model, input).into_iter().find(|y| y.len() == 1).expect("a flag")[0];
        let (float, int8) = (sigmoid(expected[1404]), sigmoid(flag));
        println!("face flag, {what}: LiteRT float {float:.3}, mote int8 {int8:.3}");
        assert!((int8 > 0.99) == there && (int8 < 0.01) != there, "{int8}");
    }
}

/// The share of a picture that is a person. The network has an operator of its own, so the float one runs in the reference.
#[test]
#[ignore = "takes a minute"]
fn a_person_is_cut_out_as_by_the_float_network() {
    let Some(shared) = shared() else { return };
    let network = shared.join("models/segmentation/mediapipe_selfie_segmentation.tflite");
    let prepare = Prepare::parse(None, Some("1/255")).expect("a number");
    let bytes = convert_with(&network, Some(calibration(&shared).path()), prepare.clone()).bytes;
    let model = Model::new_checked(&bytes).expect("a model");
    let input = picture(&shared.join("data/skimage/astronaut.png"), &[256, 256, 3], &prepare);
    let mask = run(&model, &input).remove(0);
    let onnx = tflite::onnx(&std::fs::read(&network).expect("a network")).expect("floats").expect("floats");
    let reference = Reference::new(&onnx, &InputShapes::default(), &["activation_10".to_owned()]);
    let reference = reference.expect("a network");
    let x = ArrayD::from_shape_vec(reference.inputs()[0].shape.clone(), input).expect("a picture");
    let float: Vec<f32> = reference.run(&[x]).expect("a mask").remove(0).iter().copied().collect();
    let share = |mask: &[f32]| mask.iter().filter(|&&p| p > 0.5).count() as f32 / mask.len() as f32;
    let both = mask.iter().zip(&float).filter(|(a, b)| **a > 0.5 && **b > 0.5).count() as f32;
    let either = mask.iter().zip(&float).filter(|(a, b)| **a > 0.5 || **b > 0.5).count() as f32;
    let (int8, float, overlap) = (share(&mask), share(&float), both / either);
    println!(
        "person: published 0.545, float {float:.3}, int8 {int8:.3}, intersection over union {overlap:.3}"
    );
    assert!((float - 0.545).abs() < 0.001 && overlap > 0.85, "{float} {overlap}");
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
