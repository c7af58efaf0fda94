//! Trained networks of others, on their own data: accuracy within half a point of float, the same bits on every
//! instruction set and board. Needs the folder of trained models; says so when it is absent.

use flate2::read::GzDecoder;
use mote_converter::board::{BOARDS, Board, emulator_present};
use mote_converter::progress::Progress;
use mote_kernels::table::Kernels;
use mote_runtime::Model;
use mote_tests::{Case, outputs, shared, write_npz};
use std::io::Read;
use std::path::Path;

/// Converts, compares the accuracies, and compares the bits of every instruction set and board.
fn check(case: &Case, samples: usize, float_top1: f64) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.mote");
    let converted = case.convert();
    std::fs::write(&path, &*converted.bytes).expect("room");
    let (float, int8) = (case.accuracy(&case.network), case.accuracy(&path));
    println!("{}: float {:.4}, int8 {:.4}", case.network.display(), float.top1, int8.top1);
    assert_eq!((float.samples, int8.samples), (samples, samples));
    assert!((float.top1 - float_top1).abs() < 0.01, "{float:?}");
    let allowed = if samples < 200 { 1.0 / samples as f64 } else { 0.005 };
    assert!(int8.top1 >= float.top1 - allowed - 1e-9, "{float:?} {int8:?}");

    let model = Model::new_checked(&converted.bytes).expect("a model");
    let inputs = case.inputs(&model, 20);
    let expected = outputs(&model, Kernels::naive(), &inputs);
    for kernels in Kernels::available() {
        assert_eq!(outputs(&model, kernels, &inputs), expected, "{}", kernels.name());
    }
    if !emulator_present("qemu-m4") {
        assert!(std::env::var_os("MOTE_REQUIRE_QEMU").is_none(), "QEMU is required and not installed");
        return;
    }
    for name in BOARDS {
        let run = Board::open(name, Progress::Hidden)
            .and_then(|board| board.run(&model, &inputs[..4]))
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(run.outputs, expected[..4], "{name}");
    }
}

/// Images and labels of CIFAR-10's binary records, `[32, 32, 3]`.
fn cifar(path: &Path, count: usize) -> (Vec<u8>, Vec<i64>) {
    let bytes = std::fs::read(path).expect("CIFAR-10");
    let records: Vec<&[u8]> = bytes.chunks_exact(3073).take(count).collect();
    let pixels = |r: &&[u8]| (0..3072).map(|i| r[1 + i % 3 * 1024 + i / 3]).collect::<Vec<u8>>();
    (records.iter().flat_map(pixels).collect(), records.iter().map(|r| r[0].into()).collect())
}

#[test]
fn resnet8_on_cifar10() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (calib, test) = (folder.path().join("calib.npz"), folder.path().join("test.npz"));
    let (images, labels) = cifar(&shared.join("data/cifar10_jpeg/train_10000.bin"), 200);
    write_npz(&calib, images, &[32, 32, 3], &labels);
    let (images, labels) = cifar(&shared.join("data/cifar10_lossless/test_300.bin"), 300);
    write_npz(&test, images, &[32, 32, 3], &labels);
    let network = shared.join("models/mlperf_tiny_onnx/ic_resnet8_float.onnx");
    check(&Case { network, calib, test, scale: "1" }, 300, 0.897);
}

#[test]
fn mobilenet_on_visual_wake_words() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (calib, test) = (folder.path().join("calib.npz"), folder.path().join("test.npz"));
    let (images, labels) = cifar(&shared.join("data/cifar10_jpeg/train_10000.bin"), 200);
    write_npz(&calib, thrice(&images), &[96, 96, 3], &labels);
    let images = std::fs::read(shared.join("data/vww_mini/images_u8_96x96x3.bin")).expect("pictures");
    let table = std::fs::read_to_string(shared.join("data/vww_mini/labels.csv")).expect("labels");
    let labels: Vec<i64> = table.lines().filter_map(|l| l.rsplit(',').next()?.trim().parse().ok()).collect();
    write_npz(&test, images, &[96, 96, 3], &labels);
    let network = shared.join("models/mlperf_tiny_onnx/vww_96_float.onnx");
    check(&Case { network, calib, test, scale: "1/255" }, labels.len(), 0.952);
}

/// Images of 32 by 32 pixels with each pixel repeated three times both ways.
fn thrice(images: &[u8]) -> Vec<u8> {
    let pixel = |image: &[u8], i: usize| {
        let (y, x, c) = (i / 288 / 3, i / 3 % 96 / 3, i % 3);
        image[(y * 32 + x) * 3 + c]
    };
    images.chunks_exact(3072).flat_map(|image| (0..96 * 96 * 3).map(move |i| pixel(image, i))).collect()
}

#[test]
fn lenet_on_mnist() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (calib, test) = (folder.path().join("calib.npz"), folder.path().join("test.npz"));
    let file = std::fs::File::open(shared.join("data/mnist/mlxtend5k-images-idx3-ubyte.gz")).expect("digits");
    let mut images = Vec::new();
    GzDecoder::new(file).read_to_end(&mut images).expect("gzip");
    let labels = std::fs::read(shared.join("data/mnist/mlxtend5k-labels-idx1-ubyte")).expect("labels");
    let digits: Vec<(&[u8], i64)> =
        images[16..].chunks_exact(784).zip(labels[8..].iter().map(|&l| l.into())).collect();
    // The file is sorted by class: every fifth digit is judged, every 25th of the others calibrates.
    let pick = |path: &Path, chosen: &dyn Fn(usize) -> bool| {
        let some: Vec<_> = digits.iter().enumerate().filter(|(i, _)| chosen(*i)).map(|(_, d)| *d).collect();
        let labels: Vec<i64> = some.iter().map(|d| d.1).collect();
        write_npz(path, some.iter().flat_map(|d| d.0.to_vec()).collect(), &[28, 28, 1], &labels);
    };
    pick(&calib, &|i| i % 25 == 1);
    pick(&test, &|i| i % 5 == 0);
    let network = shared.join("models/mnist/mnist_cntk.onnx");
    check(&Case { network, calib, test, scale: "1" }, 1000, 0.994);
}
