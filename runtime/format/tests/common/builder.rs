//! Builds a model step by step and places its buffers first-fit, so that dead buffers are reused.

use std::ops::Range;

use mote_format::{AlignedBytes, Const, DType, ModelWriter, Op, Quant, Requant, Rounding};
use mote_format::{StateSpec, StepSpec, TensorSpec};

/// Constants get indices behind all written tensors, which are not known before the end; until then this bit
/// marks them.
const CONSTANT: u16 = 0x8000;

/// A model in the making.
#[derive(Clone, Default)]
pub(crate) struct Builder {
    pub(crate) writer: ModelWriter,
    /// Per step, whether its output takes the place of its first input.
    in_place: Vec<bool>,
}

/// A scale and zero point.
pub(crate) fn quant(scale: f32, zero: i32) -> Quant {
    Quant { scale, zero }
}

impl Builder {
    pub(crate) fn input(&mut self, name: &str, dtype: DType, dims: &[u32], quant: Quant) -> u16 {
        self.writer.tensors.push(spec(name, dtype, dims, quant));
        self.writer.tensors.len() as u16 - 1
    }

    /// A state, behind all inputs and in front of all steps; it keeps its value unless [`Builder::next`] says otherwise.
    pub(crate) fn state(&mut self, name: &str, y: (DType, &[u32], Quant), initial: Option<u16>) -> u16 {
        let id = self.input(name, y.0, y.1, y.2);
        self.writer.states.push(StateSpec { next: id, initial });
        id
    }

    /// The last step writes the next value of a state.
    pub(crate) fn next(&mut self, state: u16) {
        let id = self.writer.tensors.len() as u16 - 1;
        let given = self.writer.tensors.len() - self.writer.steps.len();
        let states = self.writer.states.len();
        self.writer.states[usize::from(state) + states - given].next = id;
    }

    /// An int8 tensor in the constant section.
    pub(crate) fn constant(&mut self, name: &str, bytes: &[u8], dims: &[u32], quant: Quant) -> u16 {
        let offset = self.writer.constant(bytes).at;
        self.writer.constants.push(TensorSpec { offset, ..spec(name, DType::I8, dims, quant) });
        CONSTANT | (self.writer.constants.len() as u16 - 1)
    }

    /// Int8 values as an operator's parameter.
    pub(crate) fn i8s(&mut self, values: &[u8]) -> Const {
        self.writer.constant(values)
    }

    /// 32-bit values as an operator's parameter.
    pub(crate) fn i32s(&mut self, values: &[i32]) -> Const {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.writer.constant(&bytes)
    }

    /// Requantization; `shift` is left out in the float profile, as the format wants it.
    pub(crate) fn requant(&mut self, round: Rounding, mult: &[i32], shift: &[i8]) -> Requant {
        let shift: Vec<u8> = shift.iter().map(|&s| s as u8).collect();
        let shift = if round == Rounding::Float { &[] } else { &*shift };
        Requant { round, mult: self.i32s(mult), shift: self.i8s(shift), min: -128, max: 127 }
    }

    /// A step, its inputs and how its output looks; gives the output's index. `scratch` is in bytes.
    pub(crate) fn step(&mut self, op: Op, inputs: &[u16], y: (DType, &[u32], Quant), scratch: u32) -> u16 {
        let name = format!("{}_{}", op.name(), self.writer.steps.len());
        self.writer.steps.push(StepSpec { op, inputs: inputs.to_vec(), scratch: (0, scratch) });
        self.writer.tensors.push(spec(&name, y.0, y.1, y.2));
        self.in_place.push(false);
        self.writer.tensors.len() as u16 - 1
    }

    /// The last step writes where its first input lies.
    pub(crate) fn in_place(&mut self) {
        *self.in_place.last_mut().expect("a step") = true;
    }

    pub(crate) fn output(&mut self, id: u16) {
        self.writer.outputs.push(id);
    }

    /// The writer with every index resolved and every buffer placed.
    pub(crate) fn place(mut self) -> ModelWriter {
        let written = self.writer.tensors.len() as u16;
        let initial = self.writer.states.iter_mut().filter_map(|s| s.initial.as_mut());
        for id in self.writer.steps.iter_mut().flat_map(|s| &mut s.inputs).chain(initial) {
            if *id & CONSTANT != 0 {
                *id = written + (*id & !CONSTANT);
            }
        }
        self.place_buffers();
        self.writer
    }

    /// The bytes of the model.
    pub(crate) fn finish(self) -> AlignedBytes {
        self.place().finish()
    }

    fn place_buffers(&mut self) {
        let lives = self.lives();
        let given = self.writer.tensors.len() - self.writer.steps.len();
        let states = given - self.writer.states.len();
        let mut placed: Vec<(Range<u32>, Range<usize>)> = Vec::new();
        let mut fit = |life: Range<usize>, size: u32, at: Option<u32>| {
            let taken = |r: &Range<u32>| {
                let hit = |(p, l): &&(Range<u32>, Range<usize>)| {
                    p.start < r.end && r.start < p.end && l.start < life.end && life.start < l.end
                };
                placed.iter().find(hit).map(|(p, _)| p.end)
            };
            let mut start = at.unwrap_or(0);
            while let Some(end) = taken(&(start..start + size)).filter(|_| at.is_none()) {
                start = end;
            }
            placed.push((start..start + size, life));
            start
        };
        for (id, life) in lives.into_iter().enumerate() {
            let step = id.checked_sub(given);
            let size = bytes(&self.writer.tensors[id]);
            let at = step.filter(|&k| self.in_place[k]).map(|k| {
                let from = usize::from(self.writer.steps[k].inputs[0]);
                self.writer.tensors[from].offset
            });
            let state = self.writer.states.iter().position(|s| usize::from(s.next) == id);
            let at = state.filter(|_| step.is_some()).map(|i| self.writer.tensors[states + i].offset).or(at);
            self.writer.tensors[id].offset = fit(life, size, at);
            if let Some(k) = step {
                let scratch = &mut self.writer.steps[k].scratch;
                scratch.0 = fit(k + 1..k + 2, scratch.1, None);
            }
        }
        self.writer.arena = placed.iter().map(|(p, _)| p.end).max().unwrap_or(0);
    }

    /// When each written tensor is needed; the format's times, end exclusive.
    fn lives(&self) -> Vec<Range<usize>> {
        let (tensors, steps) = (self.writer.tensors.len(), self.writer.steps.len());
        let first = |id: usize| (id + 1).saturating_sub(tensors - steps);
        let mut lives: Vec<Range<usize>> = (0..tensors).map(|id| first(id)..first(id) + 1).collect();
        for (k, step) in self.writer.steps.iter().enumerate() {
            for &id in &step.inputs {
                if let Some(life) = lives.get_mut(usize::from(id)) {
                    life.end = k + 2;
                }
            }
        }
        let given = tensors - steps;
        let states = given - self.writer.states.len()..given;
        let ends = self.writer.outputs.iter().chain(self.writer.states.iter().map(|s| &s.next));
        for id in ends.map(|&id| usize::from(id)).chain(states) {
            lives[id].end = steps + 2;
        }
        lives
    }
}

fn spec(name: &str, dtype: DType, dims: &[u32], quant: Quant) -> TensorSpec {
    TensorSpec { name: name.into(), dtype, dims: dims.to_vec(), quant, offset: 0 }
}

fn bytes(tensor: &TensorSpec) -> u32 {
    tensor.dims.iter().product::<u32>() * tensor.dtype.size() as u32
}
