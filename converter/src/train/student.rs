//! Students made of a teacher: the same network with fewer channels and fresh weights.
//!
//! Which channels must agree follows from the operators, and is found in [`Channels`]: both sides of an addition, the two ends of
//! a depthwise convolution, everything between. What such a class is narrowed to is one number for all of it.

use super::augment::normal;
use super::dataset::chance;
use crate::error::{Error, Result};
use crate::ir::{Graph, Node, Op, Tensor, ValueId};
use ndarray::ArrayD;
use std::collections::HashMap;

/// The teacher with each layer's channels multiplied by `width` and rounded to multiples of `multiple`, at least one. Inputs and
/// outputs stay as they are, and so do channels that are taken apart by their numbers. Weights are drawn anew (He et al.,
/// Delving Deep into Rectifiers, 2015).
pub fn narrowed(teacher: &Graph, width: f64, multiple: usize, seed: u64) -> Result<Graph> {
    if !(width > 0.0 && width <= 1.0) {
        return Err(Error::new("cannot make a student")
            .at(format!("--width {width}"))
            .cause("it is a share of the teacher's channels")
            .remedy("give a number above 0 and at most 1"));
    }
    let channels = Channels::of(teacher);
    let extent = |id: ValueId| {
        channels.extent(id, |full| {
            let wanted = (full as f64 * width / multiple as f64).round() as usize * multiple;
            wanted.clamp(multiple.min(full), full)
        })
    };
    let mut student = teacher.clone();
    for (index, node) in teacher.nodes.iter().enumerate() {
        let operand = |place: usize| node.inputs.get(place).map(|&id| (id, teacher.shape(id).to_vec()));
        let to = extent(node.output);
        let mut make = |place: usize, shape: &dyn Fn(&[usize]) -> Vec<usize>, start: Start| {
            if let Some((id, old)) = operand(place).filter(|(id, _)| teacher.konst(*id).is_some()) {
                student.set(id, &shape(&old), start, seed);
            }
        };
        match &node.op {
            Op::Conv { groups, .. } => {
                let from = extent(node.inputs[0]);
                let inputs = if *groups == 1 { from } else { teacher.shape(node.inputs[1])[1] };
                make(1, &|old| [&[to, inputs], &old[2..]].concat(), Start::Random);
                make(2, &|_| vec![to], Start::All(0.0));
                if let Op::Conv { groups, .. } = &mut student.nodes[index].op
                    && *groups == teacher.shape(node.inputs[0])[1]
                {
                    *groups = from;
                }
            }
            Op::ConvTranspose { .. } => {
                let from = extent(node.inputs[0]);
                make(1, &|old| [&[to, from], &old[2..]].concat(), Start::Random);
                make(2, &|_| vec![to], Start::All(0.0));
            }
            Op::FullyConnected => {
                let from = extent(node.inputs[0]);
                make(1, &|_| vec![to, from], Start::Random);
                make(2, &|_| vec![to], Start::All(0.0));
            }
            Op::BatchNorm { .. } => {
                for (place, value) in [(1, 1.0), (2, 0.0), (3, 0.0), (4, 1.0)] {
                    make(place, &|_| vec![to], Start::All(value));
                }
            }
            Op::Add | Op::Sub | Op::Mul | Op::Div | Op::PRelu => {
                let axis = teacher.shape(node.output).len().saturating_sub(1);
                let value = match node.op {
                    Op::Add | Op::Sub => 0.0,
                    Op::PRelu => 0.25,
                    _ => 1.0,
                };
                for place in 0..2 {
                    let full = teacher.shape(node.output).get(1).copied();
                    let narrow = |old: &[usize]| {
                        let mut shape = old.to_vec();
                        if let Some(at) = old.len().checked_sub(axis).filter(|&a| Some(old[a]) == full) {
                            shape[at] = to;
                        }
                        shape
                    };
                    let changes = operand(place).is_some_and(|(_, old)| narrow(&old) != old);
                    if changes {
                        make(place, &narrow, Start::All(value));
                    }
                }
            }
            _ => {}
        }
        if let Some(place) = student.values[node.output.0].shape.get_mut(1) {
            *place = to;
        }
        if let Op::Slice { counts, .. } = &mut student.nodes[index].op
            && counts.len() > 1
        {
            counts[1] = to;
        }
    }
    student.check()?;
    Ok(student)
}

/// How fresh constants begin.
#[derive(Clone, Copy)]
pub(super) enum Start {
    Random,
    All(f32),
}

impl Graph {
    /// Gives a constant another shape and fresh numbers.
    pub(super) fn set(&mut self, id: ValueId, shape: &[usize], start: Start, seed: u64) {
        let mut random = chance(seed, &[3, id.0 as u64]);
        let taps: usize = shape.iter().skip(1).product();
        let deviation = (2.0 / taps.max(1) as f32).sqrt();
        let array = ArrayD::from_shape_simple_fn(shape, || match start {
            Start::Random => normal(&mut random) * deviation,
            Start::All(value) => value,
        });
        self.values[id.0].shape = shape.to_vec();
        self.values[id.0].konst = Some(Tensor::from(array));
    }
}

/// Channels that follow one another in a value: of one class, so many elements each.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Run {
    class: usize,
    unit: usize,
}

/// Which channels of which values belong together.
struct Channels {
    values: HashMap<ValueId, Vec<Run>>,
    /// The class that a class has been united with; itself at the end.
    parents: Vec<usize>,
    full: Vec<usize>,
    fixed: Vec<bool>,
}

impl Channels {
    fn of(graph: &Graph) -> Self {
        let mut all =
            Channels { values: HashMap::new(), parents: Vec::new(), full: Vec::new(), fixed: Vec::new() };
        for &input in &graph.inputs {
            let runs = all.fresh(graph, input);
            all.fix(&runs);
            all.values.insert(input, runs);
        }
        for node in &graph.nodes {
            let runs = all.after(graph, node);
            all.values.insert(node.output, runs);
        }
        for output in &graph.outputs {
            let runs = all.values.get(output).cloned().unwrap_or_default();
            all.fix(&runs);
        }
        all
    }

    /// Channels of a value once each class has been narrowed.
    fn extent(&self, id: ValueId, narrow: impl Fn(usize) -> usize) -> usize {
        let of = |run: &Run| {
            let root = self.root(run.class);
            let full = self.full[root];
            run.unit * if self.fixed[root] { full } else { narrow(full) }
        };
        self.values.get(&id).map_or(0, |runs| runs.iter().map(of).sum())
    }

    /// The channels of a node's result.
    fn after(&mut self, graph: &Graph, node: &Node) -> Vec<Run> {
        let computed: Vec<ValueId> =
            node.inputs.iter().copied().filter(|&i| graph.value(i).konst.is_none()).collect();
        let before: Vec<Vec<Run>> =
            computed.iter().map(|i| self.values.get(i).cloned().unwrap_or_default()).collect();
        let first = before.first().cloned().unwrap_or_default();
        let channels = |id: ValueId| graph.shape(id).get(1).copied().unwrap_or(1);
        match &node.op {
            Op::Conv { groups: 1, .. } | Op::ConvTranspose { .. } | Op::FullyConnected => {
                self.fresh(graph, node.output)
            }
            // Depthwise, one channel each.
            Op::Conv { groups, .. }
                if *groups == channels(node.inputs[0]) && *groups == channels(node.output) =>
            {
                first
            }
            Op::BatchNorm { .. }
            | Op::MaxPool(_)
            | Op::AveragePool(_)
            | Op::SumPool(_)
            | Op::Activation(_)
            | Op::Function(_)
            | Op::Softmax { .. }
            | Op::Resize { .. }
            | Op::Identity => first,
            Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Maximum | Op::Minimum | Op::PRelu => {
                self.joined(graph, &computed, &before)
            }
            Op::Concat { axis: 1 } => before.concat(),
            Op::Concat { .. } => self.joined(graph, &computed, &before),
            Op::Pad { before: a, after: b, .. } if a.get(1) == Some(&0) && b.get(1) == Some(&0) => first,
            Op::Slice { counts, .. } if counts.get(1) == Some(&channels(computed[0])) => first,
            Op::Gather { axis, .. } if *axis > 1 => first,
            Op::Reshape => self
                .reshaped(graph.shape(computed[0]), graph.shape(node.output), &first)
                .unwrap_or_else(|| self.opaque(graph, &before, node.output)),
            _ => self.opaque(graph, &before, node.output),
        }
    }

    /// The result of operands that must agree channel by channel.
    fn joined(&mut self, graph: &Graph, computed: &[ValueId], before: &[Vec<Run>]) -> Vec<Run> {
        let extent = |id: ValueId| graph.shape(id).get(1).copied().unwrap_or(1);
        let widest = (0..computed.len()).max_by_key(|&i| extent(computed[i])).unwrap_or(0);
        let kept = before.get(widest).cloned().unwrap_or_default();
        for (id, runs) in computed.iter().zip(before).filter(|(id, _)| extent(**id) > 1) {
            let alike = runs.len() == kept.len() && runs.iter().zip(&kept).all(|(a, b)| a.unit == b.unit);
            let equal =
                alike && runs.iter().zip(&kept).all(|(a, b)| self.full[a.class] == self.full[b.class]);
            if equal {
                runs.iter().zip(&kept).for_each(|(a, b)| self.unite(a.class, b.class));
            } else if extent(*id) == extent(computed[widest]) {
                self.fix(runs);
                self.fix(&kept);
            }
        }
        kept
    }

    /// The channels of a value whose elements are ordered under another shape, where they stay together.
    fn reshaped(&self, from: &[usize], to: &[usize], runs: &[Run]) -> Option<Vec<Run>> {
        let (before, after) = (*from.get(1)?, *to.get(1)?);
        let inside = |shape: &[usize]| shape[2..].iter().product::<usize>();
        if from[0] != to[0] {
            return None;
        }
        if before == after {
            return Some(runs.to_vec());
        }
        // All of an image's elements in a row.
        let flat = inside(to) == 1 && after == before * inside(from);
        flat.then(|| runs.iter().map(|r| Run { unit: r.unit * inside(from), ..*r }).collect())
    }

    /// A result of which nothing is known: neither it nor its operands may change.
    fn opaque(&mut self, graph: &Graph, before: &[Vec<Run>], output: ValueId) -> Vec<Run> {
        before.iter().for_each(|runs| self.fix(runs));
        let runs = self.fresh(graph, output);
        self.fix(&runs);
        runs
    }

    /// A class of its own for all channels of a value.
    fn fresh(&mut self, graph: &Graph, id: ValueId) -> Vec<Run> {
        let class = self.parents.len();
        self.parents.push(class);
        self.full.push(graph.shape(id).get(1).copied().unwrap_or(1));
        self.fixed.push(false);
        vec![Run { class, unit: 1 }]
    }

    fn root(&self, mut class: usize) -> usize {
        while self.parents[class] != class {
            class = self.parents[class];
        }
        class
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a] = b;
        self.fixed[b] |= self.fixed[a];
    }

    fn fix(&mut self, runs: &[Run]) {
        for run in runs {
            let root = self.root(run.class);
            self.fixed[root] = true;
        }
    }
}
