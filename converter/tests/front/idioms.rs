//! Blocks of networks as exporters write them, all the way to int8: each step is close to what tract computes in float.

use crate::builder::{Model, Random, int, ints, text};
use crate::quantized::{calibrated, close};
use mote_converter::quantize::Activations;
use ndarray_npy::NpzWriter;
use std::fs::File;

/// A convolution of `from` to `to` channels.
fn conv(m: &mut Model, x: &str, y: &str, channels: [i64; 2], kernel: i64) {
    let (w, pad) = (format!("{y}_w"), kernel / 2);
    m.weights(&w, &[channels[1], channels[0], kernel, kernel]);
    m.node("Conv", &[x, &w], y, &[ints("pads", &[pad; 4])]);
}

fn silu(m: &mut Model, x: &str, y: &str) {
    let gate = format!("{y}_gate");
    m.node("Sigmoid", &[x], &gate, &[]).node("Mul", &[x, &gate], y, &[]);
}

#[test]
fn squeeze_and_excitation_with_silu() {
    let mut m = Model::new(18);
    m.input("x", &[1, 3, 8, 6]).integers("axes", &[-1, -2]);
    conv(&mut m, "x", "a", [3, 8], 3);
    silu(&mut m, "a", "b");
    m.node("ReduceMean", &["b", "axes"], "s", &[int("keepdims", 1)]);
    conv(&mut m, "s", "t", [8, 4], 1);
    silu(&mut m, "t", "u");
    conv(&mut m, "u", "v", [4, 8], 1);
    m.node("Sigmoid", &["v"], "g", &[]).node("Mul", &["b", "g"], "y", &[]);
    close(m.output("y"), &[1, 3, 8, 6], 25.0);
}

/// CBAM: channels reduced to their mean and their largest.
#[test]
fn attention_over_the_image() {
    let mut m = Model::new(13);
    m.input("x", &[1, 6, 8, 5]);
    conv(&mut m, "x", "a", [6, 6], 3);
    let channels = [ints("axes", &[1])];
    m.node("ReduceMean", &["a"], "mean", &channels).node("ReduceMax", &["a"], "max", &channels);
    m.node("Concat", &["mean", "max"], "both", &[int("axis", 1)]);
    conv(&mut m, "both", "s", [2, 1], 7);
    m.node("Sigmoid", &["s"], "g", &[]).node("Mul", &["a", "g"], "y", &[]);
    close(m.output("y"), &[1, 6, 8, 5], 25.0);
}

/// ECA: a convolution over the channels.
#[test]
fn attention_over_channels() {
    let mut m = Model::new(13);
    m.input("x", &[1, 6, 8, 5]).integers("last", &[-1]).weights("w", &[1, 1, 3]);
    m.node("GlobalAveragePool", &["x"], "p", &[]).node("Squeeze", &["p", "last"], "q", &[]);
    m.node("Transpose", &["q"], "r", &[ints("perm", &[0, 2, 1])]);
    m.node("Conv", &["r", "w"], "s", &[ints("pads", &[1, 1])]);
    m.node("Transpose", &["s"], "t", &[ints("perm", &[0, 2, 1])]).node("Unsqueeze", &["t", "last"], "u", &[]);
    m.node("Sigmoid", &["u"], "g", &[]).node("Mul", &["x", "g"], "y", &[]);
    close(m.output("y"), &[1, 6, 8, 5], 25.0);
}

/// U-Net, its images enlarged by transposed convolutions.
#[test]
fn enlarged_and_joined() {
    let mut m = Model::new(13);
    m.input("x", &[1, 2, 8, 12]);
    conv(&mut m, "x", "a", [2, 4], 3);
    m.node("Relu", &["a"], "b", &[]);
    m.node("MaxPool", &["b"], "c", &[ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]);
    conv(&mut m, "c", "d", [4, 6], 3);
    m.weights("w", &[6, 4, 3, 3]).weights("bias", &[4]);
    let a = [ints("strides", &[2, 2]), ints("pads", &[1; 4]), ints("output_padding", &[1, 1])];
    m.node("ConvTranspose", &["d", "w", "bias"], "e", &a).node("Relu", &["e"], "f", &[]);
    m.node("Concat", &["b", "f"], "g", &[int("axis", 1)]);
    conv(&mut m, "g", "y", [8, 1], 1);
    close(m.output("y"), &[1, 2, 8, 12], 25.0);
}

/// More than a step can join.
#[test]
fn twenty_tensors_joined() {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 6, 5]);
    let names: Vec<String> = (0..20).map(|i| format!("a{i}")).collect();
    names.iter().for_each(|n| conv(&mut m, "x", n, [3, 2], 1));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    m.node("Concat", &names, "c", &[int("axis", 1)]);
    conv(&mut m, "c", "y", [40, 4], 1);
    close(m.output("y"), &[1, 3, 6, 5], 25.0);
}

#[test]
fn the_larger_the_smaller_and_a_quotient() {
    let mut m = Model::new(13);
    m.input("x", &[1, 4, 6, 5]).weights("k", &[4, 1, 1]).floats("half", &[], &[0.5]);
    conv(&mut m, "x", "a", [4, 4], 3);
    conv(&mut m, "x", "b", [4, 4], 3);
    m.node("Max", &["a", "b", "k"], "c", &[]).node("Min", &["c", "x"], "d", &[]);
    m.node("Sigmoid", &["b"], "s", &[]).node("Add", &["s", "half"], "t", &[]).node(
        "Div",
        &["d", "t"],
        "y",
        &[],
    );
    close(m.output("y"), &[1, 4, 6, 5], 25.0);
}

#[test]
fn logarithms_of_probabilities() {
    let mut m = Model::new(17);
    m.input("x", &[1, 12]).weights("w", &[10, 12]).node("Gemm", &["x", "w"], "l", &[int("transB", 1)]);
    m.node("LogSoftmax", &["l"], "y", &[int("axis", 1)]);
    close(m.output("y"), &[1, 12], 20.0);
}

/// A head whose classes are told along channels, along rows, and as the best three.
#[test]
fn choices_along_any_axis() {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 6, 5]).integers("k", &[3]).integers("to", &[1, 30]);
    conv(&mut m, "x", "a", [3, 5], 1);
    for axis in [1, 2, 3] {
        m.node("Softmax", &["a"], &format!("s{axis}"), &[int("axis", axis)]).output(&format!("s{axis}"));
    }
    conv(&mut m, "x", "b", [3, 1], 1);
    m.node("Reshape", &["b", "to"], "flat", &[]).nodes("TopK", &["flat", "k"], &["v", "i"], &[]);
    close(m.output("v"), &[1, 3, 6, 5], 25.0);
}

#[test]
fn borders_that_mirror() {
    let mut m = Model::new(13);
    m.input("x", &[1, 2, 6, 7]).integers("pads", &[0, 0, 2, 2, 0, 0, 2, 2]).weights("w", &[4, 2, 5, 5]);
    m.node("Pad", &["x", "pads"], "p", &[text("mode", "reflect")]).node("Conv", &["p", "w"], "y", &[]);
    close(m.output("y"), &[1, 2, 6, 7], 25.0);
}

/// YOLO's boxes: sums and products of five dimensions.
#[test]
fn boxes_of_five_dimensions() {
    let mut m = Model::new(13);
    m.input("x", &[1, 4, 5, 6]).integers("apart", &[1, 3, 4, 5, 6]).integers("sizes", &[2, 2]);
    conv(&mut m, "x", "a", [4, 12], 1);
    m.node("Reshape", &["a", "apart"], "b", &[]);
    m.node("Transpose", &["b"], "c", &[ints("perm", &[0, 1, 3, 4, 2])]).node("Sigmoid", &["c"], "d", &[]);
    m.nodes("Split", &["d", "sizes"], &["e", "f"], &[int("axis", 4)]);
    m.weights("grid", &[1, 1, 5, 6, 2]).weights("anchors", &[1, 3, 1, 1, 2]);
    m.node("Add", &["e", "grid"], "g", &[]).node("Mul", &["f", "anchors"], "h", &[]);
    m.node("Mul", &["f", "e"], "i", &[]).node("Concat", &["g", "h", "i"], "y", &[int("axis", 4)]);
    close(m.output("y"), &[1, 4, 5, 6], 25.0);
}

/// Samples of several inputs are found by their names; what is missing, or another number of them, is told.
#[test]
fn several_inputs() {
    let mut m = Model::new(13);
    m.input("image", &[1, 2, 6, 5]).input("meta", &[1, 4]).weights("w", &[4, 3]);
    conv(&mut m, "image", "a", [2, 3], 3);
    m.node("GlobalAveragePool", &["a"], "p", &[]).node("Flatten", &["p"], "f", &[]);
    m.node("MatMul", &["meta", "w"], "g", &[]).node("Add", &["f", "g"], "y", &[]).output("y");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("calib.npz");
    let mut random = Random::new(3);
    let mut file = |names: [(&str, &[usize]); 2]| {
        let mut npz = NpzWriter::new(File::create(&path).expect("room"));
        for (name, shape) in names {
            npz.add_array(name, &random.tensor(shape)).expect("room");
        }
        npz.finish().expect("room");
        calibrated(&m, &path, Activations::Int8)
    };
    let converted = file([("meta", &[12, 4]), ("image", &[12, 2, 6, 5])]).unwrap_or_else(|e| panic!("{e}"));
    assert!(converted.errors.iter().all(|e| e.sqnr_db > 25.0), "{:?}", converted.errors);
    for (names, words) in [
        ([("other", &[12, 4][..]), ("image", &[12, 2, 6, 5][..])], "\"meta\""),
        ([("meta", &[11, 4]), ("image", &[12, 2, 6, 5])], "11 samples"),
    ] {
        let e = file(names).expect_err("a refusal");
        assert!(e.to_string().contains(words), "{e}");
    }
}
