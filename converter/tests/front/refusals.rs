//! What cannot be imported says so: which node, why, and what would be possible.

use crate::builder::{Model, int, ints, text, value_info};
use mote_converter::error::Error;
use mote_converter::import::{self, InputShapes};

fn refused(m: &Model) -> Error {
    refused_with(m, &InputShapes::default())
}

fn refused_with(m: &Model, shapes: &InputShapes) -> Error {
    match import::onnx(&m.bytes(), shapes) {
        Ok(graph) => panic!("accepted:\n{graph}"),
        Err(e) => {
            assert!(!e.what.is_empty() && !e.cause.is_empty() && !e.remedy.is_empty(), "{e:?}");
            e
        }
    }
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no \"{part}\" in:\n{text}");
    }
}

#[test]
fn all_unsupported_operators_are_named_at_once() {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 4, 4]).integers("i", &[0]);
    m.node("GlobalLpPool", &["x"], "a", &[]).node("Relu", &["a"], "b", &[]);
    m.node("Gather", &["b", "i"], "c", &[]).node("Hardmax", &["c"], "d", &[]).node(
        "Hardmax",
        &["d"],
        "y",
        &[],
    );
    let e = refused(m.output("y"));
    says(&e.what, &["3 nodes"]);
    says(
        &e.cause,
        &["node \"n_a\" (GlobalLpPool): not supported", "2 nodes (Hardmax): not supported: \"n_d\", \"n_y\""],
    );
    says(&e.remedy, &["supported: Abs, Add, ArgMax", "Conv", "Unsqueeze"]);
    for (name, _) in import::supported() {
        says(&e.remedy, &[name]);
    }
}

#[test]
fn unknown_operators_and_domains() {
    let mut m = Model::new(13);
    m.input("x", &[1, 4]).node("Frobnicate", &["x"], "a", &[]).node("Relu", &["a"], "y", &[]).output("y");
    m.graph().node[1].domain = "com.example".into();
    says(&refused(&m).cause, &["(Frobnicate)", "(com.example.Relu)"]);
}

#[test]
fn forms_that_are_not_supported() {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 4, 4]).input("w", &[2, 3, 3, 3]).node("Conv", &["x", "w"], "y", &[]).output("y");
    says(&refused(&m).cause, &["n_y", "(Conv)", "\"w\" is computed"]);
    let mut m = Model::new(13);
    m.input("x", &[2, 3]).input("z", &[3, 2]).node("MatMul", &["x", "z"], "y", &[]).output("y");
    says(&refused(&m).cause, &["(MatMul)", "both of its matrices are computed"]);
    let mut m = Model::new(13);
    m.input("x", &[1, 9]).integers("k", &[2]).nodes("TopK", &["x", "k"], &["y", "i"], &[int("largest", 0)]);
    says(&refused(m.output("y")).cause, &["(TopK)", "smallest"]);
    let mut m = Model::new(13);
    m.input("x", &[1, 4]).weights("w", &[4, 2]).floats("b", &[2], &[f32::NAN, 0.0]);
    m.node("Gemm", &["x", "w", "b"], "y", &[]).output("y");
    says(&refused(&m).cause, &["(Gemm)", "NaN"]);
    let mut m = Model::new(12);
    m.input("x", &[1, 2, 8, 8])
        .node("MaxPool", &["x"], "y", &[ints("kernel_shape", &[2, 2])])
        .output("y")
        .output("i");
    m.graph().node[0].output.push("i".into());
    says(&refused(&m).cause, &["(MaxPool)", "first result"]);
}

#[test]
fn inputs_that_are_not_fixed() {
    let mut m = Model::new(13);
    m.input("pixels", &[-1, 3, -1, 8]).node("Relu", &["pixels"], "y", &[]).output("y");
    let e = refused(&m);
    says(&e.cause, &["\"pixels\"", "[N, 3, N, 8]"]);
    says(&e.remedy, &["--input-shape"]);
    for shape in ["1,3,9,8", "pixels:2,3,9,8"] {
        let graph = import::onnx(&m.bytes(), &InputShapes::parse(&[shape]).unwrap()).unwrap();
        assert_eq!(graph.shape(graph.inputs[0])[1..], [3, 9, 8]);
    }
    for shape in ["1,4,9,8", "1,3,9", "other:1,3,9,8"] {
        refused_with(&m, &InputShapes::parse(&[shape]).unwrap());
    }
}

#[test]
fn other_types_than_float() {
    let mut m = Model::new(13);
    m.input("x", &[1, 4]).node("Relu", &["x"], "y", &[]).output("y");
    let mut info = value_info("x", &[1, 4]);
    let tract_onnx::pb::type_proto::Value::TensorType(t) =
        info.r#type.as_mut().unwrap().value.as_mut().unwrap();
    t.elem_type = 6;
    m.graph().input[0] = info;
    says(&refused(&m).cause, &["I32"]);
}

#[test]
fn control_flow() {
    let mut m = Model::new(13);
    let mut branch = text("then_branch", "");
    branch.g = Some(m.graph().clone());
    m.input("x", &[1, 4]).node("If", &["x"], "y", &[branch]).output("y");
    says(&refused(&m).to_string(), &["control flow", "n_y", "If"]);
}

#[test]
fn graphs_that_do_not_hold_together() {
    let chain = || {
        let mut m = Model::new(13);
        m.input("x", &[1, 4]).node("Relu", &["x"], "a", &[]).node("Tanh", &["a"], "y", &[]).output("y");
        m
    };
    let mut m = chain();
    m.graph().node[0].input[0] = "nowhere".into();
    says(&refused(&m).to_string(), &["nowhere"]);
    let mut m = chain();
    m.graph().node[0].input[0] = "y".into();
    says(&refused(&m).to_string(), &["cycle"]);
    let mut m = chain();
    m.graph().node[1].output[0] = "a".into();
    refused(&m);
    let mut m = chain();
    m.graph().output[0].name = "z".into();
    refused(&m);
    let mut m = chain();
    m.graph().input.clear();
    refused(&m);
    let mut m = chain();
    m.proto.opset_import.clear();
    refused(&m);
    let mut m = chain();
    m.proto.opset_import[0].version = 6;
    says(&refused(&m).to_string(), &["operator set 6"]);
    let mut m = chain();
    m.graph().node.reverse();
    import::onnx(&m.bytes(), &InputShapes::default()).expect("order does not matter");
}
