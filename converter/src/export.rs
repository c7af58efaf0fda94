//! The float graph as an ONNX file, so that nothing is locked in: what training and passes have made of a network can be
//! opened by any other tool, and goes the way of every other network through `mote convert`.
//!
//! The graph must be in ONNX's layout, as imported. Values keep their names; constants become initializers.

use crate::error::{Error, Result};
use crate::ir::{Activation, Blend, Clamp, Graph, Layout, Node, Op, Tensor, ValueId, Window};
use crate::proto::{float, info, int, size, sizes, text};
use mote_format::Quant;
use prost::Message;
use std::collections::{BTreeMap, HashMap, HashSet};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto};

/// The version of the operators that are written.
const OPSET: i64 = 20;

/// The bytes of the ONNX file that computes the same as the graph.
pub fn onnx(graph: &Graph) -> Result<Vec<u8>> {
    quantized(graph, &BTreeMap::new())
}

/// The same in int8: each value that has a scale goes through QuantizeLinear and DequantizeLinear, and so do the weights and
/// biases of layers whose input has one. `mote convert` and other tools compute with these integers.
pub fn quantized(graph: &Graph, quants: &BTreeMap<ValueId, Quant>) -> Result<Vec<u8>> {
    written(graph, quants, None)
}

/// The same in floats, which any tool runs with the roundings of int8: values are divided by their scale, rounded, and
/// multiplied. The channels of a value can be divided by something else before. Weights and biases are as they are.
pub(crate) fn simulated(
    graph: &Graph,
    quants: &BTreeMap<ValueId, Quant>,
    divided: &HashMap<ValueId, Vec<f32>>,
) -> Result<Vec<u8>> {
    written(graph, quants, Some(divided))
}

fn written(
    graph: &Graph,
    quants: &BTreeMap<ValueId, Quant>,
    simulated: Option<&HashMap<ValueId, Vec<f32>>>,
) -> Result<Vec<u8>> {
    if graph.layout != Layout::Nchw {
        return Err(Error::internal("the graph to export has its channels last"));
    }
    let taken = graph.values.iter().map(|v| v.name.clone()).collect();
    let proto = GraphProto::default();
    let (stored, read_as) = (HashSet::new(), HashMap::new());
    let mut writer = Writer { graph, quants, simulated, proto, taken, stored, read_as };
    writer.proto.name = if graph.name.is_empty() { "network".into() } else { graph.name.clone() };
    for &input in &graph.inputs {
        let value = graph.value(input);
        writer.proto.input.push(info(&value.name, &value.shape));
        if let Some(&quant) = quants.get(&input) {
            let read = writer.fresh(&value.name, "dequantized");
            writer.at_scale(input, &value.name, quant, &read);
            writer.read_as.insert(input, read);
        }
    }
    for node in &graph.nodes {
        writer.node(node)?;
    }
    for &output in &graph.outputs {
        let value = graph.value(output);
        writer.proto.output.push(info(&value.name, &value.shape));
    }
    let model = ModelProto {
        ir_version: 9,
        producer_name: "mote".into(),
        opset_import: vec![OperatorSetIdProto { version: OPSET, ..Default::default() }],
        graph: Some(writer.proto),
        ..Default::default()
    };
    Ok(model.encode_to_vec())
}

/// The real value of a unit of each output's weights, `[outputs, …]`: the largest magnitude is 127.
pub(crate) fn weight_scales(weights: &[f32], outputs: usize) -> Vec<f32> {
    let largest = |row: &[f32]| row.iter().fold(0f32, |m, w| m.max(w.abs()));
    weights.chunks(weights.len() / outputs.max(1)).map(|row| (largest(row) / 127.0).max(1e-12)).collect()
}

struct Writer<'a> {
    graph: &'a Graph,
    quants: &'a BTreeMap<ValueId, Quant>,
    /// What channels are divided by before they are rounded, when that is done in floats.
    simulated: Option<&'a HashMap<ValueId, Vec<f32>>>,
    proto: GraphProto,
    taken: HashSet<String>,
    /// Constants that are written already.
    stored: HashSet<ValueId>,
    /// What is read in place of a value.
    read_as: HashMap<ValueId, String>,
}

impl Writer<'_> {
    fn node(&mut self, node: &Node) -> Result<()> {
        let out = self.graph.value(node.output).name.clone();
        let quant = self.quants.get(&node.output).copied();
        let real = if quant.is_some() { self.fresh(&out, "real") } else { out.clone() };
        match node.clamp {
            None => self.plain(node, &real)?,
            Some(clamp) => {
                let linear = self.fresh(&out, "linear");
                self.plain(node, &linear)?;
                self.clip(&linear, clamp, &real);
            }
        }
        if let Some(quant) = quant {
            self.at_scale(node.output, &real, quant, &out);
        }
        Ok(())
    }

    /// Makes `out` of `real`, the value `id` rounded at a scale.
    fn at_scale(&mut self, id: ValueId, real: &str, quant: Quant, out: &str) {
        if let Some(divided) = self.simulated {
            return self.in_floats(divided.get(&id).map(Vec::as_slice), real, quant, out);
        }
        let scale = self.numbers(out, &[quant.scale], &[]);
        let zero = self.fresh(out, "zero");
        self.store(zero.clone(), Vec::new(), DataType::Int8, vec![quant.zero as i8 as u8]);
        let whole = self.fresh(out, "quantized");
        self.emit(
            &whole,
            "QuantizeLinear",
            &[real.to_owned(), scale.clone(), zero.clone()],
            &whole,
            Vec::new(),
        );
        self.emit(out, "DequantizeLinear", &[whole.clone(), scale, zero], out, Vec::new());
    }

    /// The same by float operators, for a value whose channels, the second axis, are divided by something.
    fn in_floats(&mut self, divided: Option<&[f32]>, real: &str, quant: Quant, out: &str) {
        let shape = divided.map_or(Vec::new(), |by| vec![1, by.len(), 1, 1]);
        let units: Vec<f32> = divided.unwrap_or(&[1.0]).iter().map(|by| by * quant.scale).collect();
        let units = self.numbers(out, &units, &shape);
        let [scaled, whole, inside, name] =
            ["scaled", "whole", "inside", "restored"].map(|part| self.fresh(out, part));
        self.emit(&scaled, "Div", &[real.to_owned(), units.clone()], &scaled, Vec::new());
        self.emit(&whole, "Round", std::slice::from_ref(&scaled), &whole, Vec::new());
        let [min, max] = [-128, 127].map(|end| (end - quant.zero) as f32);
        self.clip(&whole, Clamp { min, max }, &inside);
        self.emit(&name, "Mul", &[inside, units], out, Vec::new());
    }

    /// The operands of a layer: its weights and bias as integers when its input has a scale.
    fn layer(&mut self, node: &Node) -> Result<Vec<String>> {
        let quant = self.quants.get(&node.inputs[0]).copied();
        let Some(x) = quant.filter(|_| self.simulated.is_none()) else {
            return Ok(node.inputs.iter().map(|&i| self.operand(i)).collect());
        };
        let graph = self.graph;
        let floats = |place: usize| -> Result<(Vec<f32>, &[usize], &str)> {
            let id = node.inputs[place];
            let numbers = graph.konst(id).ok_or_else(|| Error::internal("weights that are not constant"))?;
            Ok((numbers.iter().copied().collect(), graph.shape(id), &graph.value(id).name))
        };
        let mut operands = vec![self.operand(node.inputs[0])];
        let (weights, shape, name) = floats(1)?;
        let scales = weight_scales(&weights, shape[0]);
        let run = weights.len() / shape[0].max(1);
        let one = |(i, w): (usize, &f32)| (w / scales[i / run]).round_ties_even() as i8 as u8;
        let integers = weights.iter().enumerate().map(one).collect();
        operands.push(self.integers_of(name, shape, DataType::Int8, integers, &scales));
        if node.inputs.len() > 2 {
            let (bias, shape, name) = floats(2)?;
            let units: Vec<f32> = scales.iter().map(|scale| scale * x.scale).collect();
            let one = |(b, unit): (&f32, &f32)| ((b / unit).round_ties_even() as i32).to_le_bytes();
            let integers = bias.iter().zip(&units).flat_map(one).collect();
            operands.push(self.integers_of(name, shape, DataType::Int32, integers, &units));
        }
        Ok(operands)
    }

    /// Stores integers with a scale for each index of the first axis; gives the name of the reals.
    fn integers_of(
        &mut self,
        name: &str,
        shape: &[usize],
        kind: DataType,
        raw: Vec<u8>,
        scales: &[f32],
    ) -> String {
        let [whole, reals, zeros] = ["quantized", "dequantized", "zeros"].map(|part| self.fresh(name, part));
        self.store(whole.clone(), shape.iter().map(|&d| d as i64).collect(), kind, raw);
        let width = if kind == DataType::Int8 { 1 } else { 4 };
        self.store(zeros.clone(), vec![scales.len() as i64], kind, vec![0; scales.len() * width]);
        let scales = self.numbers(name, scales, &[scales.len()]);
        self.emit(&reals, "DequantizeLinear", &[whole, scales, zeros], &reals, vec![int("axis", 0)]);
        reals
    }

    /// The node without its bounds.
    fn plain(&mut self, node: &Node, out: &str) -> Result<()> {
        let graph = self.graph;
        let inputs: Vec<String> = match node.op {
            Op::Conv { .. } | Op::FullyConnected => self.layer(node)?,
            _ => node.inputs.iter().map(|&i| self.operand(i)).collect(),
        };
        let mut emit = |op: &str, attributes: Vec<AttributeProto>| {
            self.emit(&node.name, op, &inputs, out, attributes);
        };
        match &node.op {
            Op::Conv { stride, dilation, pads, groups } => {
                let kernel = &graph.shape(node.inputs[1])[2..];
                let list = |name: &str, values: &[usize]| sizes(name, values);
                emit(
                    "Conv",
                    vec![
                        list("kernel_shape", kernel),
                        list("strides", stride),
                        list("dilations", dilation),
                        list("pads", pads),
                        size("group", *groups),
                    ],
                );
            }
            Op::ConvTranspose { stride, cut } => {
                return self.conv_transpose(node, inputs, out, *stride, *cut);
            }
            Op::FullyConnected => emit("Gemm", vec![int("transB", 1)]),
            Op::BatchNorm { epsilon } => emit("BatchNormalization", vec![float("epsilon", *epsilon)]),
            Op::MaxPool(w) => emit("MaxPool", [window(w), vec![sizes("dilations", &w.dilation)]].concat()),
            Op::AveragePool(w) => emit("AveragePool", window(w)),
            Op::SumPool(w) => {
                let mean = self.fresh(out, "mean");
                let attributes = [window(w), vec![int("count_include_pad", 1)]].concat();
                self.emit(&mean, "AveragePool", &inputs, &mean, attributes);
                let area = self.numbers(out, &[(w.kernel[0] * w.kernel[1]) as f32], &[]);
                self.emit(&node.name, "Mul", &[mean, area], out, Vec::new());
            }
            Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Maximum | Op::Minimum | Op::PRelu | Op::Identity => {
                emit(node.op.name(), Vec::new())
            }
            Op::Activation(function) => self.activation(*function, node, &inputs, out),
            Op::Softmax { axis } => emit("Softmax", vec![size("axis", *axis)]),
            Op::ArgMax { .. } | Op::TopK { .. } | Op::Function(_) => return Err(unknown(node)),
            Op::Slice { begin, steps, counts } => self.slice(node, &inputs, out, [begin, counts], steps),
            Op::Gather { axis, indices } => self.gather(&node.name, &inputs[0], *axis, indices, out),
            Op::Resize { rows, cols } => {
                let tall = self.blend(&inputs[0], 2, rows, None);
                self.blend(&tall, 3, cols, Some(out));
            }
            Op::Concat { axis } => emit("Concat", vec![size("axis", *axis)]),
            Op::Pad { before, after, value } => {
                let amounts: Vec<i64> = before.iter().chain(after).map(|&n| n as i64).collect();
                let amounts = self.integers(out, &amounts);
                let value = self.numbers(out, &[*value], &[]);
                self.emit(&node.name, "Pad", &[inputs[0].clone(), amounts, value], out, Vec::new());
            }
            Op::Reshape => {
                let shape: Vec<i64> = graph.shape(node.output).iter().map(|&d| d as i64).collect();
                let shape = self.integers(out, &shape);
                self.emit(&node.name, "Reshape", &[inputs[0].clone(), shape], out, Vec::new());
            }
            Op::Transpose { perm } => emit("Transpose", vec![sizes("perm", perm)]),
        }
        Ok(())
    }

    /// A transposed convolution, whose weights ONNX has the other way round.
    fn conv_transpose(
        &mut self,
        node: &Node,
        mut inputs: Vec<String>,
        out: &str,
        stride: [usize; 2],
        cut: [usize; 2],
    ) -> Result<()> {
        let graph = self.graph;
        let weights =
            graph.konst(node.inputs[1]).and_then(|w| Tensor::F32(w.clone()).transposed(&[1, 0, 2, 3]));
        let weights = weights.ok_or_else(|| Error::internal("weights that are not constant"))?;
        let numbers: Vec<f32> = weights.as_f32().into_iter().flatten().copied().collect();
        inputs[1] = self.numbers(&inputs[1], &numbers, weights.shape());
        let [x, y] = [graph.shape(node.inputs[0]), graph.shape(node.output)];
        let (mut pads, mut more) = ([cut[0], cut[1], 0, 0], [0; 2]);
        for axis in 0..2 {
            let whole = (x[axis + 2] - 1) * stride[axis] + weights.shape()[axis + 2];
            let wanted = cut[axis] + y[axis + 2];
            pads[axis + 2] = whole.saturating_sub(wanted);
            more[axis] = wanted.saturating_sub(whole);
        }
        let attributes =
            vec![sizes("strides", &stride), sizes("pads", &pads), sizes("output_padding", &more)];
        self.emit(&node.name, "ConvTranspose", &inputs, out, attributes);
        Ok(())
    }

    fn activation(&mut self, function: Activation, node: &Node, inputs: &[String], out: &str) {
        let attributes = match function {
            Activation::Clip { min, max } => return self.clip(&inputs[0], Clamp { min, max }, out),
            Activation::Pow { exponent } => {
                let exponent = self.numbers(out, &[exponent], &[]);
                return self.emit(&node.name, "Pow", &[inputs[0].clone(), exponent], out, Vec::new());
            }
            Activation::Elu { alpha, gamma } if gamma != 1.0 => {
                vec![float("alpha", alpha), float("gamma", gamma)]
            }
            Activation::LeakyRelu { alpha }
            | Activation::ThresholdedRelu { alpha }
            | Activation::Elu { alpha, .. } => vec![float("alpha", alpha)],
            Activation::HardSigmoid { alpha, beta } => vec![float("alpha", alpha), float("beta", beta)],
            Activation::GeluTanh => vec![text("approximate", "tanh")],
            _ => Vec::new(),
        };
        self.emit(&node.name, function.name(), inputs, out, attributes);
    }

    /// Bounds: ReLU where that is what they are.
    fn clip(&mut self, x: &str, clamp: Clamp, out: &str) {
        if clamp.min == 0.0 && clamp.max == f32::INFINITY {
            return self.emit(out, "Relu", &[x.to_owned()], out, Vec::new());
        }
        let bound = |writer: &mut Self, value: f32| match value.is_finite() {
            true => writer.numbers(out, &[value], &[]),
            false => String::new(),
        };
        let bounds = [bound(self, clamp.min), bound(self, clamp.max)];
        self.emit(out, "Clip", &[&[x.to_owned()], &bounds[..]].concat(), out, Vec::new());
    }

    fn slice(
        &mut self,
        node: &Node,
        inputs: &[String],
        out: &str,
        [begin, counts]: [&[usize]; 2],
        steps: &[i64],
    ) {
        let begins: Vec<i64> = begin.iter().map(|&b| b as i64).collect();
        // An end before the first element is told by a number below all that count from the end.
        let ends = (0..counts.len()).map(|a| match begins[a] + steps[a] * counts[a] as i64 {
            end if end < 0 => i64::MIN,
            end => end,
        });
        let ends: Vec<i64> = ends.collect();
        let axes: Vec<i64> = (0..counts.len() as i64).collect();
        let lists = [&begins, &ends, &axes, steps].map(|list| self.integers(out, list));
        self.emit(&node.name, "Slice", &[&inputs[..1], &lists[..]].concat(), out, Vec::new());
    }

    fn gather(&mut self, name: &str, x: &str, axis: usize, indices: &[usize], out: &str) {
        let indices: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
        let indices = self.integers(out, &indices);
        self.emit(name, "Gather", &[x.to_owned(), indices], out, vec![size("axis", axis)]);
    }

    /// Mixtures of two slices each, written out.
    fn blend(&mut self, x: &str, axis: usize, blends: &[Blend], out: Option<&str>) -> String {
        let name = |writer: &mut Self, part: &str| writer.fresh(x, part);
        let out = out.map_or_else(|| name(self, "rows"), str::to_owned);
        let pick = |of: fn(&Blend) -> usize| blends.iter().map(of).collect::<Vec<_>>();
        if blends.iter().all(|b| b.share == 0.0) {
            self.gather(&out, x, axis, &pick(|b| b.near), &out);
            return out;
        }
        let [near, far, step, part] = ["near", "far", "step", "part"].map(|p| name(self, p));
        self.gather(&near, x, axis, &pick(|b| b.near), &near);
        self.gather(&far, x, axis, &pick(|b| b.far), &far);
        let mut shape = [1; 4];
        shape[axis] = blends.len();
        let shares: Vec<f32> = blends.iter().map(|b| b.share).collect();
        let share = self.numbers(&out, &shares, &shape);
        self.emit(&step, "Sub", &[far, near.clone()], &step, Vec::new());
        self.emit(&part, "Mul", &[step.clone(), share], &part, Vec::new());
        self.emit(&out, "Add", &[near, part.clone()], &out, Vec::new());
        out
    }

    /// The name of an operand; a constant is stored when it is first read.
    fn operand(&mut self, id: ValueId) -> String {
        let value = self.graph.value(id);
        if let Some(constant) = value.konst.as_ref().filter(|_| self.stored.insert(id)) {
            let dims = constant.shape().iter().map(|&d| d as i64).collect();
            let (data_type, raw_data) = match constant {
                Tensor::F32(t) => (DataType::Float, t.iter().flat_map(|v| v.to_le_bytes()).collect()),
                Tensor::I64(t) => (DataType::Int64, t.iter().flat_map(|v| v.to_le_bytes()).collect()),
            };
            self.store(value.name.clone(), dims, data_type, raw_data);
        }
        self.read_as.get(&id).unwrap_or(&value.name).clone()
    }

    fn store(&mut self, name: String, dims: Vec<i64>, data_type: DataType, raw_data: Vec<u8>) {
        let data_type = data_type as i32;
        self.proto.initializer.push(TensorProto { name, dims, data_type, raw_data, ..Default::default() });
    }

    /// Stores floats.
    fn numbers(&mut self, base: &str, values: &[f32], shape: &[usize]) -> String {
        let name = self.fresh(base, "constant");
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.store(name.clone(), shape.iter().map(|&d| d as i64).collect(), DataType::Float, raw);
        name
    }

    /// Stores a list of integers.
    fn integers(&mut self, base: &str, values: &[i64]) -> String {
        let name = self.fresh(base, "constant");
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.store(name.clone(), vec![values.len() as i64], DataType::Int64, raw);
        name
    }

    /// A name that nothing has yet.
    fn fresh(&mut self, base: &str, suffix: &str) -> String {
        let name = crate::ir::fresh(&format!("{base}/{suffix}"), |n| self.taken.contains(n));
        self.taken.insert(name.clone());
        name
    }

    fn emit(&mut self, name: &str, op: &str, inputs: &[String], out: &str, attribute: Vec<AttributeProto>) {
        self.proto.node.push(NodeProto {
            name: name.to_owned(),
            op_type: op.to_owned(),
            input: inputs.to_vec(),
            output: vec![out.to_owned()],
            attribute,
            ..Default::default()
        });
    }
}

fn window(window: &Window) -> Vec<AttributeProto> {
    vec![sizes("kernel_shape", &window.kernel), sizes("strides", &window.stride), sizes("pads", &window.pads)]
}

fn unknown(node: &Node) -> Error {
    Error::new("cannot write the network as ONNX")
        .at_node(&node.name, node.op.name())
        .cause("its result is an index or a table, for which ONNX has another type than the graph")
        .remedy("take this node off the network's end")
}
