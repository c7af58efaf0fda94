//! The whole way to int8 for every operator: each step of the produced bytes is close to what tract computes in float, and
//! all instruction sets agree.

use crate::builder::{Model, Random, float, int, ints, text};
use mote_converter::convert::{Converted, Options, convert};
use mote_converter::quantize::{Activations, Calibration};
use mote_runtime::{Kernels, Session};
use ndarray_npy::WriteNpyExt;
use std::fs::File;
use std::path::Path;

fn to_int8(m: &Model, shape: &[usize]) -> mote_converter::error::Result<Converted> {
    quantized(m, shape, Activations::Int8)
}

/// Converts with random calibration samples from −3 to 3.
pub(crate) fn quantized(
    m: &Model,
    shape: &[usize],
    activations: Activations,
) -> mote_converter::error::Result<Converted> {
    let folder = tempfile::tempdir().expect("a folder");
    let calib = folder.path().join("x.npy");
    let dims: Vec<usize> = std::iter::once(16).chain(shape[1..].iter().copied()).collect();
    let samples = Random::new(11).tensor(&dims).mapv(|x| 3.0 * x);
    samples.write_npy(File::create(&calib).expect("room")).expect("room");
    calibrated(m, &calib, activations)
}

/// Converts with the samples in a file.
pub(crate) fn calibrated(
    m: &Model,
    calib: &Path,
    activations: Activations,
) -> mote_converter::error::Result<Converted> {
    let folder = tempfile::tempdir().expect("a folder");
    let network = folder.path().join("net.onnx");
    std::fs::write(&network, m.bytes()).expect("room");
    let options = Options {
        calib: Some(calib.to_owned()),
        calibration: Calibration::MinMax,
        activations,
        ..Options::default()
    };
    convert(&network, &options)
}

/// All instruction sets give the bits of the naive loops.
pub(crate) fn same_bits(converted: &Converted) {
    let model = mote_runtime::Model::new_checked(&converted.bytes).expect("a model");
    let mut random = Random::new(5);
    let mut arena = vec![0; model.arena_bytes()];
    let bytes = model.inputs().next().expect("an input").bytes();
    let input: Vec<u8> = (0..bytes).map(|_| random.next() as u8).collect();
    let mut run = |kernels: &'static Kernels| -> Vec<u8> {
        let mut session = Session::with_kernels(&model, &mut arena, kernels).expect("room");
        session.input_mut(0).expect("an input").bytes_mut().copy_from_slice(&input);
        session.run();
        session.outputs().flat_map(|o| o.bytes().to_vec()).collect()
    };
    let expected = run(Kernels::naive());
    for kernels in Kernels::available() {
        assert_eq!(run(kernels), expected, "{}", kernels.name());
    }
}

/// Converts, and holds every step to a distance from the float network.
pub(crate) fn close(m: &Model, shape: &[usize], least_db: f32) {
    let converted = to_int8(m, shape).unwrap_or_else(|e| panic!("{e}"));
    assert!(!converted.errors.is_empty());
    for error in &converted.errors {
        assert!(error.sqnr_db >= least_db, "{error:?} of {:?}", converted.errors);
    }
    same_bits(&converted);
}

#[test]
fn functions_of_one_value() {
    for op in [
        "Relu",
        "LeakyRelu",
        "Sigmoid",
        "Tanh",
        "HardSwish",
        "HardSigmoid",
        "Elu",
        "Neg",
        "Abs",
        "Softplus",
        "Exp",
    ] {
        let mut m = Model::new(14);
        m.input("x", &[1, 4, 5, 6]).node(op, &["x"], "y", &[]).output("y");
        close(&m, &[1, 4, 5, 6], 30.0);
    }
    let mut m = Model::new(16);
    m.input("x", &[1, 4, 5, 6]).floats("s", &[4, 1, 1], &[0.3, -1.5, 0.0, 1.2]);
    m.node("PRelu", &["x", "s"], "y", &[]).output("y");
    close(&m, &[1, 4, 5, 6], 30.0);
    let mut m = Model::new(13);
    m.input("x", &[1, 4, 5, 6]).floats("lo", &[], &[-0.7]).floats("hi", &[], &[1.1]);
    m.node("Clip", &["x", "lo", "hi"], "y", &[]).output("y");
    close(&m, &[1, 4, 5, 6], 30.0);
}

/// What is never finite has no scale; a number without axes is a sample like any other.
#[test]
fn values_that_are_never_finite_and_scalars() {
    let mut m = Model::new(13);
    m.input("x", &[1, 4]).node("Sub", &["x", "x"], "z", &[]).node("Div", &["x", "z"], "y", &[]).output("y");
    let e = to_int8(&m, &[1, 4]).expect_err("a refusal");
    assert!(e.to_string().contains("no finite value"), "{e}");
    let mut m = Model::new(13);
    m.input("x", &[]).node("Relu", &["x"], "y", &[]).output("y");
    close(&m, &[1], 30.0);
}

#[test]
fn sums_differences_and_products() {
    for op in ["Add", "Sub", "Mul"] {
        // Of two computed values of different ranges, one of them never negative.
        let mut m = Model::new(13);
        m.input("x", &[1, 3, 6, 6]).weights("w", &[3, 3, 1, 1]).weights("v", &[3, 3, 1, 1]);
        m.node("Conv", &["x", "w"], "a", &[]).node("Conv", &["x", "v"], "c", &[]).node(
            "Relu",
            &["c"],
            "b",
            &[],
        );
        m.node(op, &["a", "b"], "y", &[]).output("y");
        close(&m, &[1, 3, 6, 6], 28.0);
        // With a constant a channel, a scalar, and a whole image.
        for dims in [&[3i64, 1, 1][..], &[], &[1, 3, 6, 6], &[1, 1, 6, 1]] {
            let mut m = Model::new(13);
            m.input("x", &[1, 3, 6, 6]).weights("k", dims).node(
                "MaxPool",
                &["x"],
                "p",
                &[ints("kernel_shape", &[1, 1])],
            );
            m.node(op, &["p", "k"], "y", &[]).output("y");
            close(&m, &[1, 3, 6, 6], 28.0);
        }
        // One value for all rows and columns, as in squeeze-and-excitation, from either side.
        for flip in [false, true] {
            let mut m = Model::new(13);
            m.input("x", &[1, 3, 6, 6]).node("GlobalMaxPool", &["x"], "g", &[]);
            let inputs = if flip { ["g", "x"] } else { ["x", "g"] };
            m.node(op, &inputs, "y", &[]).output("y");
            close(&m, &[1, 3, 6, 6], 28.0);
        }
    }
}

#[test]
fn a_value_with_itself() {
    for op in ["Add", "Mul"] {
        let mut m = Model::new(13);
        m.input("x", &[1, 2, 4, 4]).node(op, &["x", "x"], "y", &[]).output("y");
        close(&m, &[1, 2, 4, 4], 30.0);
    }
}

#[test]
fn pools() {
    for (op, pads, global) in [
        ("MaxPool", [0i64; 4], false),
        ("MaxPool", [1, 0, 0, 1], false),
        ("AveragePool", [0; 4], false),
        ("AveragePool", [1, 1, 0, 0], false),
        ("GlobalAveragePool", [0; 4], true),
        ("GlobalMaxPool", [0; 4], true),
        ("ReduceMean", [0; 4], true),
        ("ReduceSum", [0; 4], true),
    ] {
        let mut m = Model::new(11);
        m.input("x", &[1, 3, 7, 7]);
        let attributes = match (global, op.starts_with("Reduce")) {
            (true, true) => vec![ints("axes", &[2, 3])],
            (true, false) => vec![],
            _ => vec![ints("kernel_shape", &[2, 3]), ints("strides", &[2, 2]), ints("pads", &pads)],
        };
        m.node(op, &["x"], "y", &attributes).output("y");
        close(&m, &[1, 3, 7, 7], if global { 22.0 } else { 28.0 });
    }
}

#[test]
fn convolutions_and_dense_layers() {
    for (group, cout, stride, dilation) in [(1, 5, 1, 1), (4, 4, 2, 1), (4, 8, 1, 2), (2, 6, 1, 1)] {
        let mut m = Model::new(13);
        m.input("x", &[1, 4, 9, 8]).weights("w", &[cout, 4 / group, 3, 3]).weights("b", &[cout]);
        let attributes = [
            ints("pads", &[1, 2, 2, 1]),
            int("group", group),
            ints("strides", &[stride, stride]),
            ints("dilations", &[dilation, dilation]),
        ];
        m.node("Conv", &["x", "w", "b"], "c", &attributes).node("Relu", &["c"], "y", &[]).output("y");
        close(&m, &[1, 4, 9, 8], 28.0);
    }
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 4, 4]).node("Flatten", &["x"], "f", &[]).weights("w", &[7, 48]).weights("b", &[7]);
    m.node("Gemm", &["f", "w", "b"], "z", &[int("transB", 1)]).node("Softmax", &["z"], "y", &[]).output("y");
    close(&m, &[1, 3, 4, 4], 22.0);
}

#[test]
fn layouts() {
    let mut m = Model::new(13);
    m.input("x", &[1, 4, 6, 4]).integers("pads", &[0, 0, 1, 2, 0, 1, 0, 1]).floats("v", &[], &[0.5]);
    m.node("Pad", &["x", "pads", "v"], "p", &[]).node(
        "Transpose",
        &["p"],
        "t",
        &[ints("perm", &[0, 3, 1, 2])],
    );
    m.node("Sigmoid", &["t"], "s", &[]).integers("to", &[1, -1, 5]).node("Reshape", &["s", "to"], "y", &[]);
    close(m.output("y"), &[1, 4, 6, 4], 28.0);
    // Parts at different scales, one of them fixed, one of them read twice.
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 5, 5]).weights("w", &[4, 3, 1, 1]).node("Conv", &["x", "w"], "a", &[]);
    m.node("Sigmoid", &["a"], "b", &[]).node("LeakyRelu", &["a"], "c", &[float("alpha", 0.1)]);
    m.node("Concat", &["x", "b", "c", "a"], "y", &[int("axis", 1)]).output("y");
    close(&m, &[1, 3, 5, 5], 26.0);
}

#[test]
fn parts_and_sizes() {
    // A channel shuffle as ShuffleNet has it: halves, every second channel, twice the size.
    let mut m = Model::new(13);
    m.input("x", &[1, 6, 4, 5]).weights("w", &[6, 6, 1, 1]).node("Conv", &["x", "w"], "c", &[]);
    m.nodes("Split", &["c"], &["a", "b"], &[int("axis", 1)]).integers("i", &[2, 0, 0]);
    m.node("Gather", &["b", "i"], "g", &[int("axis", 1)]).node("Concat", &["a", "g"], "j", &[int("axis", 1)]);
    m.integers("s", &[5]).integers("e", &[-9]).integers("axis", &[1]).integers("step", &[-2]);
    m.node("Slice", &["j", "s", "e", "axis", "step"], "t", &[]);
    m.floats("none", &[0], &[]).floats("by", &[4], &[1.0, 1.0, 2.0, 2.0]);
    m.node("Resize", &["t", "none", "by"], "l", &[text("mode", "linear")]);
    m.node("Resize", &["l", "none", "by"], "y", &[text("mode", "nearest"), text("nearest_mode", "floor")]);
    close(m.output("y"), &[1, 6, 4, 5], 26.0);
}

#[test]
fn the_largest_class() {
    let mut m = Model::new(13);
    m.input("x", &[1, 6, 3, 3])
        .node("ArgMax", &["x"], "y", &[int("axis", 1), int("keepdims", 0)])
        .output("y");
    let converted = to_int8(&m, &[1, 6, 3, 3]).unwrap_or_else(|e| panic!("{e}"));
    same_bits(&converted);
    let error = converted.errors.last().expect("a step");
    assert!(error.mean_abs < 0.1, "ties at int8 may choose another class, rarely: {error:?}");
}

#[test]
fn channels_of_wildly_different_range_keep_their_weights() {
    let mut m = Model::new(13);
    let weights: Vec<f32> =
        (0..4 * 9).map(|i| [100.0, 1.0, 0.01, 0.0][i / 9] * ((i % 9) as f32 - 4.0) / 4.0).collect();
    m.input("x", &[1, 1, 6, 6]).floats("w", &[4, 1, 3, 3], &weights).floats(
        "b",
        &[4],
        &[0.0, 1e6, 0.0, -3.0],
    );
    m.node("Conv", &["x", "w", "b"], "y", &[]).output("y");
    let converted = to_int8(&m, &[1, 1, 6, 6]).unwrap_or_else(|e| panic!("{e}"));
    assert!(converted.errors[0].sqnr_db > 30.0, "{:?}", converted.errors);
    same_bits(&converted);
}
