//! Damaged files end in an error, never in a panic. Flips that leave a valid file may be accepted;
//! then the passes must be able to take it.

use crate::builder::{Model, Random, int, ints};
use mote_converter::import::{self, InputShapes};
use mote_converter::passes;
use mote_converter::reference::Reference;
use ndarray::ArrayD;

fn network() -> Vec<u8> {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 8, 8]).weights("w", &[4, 3, 3, 3]).weights("b", &[4]).integers("to", &[1, -1]);
    m.node("Conv", &["x", "w", "b"], "c", &[ints("pads", &[1; 4]), ints("strides", &[2, 2])]);
    m.batch_norm("c", "n", 4).node("Relu", &["n"], "r", &[]);
    m.node("MaxPool", &["r"], "p", &[ints("kernel_shape", &[2, 2])]).node("Reshape", &["p", "to"], "f", &[]);
    m.weights("v", &[36, 5]).node("MatMul", &["f", "v"], "l", &[]).node("Softmax", &["l"], "y", &[]);
    m.output("y").bytes()
}

fn survives(bytes: &[u8]) -> bool {
    match import::onnx(bytes, &InputShapes::default()) {
        Ok(mut graph) => {
            let taps: Vec<String> = graph.outputs.iter().map(|&o| graph.value(o).name.clone()).collect();
            if let Ok(reference) = Reference::new(bytes, &InputShapes::default(), &taps) {
                let inputs: Vec<_> = reference.inputs().iter().map(|i| ArrayD::zeros(&*i.shape)).collect();
                let _ = reference.run(&inputs);
            }
            passes::run(&mut graph).is_ok()
        }
        Err(e) => {
            assert!(!e.what.is_empty() && !e.cause.is_empty() && !e.remedy.is_empty());
            false
        }
    }
}

#[test]
fn truncated_at_every_byte() {
    let bytes = network();
    assert!(survives(&bytes));
    let accepted: Vec<usize> = (0..bytes.len()).filter(|&n| survives(&bytes[..n])).collect();
    assert!(accepted.is_empty(), "{accepted:?} of {}", bytes.len());
}

#[test]
fn every_bit_of_the_structure_flipped() {
    let bytes = network();
    // Weights are most of the file; a flip in them is another valid model. The rest is tried fully.
    let mut random = Random::new(3);
    for at in 0..bytes.len() {
        let bit = random.below(8);
        let mut broken = bytes.clone();
        broken[at] ^= 1 << bit;
        survives(&broken);
    }
}

#[test]
fn several_bytes_wrong() {
    let bytes = network();
    let mut random = Random::new(4);
    for _ in 0..1500 {
        let mut broken = bytes.clone();
        for _ in 0..1 + random.below(8) {
            let at = random.below(broken.len());
            broken[at] = random.next() as u8;
        }
        survives(&broken);
    }
}

#[test]
fn not_a_model_at_all() {
    for bytes in [&b""[..], b"\0", b"PK\x03\x04", b"TFL3", &[0xff; 4096], &[0x3a; 100], b"hello\n"] {
        assert!(!survives(bytes), "{bytes:?}");
    }
    assert!(import::onnx_file("no/such/file.onnx".as_ref(), &InputShapes::default()).is_err());
}

#[test]
fn absurd_sizes() {
    for to in [[1, 1 << 62], [i64::MIN, 1], [1 << 40, 1 << 40]] {
        let mut m = Model::new(13);
        m.input("x", &[1, 3, 8, 8]).integers("to", &to).node("Reshape", &["x", "to"], "y", &[]).output("y");
        assert!(!survives(&m.bytes()), "{to:?}");
    }
    let mut m = Model::new(13);
    m.input("x", &[1, 1 << 40, 1 << 40, 8]).node("Relu", &["x"], "y", &[]).output("y");
    assert!(!survives(&m.bytes()));
    let mut m = Model::new(13);
    m.input("x", &[1, 1 << 16, 1 << 16]).node("Relu", &["x"], "y", &[]).output("y");
    assert!(!survives(&m.bytes()));
    for pads in
        [[0, 0, i64::MAX, 0, 0, 0, 0, 0], [0, 0, 1 << 40, 0, 0, 0, 1 << 40, 0], [0, 0, -1, 0, 0, 0, 0, 0]]
    {
        let mut m = Model::new(10);
        m.input("x", &[1, 3, 8, 8]).node("Pad", &["x"], "y", &[ints("pads", &pads)]).output("y");
        assert!(!survives(&m.bytes()));
    }
    let mut m = Model::new(13);
    m.input("x", &[1, 4]).integers("big", &[1 << 50]).node("ConstantOfShape", &["big"], "k", &[]);
    m.node("Add", &["x", "k"], "y", &[]).output("y");
    assert!(!survives(&m.bytes()));
}

#[test]
fn operators_on_images_without_images() {
    // Where tract reads the channels of its operand without looking for them.
    for shape in [&[][..], &[4], &[1, 4]] {
        let mut m = Model::new(13);
        m.input("x", shape).batch_norm("x", "y", 4).output("y");
        assert_eq!(survives(&m.bytes()), shape.len() == 2);
        for op in ["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LRN", "Conv"] {
            let mut m = Model::new(13);
            let a = [ints("kernel_shape", &[1, 1])];
            m.input("x", shape).weights("w", &[4, 4, 1, 1]);
            let inputs: &[&str] = if op == "Conv" { &["x", "w"] } else { &["x"] };
            m.node(op, inputs, "y", if op.starts_with("Global") { &[] } else { &a }).output("y");
            assert!(!survives(&m.bytes()), "{op} {shape:?}");
        }
    }
    // The same on a constant, which is computed at once.
    let mut m = Model::new(13);
    m.input("x", &[1, 4]).weights("k", &[]).batch_norm("k", "n", 1).node("Add", &["x", "n"], "y", &[]);
    assert!(!survives(&m.output("y").bytes()));
}

#[test]
fn too_many_nodes() {
    let mut m = Model::new(13);
    m.input("x", &[1, 4]);
    let mut last = "x".to_owned();
    for i in 0..9000 {
        let next = format!("a{i}");
        m.node("Relu", &[&last], &next, &[]);
        last = next;
    }
    let e = import::onnx(&m.output(&last).bytes(), &InputShapes::default()).expect_err("a refusal");
    assert!(e.cause.contains("9000 nodes"), "{e}");
}

/// A constant that doubles with every node.
#[test]
fn constants_that_grow() {
    let mut m = Model::new(13);
    m.input("x", &[1, 4]).weights("k", &[4]);
    let mut last = "k".to_owned();
    for i in 0..40 {
        let next = format!("a{i}");
        m.node("Concat", &[&last, &last], &next, &[int("axis", 0)]);
        last = next;
    }
    m.node("ReduceMax", &[&last], "m", &[]).node("Add", &["x", "m"], "y", &[]).output("y");
    assert!(!survives(&m.bytes()));
}

#[test]
fn weights_in_another_file() {
    let mut m = Model::new(13);
    m.input("x", &[1, 4]).weights("w", &[4, 4]).node("MatMul", &["x", "w"], "y", &[]).output("y");
    let tensor = &mut m.graph().initializer[0];
    tensor.data_location = Some(1);
    tensor.external_data = vec![tract_onnx::pb::StringStringEntryProto {
        key: "location".into(),
        value: "../../etc/passwd".into(),
    }];
    let e = import::onnx(&m.bytes(), &InputShapes::default()).expect_err("a refusal");
    assert!(e.to_string().contains("\"w\"") && !e.to_string().contains("root:"), "{e}");
}
