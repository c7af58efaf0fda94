//! Writes a program again step by step, with the constants that the new steps use and no others.

use crate::error::{Error, Result};
use crate::program::{Operand, Program, State, Step, Tensor};
use mote_format::{Const, ModelWriter, Op, TensorSpec};
use std::collections::HashMap;

/// A program on its way to a new one.
pub(super) struct Rebuild<'p> {
    old: &'p Program,
    new: Program,
    /// Where each tensor of the old program is in the new one.
    places: Vec<Option<usize>>,
    /// New constant tensors by the old one and the channels kept of it.
    constants: HashMap<(usize, Vec<usize>), Operand>,
}

impl<'p> Rebuild<'p> {
    /// Starts with the inputs and states.
    pub(super) fn new(old: &'p Program) -> Self {
        let mut places = vec![None; old.tensors.len()];
        (0..old.given()).for_each(|t| places[t] = Some(t));
        let tensors = old.tensors[..old.given()].to_vec();
        let new = Program { tensors, inputs: old.inputs, states: old.states.clone(), ..Program::default() };
        Self { old, new, places, constants: HashMap::new() }
    }

    /// Where a tensor of the old program is; nowhere when its step has gone.
    pub(super) fn place(&self, t: usize) -> Option<Operand> {
        self.places[t].map(Operand::Arena)
    }

    /// The new program's constants.
    pub(super) fn writer(&mut self) -> &mut ModelWriter {
        &mut self.new.writer
    }

    /// The operator with its constants in the new program.
    pub(super) fn constants(&mut self, mut op: Op) -> Op {
        op.each_const(&mut |c: &mut Const| *c = self.new.writer.constant(self.old.writer.bytes(*c)));
        op
    }

    /// Some channels of constant tensor `c`.
    pub(super) fn constant(&mut self, c: usize, channels: &[usize]) -> Operand {
        if let Some(&known) = self.constants.get(&(c, channels.to_vec())) {
            return known;
        }
        let tensor = &self.old.writer.constants[c];
        let all = tensor.dims.last().map_or(1, |&d| d as usize);
        let rows = self.old.bytes_of_constant(c).chunks_exact(all * tensor.dtype.size());
        let element = |row: &[u8], o: usize| row.chunks_exact(tensor.dtype.size()).nth(o).map(<[u8]>::to_vec);
        let bytes: Vec<u8> =
            rows.flat_map(|row| channels.iter().filter_map(move |&o| element(row, o))).flatten().collect();
        let mut dims = tensor.dims.clone();
        if let Some(d) = dims.last_mut() {
            *d = channels.len() as u32;
        }
        let offset = self.new.writer.constant(&bytes).at;
        self.new.writer.constants.push(TensorSpec { dims, offset, ..tensor.clone() });
        let operand = Operand::Constant(self.new.writer.constants.len() - 1);
        self.constants.insert((c, channels.to_vec()), operand);
        operand
    }

    /// Constant tensor `c` as it is.
    pub(super) fn whole_constant(&mut self, c: usize) -> Operand {
        let channels = self.old.shape(Operand::Constant(c)).channels();
        self.constant(c, &(0..channels).collect::<Vec<_>>())
    }

    /// Appends what step `k` has become.
    pub(super) fn push(&mut self, k: usize, op: Op, inputs: Vec<Operand>, output: Tensor) {
        self.new.steps.push(Step { node: self.old.steps[k].node.clone(), op, inputs });
        self.new.tensors.push(output);
        self.places[self.old.given() + k] = Some(self.new.tensors.len() - 1);
    }

    /// Lets readers of tensor `t` read what `same`, another tensor of the old program, has become.
    pub(super) fn replace(&mut self, t: usize, same: usize) {
        self.places[t] = self.places[same];
    }

    /// The new program.
    pub(super) fn finish(mut self) -> Result<Program> {
        let outputs = self.old.outputs.iter().map(|&t| self.places[t]).collect::<Option<_>>();
        self.new.outputs =
            outputs.ok_or_else(|| Error::internal("an output of the network has been removed"))?;
        let old = self.old;
        for (i, &State { next, initial }) in old.states.iter().enumerate() {
            let next =
                self.places[next].ok_or_else(|| Error::internal("a state's value has been removed"))?;
            let initial = initial.and_then(|c| match self.whole_constant(c) {
                Operand::Constant(c) => Some(c),
                Operand::Arena(_) => None,
            });
            self.new.states[i] = State { next, initial };
        }
        Ok(self.new)
    }
}
