//! What the passes make of typical networks: the operators that are left, and what is said about
//! those that are not. That the results stay the same is checked on the way, by `same`.

use crate::builder::{Model, float, int, ints};
use crate::{ops, same};
use mote_converter::ir::{Graph, Op};

fn conv(m: &mut Model, x: &str, y: &str, cin: i64, cout: i64, groups: i64) {
    let w = format!("{y}_w");
    m.weights(&w, &[cout, cin / groups, 3, 3]);
    m.node("Conv", &[x, &w], y, &[ints("pads", &[1; 4]), int("group", groups)]);
}

fn reasons(graph: &Graph) -> Vec<String> {
    graph.removed.iter().map(|r| format!("{} {}", r.op, r.reason)).collect()
}

#[test]
fn conv_batch_norm_relu_is_one_node_named_after_both_ends() {
    let mut m = Model::new(13);
    m.input("x", &[-1, 3, 6, 6]);
    conv(&mut m, "x", "c", 3, 4, 1);
    m.batch_norm("c", "n", 4).node("Relu", &["n"], "y", &[]).output("y");
    let graph = same(&m.bytes());
    assert_eq!(ops(&graph), ["Conv"]);
    let node = &graph.nodes[0];
    assert_eq!((node.name.as_str(), graph.value(node.output).name.as_str()), ("n_c", "y"));
    assert_eq!(graph.shape(node.output), [1, 6, 6, 4]);
    let reasons = reasons(&graph);
    assert_eq!(reasons, ["BatchNormalization folded into \"n_c\"", "Relu fused into \"n_c\""]);
}

#[test]
fn a_residual_network_keeps_only_what_computes() {
    let mut m = Model::new(13);
    m.input("x", &[1, 4, 8, 8]);
    conv(&mut m, "x", "c1", 4, 4, 4);
    m.batch_norm("c1", "n1", 4).node("Relu", &["n1"], "r1", &[]);
    conv(&mut m, "r1", "c2", 4, 4, 1);
    m.batch_norm("c2", "n2", 4).node("Dropout", &["n2"], "d2", &[]);
    m.node("Add", &["d2", "r1"], "s", &[]).node("Relu", &["s"], "r2", &[]);
    m.node("MaxPool", &["r2"], "p", &[ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]);
    m.node("GlobalAveragePool", &["p"], "g", &[]).node("Flatten", &["g"], "f", &[]);
    m.weights("w", &[4, 10]).weights("b", &[10]).node("Gemm", &["f", "w", "b"], "l", &[]);
    m.node("Softmax", &["l"], "y", &[]).output("y");
    let graph = same(&m.bytes());
    let left = ["Conv", "Conv", "Add", "MaxPool", "AveragePool", "Reshape", "FullyConnected", "Softmax"];
    assert_eq!(ops(&graph), left);
    assert!(graph.nodes[2].clamp.is_some());
}

#[test]
fn a_flattened_image_needs_no_transpose() {
    for flat in ["Flatten", "Reshape"] {
        let mut m = Model::new(13);
        m.input("x", &[1, 3, 6, 6]).integers("to", &[1, -1]);
        conv(&mut m, "x", "c", 3, 4, 1);
        m.node(flat, if flat == "Flatten" { &["c"] } else { &["c", "to"] }, "f", &[]);
        m.node("Relu", &["f"], "r", &[]);
        m.weights("w", &[144, 10]).weights("v", &[144, 5]);
        m.node("MatMul", &["r", "w"], "y", &[]).node("MatMul", &["r", "v"], "z", &[]);
        m.output("y").output("z");
        let graph = same(&m.bytes());
        assert_eq!(ops(&graph), ["Conv", "Reshape", "FullyConnected", "Reshape", "FullyConnected"]);
        assert!(graph.nodes[0].clamp.is_some(), "the activation behind the flattening is fused");
    }
}

#[test]
fn bias_and_scale_after_a_layer_go_into_it() {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 6, 6]).weights("k", &[4, 1, 1]).weights("s", &[1, 4, 1, 1]).weights("t", &[]);
    conv(&mut m, "x", "c", 3, 4, 1);
    m.node("Add", &["k", "c"], "a", &[]).node("Mul", &["a", "s"], "b", &[]).node(
        "Sub",
        &["b", "t"],
        "y",
        &[],
    );
    let graph = same(&m.output("y").bytes());
    assert_eq!(ops(&graph), ["Conv"]);
    // Not per channel: it stays.
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 6, 6]).weights("k", &[6, 1]);
    conv(&mut m, "x", "c", 3, 4, 1);
    let graph = same(&m.node("Add", &["c", "k"], "y", &[]).output("y").bytes());
    assert_eq!(ops(&graph), ["Conv", "Add"]);
}

#[test]
fn a_layer_that_others_read_too_is_left_alone() {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 6, 6]);
    conv(&mut m, "x", "c", 3, 3, 1);
    m.batch_norm("c", "n", 3).node("Relu", &["n"], "r", &[]).node("Add", &["c", "r"], "y", &[]);
    let graph = same(&m.output("y").bytes());
    assert_eq!(ops(&graph), ["Conv", "Conv", "Add"], "the lone normalisation is a depthwise convolution");
    assert!(matches!(graph.nodes[1].op, Op::Conv { groups: 3, .. }));
    // An output is read by the caller.
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 6, 6]);
    conv(&mut m, "x", "c", 3, 3, 1);
    let graph = same(&m.node("Relu", &["c"], "y", &[]).output("c").output("y").bytes());
    assert_eq!(ops(&graph), ["Conv", "Relu"]);
}

#[test]
fn bounds_go_before_a_max_pooling() {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 6, 6]).floats("six", &[], &[0.6]).floats("zero", &[], &[0.0]);
    conv(&mut m, "x", "c", 3, 4, 1);
    m.node("MaxPool", &["c"], "p", &[ints("kernel_shape", &[2, 2])]);
    m.node("Relu", &["p"], "r", &[]).node("Clip", &["r", "zero", "six"], "y", &[]).output("y");
    let graph = same(&m.bytes());
    assert_eq!(ops(&graph), ["Conv", "MaxPool"]);
    let bounds: Vec<_> = graph.nodes.iter().map(|n| n.clamp.map(|c| (c.min, c.max))).collect();
    assert_eq!(bounds, [Some((0.0, 0.6)), None]);
}

#[test]
fn padding_before_a_conv_is_its_own() {
    let mut m = Model::new(10);
    m.input("x", &[1, 3, 6, 6]).weights("w", &[4, 3, 3, 3]);
    m.node("Pad", &["x"], "p", &[ints("pads", &[0, 0, 1, 0, 0, 0, 0, 2])]);
    m.node("Conv", &["p", "w"], "y", &[ints("strides", &[2, 2])]).output("y");
    let graph = same(&m.bytes());
    assert_eq!(ops(&graph), ["Conv"]);
    // Another value than zero, or other axes, are not.
    for (pads, value) in [([0, 0, 1, 0, 0, 0, 0, 2], 1.0), ([0, 1, 0, 0, 0, 0, 0, 0], 0.0)] {
        let mut m = Model::new(10);
        m.input("x", &[1, 3, 6, 6]).weights("w", &[4, 3 + pads[1], 3, 3]);
        m.node("Pad", &["x"], "p", &[ints("pads", &pads), float("value", value)]);
        let graph = same(&m.node("Conv", &["p", "w"], "y", &[]).output("y").bytes());
        assert_eq!(ops(&graph), ["Pad", "Conv"]);
    }
}

#[test]
fn files_with_channels_last_keep_their_ends() {
    // As tf2onnx writes: transposes at both ends.
    let mut m = Model::new(13);
    m.input("x", &[1, 6, 7, 3]).node("Transpose", &["x"], "t", &[ints("perm", &[0, 3, 1, 2])]);
    conv(&mut m, "t", "c", 3, 4, 1);
    m.node("Transpose", &["c"], "y", &[ints("perm", &[0, 2, 3, 1])]).output("y");
    let graph = same(&m.bytes());
    assert_eq!(ops(&graph), ["Conv"]);
    assert_eq!(graph.shape(graph.inputs[0]), [1, 6, 7, 3]);
    assert_eq!(graph.shape(graph.outputs[0]), [1, 6, 7, 4]);
    assert_eq!(graph.value(graph.outputs[0]).name, "y");
}

#[test]
fn transposes_that_meet_cancel() {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 6, 7]);
    conv(&mut m, "x", "c", 3, 4, 1);
    m.node("Transpose", &["c"], "t", &[ints("perm", &[0, 2, 3, 1])]).node("Sigmoid", &["t"], "s", &[]);
    m.node("Transpose", &["s"], "u", &[ints("perm", &[0, 3, 1, 2])]);
    conv(&mut m, "u", "y", 4, 2, 1);
    let graph = same(&m.output("y").bytes());
    assert_eq!(ops(&graph), ["Conv", "Sigmoid", "Conv"]);
    // The head of a detector: [n, h, w, boxes] as a list.
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 6, 7]).integers("to", &[1, -1, 2]);
    conv(&mut m, "x", "c", 3, 4, 1);
    m.node("Transpose", &["c"], "t", &[ints("perm", &[0, 2, 3, 1])]).node("Reshape", &["t", "to"], "y", &[]);
    let graph = same(&m.output("y").bytes());
    assert_eq!(ops(&graph), ["Conv", "Reshape"]);
}

#[test]
fn a_channel_shuffle_is_one_transpose() {
    let mut m = Model::new(13);
    m.input("x", &[1, 4, 3, 3]).integers("a", &[1, 2, 2, 3, 3]).integers("b", &[1, 4, 3, 3]);
    conv(&mut m, "x", "c", 4, 4, 1);
    m.node("Reshape", &["c", "a"], "r", &[]).node(
        "Transpose",
        &["r"],
        "t",
        &[ints("perm", &[0, 2, 1, 3, 4])],
    );
    m.node("Reshape", &["t", "b"], "s", &[]);
    conv(&mut m, "s", "y", 4, 4, 1);
    same(&m.output("y").bytes());
}

#[test]
fn ends_that_nothing_computes_between_become_a_copy() {
    for op in ["Identity", "Dropout"] {
        let mut m = Model::new(13);
        m.input("x", &[1, 3, 4, 4]).node(op, &["x"], "y", &[]).output("y");
        assert_eq!(ops(&same(&m.bytes())), ["Reshape"]);
    }
}

#[test]
fn what_no_output_needs_is_gone() {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 4, 4]);
    conv(&mut m, "x", "c", 3, 3, 1);
    conv(&mut m, "c", "unused", 3, 3, 1);
    m.node("Relu", &["unused"], "unused_too", &[]).node("Relu", &["c"], "y", &[]).output("y");
    let graph = same(&m.bytes());
    assert_eq!(ops(&graph), ["Conv"]);
    assert_eq!(graph.values.len(), 3, "{graph}");
    assert!(reasons(&graph).iter().any(|r| r.contains("not used")));
}

#[test]
fn macs_are_counted() {
    let mut m = Model::new(13);
    m.input("x", &[1, 4, 8, 8]).weights("w", &[8, 2, 3, 3]);
    m.node("Conv", &["x", "w"], "y", &[int("group", 2), ints("pads", &[1; 4])]).output("y");
    assert_eq!(same(&m.bytes()).macs(), 8 * 8 * 8 * 2 * 9);
}
