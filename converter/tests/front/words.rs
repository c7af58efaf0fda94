//! Activations of int16: less noise than int8, on every instruction set alike, and refusals that name the layer.

use crate::builder::{Model, float, int, ints};
use crate::quantized::{quantized, same_bits};
use mote_converter::convert::Converted;
use mote_converter::quantize::Activations;
use tract_onnx::pb::AttributeProto;

/// The distance of each layer's output from the float network, in dB, with both widths of activations.
fn both(m: &Model, shape: &[usize]) -> [Converted; 2] {
    [Activations::Int8, Activations::Int16].map(|activations| {
        let converted = quantized(m, shape, activations).unwrap_or_else(|e| panic!("{e}"));
        same_bits(&converted);
        converted
    })
}

/// The last layer's, with int8 and int16.
fn last([narrow, wide]: &[Converted; 2]) -> [f32; 2] {
    [narrow, wide].map(|c| c.errors.last().expect("a layer").sqnr_db)
}

/// Without weights nothing but the activations is rounded: 8 bits more are some 48 dB.
#[test]
fn what_has_no_weights_gains_most() {
    let shape = [1, 4, 6, 6];
    let cases: [(&str, Model); 6] = [
        ("Add", two("Add")),
        ("Sub", two("Sub")),
        ("Mul", two("Mul")),
        ("Relu", one("Relu", &[])),
        ("MaxPool", one("MaxPool", &[ints("kernel_shape", &[2, 2])])),
        ("AveragePool", one("AveragePool", &[ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])])),
    ];
    for (name, m) in cases {
        let [narrow, wide] = last(&both(&m, &shape));
        println!("{name}: {narrow:.1} dB with int8, {wide:.1} dB with int16");
        assert!(wide > narrow + 35.0, "{name}: {narrow} {wide}");
    }
    // Multipliers of 15 bits, and lines in a table.
    for name in ["Sigmoid", "Tanh", "Softmax"] {
        let [narrow, wide] = last(&both(&one(name, &[]), &[1, 36]));
        println!("{name}: {narrow:.1} dB with int8, {wide:.1} dB with int16");
        assert!(wide > narrow + 15.0 && wide > 55.0, "{name}: {narrow} {wide}");
    }
}

fn one(op: &str, attributes: &[AttributeProto]) -> Model {
    let mut m = Model::new(14);
    let shape: &[i64] = if ["Sigmoid", "Tanh", "Softmax"].contains(&op) { &[1, 36] } else { &[1, 4, 6, 6] };
    m.input("x", shape).node(op, &["x"], "y", attributes).output("y");
    m
}

/// An operator on a value and the means around it.
fn two(op: &str) -> Model {
    let window = [ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])];
    let mut m = Model::new(14);
    m.input("x", &[1, 4, 6, 6]).node("AveragePool", &["x"], "r", &window);
    m.node(op, &["x", "r"], "y", &[]).output("y");
    m
}

/// Weights stay int8, and their rounding is what is left.
#[test]
fn layers_of_weights_gain_too() {
    let mut m = Model::new(14);
    m.input("x", &[1, 3, 12, 12])
        .weights("w", &[8, 3, 3, 3])
        .weights("b", &[8])
        .node("Conv", &["x", "w", "b"], "c", &[ints("pads", &[1, 1, 1, 1]), ints("strides", &[2, 2])])
        .node("Relu", &["c"], "r", &[])
        .weights("d", &[8, 1, 3, 3])
        .node("Conv", &["r", "d"], "e", &[int("group", 8), ints("pads", &[1, 1, 1, 1])])
        .node("LeakyRelu", &["e"], "f", &[float("alpha", 0.1)])
        .weights("p", &[6, 8, 1, 1])
        .node("Conv", &["f", "p"], "q", &[])
        .node("GlobalAveragePool", &["q"], "g", &[])
        .node("Flatten", &["g"], "h", &[])
        .weights("v", &[6, 10])
        .node("MatMul", &["h", "v"], "y", &[])
        .output("y");
    let [narrow, wide] = both(&m, &[1, 3, 12, 12]);
    for (a, b) in narrow.errors.iter().zip(&wide.errors) {
        println!("{} {:.1} dB, {} {:.1} dB", a.op, a.sqnr_db, b.op, b.sqnr_db);
        assert!(b.sqnr_db > a.sqnr_db, "{a:?} {b:?}");
    }
    let [narrow, wide] = last(&[narrow, wide]);
    assert!(wide > narrow + 3.0, "{narrow} {wide}");
}

/// Moves of values, exactly as with int8.
#[test]
fn moves() {
    let mut m = Model::new(14);
    m.input("x", &[1, 4, 6, 6])
        .node("Transpose", &["x"], "t", &[ints("perm", &[0, 2, 3, 1])])
        .node("Concat", &["t", "t"], "c", &[int("axis", 3)])
        .node("Flatten", &["c"], "y", &[])
        .output("y");
    let [narrow, wide] = last(&both(&m, &[1, 4, 6, 6]));
    assert!(wide > narrow + 35.0, "{narrow} {wide}");
}

#[test]
fn an_operator_without_a_form_is_named() {
    let mut m = Model::new(14);
    m.input("x", &[1, 4, 6, 6]).node("HardSwish", &["x"], "y", &[]).output("y");
    let error = quantized(&m, &[1, 4, 6, 6], Activations::Int16).expect_err("no form").to_string();
    for part in ["HardSwish", "int16", "--activations int8"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}
