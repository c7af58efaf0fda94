//! Where a session finds its steps and tensors: in a checked file ([`Model`]), or in constants that
//! `include_model!` has laid out (`Included`). The executor is written once for both.

use core::borrow::Borrow;

use mote_format::{Groups, Ids, MAX_INPUTS, State, StepInfo, Steps, TensorInfo};
use mote_kernels::table::Columns;

use crate::model::Model;

/// The tensors of a model, by their numbers.
pub trait Tensors {
    /// One tensor.
    fn tensor(&self, id: u16) -> Option<TensorInfo>;

    /// Its name; empty when it has none.
    fn name(&self, tensor: &TensorInfo) -> &str;
}

/// A checked model as a session needs it.
pub trait Program<'m>: Tensors {
    /// No step reads more tensors than this.
    const MOST_INPUTS: usize = MAX_INPUTS;

    /// Whether some output may run into its input row by row.
    const ROW_BY_ROW: bool = true;

    /// Whether some steps run in lockstep.
    const LOCKSTEP: bool = true;

    /// Whether some step changes states where they lie.
    const UPDATES: bool = true;

    /// The steps in the order in which they run; passing over some with `nth` is cheap.
    type Steps: Iterator<Item = Self::Step> + Clone;

    /// A step, or where it lies.
    type Step: Borrow<StepInfo<'m>>;

    /// A tensor, or where it lies.
    type Tensor: Borrow<TensorInfo>;

    /// As [`Tensors::tensor`], without a copy of what lies somewhere.
    fn info(&self, id: u16) -> Option<Self::Tensor>;

    /// From the first step on.
    fn steps(&self) -> Self::Steps;

    /// RAM for activations and scratch, in bytes.
    fn arena_bytes(&self) -> usize;

    /// Number of inputs; they are the first tensors.
    fn inputs(&self) -> u16;

    /// The tensors that keep their values from one inference to the next.
    fn states(&self) -> impl Iterator<Item = State>;

    /// The tensors that are outputs.
    fn outputs(&self) -> Ids<'m>;

    /// The steps that run in lockstep, and how.
    fn groups(&self) -> Groups<'m>;

    /// The constant section.
    fn constants(&self) -> &'m [u8];

    /// The kernels that it may run on.
    fn columns(&self) -> &'static Columns;

    /// Runs a step in a way of the program's own, if it has one; tells whether it has.
    fn compute(&self, step: &StepInfo<'_>, y: &TensorInfo, arena: &mut [u8]) -> bool {
        let _ = (step, y, arena);
        false
    }
}

impl Tensors for mote_format::Model<'_> {
    fn tensor(&self, id: u16) -> Option<TensorInfo> {
        self.tensor(id)
    }

    fn name(&self, tensor: &TensorInfo) -> &str {
        self.tensor_name(tensor)
    }
}

impl Tensors for Model<'_> {
    fn tensor(&self, id: u16) -> Option<TensorInfo> {
        self.format().tensor(id)
    }

    fn name(&self, tensor: &TensorInfo) -> &str {
        self.format().tensor_name(tensor)
    }
}

impl<'m> Program<'m> for Model<'m> {
    type Steps = Steps<'m>;
    type Step = StepInfo<'m>;
    type Tensor = TensorInfo;

    fn info(&self, id: u16) -> Option<TensorInfo> {
        self.tensor(id)
    }

    fn steps(&self) -> Steps<'m> {
        self.format().steps()
    }

    fn arena_bytes(&self) -> usize {
        self.format().arena_bytes()
    }

    fn inputs(&self) -> u16 {
        self.format().inputs()
    }

    fn states(&self) -> impl Iterator<Item = State> {
        self.format().states()
    }

    fn outputs(&self) -> Ids<'m> {
        self.format().outputs()
    }

    fn groups(&self) -> Groups<'m> {
        self.format().groups()
    }

    fn constants(&self) -> &'m [u8] {
        self.format().constants()
    }

    fn columns(&self) -> &'static Columns {
        Model::columns(self)
    }
}
