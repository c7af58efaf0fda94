//! The quantized program: what is left to do once every value has a scale, before its buffers have places.
//!
//! A program lists steps in the order of the file format: behind inputs and states come the outputs of the steps. Making one
//! is `quantize`; giving its tensors places is `plan`; turning it into bytes is `encode`.

use crate::ir::{ValueId, short_name};
use mote_format::{Const, DType, ModelWriter, Op, Quant, Shape, TensorSpec};

/// A tensor in the arena.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// Name, unique in the program.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Dimensions.
    pub shape: Shape,
    /// Scale and zero point.
    pub quant: Quant,
    /// The value of the float graph that it holds; `None` for what lowering put in between.
    pub value: Option<ValueId>,
}

impl Tensor {
    /// Length in bytes.
    pub fn bytes(&self) -> usize {
        self.shape.elements() * self.dtype.size()
    }
}

/// What a step reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// Tensor `i` of the arena.
    Arena(usize),
    /// Constant `i`.
    Constant(usize),
}

/// One operator application; it writes the next tensor.
#[derive(Debug, Clone)]
pub struct Step {
    /// The node of the float graph that it comes from.
    pub node: String,
    /// What it computes.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<Operand>,
}

/// What becomes of a tensor that keeps its value from one inference to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The tensor that holds its value after an inference, on the same bytes: a step's output, or itself.
    pub next: usize,
    /// The constant that it holds at the start; without one the zero point.
    pub initial: Option<usize>,
}

/// A quantized network.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Inputs, then states, then the output of each step.
    pub tensors: Vec<Tensor>,
    /// Number of inputs.
    pub inputs: usize,
    /// What becomes of each state; they are the tensors behind the inputs.
    pub states: Vec<State>,
    /// Operators in order.
    pub steps: Vec<Step>,
    /// Tensors that the network returns.
    pub outputs: Vec<usize>,
    /// Holds the constant section while the program is built.
    pub writer: ModelWriter,
}

impl Program {
    /// Appends a step and the tensor that it writes, whose name is made [short](short_name) and unique; gives the
    /// tensor's index.
    pub fn push(&mut self, step: Step, output: Tensor) -> usize {
        let name = self.unique(&output.name);
        self.steps.push(step);
        self.tensors.push(Tensor { name, ..output });
        self.tensors.len() - 1
    }

    /// A [short](short_name) name that no tensor has yet.
    pub fn unique(&self, name: &str) -> String {
        let short = short_name(name);
        let taken = self.tensors.iter().any(|t| t.name == short);
        if taken { format!("{short}#{}", self.tensors.len()) } else { short.to_owned() }
    }

    /// Adds a constant tensor of int8 values.
    pub fn constant(&mut self, name: &str, dims: &[usize], quant: Quant, values: &[i8]) -> Operand {
        let bytes: Vec<u8> = values.iter().map(|&v| v as u8).collect();
        let dims = dims.iter().map(|&d| d as u32).collect();
        Operand::Constant(self.constant_bytes(name, DType::I8, dims, quant, &bytes))
    }

    /// Adds a constant tensor of any type; gives its index among the constants.
    pub fn constant_bytes(
        &mut self,
        name: &str,
        dtype: DType,
        dims: Vec<u32>,
        quant: Quant,
        bytes: &[u8],
    ) -> usize {
        let Const { at, .. } = self.writer.constant(bytes);
        self.writer.constants.push(TensorSpec { name: name.to_owned(), dtype, dims, quant, offset: at });
        self.writer.constants.len() - 1
    }

    /// Number of tensors that no step writes: inputs and states. Step `k` writes the `k`-th behind them.
    pub fn given(&self) -> usize {
        self.inputs + self.states.len()
    }

    /// The shape of an operand.
    pub fn shape(&self, operand: Operand) -> Shape {
        match operand {
            Operand::Arena(t) => self.tensors[t].shape,
            Operand::Constant(c) => Shape::new(&self.writer.constants[c].dims).unwrap_or(Shape::SCALAR),
        }
    }

    /// Scale and zero point of an operand.
    pub fn quant(&self, operand: Operand) -> Quant {
        match operand {
            Operand::Arena(t) => self.tensors[t].quant,
            Operand::Constant(c) => self.writer.constants[c].quant,
        }
    }

    /// The bytes of constant tensor `c`.
    pub fn bytes_of_constant(&self, c: usize) -> &[u8] {
        let tensor = &self.writer.constants[c];
        let elements: usize = tensor.dims.iter().map(|&d| d as usize).product();
        self.writer.bytes(Const { at: tensor.offset, len: (elements * tensor.dtype.size()) as u32 })
    }

    /// The tensor that step `k` writes.
    pub fn output(&self, k: usize) -> &Tensor {
        &self.tensors[self.given() + k]
    }

    /// The tensors that are needed after the last step: outputs, and the next values of states.
    pub fn lasting(&self) -> impl Iterator<Item = usize> {
        self.outputs.iter().copied().chain(self.states.iter().map(|s| s.next))
    }

    /// When each tensor is written and read for the last time, in the format's times.
    pub fn lives(&self) -> Vec<(usize, usize)> {
        let mut lives: Vec<_> =
            (0..self.tensors.len()).map(|t| (t + 1).saturating_sub(self.given())).map(|t| (t, t)).collect();
        for (k, step) in self.steps.iter().enumerate() {
            for input in &step.inputs {
                if let Operand::Arena(t) = input {
                    lives[*t].1 = k + 1;
                }
            }
        }
        for t in self.lasting() {
            lives[t].1 = self.steps.len() + 1;
        }
        lives
    }
}
