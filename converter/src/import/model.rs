//! The protobuf: decoded, found sound, its input shapes fixed, and handed to tract.
//!
//! What is accepted here can be indexed without surprises: every tensor that is read exists and is
//! made once, there are no control-flow subgraphs and no external files.

use super::external::is_external;
use super::guard::guarded;
use super::quantized;
use super::rewrite;
use super::shapes::InputShapes;
use crate::error::{Error, Result};
use crate::ir::Given;
use prost::Message;
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{self, ModelProto, NodeProto, ValueInfoProto};
use tract_onnx::prelude::*;

/// The oldest operator set whose definitions are the ones implemented here.
const OLDEST_OPSET: i64 = 7;

/// No model has more steps than half of this.
const MOST_NODES: usize = 2 * mote_format::MAX_STEPS;

/// Reads a model, fixes the shapes of its inputs, and makes a quantized one the float one that it stands for; gives what
/// that one says of its integers.
pub(crate) fn decode(bytes: &[u8], shapes: &InputShapes) -> Result<(ModelProto, Given)> {
    if bytes.is_empty() {
        return Err(damaged("the file is empty"));
    }
    let mut proto = guarded(|| ModelProto::decode(bytes))
        .map_err(damaged)?
        .map_err(|e| damaged(format!("it is not an ONNX protobuf: {e}")))?;
    let version = opset(&proto)?;
    let Some(graph) = proto.graph.as_mut() else {
        return Err(damaged("there is no graph in it"));
    };
    if graph.node.is_empty() || graph.output.is_empty() {
        return Err(damaged(format!(
            "the graph has {} nodes and {} outputs",
            graph.node.len(),
            graph.output.len()
        )));
    }
    let computing = graph.node.iter().filter(|n| n.op_type != "Constant").count();
    if computing > MOST_NODES {
        return Err(Error::new("the model is too large")
            .cause(format!("it has {computing} nodes; at most {MOST_NODES} are read"))
            .remedy("check the file; simplify it, or cut it into several models"));
    }
    refuse_subgraphs_and_files(graph)?;
    check_names(graph)?;
    // Symbolic expressions in annotations say nothing once the inputs are fixed.
    graph.value_info.clear();
    shapes.apply(&mut real_inputs(graph)?)?;
    sort(graph)?;
    let given = quantized::to_floats(graph)?;
    let simple = rewrite::simplify(graph, version)?;
    for set in proto.opset_import.iter_mut().filter(|o| o.domain.is_empty() || o.domain == "ai.onnx") {
        set.version = simple;
    }
    Ok((proto, given))
}

/// Version of the default operator set.
pub(crate) fn opset(proto: &ModelProto) -> Result<i64> {
    let version = proto
        .opset_import
        .iter()
        .find(|o| o.domain.is_empty() || o.domain == "ai.onnx")
        .map(|o| o.version)
        .ok_or_else(|| damaged("it names no operator set version"))?;
    if version < OLDEST_OPSET {
        return Err(Error::new("the model is too old")
            .cause(format!("it uses operator set {version}; {OLDEST_OPSET} and later are understood"))
            .remedy("convert it with onnx.version_converter, or export it again"));
    }
    Ok(version)
}

/// The inputs that are not initializers.
pub(crate) fn input_names(graph: &pb::GraphProto) -> Vec<&str> {
    let constants = initializer_names(graph);
    graph.input.iter().map(|i| i.name.as_str()).filter(|n| !constants.contains(n)).collect()
}

/// A node's name, or its first output's where it has none.
pub(crate) fn node_name(node: &NodeProto) -> &str {
    if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name }
}

/// The model in tract, and where each ONNX tensor is in it.
pub(crate) struct Parsed {
    pub(crate) model: InferenceModel,
    pub(crate) outlets: HashMap<String, OutletId>,
}

/// Hands the model to tract.
pub(crate) fn parse(proto: &ModelProto) -> Result<Parsed> {
    let parsed = guarded(|| tract_onnx::onnx().parse(proto, None))
        .map_err(damaged)?
        .map_err(|e| damaged(tract_cause(&e)))?;
    Ok(Parsed { model: parsed.model, outlets: parsed.outlets_by_name })
}

/// The first few links of an error chain of tract, which may be long.
pub(crate) fn tract_cause(error: &TractError) -> String {
    error.chain().take(4).map(|e| shorten(&e.to_string())).collect::<Vec<_>>().join(": ")
}

fn shorten(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The error for a file that is not what it should be.
pub(crate) fn damaged(cause: impl Into<String>) -> Error {
    Error::new("this is not a usable ONNX model")
        .cause(cause)
        .remedy("check that the file is complete (onnx.checker.check_model), or export it again")
}

pub(super) fn initializer_names(graph: &pb::GraphProto) -> HashSet<&str> {
    graph.initializer.iter().map(|t| t.name.as_str()).collect()
}

fn real_inputs(graph: &mut pb::GraphProto) -> Result<Vec<&mut ValueInfoProto>> {
    let constants: HashSet<String> = initializer_names(graph).into_iter().map(str::to_owned).collect();
    let inputs: Vec<_> = graph.input.iter_mut().filter(|i| !constants.contains(&i.name)).collect();
    if inputs.is_empty() {
        return Err(damaged("the graph has no input"));
    }
    match inputs.iter().find(|i| i.r#type.as_ref().is_none_or(|t| t.value.is_none())) {
        Some(input) => Err(damaged(format!("input \"{}\" has no tensor type", input.name))),
        None => Ok(inputs),
    }
}

fn refuse_subgraphs_and_files(graph: &pb::GraphProto) -> Result<()> {
    let branching =
        graph.node.iter().filter(|n| n.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty()));
    let branching: Vec<String> =
        branching.map(|n| format!("node \"{}\" ({})", node_name(n), n.op_type)).collect();
    if !branching.is_empty() {
        return Err(Error::new("the model has control flow")
            .cause(branching.join("\n"))
            .remedy("export a model without If, Loop and Scan, e.g. by tracing instead of scripting"));
    }
    let attributes = graph.node.iter().flat_map(|n| &n.attribute).filter_map(|a| a.t.as_ref());
    match graph.initializer.iter().chain(attributes).find(|t| is_external(t)) {
        None => Ok(()),
        Some(t) => Err(Error::new("the model keeps its weights in another file")
            .at(format!("tensor \"{}\"", t.name))
            .cause("of bytes alone nobody knows the folder that it lies in")
            .remedy("save it in one file: onnx.save_model(m, path, save_as_external_data=False)")),
    }
}

/// Every tensor is made once, and every one that is read is made.
fn check_names(graph: &pb::GraphProto) -> Result<()> {
    let mut made: HashSet<&str> = initializer_names(graph);
    let inputs = graph.input.iter().map(|i| i.name.as_str());
    made.extend(inputs);
    for name in graph.node.iter().flat_map(|n| &n.output).filter(|n| !n.is_empty()) {
        if !made.insert(name) {
            return Err(damaged(format!("two nodes make the tensor \"{name}\"")));
        }
    }
    for node in &graph.node {
        if node.op_type.is_empty() || node_name(node).is_empty() {
            return Err(damaged("a node has no operator or no output"));
        }
        if let Some(name) = node.input.iter().find(|n| !n.is_empty() && !made.contains(n.as_str())) {
            return Err(damaged("it reads a tensor that nothing makes")
                .at_node(node_name(node), &node.op_type)
                .cause(format!("nothing makes its input \"{name}\"")));
        }
    }
    match graph.output.iter().find(|o| !made.contains(o.name.as_str())) {
        Some(o) => Err(damaged(format!("nothing makes the output \"{}\"", o.name))),
        None => Ok(()),
    }
}

/// Puts nodes after what they read; a file in order stays as it is.
fn sort(graph: &mut pb::GraphProto) -> Result<()> {
    let mut known: HashSet<String> = initializer_names(graph).into_iter().map(str::to_owned).collect();
    known.extend(graph.input.iter().map(|i| i.name.clone()));
    let mut waiting = std::mem::take(&mut graph.node);
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut later = Vec::new();
        for node in waiting {
            if node.input.iter().all(|i| i.is_empty() || known.contains(i)) {
                known.extend(node.output.iter().cloned());
                graph.node.push(node);
            } else {
                later.push(node);
            }
        }
        if later.len() == before {
            return Err(damaged("it has a cycle").at_node(node_name(&later[0]), &later[0].op_type));
        }
        waiting = later;
    }
    Ok(())
}
