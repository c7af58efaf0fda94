//! The command as its users meet it: JSON names, exit codes, and refusals that name the place, the cause and the remedy.
//! Needs nothing but the repository.

use ndarray::{Array1, Array4};
use ndarray_npy::WriteNpyExt;
use prost::Message;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tract_onnx::pb::{ModelProto, tensor_shape_proto::dimension, type_proto};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models").join(name)
}

fn mote(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mote")).args(args).output().expect("mote starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Succeeds and gives the JSON object.
fn json(args: &[&str]) -> Value {
    let done = mote(args);
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("one JSON object")
}

/// Fails with exit code 1, without a panic, and says all of `words`.
fn refused(args: &[&str], words: &[&str]) {
    let done = mote(args);
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{args:?}: {said}");
    assert!(!said.contains("panicked"), "{args:?}: {said}");
    for word in ["error:", "cause:", "remedy:"].iter().chain(words) {
        assert!(said.contains(word), "{args:?} does not say {word:?}: {said}");
    }
}

/// A folder with the example network as a model and one image of its test set.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Scene { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The converted example.
    fn model(&self) -> PathBuf {
        let path = self.path("net.mote");
        let done = self.convert(&example("fashion.onnx"), &[]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        path
    }

    /// Converts a network with the example's calibration samples.
    fn convert(&self, network: &Path, more: &[&str]) -> Output {
        let (calib, output) = (example("fashion_calib.npz"), self.path("net.mote"));
        let args =
            ["convert", text(network), "-o", text(&output), "--calib", text(&calib), "--scale", "1/255"];
        mote(&[&args, more].concat())
    }

    /// Refuses to convert, and leaves nothing behind.
    fn refuses(&self, network: &Path, more: &[&str], words: &[&str]) {
        let (calib, output) = (example("fashion_calib.npz"), self.path("net.mote"));
        let args =
            ["convert", text(network), "-o", text(&output), "--calib", text(&calib), "--scale", "1/255"];
        refused(&[&args, more].concat(), words);
        let left: Vec<_> = std::fs::read_dir(self.folder.path()).expect("the folder").flatten().collect();
        let models = left.iter().filter(|e| e.file_name().to_string_lossy().contains("mote")).count();
        assert_eq!(models, 0, "something is left: {left:?}");
    }

    /// The example network, changed.
    fn changed(&self, change: impl FnOnce(&mut ModelProto)) -> PathBuf {
        let bytes = std::fs::read(example("fashion.onnx")).expect("the example");
        let mut network = ModelProto::decode(&*bytes).expect("an ONNX file");
        change(&mut network);
        let path = self.path("changed.onnx");
        std::fs::write(&path, network.encode_to_vec()).expect("room");
        path
    }
}

#[test]
fn json_has_its_names() {
    let scene = Scene::new();
    let model = scene.model();
    let inspected = json(&["inspect", text(&model), "--json"]);
    for name in ["model_bytes", "weight_bytes", "arena_bytes", "macs"] {
        assert!(inspected[name].as_u64().is_some_and(|v| v > 0), "{name}: {inspected}");
    }
    assert_eq!(inspected["macs"], 2_765_272);
    assert!(inspected["operators"].as_array().is_some_and(|o| o.len() >= 10));
    assert!(inspected["removed"].as_array().is_some_and(|r| r.len() >= 10));

    let (calib, test) = (example("fashion_calib.npz"), example("fashion_test.npz"));
    let network = example("fashion.onnx");
    let args = [
        "convert",
        text(&network),
        "-o",
        text(&model),
        "--calib",
        text(&calib),
        "--scale",
        "1/255",
        "--json",
    ];
    let converted = json(&args);
    for name in ["model_bytes", "weight_bytes", "arena_bytes", "macs", "removed"] {
        assert_eq!(converted[name], inspected[name], "{name}");
    }
    assert!(converted["operators"][0]["sqnr_db"].as_f64().is_some_and(|db| db > 20.0), "{converted}");

    let accuracy = json(&["eval", text(&model), "--data", text(&test), "--json"]);
    assert_eq!(accuracy["samples"], 1000);
    for name in ["top1", "top5", "loss"] {
        assert!(accuracy[name].as_f64().is_some_and(|v| (0.0..=1.0).contains(&v)), "{accuracy}");
    }
    let bench = json(&["bench", text(&model), "--isa", "scalar", "--per-layer", "--json"]);
    assert_eq!(
        (&bench["isa"], &bench["threads"], &bench["macs"]),
        (&"scalar".into(), &1.into(), &inspected["macs"])
    );
    assert!(bench["min_ns"].as_u64() <= bench["median_ns"].as_u64() && bench["gmacs"].as_f64() > Some(0.0));
    assert!(bench["layers"].as_array().is_some_and(|l| l.len() >= 10), "{bench}");
    let named = |layer: &Value| layer["micro_kernel"].as_str().is_some_and(|name| name.ends_with(", scalar"));
    assert!(bench["layers"].as_array().is_some_and(|all| all.iter().all(named)), "{bench}");
}

#[test]
fn run_takes_floats_images_and_raw_values() {
    let scene = Scene::new();
    let model = scene.model();
    let (x, q, y) = (scene.path("x.npy"), scene.path("q.npy"), scene.path("y.npy"));
    let pixels = Array4::from_shape_fn((1, 28, 28, 1), |(_, i, j, _)| ((i * 9 + j * 5) % 256) as u8);
    pixels.write_npy(File::create(&x).expect("room")).expect("room");
    let run = json(&["run", text(&model), "--input", text(&x), "--json"]);
    for name in ["board", "instructions", "stack_bytes", "static_bytes", "text_bytes"] {
        assert!(run[name].is_null() && run.get(name).is_some(), "{name}: {run}");
    }
    assert!(run["arena_bytes"].as_u64().is_some_and(|v| v > 0), "{run}");
    let layer = &run["layers"][0];
    assert!(
        ["name", "op", "kernel", "micro_kernel"].iter().all(|k| layer[k].is_string())
            && layer["macs"].is_u64(),
        "{layer}"
    );
    let outputs = run["outputs"].as_object().expect("outputs by name");
    assert_eq!(outputs.values().next().and_then(|v| v.as_array()).map(Vec::len), Some(10));

    // The same pixels as an image, and as the int8 values that the model stores: the same answer.
    let image = scene.path("x.png");
    let gray =
        image::GrayImage::from_fn(28, 28, |j, i| image::Luma([pixels[[0, i as usize, j as usize, 0]]]));
    gray.save(&image).expect("room");
    let shown = json(&["run", text(&model), "--input", text(&image), "--json"]);
    assert_eq!(shown["outputs"], run["outputs"]);
    let info = json(&["inspect", text(&model), "--json"]);
    assert!(info["operators"].is_array());
    let stored = pixels.mapv(|p| (i32::from(p) - 128) as i8);
    stored.write_npy(File::create(&q).expect("room")).expect("room");
    let raw = json(&["run", text(&model), "--input", text(&q), "--raw", "--output", text(&y), "--json"]);
    let name = outputs.keys().next().expect("a name");
    for (real, q) in
        outputs[name].as_array().expect("values").iter().zip(raw["outputs"][name].as_array().expect("values"))
    {
        let (real, q) = (real.as_f64().expect("a number"), q.as_f64().expect("a number"));
        assert!((real - (q + 128.0) / 256.0).abs() < 1e-6, "{real} {q}");
    }
    let written: ndarray::ArrayD<i8> =
        ndarray_npy::ReadNpyExt::read_npy(File::open(&y).expect("the output")).expect("int8");
    assert_eq!(written.len(), 10);
}

#[test]
fn damaged_networks_are_refused() {
    let scene = Scene::new();
    let bytes = std::fs::read(example("fashion.onnx")).expect("the example");
    let path = scene.path("bad.onnx");
    scene.refuses(&path, &[], &["bad.onnx"]);
    for cut in [0, 1, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..cut]).expect("room");
        scene.refuses(&path, &[], &["bad.onnx"]);
    }
    std::fs::write(&path, b"not a network, but some text").expect("room");
    scene.refuses(&path, &[], &["bad.onnx"]);
    // ONNX has no checksum: a flipped bit is refused or gives another network, but never a panic.
    for at in (0..bytes.len()).step_by(bytes.len() / 11) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        std::fs::write(&path, damaged).expect("room");
        let done = scene.convert(&path, &["--calibration", "minmax"]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(matches!(done.status.code(), Some(0 | 1)) && !said.contains("panicked"), "byte {at}: {said}");
        let _ = std::fs::remove_file(scene.path("net.mote"));
    }
}

#[test]
fn unsupported_operators_are_named_with_their_nodes() {
    let scene = Scene::new();
    let network = scene.changed(|m| {
        for node in m.graph.as_mut().expect("a graph").node.iter_mut().filter(|n| n.op_type == "MaxPool") {
            node.op_type = "LpPool".into();
        }
    });
    scene.refuses(&network, &[], &["LpPool", "stem/pool", "Conv", "GlobalAveragePool"]);
}

#[test]
fn dynamic_shapes_are_asked_for() {
    let scene = Scene::new();
    let network = scene.changed(|m| {
        let input = &mut m.graph.as_mut().expect("a graph").input[0];
        let Some(type_proto::Value::TensorType(tensor)) =
            input.r#type.as_mut().and_then(|t| t.value.as_mut())
        else {
            panic!("a tensor")
        };
        for dim in &mut tensor.shape.as_mut().expect("a shape").dim[2..] {
            dim.value = Some(dimension::Value::DimParam("side".into()));
        }
    });
    scene.refuses(&network, &[], &["pixels", "side", "--input-shape"]);
    let done = scene.convert(&network, &["--input-shape", "1,1,28,28"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn wrong_calibration_data_is_refused() {
    let scene = Scene::new();
    let (network, x) = (example("fashion.onnx"), scene.path("x.npy"));
    let output = scene.path("net.mote");
    let args = |x: &Path| {
        ["convert", text(&network), "-o", text(&output), "--calib", text(x)].map(str::to_owned).to_vec()
    };
    let refuse = |x: &Path, words: &[&str]| {
        let args = args(x);
        refused(&args.iter().map(String::as_str).collect::<Vec<_>>(), words);
        assert!(!output.exists());
    };
    Array4::<f32>::zeros((3, 32, 32, 1)).write_npy(File::create(&x).expect("room")).expect("room");
    refuse(&x, &["32", "28"]);
    let mut values = Array4::<f32>::zeros((3, 28, 28, 1));
    values[[2, 5, 5, 0]] = f32::NAN;
    values.write_npy(File::create(&x).expect("room")).expect("room");
    refuse(&x, &["2", "NaN"]);
    std::fs::write(&x, b"\x93NUMPY but no more").expect("room");
    refuse(&x, &["x.npy"]);
    refuse(&scene.path("nothing"), &["nothing"]);
    std::fs::create_dir(scene.path("empty")).expect("room");
    refuse(&scene.path("empty"), &["empty"]);
}

#[test]
fn damaged_models_are_refused() {
    let scene = Scene::new();
    let model = scene.model();
    let bytes = std::fs::read(&model).expect("the model");
    let (bad, x) = (scene.path("bad.mote"), scene.path("x.npy"));
    Array4::<u8>::zeros((1, 28, 28, 1)).write_npy(File::create(&x).expect("room")).expect("room");
    refused(&["inspect", text(&bad)], &["bad.mote"]);
    for cut in [0, 3, 63, 64, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&bad, &bytes[..cut]).expect("room");
        refused(&["run", text(&bad), "--input", text(&x)], &["bad.mote", "byte"]);
    }
    for at in (0..bytes.len()).step_by(bytes.len() / 23) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        std::fs::write(&bad, damaged).expect("room");
        refused(&["inspect", text(&bad)], &["bad.mote", "byte"]);
    }
    refused(&["inspect", text(&example("fashion.onnx"))], &["mote convert"]);
}

#[test]
fn wrong_arguments_say_what_would_be_right() {
    let scene = Scene::new();
    let model = scene.model();
    let (x, labels) = (scene.path("x.npy"), scene.path("y.npy"));
    Array4::<u8>::zeros((2, 28, 28, 1)).write_npy(File::create(&x).expect("room")).expect("room");
    refused(&["run", text(&model), "--input", text(&x), "--raw"], &["int8"]);
    refused(&["bench", text(&model), "--isa", "mmx"], &["mmx", "scalar"]);
    refused(&["eval", text(&model), "--data", text(&x)], &["label"]);
    Array1::<i64>::zeros(3).write_npy(File::create(&labels).expect("room")).expect("room");
    refused(&["eval", text(&model), "--data", text(&x), "--labels", text(&labels)], &["3", "2"]);
    Array1::from(vec![0i64, 99]).write_npy(File::create(&labels).expect("room")).expect("room");
    refused(&["eval", text(&model), "--data", text(&x), "--labels", text(&labels)], &["99", "10"]);
    refused(&["eval", text(&model), "--data", text(&x), "--scale", "2"], &["mote convert"]);
    let network = example("fashion.onnx");
    for wrong in [
        &["--scale", "1/0"][..],
        &["--scale", "0"],
        &["--mean", "a"],
        &["--calibration", "best"],
        &["--input-shape", "1,x"],
    ] {
        let args = ["convert", text(&network), "--calib", text(&x), "-o", "/nonexistent/net.mote"];
        refused(&[&args, wrong].concat(), &[]);
    }
    let args = ["convert", text(&network), "--calib", text(&x), "-o", "/nonexistent/net.mote"];
    refused(&args, &["/nonexistent"]);
    refused(&["convert", text(&network), "-o", "/nonexistent/net.mote"], &["calibrate", "--calib"]);
    for usage in [&["run"][..], &["convert"], &["fly"], &["run", "m", "--input", "x", "--on", "moon"]] {
        assert_eq!(mote(usage).status.code(), Some(2), "{usage:?}");
    }
}

/// A device is written to, not replaced; one that is full is an error.
#[cfg(target_os = "linux")]
#[test]
fn devices_stay_devices() {
    use std::os::unix::fs::FileTypeExt;
    let (network, calib) = (example("fashion.onnx"), example("fashion_calib.npz"));
    let args = ["convert", text(&network), "--calib", text(&calib), "--scale", "1/255", "-o", "/dev/full"];
    refused(&args, &["/dev/full"]);
    let kind = std::fs::metadata("/dev/full").expect("the device").file_type();
    assert!(kind.is_char_device());
}

#[test]
fn help_has_examples() {
    for verb in ["convert", "run", "eval", "bench", "inspect"] {
        let done = mote(&[verb, "--help"]);
        assert!(
            done.status.success() && String::from_utf8_lossy(&done.stdout).contains("Examples:"),
            "{verb}"
        );
    }
}
