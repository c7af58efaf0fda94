//! A checked model and its accessors. The proof is `check`'s; the layouts are `header`'s, `tensor`'s, `meta`'s.

use crate::bytes::{slice, u8_at, u16_at, u32_at};
use crate::error::{Error, Reason};
use crate::field::Const;
use crate::header::{Header, Regions};
use crate::lockstep::Groups;
use crate::operator::Reader;
use crate::ops::{Op, READERS, known};
use crate::tensor::{RECORD, TensorInfo};

/// A byte string that has been proven to be a model; made by [`Model::new_checked`].
#[derive(Clone, Copy)]
pub struct Model<'a> {
    bytes: &'a [u8],
    header: Header,
    readers: &'static [Reader],
}

impl<'a> Model<'a> {
    /// Accepts or refuses a byte string. It must start at a multiple of [`crate::ALIGN`] bytes in memory; bytes
    /// behind the model's own length are ignored, so that a whole flash partition can be passed.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::with_readers(bytes, READERS)
    }

    /// As [`Self::new_checked`], for a program that has these operators only. A model that names another is refused
    /// with [`Reason::MissingOperator`].
    pub fn with_readers(bytes: &'a [u8], readers: &'static [Reader]) -> Result<Self, Error> {
        let header = Header::read(bytes)?;
        let bytes = slice(bytes, 0, header.length as usize).unwrap_or(bytes);
        let model = Self { bytes, header, readers };
        crate::check::check(&model)?;
        Ok(model)
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The model's bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// RAM for activations and scratch, in bytes.
    pub fn arena_bytes(&self) -> usize {
        self.header.arena as usize
    }

    /// The regions of RAM that the model was planned for: one, or several of different speed.
    pub fn regions(&self) -> Regions<'a> {
        self.header.regions(self.bytes)
    }

    /// Bytes of weights, biases, multipliers and tables.
    pub fn constant_bytes(&self) -> usize {
        self.header.consts_len as usize
    }

    /// Number of tensors: inputs, then states, then the outputs of the steps in order, then constants.
    pub fn tensors(&self) -> u16 {
        self.header.n_tensors
    }

    /// Number of inputs; they are tensors `0..inputs`.
    pub fn inputs(&self) -> u16 {
        self.header.n_inputs
    }

    /// The tensors that are the model's outputs.
    pub fn outputs(&self) -> Ids<'a> {
        let (at, len) = (self.header.outputs as usize, 2 * usize::from(self.header.n_outputs));
        Ids(slice(self.bytes, at, len).unwrap_or(&[]))
    }

    /// The tensors whose values go from one inference to the next.
    pub fn states(&self) -> impl Iterator<Item = State> + use<'a> {
        let (bytes, header) = (self.bytes, self.header);
        (0..header.n_states).map_while(move |i| {
            let at = header.outputs as usize + 2 * usize::from(header.n_outputs) + 4 * usize::from(i);
            let initial = u16_at(bytes, at + 2)?;
            Some(State {
                tensor: header.n_inputs + i,
                next: u16_at(bytes, at)?,
                initial: (initial != u16::MAX).then_some(initial),
            })
        })
    }

    /// The steps that run in lockstep, and how.
    pub fn groups(&self) -> Groups<'a> {
        let at = self.header.outputs as usize + self.header.lists_len() as usize;
        Groups::new(slice(self.bytes, at, self.header.schedule_len.into()).unwrap_or(&[]))
    }

    /// One tensor.
    pub fn tensor(&self, id: u16) -> Option<TensorInfo> {
        let known = id < self.header.n_tensors;
        known
            .then(|| TensorInfo::read(self.bytes, self.header.tensors as usize + RECORD * usize::from(id)))?
    }

    /// The name of a tensor; empty when it has none.
    pub fn tensor_name(&self, tensor: &TensorInfo) -> &'a str {
        crate::meta::string(self.bytes, &self.header, tensor.name).unwrap_or("")
    }

    /// The constant section.
    pub fn constants(&self) -> &'a [u8] {
        slice(self.bytes, self.header.consts as usize, self.header.consts_len as usize).unwrap_or(&[])
    }

    /// Constant bytes.
    pub fn bytes_of(&self, c: Const) -> &'a [u8] {
        slice(self.constants(), c.at as usize, c.len as usize).unwrap_or(&[])
    }

    /// The bytes of a constant tensor.
    pub fn tensor_bytes(&self, tensor: &TensorInfo) -> &'a [u8] {
        self.bytes_of(Const { at: tensor.offset, len: tensor.bytes() as u32 })
    }

    /// Number of steps.
    pub fn steps_len(&self) -> u16 {
        self.header.n_steps
    }

    /// The steps in the order in which they run.
    pub fn steps(&self) -> Steps<'a> {
        Steps { model: *self, at: self.header.steps, index: 0 }
    }

    /// Reads the step record at `at`; also gives the offset of the next one.
    pub(crate) fn step(&self, at: u32, index: u16) -> Result<(StepInfo<'a>, u32), Error> {
        let refuse = |reason| Error { at, reason };
        let end = self.header.steps + self.header.steps_len;
        let code = u8_at(self.bytes, at as usize).ok_or(refuse(Reason::Step))?;
        let reader = self.reader(code).map_err(refuse)?;
        let (step, next) = self.step_record(reader, at, index).ok_or(refuse(Reason::Step))?;
        if next > end {
            return Err(refuse(Reason::Step));
        }
        let (few, most) = reader.arity;
        if !(few.into()..=most.into()).contains(&step.inputs.len()) {
            return Err(refuse(Reason::Arity));
        }
        Ok((step, next))
    }

    /// How operator `code` is read.
    pub(crate) fn reader(&self, code: u8) -> Result<&'static Reader, Reason> {
        let missing = if known(code) { Reason::MissingOperator(code) } else { Reason::UnknownOperator(code) };
        self.readers.iter().find(|reader| reader.code == code).ok_or(missing)
    }

    /// The layout of a step record; its length is exact, its padding and reserved bytes are zero.
    fn step_record(&self, reader: &Reader, at: u32, index: u16) -> Option<(StepInfo<'a>, u32)> {
        let base = at as usize;
        let n_inputs = usize::from(u8_at(self.bytes, base + 1)?);
        let length = usize::from(u16_at(self.bytes, base + 2)?);
        let scratch_at = u32_at(self.bytes, base + 4)?;
        let scratch_len = u32_at(self.bytes, base + 8)?;
        let inputs = Ids(slice(self.bytes, base + 12, 2 * n_inputs)?);
        let params = base + 12 + 2 * n_inputs;
        let size = usize::from(reader.size);
        let op = (reader.get)(slice(self.bytes, params, size)?)?;
        let padding = slice(self.bytes, params + size, length.checked_sub(12 + 2 * n_inputs + size)?)?;
        if length % 4 != 0 || padding.len() > 3 || padding.iter().any(|&b| b != 0) {
            return None;
        }
        scratch_at.checked_add(scratch_len)?;
        let output = self.header.given().checked_add(index)?;
        Some((
            StepInfo { index, at, op, inputs, output, scratch_at, scratch_len },
            at.checked_add(length as u32)?,
        ))
    }
}

/// One step: an operator, its tensors and its scratch buffer.
///
/// ```text
///   0 code    u8
///   1 inputs  u8
///   2 length  u16  of this record, a multiple of 4
///   4 scratch u32  offset in the arena
///   8 scratch_len u32
///  12 input tensors, u16 each; then the parameters in the order of the operator table; then zeros
/// ```
///
/// The output is not stored: it is the next tensor in the order of writing.
#[derive(Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StepInfo<'a> {
    /// Position in the program.
    pub index: u16,
    /// Offset of the record in the file.
    pub at: u32,
    /// What it computes.
    pub op: Op,
    /// What it reads.
    pub inputs: Ids<'a>,
    /// What it writes.
    pub output: u16,
    /// Where its scratch buffer starts in the arena.
    pub scratch_at: u32,
    /// Length of the scratch buffer.
    pub scratch_len: u32,
}

/// A tensor that keeps its value from one inference to the next: read like an input, written like an output on the
/// same bytes.
///
/// ```text
///   0 next    u16  the tensor whose bytes at the end are those of the state: an output of a step, or itself
///   2 initial u16  a constant, or 0xFFFF
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct State {
    /// The value before an inference.
    pub tensor: u16,
    /// The value after it, on the same bytes.
    pub next: u16,
    /// The constant that it holds at the start. Without one, int8 values are the zero point, others are 0.
    pub initial: Option<u16>,
}

/// Tensor indices.
#[derive(Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ids<'a>(&'a [u8]);

impl<'a> Ids<'a> {
    /// Of two bytes each, little-endian.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The `i`-th.
    pub fn get(&self, i: usize) -> Option<u16> {
        u16_at(self.0, 2 * i)
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]))
    }
}

/// Iterates over the steps of a model.
#[derive(Clone)]
pub struct Steps<'a> {
    model: Model<'a>,
    at: u32,
    index: u16,
}

impl<'a> Iterator for Steps<'a> {
    type Item = StepInfo<'a>;

    fn next(&mut self) -> Option<StepInfo<'a>> {
        if self.index >= self.model.header.n_steps {
            return None;
        }
        let (step, next) = self.model.step(self.at, self.index).ok()?;
        self.at = next;
        self.index += 1;
        Some(step)
    }

    /// Records that are passed over are not decoded.
    fn nth(&mut self, n: usize) -> Option<StepInfo<'a>> {
        for _ in 0..n {
            self.at = self.at.checked_add(u16_at(self.model.bytes, self.at as usize + 2)?.into())?;
            self.index += 1;
        }
        self.next()
    }
}
