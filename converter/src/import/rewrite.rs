//! Operators that are written out as others, in the file itself: what lies between them is then a tensor that the reference
//! can be asked for, so that it can be calibrated like any other. Shapes are not known here.
//!
//! Numbers of other widths become floats first: `rewrite/widths.rs`. Normalisations are `rewrite/normalize.rs`.

mod normalize;
mod widths;

use super::model::{initializer_names, node_name};
use crate::error::{Error, Result};
use crate::ir::fresh;
use crate::proto::{int, ints, tensor, text};
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// The operators that are written out, in alphabetical order, each with a note on its limits.
#[rustfmt::skip]
const OPERATORS: &[(&str, Rule, &str)] = &[
    ("ArgMin", Writer::arg_min, "first of equal values"),
    ("Celu", Writer::celu, ""),
    ("GroupNormalization", Writer::group_normalization, "constant scale"),
    ("InstanceNormalization", Writer::instance_normalization, "constant scale"),
    ("LRN", Writer::lrn, "images"),
    ("LayerNormalization", Writer::layer_normalization, "one output"),
    ("LogSoftmax", Writer::log_softmax, "computed from the exponentials and their sum"),
    ("LpNormalization", Writer::lp_normalization, "p = 1 or 2"),
    ("Mean", Writer::mean, "with broadcasting"),
    ("ReduceL1", Writer::reduce_l1, "constant axes"),
    ("ReduceL2", Writer::reduce_l2, "constant axes"),
    ("ReduceLogSum", Writer::reduce_log_sum, "constant axes"),
    ("ReduceMin", Writer::reduce_min, "constant axes"),
    ("ReduceSumSquare", Writer::reduce_sum_square, "constant axes"),
    ("Swish", Writer::swish, ""),
    ("Upsample", Writer::upsample, "as Resize, by constant scales"),
];

/// Operators that are written out only in some of their forms.
#[rustfmt::skip]
const FORMS: &[(&str, Rule)] = &[
    ("Gemm", Writer::gemm),
    ("Max", Writer::chain),
    ("Min", Writer::chain),
    ("Pad", Writer::pad),
    ("Resize", Writer::resize),
    ("Slice", Writer::slice),
    ("Sum", Writer::chain),
    ("TopK", Writer::top_k),
];

/// Writes out a node; `None` where it is to stay as it is.
type Rule = fn(&mut Writer, &NodeProto) -> Option<Result<(), String>>;

/// The operators that are written out, with their limits.
pub(super) fn supported() -> impl Iterator<Item = (&'static str, &'static str)> {
    OPERATORS.iter().map(|row| (row.0, row.2))
}

/// The operator set before which there is `Upsample` and no `Resize`.
const RESIZE: i64 = 10;

/// Writes out what can be, in a graph whose nodes are in order; gives the operator set of the result.
pub(super) fn simplify(graph: &mut GraphProto, opset: i64) -> Result<i64> {
    widths::to_floats(graph)?;
    let rule = |n: &NodeProto| {
        let standard = n.domain.is_empty() || n.domain == "ai.onnx";
        let forms = FORMS.iter().map(|row| (row.0, row.1));
        let mut rules = OPERATORS.iter().map(|row| (row.0, row.1)).chain(forms);
        rules.find(|row| standard && row.0 == n.op_type).map(|row| row.1)
    };
    if !graph.node.iter().any(|n| rule(n).is_some()) {
        return Ok(opset);
    }
    let upsamples = graph.node.iter().any(|n| n.op_type == "Upsample");
    let made = graph.node.iter().flat_map(|n| n.output.iter().chain(&n.input)).cloned();
    let mut writer = Writer {
        from: opset,
        to: if upsamples { opset.max(RESIZE) } else { opset },
        taken: made.chain(initializer_names(graph).into_iter().map(str::to_owned)).collect(),
        shapes: graph.initializer.iter().map(|t| (t.name.clone(), t.dims.clone())).collect(),
        lists: lists(graph),
        nodes: Vec::new(),
        constants: Vec::new(),
        name: String::new(),
    };
    for node in std::mem::take(&mut graph.node) {
        writer.name = node_name(&node).to_owned();
        match rule(&node).and_then(|rule| rule(&mut writer, &node)) {
            None => writer.nodes.push(node),
            Some(Ok(())) => {}
            Some(Err(cause)) => {
                return Err(Error::new("cannot import an operator")
                    .at_node(node_name(&node), &node.op_type)
                    .cause(cause)
                    .remedy("export the model as docs/operators.md says"));
            }
        }
    }
    graph.node = writer.nodes;
    graph.initializer.append(&mut writer.constants);
    Ok(writer.to)
}

/// The constant lists of integers, from initializers and from Constant nodes.
fn lists(graph: &GraphProto) -> HashMap<String, Vec<i64>> {
    let list = |t: &TensorProto| {
        let raw = t.raw_data.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b));
        let values = if t.int64_data.is_empty() { raw.collect() } else { t.int64_data.clone() };
        (t.data_type == DataType::Int64 as i32 && t.dims.len() == 1).then_some(values)
    };
    let initializers = graph.initializer.iter().filter_map(|t| Some((t.name.clone(), list(t)?)));
    let constants = graph.node.iter().filter(|n| n.op_type == "Constant");
    let constants = constants.filter_map(|n| {
        let value = n.attribute.iter().find_map(|a| a.t.as_ref())?;
        Some((n.output.first()?.clone(), list(value)?))
    });
    initializers.chain(constants).collect()
}

/// A graph in the making.
struct Writer {
    /// Operator set of the file.
    from: i64,
    /// Operator set of the result.
    to: i64,
    taken: HashSet<String>,
    /// Shapes of initializers.
    shapes: HashMap<String, Vec<i64>>,
    /// Constant lists of integers.
    lists: HashMap<String, Vec<i64>>,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// Of the node that is written out.
    name: String,
}

/// What is missing in a damaged node becomes an empty name, which the importer refuses.
fn input(node: &NodeProto, i: usize) -> String {
    node.input.get(i).cloned().unwrap_or_default()
}

fn attribute<'n>(node: &'n NodeProto, name: &str) -> Option<&'n AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

impl Writer {
    fn fresh(&mut self, suffix: &str) -> String {
        let name = fresh(&format!("{}/{suffix}", self.name), |n| self.taken.contains(n));
        self.taken.insert(name.clone());
        name
    }

    /// A step whose result has no name in the file.
    fn step(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let output = self.fresh(op);
        self.push(op, output.clone(), inputs, attributes, vec![output.clone()]);
        output
    }

    /// The step that makes what the node made.
    fn last(
        &mut self,
        node: &NodeProto,
        op: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> Option<Result<(), String>> {
        self.push(op, node.name.clone(), inputs, attributes, node.output.clone());
        Some(Ok(()))
    }

    fn push(
        &mut self,
        op: &str,
        name: String,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
        output: Vec<String>,
    ) {
        let input = inputs.iter().map(|&i| i.to_owned()).collect();
        self.nodes.push(NodeProto {
            name,
            op_type: op.into(),
            input,
            output,
            attribute,
            ..Default::default()
        });
    }

    fn integers(&mut self, values: &[i64]) -> String {
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(DataType::Int64, vec![values.len() as i64], raw_data)
    }

    fn floats(&mut self, values: &[f32]) -> String {
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(DataType::Float, vec![values.len() as i64], raw_data)
    }

    fn constant(&mut self, kind: DataType, dims: Vec<i64>, raw_data: Vec<u8>) -> String {
        let name = self.fresh("constant");
        let (data_type, copy) = (kind as i32, name.clone());
        self.constants.push(TensorProto { name: copy, dims, data_type, raw_data, ..TensorProto::default() });
        name
    }

    /// A reduction of another kind of `x`, over the axes of `node`, whose attributes it takes.
    fn reduce(&mut self, node: &NodeProto, op: &str, x: &str) -> (Vec<String>, Vec<AttributeProto>) {
        let mut inputs = vec![x.to_owned()];
        let mut attributes = node.attribute.clone();
        if node.input.len() > 1 {
            inputs.push(input(node, 1));
        } else if op == "ReduceSum"
            && self.from >= 13
            && let Some(axes) = attribute(node, "axes").map(|a| a.ints.clone())
        {
            // Sums take their axes as an input in these operator sets, others not yet.
            attributes.retain(|a| a.name != "axes");
            inputs.push(self.integers(&axes));
        }
        (inputs, attributes)
    }

    fn reduced(&mut self, node: &NodeProto, op: &str, x: &str) -> String {
        let (inputs, attributes) = self.reduce(node, op, x);
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.step(op, &inputs, attributes)
    }

    fn last_reduced(&mut self, node: &NodeProto, op: &str, x: &str) -> Option<Result<(), String>> {
        let (inputs, attributes) = self.reduce(node, op, x);
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.last(node, op, &inputs, attributes)
    }

    fn reduce_min(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let negative = self.step("Neg", &[&input(node, 0)], vec![]);
        let largest = self.reduced(node, "ReduceMax", &negative);
        self.last(node, "Neg", &[&largest], vec![])
    }

    fn reduce_l1(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let size = self.step("Abs", &[&input(node, 0)], vec![]);
        self.last_reduced(node, "ReduceSum", &size)
    }

    fn reduce_sum_square(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let x = input(node, 0);
        let square = self.step("Mul", &[&x, &x], vec![]);
        self.last_reduced(node, "ReduceSum", &square)
    }

    fn reduce_l2(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let x = input(node, 0);
        let square = self.step("Mul", &[&x, &x], vec![]);
        let sum = self.reduced(node, "ReduceSum", &square);
        self.last(node, "Sqrt", &[&sum], vec![])
    }

    fn reduce_log_sum(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let sum = self.reduced(node, "ReduceSum", &input(node, 0));
        self.last(node, "Log", &[&sum], vec![])
    }

    fn arg_min(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let negative = self.step("Neg", &[&input(node, 0)], vec![]);
        self.last(node, "ArgMax", &[&negative], node.attribute.clone())
    }

    /// A reduction over some axes, which stay.
    fn along(&mut self, op: &str, x: &str, axes: &[i64]) -> String {
        let since = if op == "ReduceSum" { 13 } else { 18 };
        if self.to >= since {
            let axes = self.integers(axes);
            return self.step(op, &[x, &axes], vec![int("keepdims", 1)]);
        }
        self.step(op, &[x], vec![ints("axes", axes.iter().copied()), int("keepdims", 1)])
    }

    /// x − max − ln Σ e^(x − max). Before operator set 13 all axes from `axis` on are one.
    fn log_softmax(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let (x, old) = (input(node, 0), self.from < 13);
        let given = attribute(node, "axis").map(|a| a.i);
        let (rows, axis) = match old {
            true => (self.step("Flatten", &[&x], vec![int("axis", given.unwrap_or(1))]), 1),
            false => (x.clone(), given.unwrap_or(-1)),
        };
        let largest = self.along("ReduceMax", &rows, &[axis]);
        let below = self.step("Sub", &[&rows, &largest], vec![]);
        let powers = self.step("Exp", &[&below], vec![]);
        let sum = self.along("ReduceSum", &powers, &[axis]);
        let log = self.step("Log", &[&sum], vec![]);
        if !old {
            return self.last(node, "Sub", &[&below, &log], vec![]);
        }
        let flat = self.step("Sub", &[&below, &log], vec![]);
        let shape = self.step("Shape", &[&x], vec![]);
        self.last(node, "Reshape", &[&flat, &shape], vec![])
    }

    fn lp_normalization(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let x = input(node, 0);
        let axis = attribute(node, "axis").map_or(-1, |a| a.i);
        let length = match attribute(node, "p").map_or(2, |a| a.i) {
            1 => {
                let size = self.step("Abs", &[&x], vec![]);
                self.along("ReduceSum", &size, &[axis])
            }
            2 => {
                let square = self.step("Mul", &[&x, &x], vec![]);
                let sum = self.along("ReduceSum", &square, &[axis]);
                self.step("Sqrt", &[&sum], vec![])
            }
            p => return Some(Err(format!("its p is {p}"))),
        };
        self.last(node, "Div", &[&x, &length], vec![])
    }

    fn mean(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let sum = self.fresh("Sum");
        let (name, output) = (sum.clone(), vec![sum.clone()]);
        let all = NodeProto { name, op_type: "Sum".into(), output, ..node.clone() };
        if self.chain(&all).is_none() {
            self.nodes.push(all);
        }
        let share = self.floats(&[1.0 / node.input.len().max(1) as f32]);
        self.last(node, "Mul", &[&sum, &share], vec![])
    }

    /// Sum, Max and Min of more than two, two after two.
    fn chain(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let [first, between @ .., last] = &node.input[..] else { return None };
        if between.is_empty() {
            return None;
        }
        let mut so_far = first.clone();
        for next in between {
            so_far = self.step(&node.op_type, &[&so_far, next], vec![]);
        }
        self.last(node, &node.op_type, &[&so_far, last], vec![])
    }

    /// A C that is not a number, nor one per output, is added behind the product.
    fn gemm(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let c = node.input.get(2).filter(|c| !c.is_empty())?;
        let bias = |dims: &Vec<i64>| dims.iter().rev().skip(1).all(|&d| d == 1);
        if self.shapes.get(c).is_none_or(bias) {
            return None;
        }
        let mut attributes = node.attribute.clone();
        attributes.retain(|a| a.name != "beta");
        let product = self.step("Gemm", &[&input(node, 0), &input(node, 1)], attributes);
        let beta = attribute(node, "beta").map_or(1.0, |a| a.f);
        let beta = self.floats(&[beta]);
        let c = self.step("Mul", &[c, &beta], vec![]);
        self.last(node, "Add", &[&product, &c], vec![])
    }

    fn swish(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let (x, alpha) = (input(node, 0), attribute(node, "alpha").map_or(1.0, |a| a.f));
        let alpha = self.floats(&[alpha]);
        let scaled = self.step("Mul", &[&x, &alpha], vec![]);
        let gate = self.step("Sigmoid", &[&scaled], vec![]);
        self.last(node, "Mul", &[&x, &gate], vec![])
    }

    /// Negative amounts cut off what a slice leaves out; amounts for some axes become amounts for all.
    fn pad(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let pads = self.lists.get(node.input.get(1)?).filter(|p| p.len().is_multiple_of(2))?.clone();
        let given = node.input.get(3).filter(|axes| !axes.is_empty());
        if pads.iter().all(|&p| p >= 0) && given.is_none() {
            return None;
        }
        let (before, after) = pads.split_at(pads.len() / 2);
        let axes = match given {
            Some(name) => self.lists.get(name).cloned(),
            None => Some((0..before.len() as i64).collect()),
        };
        let Some(axes) = axes.filter(|axes| axes.len() == before.len()) else {
            return Some(Err("its axes are no constant list with two pads for each".to_owned()));
        };
        let mut x = input(node, 0);
        if pads.iter().any(|&p| p < 0) {
            let starts: Vec<i64> = before.iter().map(|&p| p.min(0).saturating_neg()).collect();
            let ends: Vec<i64> = after.iter().map(|&p| if p < 0 { p } else { i64::MAX }).collect();
            let [starts, ends, axes] = [&starts, &ends, &axes].map(|list| self.integers(list));
            x = self.step("Slice", &[&x, &starts, &ends, &axes], vec![]);
        }
        let added: Vec<i64> = pads.iter().map(|&p| p.max(0)).collect();
        let mut added = self.integers(&added);
        if given.is_some() {
            added = self.for_all_axes(&x, &axes, &added);
        }
        let value = input(node, 2);
        let inputs = [&*x, &added, &value];
        self.last(node, "Pad", &inputs[..2 + usize::from(!value.is_empty())], node.attribute.clone())
    }

    /// A list of two numbers for some axes of `x`, as one of two for all, the others 0. How many there are, `x` knows.
    fn for_all_axes(&mut self, x: &str, axes: &[i64], list: &str) -> String {
        let from_the_end: Vec<i64> = axes.iter().map(|&axis| (axis < 0).into()).collect();
        let [from_the_end, axes, two] = [&from_the_end[..], axes, &[2]].map(|list| self.integers(list));
        let shape = self.step("Shape", &[x], vec![]);
        let rank = self.step("Shape", &[&shape], vec![]);
        let offset = self.step("Mul", &[&rank, &from_the_end], vec![]);
        let first = self.step("Add", &[&axes, &offset], vec![]);
        let second = self.step("Add", &[&first, &rank], vec![]);
        let places = self.step("Concat", &[&first, &second], vec![int("axis", 0)]);
        let both = self.step("Mul", &[&rank, &two], vec![]);
        let zero = TensorProto {
            dims: vec![1],
            data_type: DataType::Int64 as i32,
            raw_data: vec![0; 8],
            ..Default::default()
        };
        let none = self.step("ConstantOfShape", &[&both], vec![tensor("value", zero)]);
        self.step("ScatterElements", &[&none, &places, list], vec![int("axis", 0)])
    }

    fn celu(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let alpha = attribute(node, "alpha").map_or(1.0, |a| a.f);
        let (inverse, alpha) = (self.floats(&[1.0 / alpha]), self.floats(&[alpha]));
        let narrow = self.step("Mul", &[&input(node, 0), &inverse], vec![]);
        let bent = self.step("Elu", &[&narrow], vec![]);
        self.last(node, "Mul", &[&bent, &alpha], vec![])
    }

    /// In this operator set positions are rounded down, of which its attributes do not speak.
    fn resize(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        if self.to != RESIZE || attribute(node, "nearest_mode").is_some() {
            return None;
        }
        let inputs: Vec<&str> = node.input.iter().map(String::as_str).collect();
        let attributes = [&node.attribute[..], &[text("nearest_mode", "floor")]].concat();
        self.last(node, "Resize", &inputs, attributes)
    }

    fn upsample(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let scales = match attribute(node, "scales") {
            Some(scales) => self.floats(&scales.floats.clone()),
            None => input(node, 1),
        };
        let mut mode = attribute(node, "mode").cloned();
        if let Some(mode) = &mut mode
            && mode.s == b"bilinear"
        {
            mode.s = b"linear".to_vec();
        }
        if self.from >= RESIZE {
            return Some(Err(format!("operator set {} has no Upsample", self.from)));
        }
        let attributes = mode.into_iter().chain([text("nearest_mode", "floor")]).collect();
        self.last(node, "Resize", &[&input(node, 0), &scales], attributes)
    }

    /// In the next operator set the bounds are inputs.
    fn slice(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        if self.from >= RESIZE || self.to < RESIZE {
            return None;
        }
        let mut inputs = vec![input(node, 0)];
        for name in ["starts", "ends", "axes"] {
            inputs.extend(attribute(node, name).map(|list| self.integers(&list.ints.clone())));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.last(node, "Slice", &inputs, vec![])
    }

    /// In the next operator set the count is an input.
    fn top_k(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        if self.from >= RESIZE || self.to < RESIZE {
            return None;
        }
        let count = attribute(node, "k").map_or(0, |k| k.i);
        let count = self.integers(&[count]);
        let axis = attribute(node, "axis").cloned();
        self.last(node, "TopK", &[&input(node, 0), &count], axis.into_iter().collect())
    }
}
