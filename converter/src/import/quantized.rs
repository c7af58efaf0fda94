//! A quantized network as the float network that it stands for. Quantized operators become their float counterparts,
//! quantizing and dequantizing disappears, integer weights become the reals that they mean. The scales and integers are
//! kept beside it ([`Given`]): lowering computes with them and not with any of its own.
//!
//! ```text
//! QDQ        x ─ QuantizeLinear ─ DequantizeLinear ─ y      y is x, at a given scale
//! QOperator  QLinearConv(x, …, y's scale)                   Conv over what x stands for; y at a given scale
//! dynamic    DynamicQuantizeLinear, MatMulInteger           MatMul; the scale of x is calibrated
//! ```
//!
//! Reading constants is `quantized/constants.rs`; one function per operator is `quantized/operators.rs`.

mod constants;
mod operators;

pub(super) use operators::supported;

use super::model::{initializer_names, node_name};
use crate::error::{Error, Result};
use crate::ir::{Given, fresh, short_name};
use constants::Integers;
use mote_format::Quant;
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, type_proto};

/// What a quantized tensor stands for.
#[derive(Debug, Clone)]
struct Code {
    /// The float tensor.
    real: String,
    /// `None` where it is known at run time only.
    quant: Option<Quant>,
}

/// A graph on its way to floats.
struct Rewriter {
    constants: HashMap<String, TensorProto>,
    /// Inputs of the network, with their element types.
    inputs: HashMap<String, i32>,
    /// Quantized tensors.
    codes: HashMap<String, Code>,
    /// Dequantized tensors, and the float ones that they are.
    same: HashMap<String, String>,
    /// Dequantized constants.
    integers: HashMap<String, Integers>,
    /// Sums of integers without a scale.
    sums: HashSet<String>,
    taken: HashSet<String>,
    nodes: Vec<NodeProto>,
    made: Vec<TensorProto>,
    given: Given,
}

/// Makes the graph, whose nodes are in order, a float one. Gives what it knew of integers; nothing for one that was float.
pub(super) fn to_floats(graph: &mut GraphProto) -> Result<Given> {
    if !graph.node.iter().any(operators::is_quantized) {
        return Ok(Given::default());
    }
    let names = initializer_names(graph);
    let inputs = graph.input.iter().filter(|i| !names.contains(i.name.as_str()));
    let kind = |i: &tract_onnx::pb::ValueInfoProto| match i.r#type.as_ref()?.value.as_ref()? {
        type_proto::Value::TensorType(t) => Some((i.name.clone(), t.elem_type)),
    };
    let mut rewriter = Rewriter {
        inputs: inputs.filter_map(kind).collect(),
        constants: constants::all(graph),
        codes: HashMap::new(),
        same: HashMap::new(),
        integers: HashMap::new(),
        sums: HashSet::new(),
        taken: graph.node.iter().flat_map(|n| n.output.iter().chain(&n.input)).cloned().collect(),
        nodes: Vec::new(),
        made: Vec::new(),
        given: Given::default(),
    };
    let mut node_names = HashSet::new();
    for mut node in std::mem::take(&mut graph.node) {
        let (name, op) = (node_name(&node).to_owned(), node.op_type.clone());
        node.name = fresh(short_name(&name), |n| node_names.contains(n));
        node_names.insert(node.name.clone());
        rewriter.node(node).map_err(|cause| {
            Error::new("cannot import a quantized operator").at_node(&name, &op).cause(cause).remedy(
                "export the model as docs/onnx-int8.md says, or convert the float model it was made from",
            )
        })?;
    }
    rewriter.finish(graph);
    Ok(rewriter.given)
}

impl Rewriter {
    /// Puts floats where the graph had integers.
    fn finish(&mut self, graph: &mut GraphProto) {
        for output in &mut graph.output {
            let name = &output.name;
            let (real, quant) = match (self.codes.get(name), self.same.get(name)) {
                (Some(code), _) => (code.real.clone(), code.quant),
                (None, Some(real)) => (real.clone(), self.given.tensors.get(real).copied()),
                (None, None) => continue,
            };
            if real != *name {
                self.nodes.push(NodeProto {
                    name: format!("{name}_out"),
                    op_type: "Identity".into(),
                    input: vec![real],
                    output: vec![name.clone()],
                    ..NodeProto::default()
                });
            }
            self.given.tensors.extend(quant.map(|q| (name.clone(), q)));
            set_float(&mut output.r#type);
        }
        for input in graph.input.iter_mut().filter(|i| self.codes.contains_key(&i.name)) {
            set_float(&mut input.r#type);
        }
        graph.node = std::mem::take(&mut self.nodes);
        self.spread(&graph.node);
        graph.initializer.append(&mut self.made);
        let read: HashSet<&String> = graph.node.iter().flat_map(|n| &n.input).collect();
        graph.initializer.retain(|t| read.contains(&t.name));
        let left: HashSet<String> = graph.initializer.iter().map(|t| t.name.clone()).collect();
        graph.input.retain(|i| self.inputs.contains_key(&i.name) || left.contains(&i.name));
        graph.quantization_annotation.clear();
    }

    /// Moving elements changes no scale: what is known on one side of such a node is true of the other.
    fn spread(&mut self, nodes: &[NodeProto]) {
        let ends = |n: &NodeProto| Some([n.input.first()?.clone(), n.output.first()?.clone()]);
        let moves: Vec<_> =
            nodes.iter().filter(|n| operators::only_moves(&n.op_type)).filter_map(ends).collect();
        let (tensors, constants) = (&mut self.given.tensors, &self.constants);
        let mut copy = |from: &String, to: &String| {
            if let Some(&quant) = tensors.get(from).filter(|_| !constants.contains_key(to)) {
                tensors.entry(to.clone()).or_insert(quant);
            }
        };
        moves.iter().rev().for_each(|[x, y]| copy(y, x));
        moves.iter().for_each(|[x, y]| copy(x, y));
    }

    /// The float tensor that `name` stands for, or is.
    fn real(&self, name: &str) -> String {
        let code = self.codes.get(name).map(|c| &c.real);
        code.or_else(|| self.same.get(name)).cloned().unwrap_or_else(|| name.to_owned())
    }

    /// The float tensor behind a quantized one that is read at this scale.
    fn decoded(&mut self, name: &str, quant: Quant) -> Result<String, String> {
        if let Some(code) = self.codes.get(name) {
            return match code.quant {
                Some(own) if own == quant => Ok(code.real.clone()),
                Some(own) => Err(format!("it reads \"{name}\" at {quant:?}, which was written at {own:?}")),
                None => Err(format!("it reads \"{name}\" at {quant:?}, whose scale is computed")),
            };
        }
        let small = [DataType::Int8 as i32, DataType::Uint8 as i32];
        if self.inputs.get(name).is_some_and(|kind| small.contains(kind)) {
            self.encoded(name, name, quant)?;
            return Ok(name.to_owned());
        }
        Err(format!("\"{name}\" is neither constant nor a quantized activation"))
    }

    /// Notes that `code` holds `real` at a scale.
    fn encoded(&mut self, code: &str, real: &str, quant: Quant) -> Result<(), String> {
        match self.given.tensors.get(real) {
            Some(own) if *own != quant => {
                return Err(format!("\"{real}\" is quantized twice, at {own:?} and at {quant:?}"));
            }
            _ => self.given.tensors.insert(real.to_owned(), quant),
        };
        self.codes.insert(code.to_owned(), Code { real: real.to_owned(), quant: Some(quant) });
        Ok(())
    }

    /// Adds a float constant under a name of its own.
    fn konst(&mut self, name: &str, dims: &[i64], values: &[f32]) -> String {
        let name = fresh(name, |n| self.taken.contains(n) || self.constants.contains_key(n));
        self.konst_as(&name, dims, values);
        name
    }

    /// Adds a float constant under the name that its readers know.
    fn konst_as(&mut self, name: &str, dims: &[i64], values: &[f32]) {
        self.taken.insert(name.to_owned());
        self.made.push(TensorProto {
            name: name.to_owned(),
            dims: dims.to_vec(),
            data_type: DataType::Float as i32,
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
    }
}

/// The element type of an input or output becomes float.
fn set_float(kind: &mut Option<tract_onnx::pb::TypeProto>) {
    if let Some(type_proto::Value::TensorType(tensor)) = kind.as_mut().and_then(|t| t.value.as_mut()) {
        tensor.elem_type = DataType::Float as i32;
    }
}
