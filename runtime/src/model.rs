//! A model that is ready to run: checked by the format, and with enough scratch for the kernels.

use mote_format::{Error, Ids, Labels, Preparation, Reason, StepInfo, TensorInfo};
use mote_kernels::table;

/// A byte string proven to be a model that the kernels of this build can run.
#[derive(Clone, Copy)]
pub struct Model<'a>(mote_format::Model<'a>);

impl<'a> Model<'a> {
    /// Accepts or refuses a byte string; see [`mote_format::Model::new_checked`]. Beyond that it proves that each
    /// scratch buffer is as large as its kernel needs.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Error> {
        let model = mote_format::Model::new_checked(bytes)?;
        for step in model.steps() {
            let needed = scratch(&model, &step);
            if (step.scratch_len as usize) < needed {
                return Err(Error { at: step.at, reason: Reason::Scratch(needed as u32) });
            }
        }
        Ok(Self(model))
    }

    /// What the format knows of it.
    pub fn format(&self) -> &mote_format::Model<'a> {
        &self.0
    }

    /// RAM for activations and scratch, in bytes.
    pub fn arena_bytes(&self) -> usize {
        self.0.arena_bytes()
    }

    /// The inputs.
    pub fn inputs(&self) -> impl Iterator<Item = TensorInfo> + '_ {
        (0..self.0.inputs()).filter_map(|id| self.0.tensor(id))
    }

    /// The outputs.
    pub fn outputs(&self) -> impl Iterator<Item = TensorInfo> + '_ {
        let ids: Ids<'a> = self.0.outputs();
        (0..ids.len()).filter_map(move |i| self.0.tensor(ids.get(i)?))
    }

    /// The name of a tensor; empty when it has none.
    pub fn name(&self, tensor: &TensorInfo) -> &'a str {
        self.0.tensor_name(tensor)
    }

    /// The class names of an output.
    pub fn labels(&self, output: u16) -> Option<Labels<'a>> {
        self.0.labels(output)
    }

    /// How raw data becomes an input.
    pub fn preparation(&self, input: u16) -> Option<Preparation<'a>> {
        self.0.preparation(input)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Model<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let format = &self.0;
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
fn scratch(model: &mote_format::Model<'_>, step: &StepInfo<'_>) -> usize {
    let x = step.inputs.get(0).and_then(|id| model.tensor(id));
    let y = model.tensor(step.output);
    x.zip(y).map_or(0, |(x, y)| table::scratch(&step.op, &x.shape, &y.shape))
}
