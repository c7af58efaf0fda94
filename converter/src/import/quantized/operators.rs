//! The float counterpart of each quantized operator. Sources: the ONNX operator definitions; for those of the domain
//! `com.microsoft`, ONNX Runtime's `ContribOperators.md`.

use super::constants::{self, Integers};
use super::{Code, Rewriter};
use crate::ir::GivenLayer;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto};

/// How an operator is made float.
#[derive(Clone, Copy)]
enum Kind {
    /// Scales appear or disappear.
    Scale(fn(&mut Rewriter, &NodeProto) -> Result<(), String>),
    /// One activation; x, its scale and zero point, those of the result.
    Unary(&'static str),
    /// Two activations, each with its scale and zero point, then those of the result.
    Binary(&'static str),
    /// Weights, and where the inputs behind the activation are; see [`Rewriter::linear_layer`].
    Layer(&'static str, [usize; 8]),
    /// Sums of integers without a scale.
    Sums(&'static str),
}

/// A quantized operator: its name, how it is made float, and how far its results are from ONNX Runtime's.
type Row = (&'static str, Kind, &'static str);

const EQUAL: &str = "equal";
const TIES: &str = "equal but for values halfway between two steps";
const CALIBRATED: &str = "integers of the weights; scales of activations are calibrated";

/// All that are known, in alphabetical order. A missing input has the place `NONE`.
const NONE: usize = usize::MAX;
const OPERATORS: &[Row] = &[
    ("ConvInteger", Kind::Sums("Conv"), CALIBRATED),
    ("DequantizeLinear", Kind::Scale(Rewriter::dequantize), EQUAL),
    ("DynamicQuantizeLinear", Kind::Scale(Rewriter::quantize_dynamically), CALIBRATED),
    ("MatMulInteger", Kind::Sums("MatMul"), CALIBRATED),
    ("QGemm", Kind::Layer("Gemm", [1, 2, 3, 4, 5, 7, 8, 6]), EQUAL),
    ("QLinearAdd", Kind::Binary("Add"), TIES),
    ("QLinearAveragePool", Kind::Unary("AveragePool"), TIES),
    ("QLinearConcat", Kind::Scale(Rewriter::concat), EQUAL),
    ("QLinearConv", Kind::Layer("Conv", [1, 2, 3, 4, 5, 6, 7, 8]), EQUAL),
    ("QLinearGlobalAveragePool", Kind::Unary("GlobalAveragePool"), TIES),
    ("QLinearLeakyRelu", Kind::Unary("LeakyRelu"), TIES),
    ("QLinearMatMul", Kind::Layer("MatMul", [1, 2, 3, 4, 5, 6, 7, NONE]), EQUAL),
    ("QLinearMul", Kind::Binary("Mul"), TIES),
    ("QLinearReduceMean", Kind::Unary("ReduceMean"), "which has no kernel for it"),
    ("QLinearSigmoid", Kind::Unary("Sigmoid"), TIES),
    ("QLinearSoftmax", Kind::Unary("Softmax"), "steps of 1/256 brought to the file's scale"),
    ("QuantizeLinear", Kind::Scale(Rewriter::quantize), EQUAL),
];

fn find(op: &str) -> Option<Kind> {
    OPERATORS.iter().find(|row| row.0 == op).map(|row| row.1)
}

/// The rows for the documentation.
pub(crate) fn supported() -> Vec<[&'static str; 3]> {
    let float = |kind: &Kind| match *kind {
        Kind::Scale(_) => "",
        Kind::Unary(op) | Kind::Binary(op) | Kind::Layer(op, _) | Kind::Sums(op) => op,
    };
    OPERATORS.iter().map(|(name, kind, note)| [*name, float(kind), *note]).collect()
}

/// Whether an operator reads or writes quantized tensors by its nature.
pub(super) fn is_quantized(node: &NodeProto) -> bool {
    find(&node.op_type).is_some()
}

/// Float operators that only move elements.
const MOVES: [&str; 11] = [
    "Reshape",
    "Flatten",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Identity",
    "Dropout",
    "Slice",
    "Gather",
    "DepthToSpace",
    "SpaceToDepth",
];
/// Float operators that choose elements: with those that move them, they may work on integers as they are.
const CHOICES: [&str; 2] = ["MaxPool", "Concat"];

/// Whether an operator only moves elements.
pub(super) fn only_moves(op: &str) -> bool {
    MOVES.contains(&op)
}

fn input(node: &NodeProto, i: usize) -> &str {
    node.input.get(i).map_or("", String::as_str)
}

fn output(node: &NodeProto) -> &str {
    node.output.first().map_or("", String::as_str)
}

fn int(node: &NodeProto, name: &str, default: i64) -> i64 {
    node.attribute.iter().find(|a| a.name == name).map_or(default, |a| a.i)
}

/// The attributes that the float operator knows as well.
fn without(attributes: &[AttributeProto], names: &[&str]) -> Vec<AttributeProto> {
    attributes.iter().filter(|a| !names.contains(&a.name.as_str())).cloned().collect()
}

impl Rewriter {
    /// Puts floats in the place of one node.
    pub(super) fn node(&mut self, node: NodeProto) -> Result<(), String> {
        match find(&node.op_type) {
            Some(Kind::Scale(f)) => f(self, &node),
            Some(Kind::Unary(op)) => self.unary(&node, op),
            Some(Kind::Binary(op)) => self.binary(&node, op),
            Some(Kind::Layer(op, at)) => self.linear_layer(&node, op, at),
            Some(Kind::Sums(op)) => self.sum_of_products(&node, op),
            None => self.float(node),
        }
    }

    fn emit(&mut self, node: &NodeProto, op: &str, inputs: Vec<String>, ignored: &[&str]) {
        self.nodes.push(NodeProto {
            op_type: op.to_owned(),
            domain: String::new(),
            input: inputs,
            output: vec![output(node).to_owned()],
            attribute: without(&node.attribute, ignored),
            ..node.clone()
        });
    }

    fn quantize(&mut self, node: &NodeProto) -> Result<(), String> {
        let quant = self.quant(input(node, 1), input(node, 2))?;
        let real = self.real(input(node, 0));
        self.encoded(output(node), &real, quant)
    }

    fn dequantize(&mut self, node: &NodeProto) -> Result<(), String> {
        let (x, y) = (input(node, 0), output(node).to_owned());
        if self.constants.contains_key(x) {
            let scales = self.scales(input(node, 1))?;
            let integers = self.integers(x, scales, input(node, 2), int(node, "axis", 1))?;
            self.konst_as(&y, &integers.dims, &integers.reals());
            self.integers.insert(y, integers);
            return Ok(());
        }
        let quant = self.quant(input(node, 1), input(node, 2))?;
        let real = self.decoded(x, quant)?;
        self.same.insert(y, real);
        Ok(())
    }

    /// Its scale is computed from the values; what is computed with it is real all the same, at the scale 1.
    fn quantize_dynamically(&mut self, node: &NodeProto) -> Result<(), String> {
        let real = self.real(input(node, 0));
        self.codes.insert(output(node).to_owned(), Code { real, quant: None });
        if let Some(scale) = node.output.get(1).filter(|s| !s.is_empty()) {
            self.konst_as(&scale.clone(), &[], &[1.0]);
        }
        Ok(())
    }

    fn unary(&mut self, node: &NodeProto, op: &str) -> Result<(), String> {
        if int(node, "channels_last", 0) != 0 {
            return Err("its channels come last".to_owned());
        }
        let quant = self.quant(input(node, 1), input(node, 2))?;
        let real = self.decoded(input(node, 0), quant)?;
        let y = self.quant(input(node, 3), input(node, 4))?;
        self.emit(node, op, vec![real], &["channels_last", "opset"]);
        self.encoded(output(node), output(node), y)
    }

    fn binary(&mut self, node: &NodeProto, op: &str) -> Result<(), String> {
        let mut reals = Vec::new();
        for at in [0, 3] {
            let (x, scale, zero) = (input(node, at), input(node, at + 1), input(node, at + 2));
            reals.push(if self.constants.contains_key(x) {
                let integers = self.integers(x, self.scales(scale)?, zero, 0)?;
                self.konst(x, &integers.dims, &integers.reals())
            } else {
                let quant = self.quant(scale, zero)?;
                self.decoded(x, quant)?
            });
        }
        let y = self.quant(input(node, 6), input(node, 7))?;
        self.emit(node, op, reals, &[]);
        self.encoded(output(node), output(node), y)
    }

    fn concat(&mut self, node: &NodeProto) -> Result<(), String> {
        let mut reals = Vec::new();
        for at in (2..node.input.len()).step_by(3) {
            let quant = self.quant(input(node, at + 1), input(node, at + 2))?;
            reals.push(self.decoded(input(node, at), quant)?);
        }
        let y = self.quant(input(node, 0), input(node, 1))?;
        self.emit(node, "Concat", reals, &[]);
        self.encoded(output(node), output(node), y)
    }

    /// Convolutions and dense layers. `at` says where their inputs are: scale and zero point of x, the weights with
    /// theirs, scale and zero point of y, the bias.
    fn linear_layer(&mut self, node: &NodeProto, op: &str, at: [usize; 8]) -> Result<(), String> {
        let [xs, xz, w, ws, wz, ys, yz, b] = at.map(|i| input(node, i));
        let x = self.quant(xs, xz)?;
        let real = self.decoded(input(node, 0), x)?;
        let axis = outputs_axis(node, op, self.constants.get(w).map_or(2, |t| t.dims.len()));
        let weights = self.integers(w, self.scales(ws)?, wz, axis as i64)?;
        let mut inputs = vec![real, self.konst(w, &weights.dims, &weights.reals())];
        let mut layer = weights.layer(axis)?;
        if !b.is_empty() {
            let units = weights.scales.iter().map(|s| s * x.scale).collect();
            let bias = self.integers(b, units, "", -1)?;
            inputs.push(self.konst(b, &bias.dims, &bias.reals()));
            layer.bias = bias.values;
        }
        self.emit(node, op, inputs, &[]);
        self.given.layers.insert(node.name.clone(), layer);
        if ys.is_empty() {
            return Ok(());
        }
        let y = self.quant(ys, yz)?;
        self.encoded(output(node), output(node), y)
    }

    /// Sums of integers, whose scale later nodes multiply onto them: the reals over the scale of x.
    fn sum_of_products(&mut self, node: &NodeProto, op: &str) -> Result<(), String> {
        let (x, w) = (input(node, 0).to_owned(), input(node, 1));
        let code = self.codes.get(&x).cloned();
        let code = code.ok_or_else(|| format!("the scale of \"{x}\" is not known here"))?;
        let unit = code.quant.map_or(1.0, |q| 1.0 / q.scale);
        let axis = outputs_axis(node, op, self.constants.get(w).map_or(2, |t| t.dims.len()));
        let weights = self.integers(w, vec![unit], input(node, 3), axis as i64)?;
        let inputs = vec![code.real, self.konst(w, &weights.dims, &weights.reals())];
        self.given.layers.insert(node.name.clone(), weights.layer(axis)?);
        self.emit(node, op, inputs, &[]);
        self.sums.insert(output(node).to_owned());
        Ok(())
    }

    /// Operators that are float already, or work on integers as they are.
    fn float(&mut self, mut node: NodeProto) -> Result<(), String> {
        let op = node.op_type.clone();
        let quants: Vec<_> = node.input.iter().filter_map(|i| self.codes.get(i)?.quant).collect();
        if let Some(layer) = self.layer_of(&node)? {
            self.given.layers.insert(node.name.clone(), layer);
        }
        if node.input.iter().any(|i| self.codes.contains_key(i)) {
            let same = quants.windows(2).all(|q| q[0] == q[1]);
            let all = op != "Concat" || quants.len() == node.input.len();
            if !(only_moves(&op) || CHOICES.contains(&op.as_str())) || !same || !all || quants.is_empty() {
                return Err(format!("{op} over integers is not possible"));
            }
            self.encoded(output(&node), output(&node), quants[0])?;
        }
        let of_sums = node.input.iter().any(|i| self.sums.contains(i));
        for i in 0..node.input.len() {
            let name = node.input[i].clone();
            let whole =
                self.constants.get(&name).filter(|t| of_sums && t.data_type == DataType::Int32 as i32);
            node.input[i] = match whole.and_then(|t| Some((t.dims.clone(), constants::integers(t)?))) {
                Some((dims, values)) => {
                    self.konst(&name, &dims, &values.iter().map(|&v| v as f32).collect::<Vec<_>>())
                }
                None => self.real(&name),
            };
        }
        if of_sums && op == "Add" {
            self.sums.insert(output(&node).to_owned());
        }
        self.nodes.push(node);
        Ok(())
    }

    /// The integers behind the weights of a float layer; none behind float weights.
    fn layer_of(&self, node: &NodeProto) -> Result<Option<GivenLayer>, String> {
        let op = node.op_type.as_str();
        let weights = self.integers.get(input(node, 1)).filter(|_| ["Conv", "Gemm", "MatMul"].contains(&op));
        let Some(weights) = weights else { return Ok(None) };
        let layer = weights.layer(outputs_axis(node, op, weights.dims.len()))?;
        let bias = self.integers.get(input(node, 2)).map(|b: &Integers| b.values.clone());
        Ok(Some(GivenLayer { bias: bias.unwrap_or_default(), ..layer }))
    }
}

/// Which axis of the weights counts the outputs.
fn outputs_axis(node: &NodeProto, op: &str, rank: usize) -> usize {
    match op {
        "Conv" => 0,
        "Gemm" if int(node, "transB", 0) != 0 => 0,
        _ => rank.saturating_sub(1),
    }
}
