//! A model that is ready to run: checked by the format, and with enough scratch for the kernels.

use mote_format::{Error, Ids, Labels, Preparation, Reason, Shape, StepInfo, TensorInfo};
use mote_kernels::table::{Columns, Needs};

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
    /// refused with [`Reason::MissingOperator`], one that needs another way of computing with [`Reason::MissingWay`]. See
    /// [`operators!`](crate::operators).
    pub fn with_operators(bytes: &'a [u8], operators: &Operators) -> Result<Self, Error> {
        let format = mote_format::Model::with_readers(bytes, operators.readers)?;
        for step in format.steps() {
            if let Some(reason) = missing(&format, &step, operators) {
                return Err(Error { at: step.at, reason });
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

/// What a step's kernel needs and does not have: scratch, or code for the way that it takes.
fn missing(model: &mote_format::Model<'_>, step: &StepInfo<'_>, operators: &Operators) -> Option<Reason> {
    let needs = Needs::among(operators.needs, &step.op)?;
    let shape = |i: usize| Some(model.tensor(step.inputs.get(i)?)?.shape);
    let y = model.tensor(step.output)?.shape;
    let x = [shape(0)?, shape(1).unwrap_or(Shape::SCALAR)];
    let (scratch, given) = (needs.scratch(&step.op, &x[0], &y), step.scratch_len as usize);
    if given < scratch {
        return Some(Reason::Scratch(scratch as u32));
    }
    let inputs = x.get(..step.inputs.len()).unwrap_or(&x);
    let ways = needs.ways(&step.op, inputs, &y, given, model.constants()) & !operators.ways;
    (ways != 0).then(|| Reason::MissingWay(ways.trailing_zeros() as u8))
}
