//! Each node of the float graph as steps over int8 tensors. Scales come from `params`, integers of weights from
//! `weights`; one file per family of operators beside this one.

mod elementwise;
mod layout;
mod window;
mod words;

use super::Activations;
use super::observe::Observations;
use super::params::Params;
use super::weights::{multiplier, rounding};
use crate::error::{Error, Result};
use crate::ir::{Clamp, Graph, Node, Op, ValueId};
use crate::program::{Operand, Program, Step, Tensor};
use mote_format::{DType, Maximum, Minimum, Op as Kernel, Quant, Requantize, Rounding, Shape};
use mote_kernels::quant::quantize;
use std::collections::HashMap;

/// Lowers a graph that the passes have brought into channels-last form. Biases are corrected with what was seen of the
/// inputs of each layer, when that is given.
pub fn lower(graph: &Graph, params: &Params, means: Option<&Observations>) -> Result<Program> {
    let mut lowering = Lowering { graph, params, means, program: Program::default(), places: HashMap::new() };
    for &id in &graph.inputs {
        let tensor = lowering.tensor(id)?;
        lowering.program.tensors.push(tensor);
        lowering.places.insert(id, Operand::Arena(lowering.program.tensors.len() - 1));
    }
    lowering.program.inputs = graph.inputs.len();
    for node in &graph.nodes {
        lowering.node(node)?;
    }
    for &id in &graph.outputs {
        match lowering.places.get(&id) {
            Some(&Operand::Arena(t)) => lowering.program.outputs.push(t),
            _ => return Err(constant_output(&graph.value(id).name)),
        }
    }
    Ok(lowering.program)
}

fn constant_output(name: &str) -> Error {
    Error::new("cannot convert the model")
        .at(format!("output \"{name}\""))
        .cause("it is a constant: it does not depend on the input")
        .remedy("export the model with an output that is computed from its input")
}

/// A lowering in progress.
struct Lowering<'g> {
    graph: &'g Graph,
    params: &'g Params,
    means: Option<&'g Observations>,
    program: Program,
    places: HashMap<ValueId, Operand>,
}

impl<'g> Lowering<'g> {
    fn node(&mut self, node: &Node) -> Result<()> {
        if self.params.activations() == Activations::Int16 {
            return self.node16(node);
        }
        match &node.op {
            Op::Conv { .. } => self.conv(node),
            Op::ConvTranspose { stride, cut } => self.conv_transpose(node, *stride, *cut),
            Op::FullyConnected => self.fully_connected(node),
            Op::MaxPool(w) => self.max_pool(node, w),
            Op::AveragePool(w) => self.average_pool(node, w),
            Op::SumPool(w) => self.sum_pool(node, w, 1.0),
            Op::Add => self.add(node, 1.0),
            Op::Sub => self.add(node, -1.0),
            Op::Mul => self.mul(node),
            Op::Div => self.div(node),
            Op::Maximum => self.larger(node, Kernel::Maximum(Maximum {})),
            Op::Minimum => self.larger(node, Kernel::Minimum(Minimum {})),
            Op::PRelu => self.prelu(node),
            Op::Activation(a) => self.activation(node, *a),
            Op::Function(f) => self.table(node, |x| f.eval(x)),
            Op::Softmax { axis } => self.softmax(node, *axis),
            Op::ArgMax { axis, .. } => self.arg_max(node, *axis),
            Op::TopK { axis, indices, .. } => self.top_k(node, *axis, *indices),
            Op::Slice { begin, steps, counts } => self.slice(node, begin, steps, counts),
            Op::Gather { axis, indices } => self.gather(node, *axis, indices),
            Op::Resize { rows, cols } => self.resize(node, rows, cols),
            Op::Concat { axis } => self.concat(node, *axis),
            Op::Pad { before, value, .. } => self.pad(node, before, *value),
            Op::Reshape => self.reshape(node),
            Op::Transpose { perm } => self.transpose(node, perm),
            Op::BatchNorm { .. } | Op::Identity => {
                Err(Error::internal(format!("\"{}\" is left of the passes", node.name)))
            }
        }
    }

    fn refuse(&self, node: &Node, cause: impl Into<String>, remedy: &str) -> Error {
        Error::new("cannot quantize the model")
            .at_node(&node.name, node.op.name())
            .cause(cause)
            .remedy(remedy)
    }

    /// The tensor that holds a value.
    fn tensor(&self, id: ValueId) -> Result<Tensor> {
        let value = self.graph.value(id);
        let shape = shape(&value.name, &value.shape)?;
        let quant = self.params.of(self.graph, id)?;
        Ok(Tensor { name: value.name.clone(), dtype: self.dtype(), shape, quant, value: Some(id) })
    }

    /// The type of quantized values.
    fn dtype(&self) -> DType {
        match self.params.activations() {
            Activations::Int8 => DType::I8,
            Activations::Int16 => DType::I16,
        }
    }

    /// Where a computed value lies, and its scale.
    fn operand(&self, node: &Node, i: usize) -> Result<(Operand, Quant)> {
        let id = node.inputs[i];
        let place = self.places.get(&id).copied().ok_or_else(|| {
            let name = &self.graph.value(id).name;
            self.refuse(
                node,
                format!("its input {name} is a constant"),
                "fold the constant before exporting the model",
            )
        })?;
        Ok((place, self.params.of(self.graph, id)?))
    }

    /// The floats of a constant input.
    fn floats(&self, node: &Node, i: usize) -> Result<Vec<f32>> {
        let konst = self.graph.konst(node.inputs[i]).ok_or_else(|| {
            self.refuse(
                node,
                "its weights are not constant",
                "export the model with its weights as initializers",
            )
        })?;
        Ok(konst.iter().copied().collect())
    }

    /// Appends a step that computes the node's value.
    fn push(&mut self, node: &Node, op: Kernel, inputs: &[Operand]) -> Result<()> {
        let tensor = self.tensor(node.output)?;
        self.push_to(node, op, inputs, tensor);
        Ok(())
    }

    /// Appends a step that computes the node's value into a tensor of another type.
    fn push_to(&mut self, node: &Node, op: Kernel, inputs: &[Operand], tensor: Tensor) {
        let step = Step { node: node.name.clone(), op, inputs: inputs.to_vec() };
        let index = self.program.push(step, tensor);
        self.places.insert(node.output, Operand::Arena(index));
    }

    /// Appends a step whose result only the next step reads.
    fn push_between(
        &mut self,
        node: &Node,
        op: Kernel,
        input: Operand,
        shape: Shape,
        quant: Quant,
    ) -> Operand {
        self.push_joined(node, op, &[input], shape, quant)
    }

    /// The same of several inputs.
    fn push_joined(
        &mut self,
        node: &Node,
        op: Kernel,
        inputs: &[Operand],
        shape: Shape,
        quant: Quant,
    ) -> Operand {
        let name = format!("{}/{}", self.graph.value(node.output).name, self.program.steps.len());
        let step = Step { node: node.name.clone(), op, inputs: inputs.to_vec() };
        let tensor = Tensor { name, dtype: self.dtype(), shape, quant, value: None };
        Operand::Arena(self.program.push(step, tensor))
    }

    /// The input brought to another scale, when it has not got it already.
    fn at_scale(&mut self, node: &Node, i: usize, quant: Quant) -> Result<Operand> {
        let (place, own) = self.operand(node, i)?;
        if own == quant {
            return Ok(place);
        }
        let value = self.graph.value(node.inputs[i]);
        let op = match self.params.activations() {
            Activations::Int8 => self.requantize(own, quant, (-128, 127)),
            Activations::Int16 => words::rescale(own, quant, 1.0, (i16::MIN, i16::MAX)),
        };
        Ok(self.push_between(node, op, place, shape(&value.name, &value.shape)?, quant))
    }

    /// The step that brings values to another scale.
    fn requantize(&self, from: Quant, to: Quant, (min, max): (i8, i8)) -> Kernel {
        let round = self.round();
        let scale = multiplier(round, f64::from(from.scale) / f64::from(to.scale));
        Kernel::Requantize(Requantize { scale, round, min, max })
    }

    /// The rounding profile of the program.
    fn round(&self) -> Rounding {
        rounding(&self.graph.given)
    }

    /// Input 0 at the scale of the output, which the operator keeps.
    fn kept(&mut self, node: &Node) -> Result<Operand> {
        let y = self.params.of(self.graph, node.output)?;
        self.at_scale(node, 0, y)
    }

    /// The bounds of an output: those of its type and of a fused activation.
    fn bounds(&self, node: &Node) -> Result<(i8, i8)> {
        Ok(bounds(self.params.of(self.graph, node.output)?, node.clamp))
    }
}

/// Int8 bounds that hold a real value inside a clamp.
fn bounds(quant: Quant, clamp: Option<Clamp>) -> (i8, i8) {
    clamp.map_or((-128, 127), |c| (quantize(c.min, quant), quantize(c.max, quant)))
}

/// A shape of the format.
fn shape(name: &str, dims: &[usize]) -> Result<Shape> {
    let small: Option<Vec<u32>> = dims.iter().map(|&d| u32::try_from(d).ok()).collect();
    small.and_then(|d| Shape::new(&d)).ok_or_else(|| {
        Error::new("cannot convert the model")
            .at(format!("tensor \"{name}\" of shape {dims:?}"))
            .cause("a tensor has one to six dimensions, none of them 0, and less than 2^31 elements")
            .remedy("export the model with smaller inputs, or without the operator that makes this tensor")
    })
}

/// A parameter in the width that the format has for it.
fn narrow<T: TryFrom<usize>>(node: &Node, what: &str, value: usize) -> Result<T> {
    T::try_from(value).map_err(|_| {
        Error::new("cannot convert the model")
            .at_node(&node.name, node.op.name())
            .cause(format!("its {what} is {value}, more than the format can hold"))
            .remedy("use a smaller one in the model")
    })
}
