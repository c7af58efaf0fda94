//! Quantized files that cannot be imported, and why.

use crate::builder::{Model, int};
use crate::network::integers;
use crate::{converted, file};
use tract_onnx::pb::tensor_proto::DataType;

fn refused(m: &Model) -> String {
    let (_folder, path) = file(&m.bytes());
    converted(&path, None).expect_err("an error").to_string()
}

/// x quantized at `s`, and read back at `t`.
fn pair(s: &[f32], t: &[f32]) -> Model {
    let mut m = Model::new(13);
    let dims = |s: &[f32]| if s.len() == 1 { vec![] } else { vec![s.len() as i64] };
    m.input("x", &[1, 4]).floats("s", &dims(s), s).floats("t", &dims(t), t);
    integers(&mut m, "z", DataType::Int8, &[], &[3]);
    m.node("QuantizeLinear", &["x", "s", "z"], "q", &[])
        .node("DequantizeLinear", &["q", "t", "z"], "r", &[])
        .node("Relu", &["r"], "y", &[])
        .output("y");
    m
}

#[test]
fn scales_that_cannot_be() {
    assert!(refused(&pair(&[0.1], &[0.2])).contains("written at"));
    assert!(refused(&pair(&[0.1; 4], &[0.1; 4])).contains("4 scales"));
    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-45] {
        assert!(refused(&pair(&[bad], &[bad])).contains("positive floats"), "{bad}");
    }
    let mut m = pair(&[0.1], &[0.1]);
    m.graph().initializer.retain(|t| t.name != "s");
    m.graph().input.push(crate::builder::value_info("s", &[1]));
    assert!(refused(&m).contains("not constant"));
}

#[test]
fn integers_where_reals_are_needed() {
    let mut m = pair(&[0.1], &[0.1]);
    m.graph().node[2].input[0] = "q".into();
    assert!(refused(&m).contains("Relu over integers"));
    let mut m = pair(&[0.1], &[0.1]);
    m.graph().node[1].input[0] = "x".into();
    assert!(refused(&m).contains("neither constant nor a quantized activation"));
}

/// A dense layer with weights at the given scales and zero points along an axis.
fn dense(scales: &[f32], zeros: &[i32], axis: i64) -> Model {
    let mut m = Model::new(13);
    m.input("x", &[1, 2]).floats("s", &[], &[0.1]).floats("ws", &[scales.len() as i64], scales);
    integers(&mut m, "z", DataType::Int8, &[], &[3]);
    integers(&mut m, "w", DataType::Int8, &[2, 2], &[1, 2, 3, 4]);
    integers(&mut m, "wz", DataType::Int8, &[zeros.len() as i64], zeros);
    m.node("QuantizeLinear", &["x", "s", "z"], "q", &[])
        .node("DequantizeLinear", &["q", "s", "z"], "r", &[])
        .node("DequantizeLinear", &["w", "ws", "wz"], "wr", &[int("axis", axis)])
        .node("MatMul", &["r", "wr"], "p", &[])
        .node("QuantizeLinear", &["p", "s", "z"], "pq", &[])
        .node("DequantizeLinear", &["pq", "s", "z"], "y", &[])
        .output("y");
    m
}

#[test]
fn weights_that_are_not_one_layer() {
    let (_folder, path) = file(&dense(&[0.1, 0.2], &[0, 0], 1).bytes());
    assert!(converted(&path, None).is_ok());
    assert!(refused(&dense(&[0.1, 0.2], &[0, 1], 1)).contains("several zero points"));
    assert!(refused(&dense(&[0.1, 0.2], &[0, 0], 0)).contains("scales along axis 0"));
    assert!(refused(&dense(&[0.1, 0.2, 0.3], &[0, 0], 1)).contains("3 scales"));
}

/// Whatever is damaged, there is an error or a model, and no panic.
#[test]
fn damaged_constants() {
    let good = pair(&[0.1], &[0.1]).bytes();
    for at in 0..good.len() {
        for value in [0, 0xFF, good[at] ^ 1] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let (_folder, path) = file(&bytes);
            drop(converted(&path, None));
        }
    }
}
