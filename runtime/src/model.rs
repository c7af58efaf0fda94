//! A model that is ready to run: checked by the format, and with enough scratch for the kernels.

use mote_format::{Error, Ids, Labels, Preparation, Reason, StepInfo, TensorInfo};
use mote_kernels::table::{self, Columns};

use crate::operators::Operators;

/// A byte string proven to be a model that the kernels of this build can run.
#[derive(Clone, Copy)]
pub struct Model<'a> {
    format: mote_format::Model<'a>,
    columns: &'static Columns,
}

impl<'a> Model<'a> {
    /// Accepts or refuses a byte string; see [`mote_format::Model::new_checked`]. Beyond that it proves that each
    /// scratch buffer is as large as its kernel needs.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::with_operators(bytes, &Operators::all())
    }

    /// As [`Self::new_checked`], for a program that links some operators only: a model that needs another one is
    /// refused with [`Reason::MissingOperator`]. See [`operators!`](crate::operators).
    pub fn with_operators(bytes: &'a [u8], operators: &Operators) -> Result<Self, Error> {
        let format = mote_format::Model::with_readers(bytes, operators.readers)?;
        for step in format.steps() {
            let needed = scratch(&format, &step, operators);
            if (step.scratch_len as usize) < needed {
                return Err(Error { at: step.at, reason: Reason::Scratch(needed as u32) });
            }
        }
        Ok(Self { format, columns: operators.columns })
    }

    /// What the format knows of it.
    pub fn format(&self) -> &mote_format::Model<'a> {
        &self.format
    }

    /// The kernels of its operators.
    pub(crate) fn columns(&self) -> &'static Columns {
        self.columns
    }

    /// RAM for activations and scratch, in bytes.
    pub fn arena_bytes(&self) -> usize {
        self.format.arena_bytes()
    }

    /// The inputs.
    pub fn inputs(&self) -> impl Iterator<Item = TensorInfo> + '_ {
        (0..self.format.inputs()).filter_map(|id| self.format.tensor(id))
    }

    /// The outputs.
    pub fn outputs(&self) -> impl Iterator<Item = TensorInfo> + '_ {
        let ids: Ids<'a> = self.format.outputs();
        (0..ids.len()).filter_map(move |i| self.format.tensor(ids.get(i)?))
    }

    /// The name of a tensor; empty when it has none.
    pub fn name(&self, tensor: &TensorInfo) -> &'a str {
        self.format.tensor_name(tensor)
    }

    /// The class names of an output.
    pub fn labels(&self, output: u16) -> Option<Labels<'a>> {
        self.format.labels(output)
    }

    /// How raw data becomes an input.
    pub fn preparation(&self, input: u16) -> Option<Preparation<'a>> {
        self.format.preparation(input)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Model<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let format = &self.format;
        defmt::write!(
            f,
            "{=str}: {=u16} steps, arena {=usize}",
            format.name(),
            format.steps_len(),
            self.arena_bytes()
        );
    }
}

/// Bytes of scratch that a step's kernel needs.
fn scratch(model: &mote_format::Model<'_>, step: &StepInfo<'_>, operators: &Operators) -> usize {
    let x = step.inputs.get(0).and_then(|id| model.tensor(id));
    let y = model.tensor(step.output);
    let bytes = |x: TensorInfo, y: TensorInfo| {
        table::scratch_among(operators.scratches, &step.op, &x.shape, &y.shape)
    };
    x.zip(y).map_or(0, |(x, y)| bytes(x, y))
}
