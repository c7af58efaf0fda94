//! What can be said of one step while a model runs, and the hook that hears of it.

use mote_format::{Conv2dAsymmetric, Conv2dPalette, DepthwiseConv2dAsymmetric, Op, StepInfo, TensorInfo};
use mote_kernels::table::Kernels;

use crate::program::Tensors;
use crate::tensor::Tensor;

/// A step that is about to run or has just run.
pub struct Step<'s> {
    pub(crate) model: &'s dyn Tensors,
    pub(crate) info: &'s StepInfo<'s>,
    pub(crate) y: &'s TensorInfo,
    /// The rows that this call makes, or all of it.
    pub(crate) part: &'s TensorInfo,
    /// Bytes of the output that were there before.
    pub(crate) offset: usize,
    /// Their bytes.
    pub(crate) bytes: &'s [u8],
    pub(crate) kernels: &'static Kernels,
}

impl<'s> Step<'s> {
    /// Position in the program.
    pub fn index(&self) -> u16 {
        self.info.index
    }

    /// What it computes.
    pub fn op(&self) -> &Op {
        &self.info.op
    }

    /// The name of the tensor that it writes.
    pub fn name(&self) -> &'s str {
        self.model.name(self.y)
    }

    /// The instruction set that it runs on.
    pub fn isa(&self) -> &'static str {
        self.kernels.name()
    }

    /// The kernel's name: operator, element type, instruction set.
    pub fn kernel(&self) -> Kernel {
        Kernel { op: self.info.op.module(), isa: self.kernels.name() }
    }

    /// Multiply-accumulate operations, of the rows that are made.
    pub fn macs(&self) -> u64 {
        macs(self.model, self.info) * self.part.shape.elements() as u64 / self.y.shape.elements() as u64
    }

    /// What it writes; the values are there once it has run. A step that runs in lockstep with others writes some rows
    /// of its tensor at a time, and is heard of each time.
    pub fn output(&self) -> Tensor<'_> {
        Tensor::new(*self.part, self.bytes)
    }

    /// Where in its tensor that lies, in bytes from the start.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Step<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u16} {=str} {}", self.index(), self.name(), self.kernel());
    }
}

/// A kernel's name, such as `conv2d-i8-avx2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Kernel {
    /// The operator.
    pub op: &'static str,
    /// The instruction set.
    pub isa: &'static str,
}

impl core::fmt::Display for Kernel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}-i8-{}", self.op, self.isa)
    }
}

/// Hears of each step, and of each part of one that runs in lockstep with others. The default hears nothing.
pub trait Hook {
    /// The step is about to run.
    fn before(&mut self, step: &Step<'_>) {
        let _ = step;
    }

    /// The step has run.
    fn after(&mut self, step: &Step<'_>) {
        let _ = step;
    }
}

impl Hook for () {}

/// Multiply-accumulate operations of a step; 0 for operators that have none.
pub fn macs(model: &dyn Tensors, step: &StepInfo<'_>) -> u64 {
    let tensor = |id| model.tensor(id).map(|t: TensorInfo| t.shape);
    let x = step.inputs.get(0).and_then(tensor);
    let (Some(x), Some(y)) = (x, tensor(step.output)) else { return 0 };
    let outputs = y.elements() as u64;
    match &step.op {
        Op::Conv2d(p)
        | Op::Conv2dAsymmetric(Conv2dAsymmetric { layer: p, .. })
        | Op::Conv2dPalette(Conv2dPalette { layer: p, .. }) => {
            let channels = x.channels() as u64 / u64::from(p.groups.max(1));
            outputs * u64::from(p.kh) * u64::from(p.kw) * channels
        }
        Op::DepthwiseConv2d(p)
        | Op::DepthwiseConv2dAsymmetric(DepthwiseConv2dAsymmetric { layer: p, .. }) => {
            outputs * u64::from(p.kh) * u64::from(p.kw)
        }
        Op::Conv2d16(p) => {
            let channels = x.channels() as u64 / u64::from(p.groups.max(1));
            outputs * u64::from(p.kh) * u64::from(p.kw) * channels
        }
        Op::DepthwiseConv2d16(p) => outputs * u64::from(p.kh) * u64::from(p.kw),
        Op::TransposeConv2d(p) => {
            x.elements() as u64 * u64::from(p.kh) * u64::from(p.kw) * y.channels() as u64
        }
        Op::FullyConnected(_)
        | Op::FullyConnectedAsymmetric(_)
        | Op::FullyConnectedPalette(_)
        | Op::FullyConnected16(_) => outputs * x.channels() as u64,
        Op::Lstm(_) => 4 * outputs * (x.channels() + y.channels()) as u64,
        Op::Svdf(p) => outputs * u64::from(p.rank) * (x.channels() as u64 + u64::from(p.memory)),
        _ => 0,
    }
}
