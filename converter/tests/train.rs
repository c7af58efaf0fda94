//! Training from the command line, on a small network and images made here: what is learnt, what follows from the seed, what
//! survives being killed, and what is refused. Needs nothing but the repository.
#![cfg(feature = "train")]

use mote_converter::export;
use mote_converter::import::{self, InputShapes};
use mote_converter::ir::{Op, Window};
use mote_converter::reference::Reference;
use ndarray::{Array1, Array4, ArrayD};
use ndarray_npy::NpzWriter;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

#[path = "common/chain.rs"]
mod chain;
#[path = "common/random.rs"]
mod random;
use chain::{Chain, unit};
use random::Random;

const SIDE: usize = 8;
const CLASSES: usize = 3;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models").join(name)
}

/// A classifier of images of bars.
fn network(width: usize) -> Vec<u8> {
    let mut chain = Chain::new(SIDE);
    chain.conv("a", [1, width], SIDE, 1);
    let window = Window { kernel: [2, 2], stride: [2, 2], dilation: [1, 1], pads: [0; 4] };
    chain.node("pool", Op::MaxPool(window), &[], &[1, width, SIDE / 2, SIDE / 2]);
    chain.conv("b", [width, 2 * width], SIDE / 2, 1);
    let all = Window::global(SIDE / 2, SIDE / 2);
    chain.node("mean", Op::AveragePool(all), &[], &[1, 2 * width, 1, 1]);
    chain.node("flat", Op::Reshape, &[], &[1, 2 * width]);
    chain.classes([2 * width, CLASSES]);
    chain.finish()
}

/// Images of horizontal bars, of vertical bars, and of neither, with noise; as many of each.
fn write_samples(path: &Path, count: usize, seed: u64) {
    write_samples_of(path, count, seed, |i| i % CLASSES);
}

/// The same, of the classes that are asked for.
fn write_samples_of(path: &Path, count: usize, seed: u64, class: impl Fn(usize) -> usize) {
    let mut random = Random::new(seed);
    let mut images = Array4::<f32>::zeros((count, SIDE, SIDE, 1));
    for i in 0..count {
        let offset = random.below(4);
        for y in 0..SIDE {
            for x in 0..SIDE {
                let bar = [(y + offset) % 4 < 2, (x + offset) % 4 < 2, (y + x + offset).is_multiple_of(2)]
                    [class(i)];
                images[[i, y, x, 0]] = f32::from(u8::from(bar)) + (unit(&mut random) - 0.5) * 1.6;
            }
        }
    }
    let labels: Array1<i64> = (0..count).map(|i| class(i) as i64).collect();
    let mut npz = NpzWriter::new(File::create(path).expect("a file"));
    npz.add_array("images", &images).and_then(|_| npz.add_array("labels", &labels)).expect("arrays");
    npz.finish().expect("a whole file");
}

struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Scene { folder: tempfile::tempdir().expect("a folder") };
        std::fs::write(scene.path("net.onnx"), network(4)).expect("a network");
        write_samples(Path::new(&scene.path("data.npz")), 300, 1);
        scene
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    fn command(&self, verb: &str, out: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mote"));
        let (data, out) = (self.path("data.npz"), self.path(out));
        command.args([verb, "-o", &out, "--data", &data, "--json", "--batch", "32"]).args(more);
        command
    }

    fn run(&self, verb: &str, out: &str, more: &[&str]) -> Output {
        self.command(verb, out, more).output().expect("mote starts")
    }

    fn train(&self, out: &str, more: &[&str]) -> Value {
        let net = self.path("net.onnx");
        let done = self.run("train", out, &[&[net.as_str(), "--rate", "0.01"], more].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).expect("one JSON object")
    }

    /// Begins a training and kills it as soon as there is a state.npz.
    fn killed_after_a_checkpoint(&self, options: &[&str]) {
        let mut running =
            self.command("train", "out.onnx", options).stdout(Stdio::null()).spawn().expect("mote starts");
        let (state, begun) = (self.path("state.npz"), Instant::now());
        while !Path::new(&state).exists() && begun.elapsed() < Duration::from_secs(120) {
            std::thread::sleep(Duration::from_millis(2));
        }
        running.kill().expect("it can be killed");
        running.wait().expect("it ends");
        assert!(Path::new(&state).exists(), "no checkpoint was written");
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("a file")
    }
}

fn last_accuracy(report: &Value) -> f64 {
    let epochs = report["epochs"].as_array().expect("epochs");
    epochs.iter().rfind(|e| e["best"] == true).expect("a best epoch")["accuracy"].as_f64().expect("a number")
}

#[test]
fn a_network_learns_and_what_is_written_is_what_was_trained() {
    let scene = Scene::new();
    let report = scene.train("out.onnx", &["--epochs", "8", "--validation", "0.2"]);
    assert!(last_accuracy(&report) > 0.9, "{report}");
    let losses: Vec<f64> =
        report["epochs"].as_array().unwrap().iter().map(|e| e["loss"].as_f64().unwrap()).collect();
    assert!(losses.last().unwrap() * 2.0 < losses[0], "{losses:?}");

    // Judged again by an engine that has no part in the training, on other samples.
    write_samples(Path::new(&scene.path("data.npz")), 300, 2);
    let done = Command::new(env!("CARGO_BIN_EXE_mote"))
        .args(["eval", &scene.path("out.onnx"), "--data", &scene.path("data.npz"), "--json"])
        .output()
        .expect("mote starts");
    let judged: Value = serde_json::from_slice(&done.stdout).expect("one JSON object");
    assert!(judged["top1"].as_f64().unwrap() > 0.85, "{judged}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    let scene = Scene::new();
    let options =
        |seed| ["--epochs", "2", "--augment", "flip,shift=0.1,noise=0.05,mixup=0.2", "--seed", seed];
    for (out, seed) in [("a.onnx", "3"), ("b.onnx", "3"), ("c.onnx", "4")] {
        scene.train(out, &options(seed));
    }
    assert_eq!(scene.bytes("a.onnx"), scene.bytes("b.onnx"));
    assert_ne!(scene.bytes("a.onnx"), scene.bytes("c.onnx"));
}

#[test]
fn killed_and_resumed_ends_with_the_weights_of_a_run_that_was_not() {
    let scene = Scene::new();
    let options = ["--epochs", "12", "--augment", "shift=0.1"];
    scene.train("whole.onnx", &options);

    let (net, state) = (scene.path("net.onnx"), scene.path("state.npz"));
    let resumed = [&[net.as_str(), "--rate", "0.01", "--checkpoint", &state], &options[..]].concat();
    scene.killed_after_a_checkpoint(&resumed);

    let done = scene.run("train", "out.onnx", &resumed);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(scene.bytes("out.onnx"), scene.bytes("whole.onnx"));

    // A checkpoint of another recipe is no place to go on from.
    let other = scene.run("train", "out.onnx", &[&resumed[..], &["--smoothing", "0.1"]].concat());
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("other options"));
}

#[test]
fn a_narrow_student_learns_from_its_teacher() {
    let scene = Scene::new();
    std::fs::write(scene.path("net.onnx"), network(8)).expect("a network");
    let net = scene.path("teacher.onnx");
    scene.train("teacher.onnx", &["--epochs", "8"]);
    let done = scene.run(
        "distill",
        "small.onnx",
        &["--teacher", &net, "--width", "0.5", "--epochs", "10", "--rate", "0.01"],
    );
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let report: Value = serde_json::from_slice(&done.stdout).expect("one JSON object");
    assert!(last_accuracy(&report) > 0.85, "{report}");
    let full = import::onnx(&scene.bytes("teacher.onnx"), &InputShapes::default()).unwrap().macs();
    assert!(report["macs"].as_u64().unwrap() * 2 < full, "{report} of {full}");
}

#[test]
fn the_widest_student_that_fits_is_taken_and_brings_its_scales() {
    let scene = Scene::new();
    std::fs::write(scene.path("net.onnx"), network(16)).expect("a network");
    let net = scene.path("net.onnx");
    let options = [
        "--share",
        "0",
        "--teacher",
        &net,
        "--fit",
        "mmac=0.03",
        "--epochs",
        "10",
        "--qat",
        "2",
        "--rate",
        "0.01",
    ];
    let done = scene.run("distill", "small.onnx", &options);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let report: Value = serde_json::from_slice(&done.stdout).expect("one JSON object");
    let macs = report["macs"].as_u64().unwrap();
    // One more step of width would be beyond.
    assert!((20_000..=30_000).contains(&macs), "{report}");
    assert_eq!(report["qat_epochs"].as_array().unwrap().len(), 2);

    let (small, model) = (scene.path("small.onnx"), scene.path("small.mote"));
    let mote =
        |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_mote")).args(args).output().expect("mote starts");
    let done = mote(&["convert", &small, "-o", &model]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let done = mote(&["eval", &model, "--data", &scene.path("data.npz"), "--json"]);
    let judged: Value = serde_json::from_slice(&done.stdout).expect("one JSON object");
    assert!(judged["top1"].as_f64().unwrap() > 0.85, "{judged} {report}");

    let none = scene.run("distill", "none.onnx", &["--teacher", &net, "--fit", "flash=100"]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("no student fits"));
}

#[test]
fn what_learnt_under_attack_holds_better_under_attack() {
    let scene = Scene::new();
    std::fs::write(scene.path("net.onnx"), network(8)).expect("a network");
    let attacked = |name: &str, more: &[&str]| {
        scene.train(name, &[&["--epochs", "8"], more].concat());
        let (net, data) = (scene.path(name), scene.path("data.npz"));
        let args = ["eval", &net, "--data", &data, "--json", "--attack", "fgsm:0.3"];
        let done = Command::new(env!("CARGO_BIN_EXE_mote")).args(args).output().expect("mote starts");
        let judged: Value = serde_json::from_slice(&done.stdout).expect("one JSON object");
        judged["top1"].as_f64().expect("a number")
    };
    let [plain, robust] =
        [attacked("plain.onnx", &[]), attacked("robust.onnx", &["--adversarial", "fgsm:0.3"])];
    assert!(robust > plain + 0.05, "{robust} {plain}");
}

#[test]
fn rare_classes_are_found_more_often_where_they_weigh_more() {
    let scene = Scene::new();
    let (net, out) = (scene.path("net.onnx"), scene.path("out.onnx"));
    let rare = |more: &[&str]| {
        // One image of vertical bars in twenty; then as many of them as of the others.
        write_samples_of(Path::new(&scene.path("data.npz")), 400, 1, |i| {
            if i % 20 == 0 { 1 } else { 2 * (i % 2) }
        });
        let done =
            scene.run("train", "out.onnx", &[&[&net, "--epochs", "4", "--rate", "0.003"], more].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        write_samples_of(Path::new(&scene.path("data.npz")), 200, 2, |_| 1);
        let args = ["eval", &out, "--data", &scene.path("data.npz"), "--json"];
        let done = Command::new(env!("CARGO_BIN_EXE_mote")).args(args).output().expect("mote starts");
        let judged: Value = serde_json::from_slice(&done.stdout).expect("one JSON object");
        judged["top1"].as_f64().expect("a number")
    };
    let plain = rare(&[]);
    for balance in ["weights", "draw"] {
        let balanced = rare(&["--balance", balance]);
        assert!(balanced > plain + 0.1, "{balance}: {balanced} {plain}");
    }
}

#[test]
fn an_image_that_cannot_be_read_is_left_out_or_refused() {
    let scene = Scene::new();
    let net = scene.path("net.onnx");
    let photos = scene.path("photos");
    for class in 0..CLASSES {
        let folder = Path::new(&photos).join(class.to_string());
        std::fs::create_dir_all(&folder).expect("a folder");
        for i in 0..6 {
            let image =
                image::GrayImage::from_fn(8, 8, |x, y| image::Luma([(40 * class as u32 + x + y * i) as u8]));
            image.save(folder.join(format!("{i}.png"))).expect("an image");
        }
    }
    std::fs::write(Path::new(&photos).join("1/broken.png"), b"no image").expect("a file");
    let train = |more: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_mote"))
            .args(["train", &net, "-o", &scene.path("out.onnx"), "--data", &photos, "--epochs", "1"])
            .args(more)
            .output()
            .expect("mote starts");
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (code, said) = train(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("broken.png") && said.contains("left out 1 of 19 samples"), "{said}");
    let (code, said) = train(&["--strict"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("broken.png") && said.contains("remedy:"), "{said}");
}

#[test]
fn what_a_teacher_says_of_samples_without_labels_is_learnt() {
    let scene = Scene::new();
    std::fs::write(scene.path("net.onnx"), network(8)).expect("a network");
    let (teacher, others) = (scene.path("teacher.onnx"), scene.path("others.npz"));
    scene.train("teacher.onnx", &["--epochs", "8"]);
    std::fs::rename(scene.path("data.npz"), &others).expect("samples");
    write_samples(Path::new(&scene.path("data.npz")), 12, 3);
    let judged = |more: &[&str]| {
        let options =
            ["--teacher", &teacher, "--width", "0.5", "--epochs", "12", "--rate", "0.01", "--share", "0.9"];
        let done = scene.run("distill", "small.onnx", &[&options, more].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let args = ["eval", &scene.path("small.onnx"), "--data", &others, "--json"];
        let done = Command::new(env!("CARGO_BIN_EXE_mote")).args(args).output().expect("mote starts");
        let judged: Value = serde_json::from_slice(&done.stdout).expect("one JSON object");
        judged["top1"].as_f64().expect("a number")
    };
    let (few, all) = (judged(&[]), judged(&["--unlabelled", &others]));
    assert!(all > few + 0.1 && all > 0.85, "{few} {all}");
}

#[test]
fn a_network_that_learnt_how_images_are_turned_gets_a_head_for_their_classes() {
    let scene = Scene::new();
    let turned = scene.train("turned.onnx", &["--head", "4", "--pretext", "rotation", "--epochs", "8"]);
    // Bars that are turned by a half are bars again.
    assert!(last_accuracy(&turned) > 0.3, "{turned}");
    let options = ["--head", "3", "--freeze", "a", "--epochs", "8", "--rate", "0.01"];
    let done =
        scene.run("train", "out.onnx", &[&[scene.path("turned.onnx").as_str()], &options[..]].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let report: Value = serde_json::from_slice(&done.stdout).expect("one JSON object");
    assert!(last_accuracy(&report) > 0.8, "{report}");
    let weights = |name: &str| {
        let graph = import::onnx(&scene.bytes(name), &InputShapes::default()).expect("it is imported");
        let node = graph.nodes.iter().find(|n| n.name == "a/conv").expect("the first layer");
        graph.konst(node.inputs[1]).expect("weights").clone()
    };
    assert_eq!(weights("turned.onnx"), weights("out.onnx"));
}

#[test]
fn a_checkpoint_outlives_a_full_disk() {
    let scene = Scene::new();
    let (net, state) = (scene.path("net.onnx"), scene.path("state.npz"));
    let options = [net.as_str(), "--epochs", "500", "--checkpoint", &state];
    scene.killed_after_a_checkpoint(&options);
    let before = scene.bytes("state.npz");

    // No file may be longer than a block of 512 bytes: like on a full disk, a write fails.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]);
    let command = scene.command("train", "out.onnx", &options);
    let done = limited.arg(command.get_program()).args(command.get_args()).output().expect("sh starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("state.npz") && said.contains("has room"), "{said}");
    assert_eq!(scene.bytes("state.npz"), before);
    assert_eq!(
        std::fs::read_dir(scene.folder.path()).expect("a folder").count(),
        3,
        "something is left over"
    );
}

#[test]
fn what_cannot_be_learnt_from_is_refused() {
    let scene = Scene::new();
    let net = scene.path("net.onnx");
    let refused = |args: &[&str], words: &[&str]| {
        let done = scene.run(args[0], "out.onnx", &args[1..]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        for word in ["error:", "cause:", "remedy:"].iter().chain(words) {
            assert!(said.contains(word), "{args:?} does not say {word:?}: {said}");
        }
        assert!(!Path::new(&scene.path("out.onnx")).exists(), "{args:?} left a file");
    };
    refused(&["train", &net, "--augment", "spin"], &["spin", "rotate"]);
    refused(&["train", &net, "--epochs", "0"], &["at least 1 epoch"]);
    refused(&["train", &net, "--checkpoint", "/no/such/folder/state.npz"], &["there is no folder"]);
    refused(&["train", &net, "--rate", "1e20", "--epochs", "3"], &["diverged", "epoch"]);
    refused(&["distill", "--student", &net], &["no teacher"]);
    refused(&["distill", "--teacher", &net, "--depth", "0"], &["no block"]);
    refused(&["train", &net, "--head", "1"], &["--head 1"]);
    refused(&["train", &net, "--pretext", "rotation"], &["--head 4"]);
    refused(&["distill", "--teacher", &net, "--width", "2"], &["--width"]);
    refused(&["distill", "--teacher", &net, "--width", "0.5", "--hint", "x=y"], &["x"]);

    let labels = scene.path("one.npy");
    ndarray_npy::write_npy(&labels, &Array1::<i64>::zeros(300)).expect("labels");
    refused(&["train", &net, "--labels", &labels], &["one class"]);
    ndarray_npy::write_npy(&labels, &Array1::<i64>::from_elem(300, 7)).expect("labels");
    refused(&["train", &net, "--labels", &labels], &["label is 7", "3 classes"]);
}

#[test]
fn a_graph_that_was_written_and_read_computes_the_same() {
    let bytes = std::fs::read(example("fashion.onnx")).expect("the example network");
    let graph = import::onnx(&bytes, &InputShapes::default()).expect("it is imported");
    let written = export::onnx(&graph).expect("it is written");
    let output = graph.value(graph.outputs[0]).name.clone();
    let [before, after] = [&bytes, &written]
        .map(|b| Reference::new(b, &InputShapes::default(), std::slice::from_ref(&output)).expect("it runs"));
    let mut random = Random::new(3);
    for _ in 0..5 {
        let x = ArrayD::from_shape_simple_fn(graph.shape(graph.inputs[0]), || unit(&mut random));
        let [a, b] = [&before, &after].map(|r| r.run(std::slice::from_ref(&x)).expect("it runs").remove(0));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5), "{a} {b}");
    }
}
