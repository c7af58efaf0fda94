//! From ONNX's channels-first order to the runtime's channels-last.
//!
//! Every computed rank-4 value is stored permuted by [`TO_NHWC`]. Operators that know about images
//! follow; those that depend on the order of elements (reshapes, transposes) get explicit transposes
//! around them, which other passes merge, cancel or absorb. Inputs and outputs that the file already
//! keeps channels-last stay as they are, and so do outputs that a reshape makes.

use crate::error::{Error, Result};
use crate::ir::{self, Graph, Layout, Node, Op, Tensor, ValueId};

/// Axis `i` of a channels-last value is this axis of the channels-first one.
const TO_NHWC: [usize; 4] = [0, 2, 3, 1];
/// The way back.
const TO_NCHW: [usize; 4] = [0, 3, 1, 2];

/// Graph rule.
pub(crate) fn to_nhwc(graph: &Graph) -> Result<Graph> {
    let mut out = graph.clone();
    out.layout = Layout::Nhwc;
    out.nodes.clear();
    let permuted = permuted_values(graph);
    for (value, _) in out.values.iter_mut().zip(&permuted).filter(|(_, p)| **p) {
        value.origin = value.origin.as_ref().and_then(|o| o.permuted(&value.shape, &TO_NHWC));
        value.shape = TO_NHWC.iter().map(|&a| value.shape[a]).collect();
    }
    let mut relayout = Relayout { old: graph, out, permuted };
    for node in &graph.nodes {
        relayout.node(node).map_err(|e| e.at_node(&node.name, node.op.name()))?;
    }
    Ok(relayout.out)
}

/// Which values change their order.
fn permuted_values(graph: &Graph) -> Vec<bool> {
    let mut permuted: Vec<bool> =
        graph.values.iter().map(|v| v.shape.len() == 4 && v.konst.is_none()).collect();
    let is = |n: &Node, p: [usize; 4]| order(graph, n).is_some_and(|perm| perm == p);
    for &id in &graph.inputs {
        let readers = graph.consumers(id);
        if !readers.is_empty() && readers.iter().all(|&n| is(&graph.nodes[n], TO_NCHW)) {
            permuted[id.0] = false;
        }
    }
    for &id in &graph.outputs {
        if graph.producer(id).is_some_and(|n| {
            let node = &graph.nodes[n];
            let copies = graph.shape(node.inputs[0]) == graph.shape(id);
            (node.op == Op::Reshape && !copies) || is(node, TO_NHWC)
        }) {
            permuted[id.0] = false;
        }
    }
    permuted
}

/// The order of axes that a transpose makes, or a reshape that does what one between both layouts would do: it moves axes
/// of extent 1 only.
fn order(graph: &Graph, node: &Node) -> Option<Vec<usize>> {
    let (from, to) = (graph.shape(*node.inputs.first()?), graph.shape(node.output));
    match &node.op {
        Op::Transpose { perm } => Some(perm.clone()),
        Op::Reshape if from.len() == 4 && to.len() == 4 => {
            let same = |perm: &&[usize; 4]| {
                let moved: Vec<usize> = perm.iter().copied().filter(|&a| from[a] > 1).collect();
                perm.iter().map(|&a| from[a]).eq(to.iter().copied()) && moved.is_sorted()
            };
            [TO_NCHW, TO_NHWC].iter().find(same).map(|perm| perm.to_vec())
        }
        _ => None,
    }
}

struct Relayout<'a> {
    old: &'a Graph,
    out: Graph,
    permuted: Vec<bool>,
}

impl Relayout<'_> {
    fn node(&mut self, node: &Node) -> Result<()> {
        let rank = self.old.shape(node.output).len();
        if let Some(perm) = order(self.old, node) {
            let op = Op::Transpose { perm: self.transposed(node, &perm) };
            self.out.nodes.push(Node { op, ..node.clone() });
            return Ok(());
        }
        match &node.op {
            Op::Reshape => self.in_old_order(node),
            Op::ArgMax { axis, keepdims: false } if *axis != 1 => self.in_old_order(node),
            Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Maximum | Op::Minimum | Op::PRelu if rank > 4 => {
                self.in_old_order(node)
            }
            op => {
                let images = rank == 4 || self.old.shape(node.inputs[0]).len() == 4;
                let op = if images { mapped(op) } else { op.clone() };
                let inputs = if images { self.image_inputs(node)? } else { node.inputs.clone() };
                self.out.nodes.push(Node { op, inputs, ..node.clone() });
            }
        }
        Ok(())
    }

    /// The permutation between values as they are stored now.
    fn transposed(&self, node: &Node, perm: &[usize]) -> Vec<usize> {
        let (from, to) = (self.permuted[node.inputs[0].0], self.permuted[node.output.0]);
        (0..perm.len())
            .map(|i| perm[if to { TO_NHWC[i] } else { i }])
            .map(|axis| if from { TO_NCHW[axis] } else { axis })
            .collect()
    }

    /// Keeps the operator as it is, between transposes.
    fn in_old_order(&mut self, node: &Node) {
        let inputs: Vec<ValueId> = node
            .inputs
            .iter()
            .map(|&id| if self.permuted[id.0] { self.transpose(id, &TO_NCHW, "nchw") } else { id })
            .collect();
        if !self.permuted[node.output.0] {
            self.out.nodes.push(Node { inputs, ..node.clone() });
            return;
        }
        let value = self.old.value(node.output);
        let plain = self.out.add_value(&format!("{}_nchw", value.name), &value.shape, value.origin.clone());
        self.out.nodes.push(Node { inputs, output: plain, ..node.clone() });
        let name = self.node_name(&value.name, "nhwc");
        let op = Op::Transpose { perm: TO_NHWC.to_vec() };
        self.out.nodes.push(Node { name, op, inputs: vec![plain], output: node.output, clamp: None });
    }

    /// The operands of an operator on images, all channels-last and of rank 4 where they are images.
    fn image_inputs(&mut self, node: &Node) -> Result<Vec<ValueId>> {
        let parameters = match node.op {
            Op::Conv { .. } | Op::ConvTranspose { .. } => 2..node.inputs.len(),
            Op::BatchNorm { .. } => 1..node.inputs.len(),
            _ => 0..0,
        };
        (0..node.inputs.len())
            .map(|i| match node.inputs[i] {
                id if parameters.contains(&i) || self.permuted[id.0] => Ok(id),
                id => self.as_image(id),
            })
            .collect()
    }

    /// A value that is not stored channels-last: brought to rank 4 by axes of extent 1 in front, as
    /// broadcasting does, and permuted.
    fn as_image(&mut self, id: ValueId) -> Result<ValueId> {
        let value = self.out.value(id).clone();
        let missing = 4usize.checked_sub(value.shape.len());
        let missing = missing.ok_or_else(|| Error::internal("an image of more than 4 axes"))?;
        let shape: Vec<usize> = std::iter::repeat_n(1, missing).chain(value.shape.iter().copied()).collect();
        if let Some(konst) = &value.konst {
            let image: Option<Tensor> = konst.reshaped(&shape).and_then(|t| t.transposed(&TO_NHWC));
            let image = image.ok_or_else(|| Error::internal("a constant that cannot be permuted"))?;
            return Ok(self.out.add_const(&format!("{}_nhwc", value.name), image));
        }
        let mut image = id;
        if missing > 0 {
            image = self.out.add_value(&format!("{}_image", value.name), &shape, value.origin.clone());
            let name = self.node_name(&value.name, "image");
            self.out.nodes.push(Node { name, op: Op::Reshape, inputs: vec![id], output: image, clamp: None });
        }
        Ok(self.transpose(image, &TO_NHWC, "nhwc"))
    }

    fn transpose(&mut self, id: ValueId, perm: &[usize; 4], suffix: &str) -> ValueId {
        let value = self.out.value(id).clone();
        let shape: Vec<usize> = perm.iter().map(|&a| value.shape[a]).collect();
        let origin = value.origin.as_ref().and_then(|o| o.permuted(&value.shape, perm));
        let output = self.out.add_value(&format!("{}_{suffix}", value.name), &shape, origin);
        let name = self.node_name(&value.name, suffix);
        let op = Op::Transpose { perm: perm.to_vec() };
        self.out.nodes.push(Node { name, op, inputs: vec![id], output, clamp: None });
        output
    }

    fn node_name(&self, name: &str, suffix: &str) -> String {
        let name = format!("{name}_{suffix}");
        let taken = |n: &str| self.out.nodes.iter().chain(&self.old.nodes).any(|node| node.name == n);
        ir::fresh(&name, taken)
    }
}

/// The operator with its axes where they are now.
fn mapped(op: &Op) -> Op {
    let permuted = |v: &[usize]| TO_NHWC.iter().map(|&a| v[a]).collect();
    match op {
        Op::Softmax { axis } => Op::Softmax { axis: TO_NCHW[*axis] },
        Op::ArgMax { axis, keepdims } => Op::ArgMax { axis: TO_NCHW[*axis], keepdims: *keepdims },
        Op::TopK { axis, count, indices } => {
            Op::TopK { axis: TO_NCHW[*axis], count: *count, indices: *indices }
        }
        Op::Slice { begin, steps, counts } => Op::Slice {
            begin: permuted(begin),
            steps: TO_NHWC.iter().map(|&a| steps[a]).collect(),
            counts: permuted(counts),
        },
        Op::Gather { axis, indices } => Op::Gather { axis: TO_NCHW[*axis], indices: indices.clone() },
        Op::Concat { axis } => Op::Concat { axis: TO_NCHW[*axis] },
        Op::Pad { before, after, value } => {
            Op::Pad { before: permuted(before), after: permuted(after), value: *value }
        }
        op => op.clone(),
    }
}
