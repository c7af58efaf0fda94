//! An ONNX network under construction: names, constants, nodes, and the order of axes. No operators.

use super::{Lowered, constants};
use crate::proto::{info, sizes};
use crate::tflite::dilation::Folds;
use crate::tflite::file::{File, Node, Tensor};
use crate::tflite::lower::kind_name;
use ndarray::{ArrayD, IxDyn};
use prost::Message;
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto,
};
use tract_tflite::tflite::{ActivationFunctionType, TensorType};

/// The version of the operators that are written.
const OPSET: i64 = 17;

/// Axis `i` of an image as ONNX has it is this axis as TFLite has it, and the other way round.
const TO_NCHW: [usize; 4] = [0, 3, 1, 2];
const TO_NHWC: [usize; 4] = [0, 2, 3, 1];

/// A network under construction.
pub(super) struct Network<'a> {
    pub(super) file: &'a File<'a>,
    pub(super) folds: Folds,
    graph: GraphProto,
    /// What holds each tensor of the file: channels first where it has four dimensions.
    names: Vec<Option<String>>,
    /// Tensors that a node computes from constants alone.
    known: HashMap<usize, ArrayD<f32>>,
    taken: HashSet<String>,
}

impl<'a> Network<'a> {
    /// A network with the file's inputs.
    pub(super) fn new(file: &'a File<'a>) -> Lowered<Self> {
        let mut network = Network {
            file,
            folds: Folds::find(file),
            graph: GraphProto::default(),
            names: vec![None; file.tensors.len()],
            known: HashMap::new(),
            taken: file.tensors.iter().map(|t| t.name.clone()).collect(),
        };
        for &t in &file.inputs {
            let tensor = &file.tensors[t];
            if tensor.kind != TensorType::FLOAT32 {
                return Err(format!("its input \"{}\" is {}", tensor.name, kind_name(tensor.kind)));
            }
            network.graph.input.push(info(&tensor.name, &tensor.dims));
            network.give(t, &tensor.name);
        }
        Ok(network)
    }

    /// The bytes of the file.
    pub(super) fn finish(mut self) -> Lowered<Vec<u8>> {
        for &t in &self.file.outputs {
            let tensor = &self.file.tensors[t];
            let held =
                self.names[t].clone().ok_or_else(|| format!("its output \"{}\" is constant", tensor.name))?;
            let op = if tensor.dims.len() == 4 { "Transpose" } else { "Identity" };
            if held != tensor.name {
                let order = if op == "Transpose" { vec![sizes("perm", &TO_NHWC)] } else { Vec::new() };
                self.node(op, &[held], &tensor.name, &order);
            }
            self.graph.output.push(ValueInfoProto { name: tensor.name.clone(), ..Default::default() });
        }
        let model = ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto { version: OPSET, ..Default::default() }],
            graph: Some(self.graph),
            ..Default::default()
        };
        Ok(model.encode_to_vec())
    }

    /// Input `i` of a node.
    pub(super) fn input(&self, node: &Node<'_>, i: usize) -> Lowered<&'a Tensor<'a>> {
        let id = node.inputs.get(i).copied().flatten().ok_or_else(|| format!("its input {i} is missing"))?;
        Ok(&self.file.tensors[id])
    }

    /// The only output of a node.
    pub(super) fn output(&self, node: &Node<'_>) -> Lowered<&'a Tensor<'a>> {
        Ok(&self.file.tensors[only(node)?])
    }

    /// Input `i` as constant floats, if it is one.
    pub(super) fn constant(&self, node: &Node<'_>, i: usize) -> Option<ArrayD<f32>> {
        let id = node.inputs.get(i).copied().flatten()?;
        self.known.get(&id).cloned().or_else(|| constants::floats(&self.file.tensors[id]))
    }

    /// Input `i` as constant floats.
    pub(super) fn floats(&self, node: &Node<'_>, i: usize) -> Lowered<ArrayD<f32>> {
        let name = &self.input(node, i)?.name;
        self.constant(node, i).ok_or_else(|| format!("its input \"{name}\" is not a constant of floats"))
    }

    /// Input `i` as constant integers.
    pub(super) fn integers(&self, node: &Node<'_>, i: usize) -> Lowered<Vec<i64>> {
        let tensor = self.input(node, i)?;
        tensor.integers().ok_or_else(|| format!("\"{}\" is not a constant of integers", tensor.name))
    }

    /// Notes that a node's output is constant.
    pub(super) fn know(&mut self, node: &Node<'_>, values: ArrayD<f32>) -> Lowered {
        self.known.insert(only(node)?, values);
        Ok(())
    }

    /// A name, so that what reads a tensor that could not be made is looked at as well.
    pub(super) fn pretend(&mut self, t: usize) {
        self.names[t] = Some(self.file.tensors[t].name.clone());
    }

    /// A name that nothing has yet.
    pub(super) fn name(&mut self, base: &str, suffix: &str) -> String {
        let name = crate::ir::fresh(&format!("{base}/{suffix}"), |n| self.taken.contains(n));
        self.taken.insert(name.clone());
        name
    }

    /// What holds input `i`, channels first where it has four dimensions.
    pub(super) fn operand(&mut self, node: &Node<'_>, i: usize) -> Lowered<String> {
        let tensor = self.input(node, i)?;
        if let Some(values) = self.constant(node, i) {
            return Ok(self.image_constant(&tensor.name, values));
        }
        let id = node.inputs[i].unwrap_or_default();
        self.names[id]
            .clone()
            .ok_or_else(|| format!("its input \"{}\" is {}", tensor.name, kind_name(tensor.kind)))
    }

    /// What holds input `i` in the file's order of axes.
    pub(super) fn in_order(&mut self, node: &Node<'_>, i: usize) -> Lowered<String> {
        let (held, tensor) = (self.operand(node, i)?, self.input(node, i)?);
        if tensor.dims.len() != 4 {
            return Ok(held);
        }
        let plain = self.name(&tensor.name, "nhwc");
        self.node("Transpose", &[held], &plain, &[sizes("perm", &TO_NHWC)]);
        Ok(plain)
    }

    /// Stores floats, channels first where they have four dimensions.
    pub(super) fn image_constant(&mut self, name: &str, values: ArrayD<f32>) -> String {
        let values = if values.ndim() == 4 { values.permuted_axes(&TO_NCHW[..]) } else { values };
        self.floats_as(name, &values)
    }

    /// Stores floats as they are.
    pub(super) fn floats_as(&mut self, name: &str, values: &ArrayD<f32>) -> String {
        let name = self.name(name, "constant");
        self.graph.initializer.push(TensorProto {
            name: name.clone(),
            dims: values.shape().iter().map(|&d| d as i64).collect(),
            data_type: DataType::Float as i32,
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..Default::default()
        });
        name
    }

    /// Stores one float.
    pub(super) fn number(&mut self, name: &str, value: f32) -> String {
        self.floats_as(name, &ArrayD::from_elem(IxDyn(&[]), value))
    }

    /// Stores integers.
    pub(super) fn integers_as(&mut self, name: &str, values: &[i64]) -> String {
        let name = self.name(name, "constant");
        self.graph.initializer.push(TensorProto {
            name: name.clone(),
            dims: vec![values.len() as i64],
            data_type: DataType::Int64 as i32,
            int64_data: values.to_vec(),
            ..Default::default()
        });
        name
    }

    /// Appends a node.
    fn node(&mut self, op: &str, inputs: &[String], output: &str, attributes: &[AttributeProto]) {
        self.node_of(&[output.to_owned()], op, inputs, attributes);
    }

    /// Appends a node that makes several tensors.
    pub(super) fn node_of(
        &mut self,
        outputs: &[String],
        op: &str,
        inputs: &[String],
        attributes: &[AttributeProto],
    ) {
        self.graph.node.push(NodeProto {
            name: outputs.first().cloned().unwrap_or_default(),
            op_type: op.to_owned(),
            input: inputs.to_vec(),
            output: outputs.to_vec(),
            attribute: attributes.to_vec(),
            ..Default::default()
        });
    }

    /// Appends a node whose result only others read.
    pub(super) fn step(
        &mut self,
        node: &Node<'_>,
        op: &str,
        inputs: &[String],
        attributes: &[AttributeProto],
    ) -> Lowered<String> {
        let first = node.outputs.first().ok_or("it has no output")?;
        let name = self.name(&self.file.tensors[*first].name, &op.to_lowercase());
        self.node(op, inputs, &name, attributes);
        Ok(name)
    }

    /// Appends the node that computes an operator's output, channels first where it has four dimensions.
    pub(super) fn emit(
        &mut self,
        node: &Node<'_>,
        op: &str,
        inputs: &[String],
        attributes: &[AttributeProto],
    ) -> Lowered {
        self.emit_to(only(node)?, op, inputs, attributes)
    }

    /// The same for one tensor of several that an operator makes.
    pub(super) fn emit_to(
        &mut self,
        id: usize,
        op: &str,
        inputs: &[String],
        attributes: &[AttributeProto],
    ) -> Lowered {
        let tensor = &self.file.tensors[id];
        let edge = tensor.dims.len() == 4 && self.file.outputs.contains(&id);
        let name = if edge { self.name(&tensor.name, "nchw") } else { tensor.name.clone() };
        self.node(op, inputs, &name, attributes);
        self.names[id] = Some(name);
        Ok(())
    }

    /// The same, with a fused activation behind it.
    pub(super) fn emit_activated(
        &mut self,
        node: &Node<'_>,
        op: &str,
        inputs: &[String],
        attributes: &[AttributeProto],
        activation: ActivationFunctionType,
    ) -> Lowered {
        if activation == ActivationFunctionType::NONE {
            return self.emit(node, op, inputs, attributes);
        }
        let linear = self.step(node, op, inputs, attributes)?;
        self.activate(node, linear, activation)
    }

    /// Appends the activation that ends an operator.
    pub(super) fn activate(
        &mut self,
        node: &Node<'_>,
        x: String,
        activation: ActivationFunctionType,
    ) -> Lowered {
        let (low, high) = match activation {
            ActivationFunctionType::NONE => return self.emit(node, "Identity", &[x], &[]),
            ActivationFunctionType::RELU => return self.emit(node, "Relu", &[x], &[]),
            ActivationFunctionType::TANH => return self.emit(node, "Tanh", &[x], &[]),
            ActivationFunctionType::RELU6 => (0.0, 6.0),
            ActivationFunctionType::RELU_N1_TO_1 => (-1.0, 1.0),
            other => {
                return Err(format!("its activation is {}", other.variant_name().unwrap_or("unknown")));
            }
        };
        let bounds = [self.number(&x, low), self.number(&x, high)];
        self.emit(node, "Clip", &[&[x][..], &bounds].concat(), &[])
    }

    /// Makes `plain`, in the file's order of axes, the output of a node.
    pub(super) fn emit_in_order(&mut self, node: &Node<'_>, plain: String) -> Lowered {
        self.emit_in_order_to(only(node)?, plain)
    }

    /// The same for one tensor of several that an operator makes.
    fn emit_in_order_to(&mut self, id: usize, plain: String) -> Lowered {
        match self.file.tensors[id].dims.len() {
            4 => self.emit_to(id, "Transpose", &[plain], &[sizes("perm", &TO_NCHW)]),
            _ => self.emit_to(id, "Identity", &[plain], &[]),
        }
    }

    /// Makes the elements of `plain`, in the file's order, tensor `id`, whose shape may be another.
    pub(super) fn emit_shaped(&mut self, node: &Node<'_>, id: usize, plain: String) -> Lowered {
        let dims: Vec<i64> = self.file.tensors[id].dims.iter().map(|&d| d as i64).collect();
        let shape = self.integers_as(&plain, &dims);
        let shaped = self.step(node, "Reshape", &[plain, shape], &[])?;
        self.emit_in_order_to(id, shaped)
    }

    /// Appends what holds tensor `t`, which lies in `plain` in the file's order of axes.
    fn give(&mut self, t: usize, plain: &str) {
        let mut name = plain.to_owned();
        if self.file.tensors[t].dims.len() == 4 {
            name = self.name(plain, "nchw");
            self.node("Transpose", &[plain.to_owned()], &name, &[sizes("perm", &TO_NCHW)]);
        }
        self.names[t] = Some(name);
    }
}

fn only(node: &Node<'_>) -> Lowered<usize> {
    match node.outputs[..] {
        [t] => Ok(t),
        _ => Err(format!("it has {} outputs", node.outputs.len())),
    }
}

/// Where an axis of the file is in ONNX; negative ones count from the end.
pub(super) fn axis(rank: usize, axis: i64) -> Lowered<usize> {
    let from_start = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let found = usize::try_from(from_start).ok().filter(|&a| a < rank);
    let found = found.ok_or_else(|| format!("it has axis {axis} of {rank}"))?;
    // Axis `found` of the file is at the place that names it.
    Ok(if rank == 4 { TO_NCHW.iter().position(|&a| a == found).unwrap_or(found) } else { found })
}
