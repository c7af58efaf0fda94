//! Networks whose activations are quantized while they run: weights are the file's, scales are calibrated.

use crate::builder::{Model, Random, int, ints};
use crate::network::{Network, Node, Op, integers, random_weights};
use crate::{converted, file, noise, run};
use ndarray::Array2;
use ndarray_npy::WriteNpyExt;
use std::fs::File;
use tract_onnx::pb::tensor_proto::DataType;

/// x · w + b, as `onnxruntime.quantization.quantize_dynamic` writes it.
fn dense(w: &[i32], [k, n]: [i64; 2], scale: f32, bias: &[f32]) -> Model {
    let mut m = Model::new(13);
    m.input("x", &[1, k]);
    m.node("DynamicQuantizeLinear", &["x"], "q", &[]);
    m.graph().node.last_mut().expect("a node").output.extend(["s".to_owned(), "z".to_owned()]);
    integers(&mut m, "w", DataType::Int8, &[k, n], w);
    integers(&mut m, "wz", DataType::Int8, &[], &[0]);
    m.floats("ws", &[], &[scale]).floats("b", &[n], bias);
    m.node("MatMulInteger", &["q", "w", "z", "wz"], "sum", &[])
        .node("Cast", &["sum"], "real", &[int("to", 1)])
        .node("Mul", &["s", "ws"], "unit", &[])
        .node("Mul", &["real", "unit"], "product", &[])
        .node("Add", &["product", "b"], "y", &[])
        .output("y");
    m
}

#[test]
fn weights_stay_and_scales_are_calibrated() {
    let mut r = Random::new(5);
    let mut w: Vec<i32> = (0..40).map(|_| r.below(255) as i32 - 127).collect();
    // Each output has a weight of the largest magnitude, so that its scale is the file's.
    (0..4).for_each(|o| w[8 * o + o] = -127);
    w[3 * 4..4 * 4].fill(127);
    let bias = [0.3, -0.2, 0.0, 0.1];
    let (folder, path) = file(&dense(&w, [10, 4], 0.01, &bias).bytes());
    let refused = converted(&path, None).expect_err("no samples").to_string();
    assert!(refused.contains("--calib"), "{refused}");
    let samples = Array2::from_shape_simple_fn((20, 10), || r.float());
    let calib = folder.path().join("x.npy");
    samples.write_npy(File::create(&calib).expect("room")).expect("room");
    let bytes = converted(&path, Some(&calib)).unwrap_or_else(|e| panic!("{e}")).bytes;
    let model = mote_runtime::Model::new_checked(&bytes).expect("a model");
    let step = model.format().steps().next().expect("a step");
    let mote_format::Op::FullyConnected(p) = step.op else { panic!("{:?}", step.op) };
    let turned: Vec<u8> =
        (0..4).flat_map(|o| (0..10).map(move |i| (o, i))).map(|(o, i)| w[i * 4 + o] as u8).collect();
    assert_eq!(model.format().bytes_of(p.weights), turned, "the file's integers");
    let (x, y) = (model.inputs().next().expect("x").quant, model.outputs().next().expect("y").quant);
    for sample in samples.rows() {
        let q: Vec<i8> = sample.iter().map(|v| mote_kernels::quant::quantize(*v, x)).collect();
        for (o, found) in run(&bytes, &[1, 10], &[1, 4], &q).iter().enumerate() {
            let real: f32 = (0..10).map(|i| sample[i] * w[i * 4 + o] as f32 * 0.01).sum::<f32>() + bias[o];
            let found = (i32::from(*found) - y.zero) as f32 * y.scale;
            assert!((found - real).abs() < 0.05 + y.scale, "{found} for {real}");
        }
    }
}

/// Integer sums over an input at a given scale: the factors behind them give the file's scale back.
#[test]
fn sums_of_integers_at_known_scales() {
    let mut r = Random::new(8);
    let w = random_weights(&mut r, &[4, 3, 3, 3], 4, 0);
    let op = Op::Conv { w: w.clone(), bias: vec![], stride: 1, pad: 1, groups: 1 };
    let (x, y) = ((0.021, -7), (0.057, 12));
    let network =
        Network { shape: vec![1, 3, 6, 6], x, nodes: vec![Node { op, inputs: vec![0], y }], unsigned: false };
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 6, 6]).floats("xs", &[], &[x.0]).floats("ys", &[], &[y.0]);
    for (name, zero) in [("xz", x.1), ("wz", 0), ("yz", y.1)] {
        integers(&mut m, name, DataType::Int8, &[], &[zero]);
    }
    integers(&mut m, "w", DataType::Int8, &w.dims, &w.values);
    let scales: Vec<f32> =
        (0..4).map(|o| if w.scales.len() == 1 { w.scales[0] } else { w.scales[o] }).collect();
    m.floats("ws", &[1, 4, 1, 1], &scales);
    m.node("QuantizeLinear", &["x", "xs", "xz"], "q", &[])
        .node("ConvInteger", &["q", "w", "xz", "wz"], "sum", &[ints("pads", &[1; 4])])
        .node("Cast", &["sum"], "real", &[int("to", 1)])
        .node("Mul", &["xs", "ws"], "unit", &[])
        .node("Mul", &["real", "unit"], "product", &[])
        .node("QuantizeLinear", &["product", "ys", "yz"], "yq", &[])
        .node("DequantizeLinear", &["yq", "ys", "yz"], "y", &[])
        .output("y");
    let (_folder, path) = file(&m.bytes());
    let bytes = converted(&path, None).unwrap_or_else(|e| panic!("{e}")).bytes;
    for _ in 0..4 {
        let input = noise(&mut r, &network.shape);
        let expected = network.expected(&input);
        let found = run(&bytes, &network.shape, &expected.shape, &input);
        for (found, real) in found.iter().zip(&expected.values) {
            assert!((f64::from(*found) - real.clamp(-128.0, 127.0)).abs() <= 0.501, "{found} for {real}");
        }
    }
}
