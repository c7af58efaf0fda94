//! A graph that can be run and trained: its constants as parameters, its nodes in order over autodiff tensors.
//!
//! What an operator computes is `forward.rs`; how parameters change is `optimizer.rs`.

use super::forward::{Call, RANK, Real, Statistics, bounded, lifted, real};
use super::qat::{Layer, Scales, Shared, Whole, outputs_axis, row};
use crate::error::{Error, Result};
use crate::ir::{Graph, Node, Op, Tensor as Constant, ValueId};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use mote_format::Quant;
use ndarray::ArrayD;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Share of the old running statistics of a batch normalisation after each batch.
const MOMENTUM: f32 = 0.9;

/// What a constant is to the training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Factors: trained, and decayed where that is asked for.
    Weight,
    /// Summands and scales: trained, never decayed.
    Offset,
    /// Running statistics: followed in the forward pass.
    Statistic,
    /// Neither.
    Fixed,
}

/// A constant of the network.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    /// The constant; none for a learned scale.
    pub(super) value: Option<ValueId>,
    pub(super) role: Role,
    /// All elements in order, outside autodiff.
    pub(super) data: Tensor<1>,
}

/// A network over autodiff.
#[derive(Debug)]
pub(super) struct Net {
    graph: Graph,
    pub(super) parameters: Vec<Parameter>,
    /// Where the network is rounded as the deployed one is.
    scales: Scales,
    device: Device,
}

/// What a forward pass leaves.
pub(super) struct Pass {
    values: HashMap<ValueId, Real>,
    /// The parameters as they took part: leaves of the tape.
    leaves: Vec<Tensor<1>>,
    /// Mean and variance of batches, with the parameters that follow them.
    statistics: Vec<([usize; 2], Statistics)>,
}

impl Net {
    /// Makes a graph trainable. Everything that can be trained is, except where `frozen` matches the name of the node.
    pub(super) fn new(graph: Graph, device: &Device, frozen: impl Fn(&str) -> bool) -> Result<Self> {
        check(&graph)?;
        let mut roles: HashMap<ValueId, Role> = HashMap::new();
        for node in &graph.nodes {
            for (place, &input) in node.inputs.iter().enumerate() {
                if graph.konst(input).is_none() {
                    continue;
                }
                let role = if frozen(&node.name) { Role::Fixed } else { role(&node.op, place) };
                roles
                    .entry(input)
                    .and_modify(|r| *r = if *r == role { role } else { Role::Fixed })
                    .or_insert(role);
            }
        }
        let mut ids: Vec<_> = roles.into_iter().collect();
        ids.sort_by_key(|(id, _)| *id);
        let parameter = |(value, role): (ValueId, Role)| {
            let numbers: Vec<f32> = graph.konst(value).into_iter().flatten().copied().collect();
            let count = numbers.len();
            let data = Tensor::from_data(TensorData::new(numbers, [count]), device);
            Parameter { value: Some(value), role, data }
        };
        let parameters = ids.into_iter().map(parameter).collect();
        Ok(Net { graph, parameters, scales: Scales::default(), device: device.clone() })
    }

    /// The same network, rounded at scales which learn with it: each as the logarithm of what it has grown by.
    pub(super) fn rounded(mut self, scales: Scales) -> Self {
        let grown = |shared: &Shared| Parameter {
            value: None,
            role: if shared.fixed { Role::Fixed } else { Role::Offset },
            data: Tensor::zeros([1], &self.device),
        };
        self.parameters.extend(scales.shared.iter().map(grown));
        self.scales = scales;
        self
    }

    /// Scale and zero point of each value as they are now.
    pub(super) fn quants(&self) -> Result<BTreeMap<ValueId, Quant>> {
        let first = self.parameters.len() - self.scales.shared.len();
        let now = |(&id, &place): (&ValueId, &usize)| {
            let Quant { scale, zero } = self.scales.shared[place].quant;
            let grown = self.parameters[first + place].data.clone().exp().mul_scalar(scale);
            Ok((id, Quant { scale: numbers(grown)?[0], zero }))
        };
        self.scales.of.iter().map(now).collect()
    }

    /// The graph that it was made of. Its constants are those from the start.
    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph with the parameters as they are now.
    pub(super) fn trained(&self) -> Result<Graph> {
        let mut graph = self.graph.clone();
        for parameter in &self.parameters {
            let Some(value) = parameter.value else { continue };
            let shape = graph.shape(value).to_vec();
            let numbers = numbers(parameter.data.clone())?;
            let array = ArrayD::from_shape_vec(shape, numbers).map_err(|e| Error::internal(e.to_string()))?;
            graph.values[value.0].konst = Some(Constant::from(array));
        }
        Ok(graph)
    }

    /// Runs the network on a batch of inputs: extents of the graph's input, the batch first.
    ///
    /// `learning` takes batch statistics and records what the gradients need; `keep` names the values that are wanted besides the
    /// outputs.
    pub(super) fn run(&self, x: Vec<f32>, batch: usize, learning: bool, keep: &[ValueId]) -> Result<Pass> {
        let input = self.graph.inputs[0];
        let shape = self.shape(input, batch)?;
        let device = if learning { self.device.clone().autodiff() } else { self.device.clone() };
        self.run_tensor(real(x, shape, &device), learning, keep)
    }

    /// [`run`](Self::run) on a tensor that is there already, so that its own gradient can be asked for.
    pub(super) fn run_tensor(&self, x: Real, learning: bool, keep: &[ValueId]) -> Result<Pass> {
        let input = self.graph.inputs[0];
        let [rank, batch_axis] = [self.graph.shape(input).len(), RANK - self.graph.shape(input).len()];
        let batch = x.dims()[batch_axis] / self.graph.shape(input).first().copied().unwrap_or(1).max(1);
        debug_assert!(rank <= RANK);
        let tracked = x.is_autodiff();
        let leaf = |p: &Parameter| match (tracked, learning && matches!(p.role, Role::Weight | Role::Offset))
        {
            (false, _) => p.data.clone(),
            (true, trained) => p.data.clone().autodiff().set_require_grad(trained),
        };
        let leaves: Vec<Tensor<1>> = self.parameters.iter().map(leaf).collect();
        let mut values: HashMap<ValueId, Real> = HashMap::new();
        for (parameter, leaf) in self.parameters.iter().zip(&leaves) {
            let Some(value) = parameter.value else { continue };
            let shape = lifted(self.graph.shape(value)).ok_or_else(|| too_deep(&self.graph, value))?;
            values.insert(value, leaf.clone().reshape(shape));
        }
        let scales = self.scale_tensors(&leaves);
        let mut wholes: HashMap<ValueId, Whole> = HashMap::new();
        let x = match self.scales.of.get(&input) {
            None => x,
            Some(&place) => {
                let whole = Whole::input(x, scales[place].clone(), self.scales.shared[place].quant);
                let reals = whole.reals();
                wholes.insert(input, whole);
                reals
            }
        };
        values.insert(input, x);
        let wanted: HashSet<ValueId> = self.graph.outputs.iter().chain(keep).copied().collect();
        let last = last_uses(&self.graph);
        let mut statistics = Vec::new();
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let inputs: Option<Vec<Real>> = node.inputs.iter().map(|i| values.get(i).cloned()).collect();
            let inputs =
                inputs.ok_or_else(|| Error::internal(format!("\"{}\" reads what is gone", node.name)))?;
            let whole = self.scales.of.get(&node.output).map(|&place| (place, &scales[place]));
            let layer = whole
                .and_then(|(_, y)| Some((wholes.get(&node.inputs[0])?, y)))
                .filter(|_| is_layer(&node.op));
            let rounded = layer.map(|(x, y)| self.integers(node, &inputs, x, y));
            let call = Call {
                op: &node.op,
                inputs: rounded.as_ref().map_or(&inputs[..], |r| &r.operands),
                rank: self.graph.shape(node.output).len(),
                shape: self.shape(node.output, batch)?,
                learning,
            };
            let (result, seen) =
                call.result().map_err(|cause| untrainable(&node.name, node.op.name(), cause))?;
            if let Some(seen) = seen {
                let place = |i: usize| self.parameters.iter().position(|p| p.value == Some(node.inputs[i]));
                if let (Some(mean), Some(variance)) = (place(3), place(4)) {
                    statistics.push(([mean, variance], seen));
                }
            }
            let result = match whole {
                None => node.clamp.map_or(result.clone(), |clamp| bounded(result, clamp)),
                Some((place, scale)) => {
                    let units = match &rounded {
                        Some(rounded) => result * rounded.multipliers.clone(),
                        None => result / scale.clone(),
                    };
                    let quant = self.scales.shared[place].quant;
                    let whole = Whole::round(units, scale.clone(), quant, node.clamp);
                    let reals = whole.reals();
                    wholes.insert(node.output, whole);
                    reals
                }
            };
            values.insert(node.output, result);
            drop(inputs);
            for input in &node.inputs {
                if last.get(input) == Some(&index) && !wanted.contains(input) {
                    values.remove(input);
                    wholes.remove(input);
                }
            }
        }
        values.retain(|id, _| wanted.contains(id));
        Ok(Pass { values, leaves, statistics })
    }

    /// The gradient of each parameter that takes part.
    pub(super) fn gradients(&self, pass: &Pass, gradients: &mut Gradients) -> Vec<Option<Tensor<1>>> {
        pass.leaves.iter().map(|leaf| leaf.grad_remove(gradients)).collect()
    }

    /// Lets the running statistics follow those of a batch.
    pub(super) fn follow(&mut self, pass: &Pass) {
        for ([mean, variance], seen) in &pass.statistics {
            for (&place, new) in [mean, variance].into_iter().zip(seen) {
                let parameter = &mut self.parameters[place];
                if parameter.role == Role::Statistic {
                    let new = new.clone().inner().mul_scalar(1.0 - MOMENTUM);
                    parameter.data = parameter.data.clone().mul_scalar(MOMENTUM) + new;
                }
            }
        }
    }

    /// The scales that values share, each a tensor of one element.
    fn scale_tensors(&self, leaves: &[Tensor<1>]) -> Vec<Real> {
        let first = leaves.len() - self.scales.shared.len();
        let tensor = |(shared, leaf): (&Shared, &Tensor<1>)| {
            leaf.clone().exp().mul_scalar(shared.quant.scale).reshape([1; RANK])
        };
        self.scales.shared.iter().zip(&leaves[first..]).map(tensor).collect()
    }

    /// A layer over integers, at scales of its input and its output.
    fn integers(&self, node: &Node, inputs: &[Real], x: &Whole, y: &Real) -> Rounded {
        let shape = self.graph.shape(node.inputs[1]);
        let layer = Layer::round(inputs[1].clone(), inputs.get(2).cloned(), shape, &x.scale);
        let scales = row(layer.scales, outputs_axis(node));
        // In the order in which the deployed multiplier is made.
        let multipliers = x.scale.clone() * scales / y.clone();
        let operands = [x.integers.clone(), layer.weights].into_iter().chain(layer.bias).collect();
        Rounded { operands, multipliers }
    }

    /// Extents of a value for a batch.
    fn shape(&self, id: ValueId, batch: usize) -> Result<[usize; RANK]> {
        let mut shape = self.graph.shape(id).to_vec();
        if let Some(first) = shape.first_mut() {
            *first *= batch;
        }
        lifted(&shape).ok_or_else(|| too_deep(&self.graph, id))
    }
}

/// The operands of a layer in integers, and the output's units in one of its sums.
struct Rounded {
    operands: Vec<Real>,
    multipliers: Real,
}

/// Operators whose sums are multiplied and rounded.
fn is_layer(op: &Op) -> bool {
    matches!(op, Op::Conv { .. } | Op::FullyConnected)
}

impl Pass {
    /// A value as a matrix of one row a sample.
    pub(super) fn rows(&self, id: ValueId, batch: usize) -> Option<Tensor<2>> {
        let value = self.values.get(&id)?.clone();
        let width = value.dims().iter().product::<usize>() / batch;
        Some(value.reshape([batch, width]))
    }
}

/// The elements of a tensor.
pub(super) fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.into_data().try_to_vec::<f32>().map_err(|e| Error::internal(format!("{e:?}")))
}

/// What an operand is to the training.
fn role(op: &Op, place: usize) -> Role {
    match (op, place) {
        (layer, 1) if layer.is_layer() => Role::Weight,
        (layer, 2) if layer.is_layer() => Role::Offset,
        (Op::BatchNorm { .. }, 1 | 2) => Role::Offset,
        (Op::BatchNorm { .. }, 3 | 4) => Role::Statistic,
        (Op::Add | Op::Sub | Op::Mul | Op::PRelu, _) => Role::Offset,
        _ => Role::Fixed,
    }
}

/// Where each value is read last.
fn last_uses(graph: &Graph) -> HashMap<ValueId, usize> {
    let uses = graph.nodes.iter().enumerate();
    uses.flat_map(|(index, node)| node.inputs.iter().map(move |&input| (input, index))).collect()
}

/// Refuses what cannot be trained, before any work is done.
fn check(graph: &Graph) -> Result<()> {
    if graph.inputs.len() != 1 {
        return Err(Error::new("cannot train the network")
            .cause(format!("it has {} inputs; samples can be read for one", graph.inputs.len()))
            .remedy("export the network with one input"));
    }
    let integers = graph
        .nodes
        .iter()
        .find(|n| n.inputs.iter().any(|&i| graph.value(i).konst.is_some() && graph.konst(i).is_none()));
    match integers {
        Some(node) => Err(untrainable(&node.name, node.op.name(), "it reads a constant of integers".into())),
        None => Ok(()),
    }
}

fn untrainable(name: &str, op: &str, cause: String) -> Error {
    Error::new("cannot train the network")
        .at_node(name, op)
        .cause(cause)
        .remedy("train a network without this node, and put it behind afterwards")
}

fn too_deep(graph: &Graph, id: ValueId) -> Error {
    let value = graph.value(id);
    Error::new("cannot train the network")
        .at(format!("tensor \"{}\"", value.name))
        .cause(format!("it has {} axes; up to {RANK} are possible", value.shape.len()))
        .remedy("export the network with fewer axes there")
}
