//! The recipes of `docs/training.md`: a student that gains by its teacher, a network that holds under attack, rare classes that
//! are found. A small part of each runs always, on the images in the repository; all of it with all of Fashion-MNIST:
//!
//! ```text
//! MOTE_FASHION=train-images-idx3-ubyte.gz cargo nextest run -p mote-converter --test recipes --run-ignored all --no-capture
//! ```
//!
//! `MOTE_FASHION` names any samples with labels that `mote train` reads; `MOTE_BIN` another `mote` than the one built for tests.
#![cfg(feature = "train")]

use mote_converter::data::{self, Prepare, Spec};
use mote_converter::ir::Op;
use ndarray::{Array1, Array4};
use ndarray_npy::NpzWriter;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "common/chain.rs"]
mod chain;
#[path = "common/random.rs"]
mod random;
use chain::Chain;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models").join(name)
}

/// Images to learn from, and images to judge by.
struct Scene {
    folder: tempfile::TempDir,
    images: Vec<(Vec<u8>, usize)>,
    test: PathBuf,
}

impl Scene {
    /// The images of the repository, from the first four fifths of which is learnt.
    fn small() -> Self {
        let mut images = read(&example("fashion_test.npz"));
        let test = images.split_off(800);
        Self::of(images, &test)
    }

    /// All of Fashion-MNIST, judged by the thousand test images of the repository, or by all of them where they are at hand.
    fn full() -> Option<Self> {
        let Some(train) = std::env::var_os("MOTE_FASHION") else {
            eprintln!("left out: MOTE_FASHION does not name the training images");
            return None;
        };
        let all = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../shared/data/fashion_mnist/t10k-images-idx3-ubyte.gz");
        let test = if all.exists() { all } else { example("fashion_test.npz") };
        Some(Self::of(read(Path::new(&train)), &read(&test)))
    }

    fn of(images: Vec<(Vec<u8>, usize)>, test: &[(Vec<u8>, usize)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut scene = Scene { folder, images, test: PathBuf::new() };
        scene.test = scene.write("test.npz", test.iter());
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write<'a>(&self, name: &str, images: impl Iterator<Item = &'a (Vec<u8>, usize)>) -> PathBuf {
        let (pixels, labels): (Vec<&[u8]>, Vec<i64>) = images.map(|(p, l)| (&p[..], *l as i64)).unzip();
        let pixels = Array4::from_shape_vec((labels.len(), 28, 28, 1), pixels.concat()).expect("images");
        let path = self.path(name);
        let mut npz = NpzWriter::new(File::create(&path).expect("a file"));
        npz.add_array("images", &pixels).expect("images");
        npz.add_array("labels", &Array1::from(labels)).expect("labels");
        npz.finish().expect("an archive");
        path
    }

    /// Runs `mote` on files of this folder; gives what it tells.
    fn mote(&self, command: &str) -> Value {
        let binary = std::env::var_os("MOTE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_mote").into());
        let words = command.split(' ').chain(["--json"]);
        let done = Command::new(binary).args(words).current_dir(&self.folder).output().expect("mote starts");
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).expect("one JSON object")
    }

    /// What a network or model makes of the test images.
    fn judged(&self, model: &str, more: &str) -> Value {
        let scale = if model.ends_with(".onnx") { " --scale 1/255" } else { "" };
        self.mote(&format!("eval {model} --data test.npz{scale}{more}"))
    }
}

fn read(path: &Path) -> Vec<(Vec<u8>, usize)> {
    let spec = Spec {
        input: "images".into(),
        shape: vec![28, 28, 1],
        others: Vec::new(),
        prepare: Prepare::default(),
        labels: None,
        strict: true,
        limit: None,
    };
    let samples = data::open(path, &spec).unwrap_or_else(|e| panic!("{e}"));
    let image = |s: data::Sample| (s.x.iter().map(|&v| v as u8).collect(), s.label.expect("labels"));
    samples.map(|s| image(s.expect("a sample"))).collect()
}

/// A network of 272,760 multiply-accumulates and 20,010 weights: three convolutions that halve the image, and a dense layer.
fn student() -> Vec<u8> {
    let mut chain = Chain::new(28);
    for (name, channels, side) in [("a", [1, 8], 14), ("b", [8, 24], 7), ("c", [24, 48], 4)] {
        chain.conv(name, channels, side, 2);
    }
    chain.node("flat", Op::Reshape, &[], &[1, 768]);
    chain.classes([768, 10]);
    chain.finish()
}

/// What is common to all that learns here.
const LEARN: &str = "--scale 1/255 --rate 0.005";

/// The same student, of less than a tenth of the teacher's work, with labels for so many images. Gives the mean accuracies over the
/// seeds: alone; taught on the same images; taught on all others as well, without their labels; and the last as int8.
fn distilled(scene: &Scene, labelled: usize, seeds: u64, [alone, taught]: [usize; 2]) -> [f64; 4] {
    let teacher = example("fashion.onnx").display().to_string();
    std::fs::write(scene.path("student.onnx"), student()).expect("a network");
    scene.write("few.npz", scene.images.iter().take(labelled));
    scene.write("others.npz", scene.images.iter().skip(labelled));
    let mut sums = [0.0; 4];
    for seed in 0..seeds {
        let learn = format!("--data few.npz {LEARN} --seed {seed}");
        let told = scene.mote(&format!("train student.onnx --fresh {learn} --epochs {alone} -o alone.onnx"));
        // The teacher has 2,765,272.
        assert!(told["macs"].as_u64().expect("MACs") * 10 <= 2_765_272, "{told}");
        let distill = format!("distill --teacher {teacher} --share 0.9 {learn}");
        scene.mote(&format!("{distill} --student alone.onnx --fresh --epochs {alone} -o same.onnx"));
        let others = format!("{distill} --unlabelled others.npz");
        scene.mote(&format!("{others} --student alone.onnx --fresh --epochs {taught} -o taught.onnx"));
        scene.mote(&format!("{others} --student taught.onnx --epochs 0 --qat 2 -o qat.onnx"));
        scene.mote("convert qat.onnx --scale 1/255 -o taught.mote");
        let models = ["alone.onnx", "same.onnx", "taught.onnx", "taught.mote"];
        let top1 = models.map(|model| 100.0 * scene.judged(model, "")["top1"].as_f64().expect("a share"));
        println!("seed {seed}: alone, taught on the same, on all, as int8: {top1:.2?}");
        sums.iter_mut().zip(top1).for_each(|(sum, top1)| *sum += top1);
    }
    let arena = scene.mote("inspect taught.mote")["arena_bytes"].as_u64().expect("bytes");
    assert!(arena <= 32 * 1024, "{arena}");
    sums.map(|sum| sum / seeds as f64)
}

#[test]
fn a_student_gains_by_its_teacher() {
    let [alone, same, taught, int8] = distilled(&Scene::small(), 200, 1, [20, 8]);
    assert!(same > alone && taught > alone + 1.0 && int8 > alone, "{alone} {same} {taught} {int8}");
}

#[test]
#[ignore = "takes minutes, and all of Fashion-MNIST"]
fn a_student_gains_by_its_teacher_in_full() {
    let Some(scene) = Scene::full() else { return };
    let [alone, same, taught, int8] = distilled(&scene, 5000, 3, [20, 3]);
    println!("means: {alone:.2} {same:.2} {taught:.2} {int8:.2}");
    assert!(same > alone + 1.0 && taught > alone + 1.0 && int8 > taught - 0.2);
}

/// The student with and without attacks while it learns, both judged under attack.
fn attacked(scene: &Scene, epochs: usize) -> [f64; 2] {
    std::fs::write(scene.path("student.onnx"), student()).expect("a network");
    scene.write("all.npz", scene.images.iter());
    ["", " --adversarial fgsm:0.05"].map(|how| {
        let learn =
            format!("train student.onnx --fresh --data all.npz {LEARN} --epochs {epochs}{how} -o out.onnx");
        scene.mote(&learn);
        let [calm, under] = ["", " --attack fgsm:0.05"]
            .map(|attack| 100.0 * scene.judged("out.onnx", attack)["top1"].as_f64().expect("a share"));
        println!("fgsm{how}: {calm:.2} % of images as they are, {under:.2} % under attack");
        under
    })
}

#[test]
fn what_learns_under_attack_holds_under_attack() {
    let [plain, robust] = attacked(&Scene::small(), 12);
    assert!(robust > plain + 5.0, "{plain} {robust}");
}

#[test]
#[ignore = "takes minutes, and all of Fashion-MNIST"]
fn what_learns_under_attack_holds_under_attack_in_full() {
    let Some(scene) = Scene::full() else { return };
    let [plain, robust] = attacked(&scene, 3);
    assert!(robust > plain + 5.0, "{plain} {robust}");
}

/// Classes of which one sample in twenty is left: coats and shirts, which are easily taken for others.
const RARE: [usize; 2] = [4, 6];

/// Mean F1 of the rare classes with and without weights for them.
fn unbalanced(scene: &Scene, epochs: usize) -> [f64; 2] {
    std::fs::write(scene.path("student.onnx"), student()).expect("a network");
    let mut seen = [0; 10];
    let kept = scene.images.iter().filter(|(_, class)| {
        seen[*class] += 1;
        !RARE.contains(class) || seen[*class] % 20 == 1
    });
    scene.write("unbalanced.npz", kept);
    ["none", "weights"].map(|balance| {
        let learn = format!("train student.onnx --fresh --data unbalanced.npz {LEARN} --epochs {epochs}");
        scene.mote(&format!("{learn} --balance {balance} -o out.onnx"));
        let judged = scene.judged("out.onnx", "");
        let f1 = |class: usize| judged["classes"][class]["f1"].as_f64().unwrap_or(0.0);
        let mean = RARE.map(f1).iter().sum::<f64>() / RARE.len() as f64;
        println!("--balance {balance}: F1 of the rare classes {mean:.3}, top-1 {:.4}", judged["top1"]);
        mean
    })
}

#[test]
fn rare_classes_are_found_where_they_weigh_more() {
    let [plain, weighted] = unbalanced(&Scene::small(), 12);
    assert!(weighted > plain, "{plain} {weighted}");
}

#[test]
#[ignore = "takes minutes, and all of Fashion-MNIST"]
fn rare_classes_are_found_where_they_weigh_more_in_full() {
    let Some(scene) = Scene::full() else { return };
    let [plain, weighted] = unbalanced(&scene, 3);
    assert!(weighted > plain, "{plain} {weighted}");
}

#[test]
fn the_demo_trains_what_it_shows() {
    let scene = Scene::small();
    let data = scene.write("some.npz", scene.images.iter().take(200));
    let done = Command::new(env!("CARGO_BIN_EXE_mote"))
        .args(["demo", "--train", "--epochs", "1", "--output", "made/out.mote", "--data"])
        .arg(data)
        .current_dir(&scene.folder)
        .output()
        .expect("mote starts");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said} {}", String::from_utf8_lossy(&done.stderr));
    for word in ["$ mote train", "$ mote distill", "$ mote convert", "$ mote eval", "top-1"] {
        assert!(said.contains(word), "it does not show {word:?}: {said}");
    }
    for made in ["teacher.onnx", "student.onnx", "student.mote"] {
        assert!(scene.path("made").join(made).exists(), "there is no {made}");
    }
}
