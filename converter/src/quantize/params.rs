//! Scale and zero point of every value. Values that an operator keeps at one scale form a class and share them;
//! everything else has its own.

use super::{Activations, Calibration, Observations};
use crate::error::{Error, Result};
use crate::interpolated::UNIT;
use crate::ir::{Activation, Graph, Node, Op, ValueId};
use mote_format::Quant;

/// The real values that a quantized value must be able to hold; zero is always among them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Smallest.
    pub min: f32,
    /// Largest.
    pub max: f32,
}

impl Range {
    fn union(self, other: Range) -> Range {
        Range { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    /// Asymmetric int8 over this range. The scale is a float and zero is exact.
    pub fn quant(self) -> Quant {
        let (min, max) = (f64::from(self.min.min(0.0)), f64::from(self.max.max(0.0)));
        let scale = (max - min) / 255.0;
        if scale < f64::from(f32::MIN_POSITIVE) {
            return Quant { scale: 1.0, zero: 0 };
        }
        let zero = (-128.0 - min / scale).round().clamp(-128.0, 127.0);
        Quant { scale: scale as f32, zero: zero as i32 }
    }

    /// Symmetric int16 over this range.
    pub fn quant16(self) -> Quant {
        let scale = self.max.max(-self.min) / 32_767.0;
        Quant { scale: if scale < f32::MIN_POSITIVE { 1.0 } else { scale }, zero: 0 }
    }
}

/// Scale and zero point per value of a graph.
#[derive(Debug, Clone)]
pub struct Params {
    classes: Classes,
    quants: Vec<Option<Quant>>,
    activations: Activations,
}

impl Params {
    /// What values are stored in.
    pub fn activations(&self) -> Activations {
        self.activations
    }

    /// Those of a value; an error when it has none, which is a defect.
    pub fn of(&self, graph: &Graph, id: ValueId) -> Result<Quant> {
        self.quants[self.classes.root(id.0)].ok_or_else(|| {
            Error::new("cannot quantize the network")
                .at(format!("tensor \"{}\"", graph.value(id).name))
                .cause("no finite value of it was seen, so that it has no scale")
                .remedy("look for a division by zero, a logarithm, or constants that are not finite")
        })
    }

    /// A value of the graph that needs a scale and has none, since it was not observed.
    pub fn missing(&self, graph: &Graph) -> Option<ValueId> {
        let computed = graph.inputs.iter().copied().chain(graph.nodes.iter().map(|n| n.output));
        computed.into_iter().find(|id| self.quants[self.classes.root(id.0)].is_none())
    }
}

/// Disjoint sets of values.
#[derive(Debug, Clone)]
struct Classes(Vec<usize>);

impl Classes {
    fn root(&self, mut i: usize) -> usize {
        while self.0[i] != i {
            i = self.0[i];
        }
        i
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// Operators that move or choose values keep the scale.
pub(crate) fn keeps_scale(op: &Op) -> bool {
    let moves = matches!(op, Op::Slice { .. } | Op::Gather { .. } | Op::Resize { .. })
        || matches!(op, Op::TopK { indices: false, .. });
    moves
        || matches!(op, Op::MaxPool(_) | Op::Reshape | Op::Transpose { .. } | Op::Pad { .. } | Op::Identity)
        || matches!(op, Op::AveragePool(w) if w.pads != [0; 4])
}

/// Operators whose output has a scale that follows from the function alone.
fn fixed(op: &Op, activations: Activations) -> Option<Quant> {
    let unit = matches!(op, Op::Softmax { .. } | Op::Activation(Activation::Sigmoid | Activation::Tanh));
    match op {
        _ if unit && activations == Activations::Int16 => Some(Quant { scale: UNIT, zero: 0 }),
        Op::Softmax { .. } | Op::Activation(Activation::Sigmoid) => {
            Some(Quant { scale: 1.0 / 256.0, zero: -128 })
        }
        Op::Activation(Activation::Tanh) => Some(Quant { scale: 1.0 / 128.0, zero: 0 }),
        Op::ArgMax { .. } | Op::TopK { indices: true, .. } => Some(Quant { scale: 1.0, zero: 0 }),
        _ => None,
    }
}

/// What the file says of a value.
fn given(graph: &Graph, id: ValueId) -> Option<Quant> {
    graph.given.tensors.get(graph.reference_name(id)?).copied()
}

/// Chooses scale and zero point of every value that is computed or given.
pub fn assign(
    graph: &Graph,
    seen: &Observations,
    method: Calibration,
    activations: Activations,
) -> Result<Params> {
    let mut classes = Classes((0..graph.values.len()).collect());
    let mut quants = vec![None; graph.values.len()];
    for &id in &graph.inputs {
        quants[id.0] = given(graph, id);
    }
    for node in &graph.nodes {
        quants[node.output.0] = given(graph, node.output).or(fixed(&node.op, activations));
    }
    for node in graph.nodes.iter().filter(|n| keeps_scale(&n.op)) {
        let ends = [node.inputs[0], node.output].map(|id| classes.root(id.0));
        match ends.map(|root| quants[root]) {
            // The file gives them different scales: lowering requantizes.
            [Some(x), Some(y)] if x != y => {}
            [x, y] => {
                classes.unite(ends[0], ends[1]);
                quants[classes.root(ends[0])] = x.or(y);
            }
        }
    }
    for node in graph.nodes.iter().filter(|n| matches!(n.op, Op::Concat { .. })) {
        for input in joinable(graph, node, &quants, &classes) {
            classes.unite(input.0, node.output.0);
        }
    }
    let given = graph.inputs.iter().copied().chain(graph.nodes.iter().map(|n| n.output));
    let mut ranges: Vec<Option<Range>> = vec![None; graph.values.len()];
    for id in given.clone() {
        let root = classes.root(id.0);
        // What comes in and what is answered is not cut off.
        let ends = graph.inputs.contains(&id) || graph.outputs.contains(&id);
        let method = if ends && method == Calibration::Auto { Calibration::MinMax } else { method };
        let range = seen.range(id, method).map(|r| ranges[root].map_or(r, |known| known.union(r)));
        ranges[root] = range.or(ranges[root]);
        quants[root] = quants[root].or(quants[id.0]);
    }
    for node in &graph.nodes {
        if let Op::Pad { value, .. } = node.op {
            let root = classes.root(node.output.0);
            ranges[root] = ranges[root].map(|r| r.union(Range { min: value, max: value }));
        }
    }
    for id in given {
        let root = classes.root(id.0);
        let quant = if activations == Activations::Int16 { Range::quant16 } else { Range::quant };
        quants[root] = quants[root].or(ranges[root].map(quant));
    }
    Ok(Params { classes, quants, activations })
}

/// The inputs of a concatenation that may simply take its scale: nobody else reads them, they are computed, and no
/// function fixes their scale. The others are requantized.
fn joinable(graph: &Graph, concat: &Node, quants: &[Option<Quant>], classes: &Classes) -> Vec<ValueId> {
    let free = |id: &ValueId| {
        let alone = |v: usize| graph.consumers(ValueId(v)).len() <= 1 && quants[v].is_none();
        let members = (0..graph.values.len()).filter(|&v| classes.root(v) == classes.root(id.0));
        graph.value(*id).konst.is_none() && members.into_iter().all(alone)
    };
    concat.inputs.iter().copied().filter(|id| free(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_exact_and_the_range_is_covered() {
        for (min, max) in [(-1.0, 3.0), (0.0, 6.0), (2.0, 5.0), (-9.0, -1.0), (-1e-6, 1e-6), (0.0, 0.0)] {
            let q = Range { min, max }.quant();
            assert!((-128..=127).contains(&q.zero));
            let (low, high) = ((-128 - q.zero) as f32 * q.scale, (127 - q.zero) as f32 * q.scale);
            assert!(low <= min.min(0.0) + q.scale && high >= max.max(0.0) - q.scale, "{min} {max} {q:?}");
        }
    }
}
