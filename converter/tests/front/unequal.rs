//! A network made to break plain quantization: between its layers some channels are ten thousand times as wide as others. The
//! default settings repair it, say so, and never do worse than min-max ranges.

use crate::builder::{Model, Random, int, ints};
use crate::oracle;
use mote_converter::convert::{Converted, Options, convert, prepared_graph};
use mote_converter::data::Prepare;
use mote_converter::evaluate::{self, evaluate};
use mote_converter::import::InputShapes;
use mote_converter::progress::Progress;
use mote_converter::quantize::{self, Calibration};
use mote_converter::reference::Reference;
use mote_runtime::Kernels;
use ndarray::{Array1, ArrayD, Axis};
use ndarray_npy::{NpzWriter, WriteNpyExt};
use std::fs::File;
use std::path::Path;

const CHANNELS: usize = 8;

/// `x` at 1 for channel 0, and a hundred or a hundredth for others.
fn spread(channel: usize) -> f32 {
    [1.0, 100.0, 0.01, 10.0, 0.1, 30.0, 0.03, 3.0][channel % CHANNELS]
}

/// Adds weights whose rows are multiplied by `rows` and whose columns, one every `taps`, by `columns`.
fn layer(
    m: &mut Model,
    name: &str,
    shape: &[i64; 4],
    rows: impl Fn(usize) -> f32,
    columns: impl Fn(usize) -> f32,
) {
    let dims = shape.map(|d| d as usize);
    let run = dims[1] * dims[2] * dims[3];
    let mut weights = Random::new(name.len() as u64 + 40).tensor(&dims);
    weights.iter_mut().enumerate().for_each(|(i, w)| {
        *w *= rows(i / run) * columns(i % run / (dims[2] * dims[3]));
    });
    m.floats(name, shape, &weights.iter().copied().collect::<Vec<_>>());
}

/// Convolution, depthwise, pool, convolution, dense layer.
fn network() -> Model {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 8, 8]);
    layer(&mut m, "w", &[8, 3, 3, 3], spread, |_| 1.0);
    // The depthwise layer undoes one order of channels and makes another.
    layer(&mut m, "depth", &[8, 1, 3, 3], |o| spread(o + 3) / spread(o), |_| 1.0);
    layer(&mut m, "point", &[8, 8, 1, 1], |o| spread(o + 1), |i| 1.0 / spread(i + 3));
    layer(&mut m, "final", &[10, 128, 1, 1], |_| 1.0, |i| 1.0 / spread(i / 16 + 1));
    m.node("Conv", &["x", "w"], "a", &[ints("pads", &[1, 1, 1, 1])]).node("Relu", &["a"], "a_relu", &[]);
    m.node("Conv", &["a_relu", "depth"], "b", &[ints("pads", &[1, 1, 1, 1]), int("group", 8)]);
    m.node("Relu", &["b"], "b_relu", &[]);
    m.node("MaxPool", &["b_relu"], "c", &[ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]);
    m.node("Conv", &["c", "point"], "d", &[]).node("Relu", &["d"], "d_relu", &[]);
    m.integers("flat", &[1, 128]).integers("square", &[10, 128]);
    m.node("Reshape", &["d_relu", "flat"], "e", &[]).node("Reshape", &["final", "square"], "f", &[]);
    m.node("Gemm", &["e", "f"], "y", &[int("transB", 1)]).output("y");
    m
}

fn samples(count: usize, seed: u64) -> ArrayD<f32> {
    Random::new(seed).tensor(&[count, 3, 8, 8])
}

fn converted(network: &Path, calib: &Path, calibration: Calibration) -> Converted {
    measured(network, calib, calibration, false)
}

fn measured(network: &Path, calib: &Path, calibration: Calibration, sensitivity: bool) -> Converted {
    let options = Options { calib: Some(calib.to_owned()), calibration, sensitivity, ..Options::default() };
    convert(network, &options).unwrap_or_else(|e| panic!("{e}"))
}

/// Writes fresh samples that the float network tells apart clearly, with the classes that it gives them.
fn labelled(bytes: &[u8], to: &Path) {
    let reference = Reference::new(bytes, &InputShapes::default(), &["y".to_owned()]).expect("a network");
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for x in samples(400, 99).axis_iter(Axis(0)) {
        let y = reference.run(&[x.to_owned().insert_axis(Axis(0))]).expect("an answer");
        let mut order: Vec<(f32, i64)> = y[0].iter().copied().zip(0..).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        if order[0].0 - order[1].0 > 0.1 * (order[0].0 - order[9].0) {
            images.extend(x.iter().copied());
            labels.push(order[0].1);
        }
    }
    assert!(labels.len() >= 100, "{}", labels.len());
    let images = ArrayD::from_shape_vec(vec![labels.len(), 3, 8, 8], images).expect("whole images");
    let mut npz = NpzWriter::new(File::create(to).expect("a file"));
    npz.add_array("images", &images).expect("room");
    npz.add_array("labels", &Array1::from(labels)).expect("room");
    npz.finish().expect("room");
}

#[test]
fn default_settings_repair_what_plain_ones_break() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let bytes = network().bytes();
    std::fs::write(at("net.onnx"), &bytes).expect("room");
    samples(40, 11).write_npy(File::create(at("calib.npy")).expect("room")).expect("room");
    labelled(&bytes, &at("test.npz"));
    let top1 = |converted: &Converted| {
        std::fs::write(at("net.mote"), &converted.bytes[..]).expect("room");
        let options = evaluate::Options {
            data: at("test.npz"),
            labels: None,
            prepare: Prepare::default(),
            strict: false,
            shapes: InputShapes::default(),
            moved: None,
            progress: Progress::Hidden,
        };
        evaluate(&at("net.mote"), Kernels::best(), &options).unwrap_or_else(|e| panic!("{e}")).top1
    };
    let naive = converted(&at("net.onnx"), &at("calib.npy"), Calibration::MinMax);
    let auto = converted(&at("net.onnx"), &at("calib.npy"), Calibration::Auto);
    let last = |c: &Converted| c.errors.last().map_or(0.0, |e| e.sqnr_db);
    assert!(last(&naive) < 15.0, "{:?}", naive.errors);
    assert!(last(&auto) > 32.0, "{:?} {:?}", auto.errors, auto.quantization);
    assert!(top1(&naive) < 0.9, "{}", top1(&naive));
    assert!(top1(&auto) > 0.99, "{}", top1(&auto));
    let report = auto.quantization.expect("a report");
    assert!(report.trials[report.taken].settings.contains("channels equalized"), "{report:?}");
    assert!(
        report.trials.iter().all(|t| t.sqnr_db <= report.trials[report.taken].sqnr_db + 0.05),
        "{report:?}"
    );
    let repaired = report.repaired.expect("a layer that plain settings break");
    assert!(repaired.naive_sqnr_db < 20.0 && repaired.sqnr_db > 30.0, "{repaired:?}");
    // The first layer that reads values of unequal channels.
    assert_eq!(repaired.layer, "b_relu", "{repaired:?}");
}

/// Only between the first two layers are channels unequal, and the second has a scale for each.
fn one_weak_place() -> Model {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 8, 8]);
    layer(&mut m, "w", &[8, 3, 3, 3], spread, |_| 1.0);
    layer(&mut m, "depth", &[8, 1, 3, 3], |o| 1.0 / spread(o), |_| 1.0);
    layer(&mut m, "last", &[4, 8, 1, 1], |_| 1.0, |_| 1.0);
    m.node("Conv", &["x", "w"], "a", &[ints("pads", &[1, 1, 1, 1])]).node("Relu", &["a"], "a_relu", &[]);
    m.node("Conv", &["a_relu", "depth"], "b", &[ints("pads", &[1, 1, 1, 1]), int("group", 8)]);
    m.node("Relu", &["b"], "b_relu", &[]);
    m.node("Conv", &["b_relu", "last"], "y", &[]).output("y");
    m
}

#[test]
fn the_layer_that_costs_the_outputs_most_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("net.onnx"), one_weak_place().bytes()).expect("room");
    samples(40, 11).write_npy(File::create(at("calib.npy")).expect("room")).expect("room");
    let naive = measured(&at("net.onnx"), &at("calib.npy"), Calibration::MinMax, true);
    let found = naive.sensitivity.expect("a table");
    assert_eq!((found.samples, found.labelled, found.layers.len()), (10, false, 4), "{found:?}");
    let gain = |layer: &str| found.layers.iter().find(|l| l.layer == layer).expect("a layer").gain_db;
    assert!(gain("a_relu") > 10.0, "{found:?}");
    assert!(["x", "b_relu", "y"].into_iter().all(|layer| gain(layer).abs() < 1.0), "{found:?}");
    let last = naive.errors.last().expect("a layer").sqnr_db;
    assert!((found.sqnr_db - f64::from(last)).abs() < 2.0, "in floats {} in integers {last}", found.sqnr_db);
    let auto = measured(&at("net.onnx"), &at("calib.npy"), Calibration::Auto, true);
    let (found, trials) = (auto.sensitivity.expect("a table"), auto.quantization.expect("a report"));
    let integers = trials.trials[trials.taken].sqnr_db;
    assert!(found.sqnr_db > 30.0 && (found.sqnr_db - integers).abs() < 3.0, "{found:?} {trials:?}");
}

#[test]
fn equalized_channels_make_the_same_function() {
    let bytes = network().bytes();
    let shapes = InputShapes::default();
    let graph = prepared_graph(Path::new("net.onnx"), &bytes, &shapes).expect("a graph");
    let inputs = samples(4, 5).permuted_axes(vec![0, 2, 3, 1]).as_standard_layout().into_owned();
    let given = inputs.axis_iter(Axis(0)).map(|x| {
        Ok(mote_converter::data::Sample {
            name: String::new(),
            x: x.to_owned(),
            others: Vec::new(),
            label: None,
        })
    });
    let seen = quantize::observe(&graph, &bytes, &shapes, given, Progress::Hidden.bar("", 4)).expect("seen");
    let equalized = quantize::equalize(&graph, &seen).expect("unequal channels");
    equalized.check().unwrap_or_else(|e| panic!("{e}"));
    let divided =
        equalized.values.iter().filter(|v| v.origin.as_ref().is_some_and(|o| !o.divided.is_empty()));
    assert!(divided.count() >= 4, "{equalized}");
    let x = inputs.index_axis(Axis(0), 0).to_owned().insert_axis(Axis(0));
    let [before, after] = [&graph, &equalized].map(|g| oracle::run(g, std::slice::from_ref(&x)));
    for (id, value) in graph.outputs.iter().map(|id| (id, before[id.0].clone())) {
        let (a, b) = (value.expect("an output"), after[id.0].clone().expect("an output"));
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() <= 1e-3 * a.abs().max(1.0), "{a} {b}");
        }
    }
}
