//! A model, its arena, and where in the program it is.

use mote_format::{DType, TensorInfo};
use mote_kernels::table::Kernels;

use crate::bind;
use crate::error::ArenaTooSmall;
use crate::model::Model;
use crate::program::Program;
use crate::step::{Hook, Step, macs};
use crate::tensor::{Tensor, TensorMut};

/// One inference after the other over the same arena. States go from each to the next.
pub struct Session<'m, 'a, P: Program<'m> = Model<'m>> {
    model: &'m P,
    arena: &'a mut [u8],
    kernels: &'static Kernels,
    rest: P::Steps,
}

impl<'m, 'a, P: Program<'m>> Session<'m, 'a, P> {
    /// A session on the fastest instruction set that this machine has.
    pub fn new(model: &'m P, arena: &'a mut [u8]) -> Result<Self, ArenaTooSmall> {
        Self::with_kernels(model, arena, model.columns().best())
    }

    /// A session on a chosen instruction set. The bits are the same on all.
    pub fn with_kernels(
        model: &'m P,
        arena: &'a mut [u8],
        kernels: &'static Kernels,
    ) -> Result<Self, ArenaTooSmall> {
        let (needed, given) = (model.arena_bytes(), arena.len());
        let arena = arena.get_mut(..needed).ok_or(ArenaTooSmall { needed, given })?;
        let mut session = Self::over(model, arena, kernels);
        session.reset();
        Ok(session)
    }

    /// A session that goes on where another one over the same arena has ended: the states are what they were then.
    pub fn resume(model: &'m P, arena: &'a mut [u8]) -> Result<Self, ArenaTooSmall> {
        let (needed, given) = (model.arena_bytes(), arena.len());
        let arena = arena.get_mut(..needed).ok_or(ArenaTooSmall { needed, given })?;
        Ok(Self::over(model, arena, model.columns().best()))
    }

    /// A session over an arena that is large enough and holds the states already.
    pub(crate) fn over(model: &'m P, arena: &'a mut [u8], kernels: &'static Kernels) -> Self {
        Self { model, arena, kernels, rest: model.steps() }
    }

    /// Forgets all inferences: every state holds its initial value again, and the next step is the first. A run that
    /// was left in the middle may have changed some states already; this puts them right.
    pub fn reset(&mut self) {
        let model = self.model;
        self.rest = model.steps();
        for state in model.states() {
            let Some(tensor) = model.tensor(state.tensor) else { continue };
            let Some(bytes) = self.arena.get_mut(tensor.range()) else { continue };
            let initial = state.initial.and_then(|id| model.tensor(id));
            match initial.and_then(|initial| model.constants().get(initial.range())) {
                Some(initial) => bytes.copy_from_slice(initial),
                None if tensor.dtype == DType::I8 => bytes.fill(tensor.quant.zero as u8),
                None => bytes.fill(0),
            }
        }
    }

    /// The instruction set in use.
    pub fn isa(&self) -> &'static str {
        self.kernels.name()
    }

    /// Input `i`, to be written before each run: later steps reuse its bytes. Empty when there is no such input.
    pub fn input_mut(&mut self, i: usize) -> Option<TensorMut<'_>> {
        let id = u16::try_from(i).ok().filter(|&id| id < self.model.inputs())?;
        let info = self.model.tensor(id)?;
        Some(TensorMut::new(info, self.arena))
    }

    /// Output `i`, valid after a run until the next one starts.
    pub fn output(&self, i: usize) -> Option<Tensor<'_>> {
        let info = self.model.tensor(self.model.outputs().get(i)?)?;
        Some(Tensor::in_arena(info, self.arena))
    }

    /// All outputs.
    pub fn outputs(&self) -> impl Iterator<Item = Tensor<'_>> {
        (0..self.model.outputs().len()).filter_map(|i| self.output(i))
    }

    /// One whole inference.
    pub fn run(&mut self) {
        self.run_with(&mut ());
    }

    /// One whole inference; `hook` hears of each step.
    pub fn run_with(&mut self, hook: &mut impl Hook) {
        self.rest = self.model.steps();
        while self.advance(hook).is_some() {}
        self.rest = self.model.steps();
    }

    /// A part of an inference, for executors that must not be held up: runs steps until `budget` multiply-accumulate
    /// operations are spent, at least one. `WouldBlock` says that there is more to do; after `Ok` the outputs are
    /// there, and the next call starts anew.
    pub fn step(&mut self, budget: u64) -> nb::Result<(), core::convert::Infallible> {
        let mut spent = 0;
        while let Some(macs) = self.advance(&mut ()) {
            spent += macs.max(1);
            if spent >= budget && self.rest.clone().next().is_some() {
                return Err(nb::Error::WouldBlock);
            }
        }
        self.rest = self.model.steps();
        Ok(())
    }

    /// Runs the next step; gives its multiply-accumulate operations, or `None` at the end.
    fn advance(&mut self, hook: &mut impl Hook) -> Option<u64> {
        let info = self.rest.next()?;
        let model = self.model;
        let y: TensorInfo = model.tensor(info.output)?;
        let kernels = self.kernels;
        hook.before(&Step { model, info: &info, y, arena: self.arena, kernels });
        bind::run(kernels, model, &info, &y, self.arena);
        hook.after(&Step { model, info: &info, y, arena: self.arena, kernels });
        Some(macs(model, &info))
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Session<'_, '_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{} on {}", self.model, self.kernels);
    }
}
