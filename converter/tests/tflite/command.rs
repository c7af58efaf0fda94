//! `mote convert` on a `.tflite` file, and the other verbs on what it makes.

use crate::builder::{Model, options};
use ndarray::{Array2, Array3, Array4, arr2, arr3};
use ndarray_npy::{ReadNpyExt, WriteNpyExt};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};
use tract_tflite::tflite::{BuiltinOperator, Padding, TensorType};

fn mote(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mote")).args(args).current_dir(folder).output().expect("mote starts")
}

fn done(folder: &Path, args: &[&str]) -> String {
    let done = mote(folder, args);
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text")
}

/// y = x · w at scales 0.5, 0.25 and 1: two outputs of three inputs.
fn dense() -> Vec<u8> {
    let mut m = Model::default();
    let (x, y) = (m.input(&[1, 3], (0.5, 0)), m.value(&[1, 2], (1.0, 0)));
    let (w, b) = (m.weights(&[2, 3], &[0.25], 0, &[4, 0, 0, 0, 4, 8]), m.bias(&[0, 16], &[0.125]));
    let options = options!(FullyConnectedOptions, FullyConnectedOptionsArgs {});
    m.op(BuiltinOperator::FULLY_CONNECTED, &[x, w, b], y, Some(options)).output(y).bytes()
}

#[test]
fn convert_run_and_eval_without_calibration() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("net.tflite"), dense()).expect("room");
    arr2(&[[3.0f32, 5.0, -2.0]]).write_npy(File::create(at("x.npy")).expect("room")).expect("room");
    arr2(&[[6i8, 10, -4]]).write_npy(File::create(at("q.npy")).expect("room")).expect("room");
    ndarray::arr1(&[0i64]).write_npy(File::create(at("y.npy")).expect("room")).expect("room");
    assert!(done(folder.path(), &["convert", "net.tflite"]).contains("wrote net.mote"));
    done(folder.path(), &["run", "net.mote", "--input", "x.npy", "--output", "out.npy"]);
    let reals = Array2::<f32>::read_npy(File::open(at("out.npy")).expect("outputs")).expect("floats");
    assert_eq!(reals, arr2(&[[3.0, 3.0]]));
    done(folder.path(), &["run", "net.mote", "--input", "q.npy", "--raw", "--output", "out.npy"]);
    let raw = Array2::<i8>::read_npy(File::open(at("out.npy")).expect("outputs")).expect("int8");
    assert_eq!(raw, arr2(&[[3, 3]]));
    let said = done(folder.path(), &["eval", "net.mote", "--data", "x.npy", "--labels", "y.npy"]);
    assert!(said.contains("top-1   100.00 %"), "{said}");
    let refused = mote(folder.path(), &["eval", "net.tflite", "--data", "x.npy", "--labels", "y.npy"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("mote convert IN.tflite"));
}

/// Two dense layers with three values between them: one is constant, nothing reads another.
#[test]
fn what_was_removed_is_told() {
    let mut m = Model::default();
    let (x, h, y) = (m.input(&[1, 3], (0.5, 0)), m.value(&[1, 3], (0.5, 0)), m.value(&[1, 2], (1.0, 0)));
    let dense = || Some(options!(FullyConnectedOptions, FullyConnectedOptionsArgs {}));
    let (w, b) =
        (m.weights(&[3, 3], &[0.25], 0, &[4, 0, 0, 0, 0, 0, 1, 2, 3]), m.bias(&[0, 16, 0], &[0.125]));
    m.op(BuiltinOperator::FULLY_CONNECTED, &[x, w, b], h, dense());
    let (w, b) = (m.weights(&[2, 3], &[0.25], 0, &[4, 4, 0, 8, 4, 0]), m.bias(&[0, 16], &[0.125]));
    let bytes = m.op(BuiltinOperator::FULLY_CONNECTED, &[h, w, b], y, dense()).output(y).bytes();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("net.tflite"), bytes).expect("room");
    let said = done(folder.path(), &["convert", "net.tflite"]);
    assert!(said.contains("lossless: 15 → 5 MACs"), "{said}");
    let said = done(folder.path(), &["inspect", "net.mote"]);
    assert!(
        said.contains("lossless: 15 → 5 MACs") && said.contains("1 constant (folded into the bias of"),
        "{said}"
    );
    let said = done(folder.path(), &["inspect", "net.mote", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).expect("json");
    assert_eq!((said["macs"].as_u64(), said["original"]["macs"].as_u64()), (Some(5), Some(15)));
    assert_eq!(said["removed"].as_array().map(Vec::len), Some(2), "{said}");
}

/// A picture of three pixels; y is its mean.
#[test]
fn uint8_in_and_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let mut m = Model::default();
    let (x, y) =
        (m.unsigned_value(&[1, 1, 3, 1], (0.5, 128), &[]), m.unsigned_value(&[1, 1, 1, 1], (0.5, 128), &[]));
    m.take(x);
    let pad = Padding::VALID;
    let args = options!(
        Pool2DOptions,
        Pool2DOptionsArgs { padding: pad, stride_w: 1, stride_h: 1, filter_width: 3, filter_height: 1 }
    );
    m.op(BuiltinOperator::AVERAGE_POOL_2D, &[x], y, Some(args)).output(y);
    std::fs::write(at("net.tflite"), m.bytes()).expect("room");
    Array4::from_shape_vec((1, 1, 3, 1), vec![0u8, 255, 201])
        .expect("three")
        .write_npy(File::create(at("q.npy")).expect("room"))
        .expect("room");
    arr2(&[[0f32, 255.0, 201.0]]).write_npy(File::create(at("x.npy")).expect("room")).expect("room");
    done(folder.path(), &["convert", "net.tflite"]);
    done(folder.path(), &["run", "net.mote", "--input", "q.npy", "--raw", "--output", "out.npy"]);
    let raw = Array4::<u8>::read_npy(File::open(at("out.npy")).expect("outputs")).expect("uint8");
    assert_eq!(raw.into_raw_vec_and_offset().0, [152]);
    // Data that are prepared as the model says: the bytes themselves.
    done(folder.path(), &["run", "net.mote", "--input", "x.npy", "--output", "out.npy"]);
    let reals = Array4::<f32>::read_npy(File::open(at("out.npy")).expect("outputs")).expect("floats");
    assert_eq!(reals.into_raw_vec_and_offset().0, [12.0]);
}

#[test]
fn options_that_a_quantized_model_has_no_use_for() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("net.tflite"), dense()).expect("room");
    for option in [["--calib", "x.npy"], ["--input-shape", "1,3"], ["--calibration", "minmax"]] {
        let refused = mote(folder.path(), &["convert", "net.tflite", option[0], option[1]]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(option[0]), "{said}");
    }
}

/// A region of three bytes takes the input and nothing else; what does not fit says so.
#[test]
fn regions_are_planned_for_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("net.tflite"), dense()).expect("room");
    let said = done(folder.path(), &["convert", "net.tflite"]);
    assert!(said.contains("the fewest"), "{said}");
    let convert =
        |slow: &str| mote(folder.path(), &["convert", "net.tflite", "--region", "fast=4", "--region", slow]);
    let refused = String::from_utf8(convert("slow=0:9").stderr).expect("text");
    assert!(refused.contains("layer") && refused.contains("give \"slow\""), "{refused}");
    assert!(convert("slow=4000:9").status.success());
    let said = done(folder.path(), &["inspect", "net.mote"]);
    let told = ["fast", "slow", "moved bytes", "the fewest"];
    assert!(told.iter().all(|word| said.contains(word)), "{said}");
    let said = done(folder.path(), &["inspect", "net.mote", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).expect("json");
    assert_eq!(
        (said["regions"][0]["bytes"].as_u64(), said["regions"][1]["cost"].as_u64()),
        (Some(4), Some(9))
    );
    for regions in [["--region", "fast"], ["--ram", "100"]] {
        let both = [["convert", "net.tflite"], ["--region", "slow=9"], regions].concat();
        assert!(!mote(folder.path(), &both).status.success(), "{regions:?}");
    }
}

/// y = x · w + b, quantized with the samples that it is given.
#[test]
fn a_float_network_is_quantized() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut m = Model::default();
    let (x, y) = (m.other(TensorType::FLOAT32, &[1, 3]), m.other(TensorType::FLOAT32, &[1, 2]));
    m.take(x);
    let (w, b) = (m.floats(&[2, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 2.0]), m.floats(&[2], &[0.0, 2.0]));
    let args = options!(FullyConnectedOptions, FullyConnectedOptionsArgs {});
    m.op(BuiltinOperator::FULLY_CONNECTED, &[x, w, b], y, Some(args)).output(y);
    std::fs::write(folder.path().join("net.tflite"), m.bytes()).expect("room");
    let at = |name: &str| File::create(folder.path().join(name)).expect("room");
    arr2(&[[3.0f32, 5.0, -2.0], [-3.0, -5.0, 2.0]]).write_npy(at("x.npy")).expect("room");
    ndarray::arr1(&[0i64, 1]).write_npy(at("y.npy")).expect("room");
    let refused = mote(folder.path(), &["convert", "net.tflite"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--calib"));
    done(folder.path(), &["convert", "net.tflite", "--calib", "x.npy"]);
    for model in ["net.mote", "net.tflite"] {
        let said = done(folder.path(), &["eval", model, "--data", "x.npy", "--labels", "y.npy"]);
        assert!(said.contains("top-1   50.00 %") || said.contains("top-1   100.00 %"), "{model}: {said}");
    }
}

/// Three samples in one file: a running sum goes from each to the next, and `inspect` tells of the state.
#[test]
fn states_go_through_the_samples_of_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("net.tflite"), crate::state::total().bytes).expect("room");
    let samples = arr2(&[[-3i8 + 4; 6], [-3 + 10; 6], [-3; 6]]);
    samples.write_npy(File::create(at("q.npy")).expect("room")).expect("room");
    done(folder.path(), &["convert", "net.tflite"]);
    done(folder.path(), &["run", "net.mote", "--input", "q.npy", "--raw", "--output", "out.npy"]);
    let sums = Array3::<i8>::read_npy(File::open(at("out.npy")).expect("outputs")).expect("int8");
    let start = [9i8, -9, 0, 1, 2, 3];
    let sum = |more: i8| start.map(|v| v + more);
    assert_eq!(sums, arr3(&[[sum(4)], [sum(14)], [sum(14)]]));
    let said = done(folder.path(), &["inspect", "net.mote"]);
    assert!(said.contains("(of these 6 states)") && said.contains("state   kept"), "{said}");
}
