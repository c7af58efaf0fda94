//! A model, its arena, and where in the program it is.

use core::borrow::Borrow;

use mote_format::{Call, DType, Image, StepInfo, TensorInfo};
use mote_kernels::table::Kernels;

use crate::bind::{self, Rows};
use crate::cursor::{Cursor, Next};
use crate::error::{ArenaTooSmall, RegionTooSmall, RowsError};
use crate::model::Model;
use crate::program::Program;
use crate::ram::Ram;
use crate::step::{Hook, Step};
use crate::tensor::{Tensor, TensorMut};

/// One inference after the other over the same arena, or over the same `R` regions of RAM. States go from each to the
/// next.
pub struct Session<'m, 'a, P: Program<'m> = Model<'m>, const R: usize = 1> {
    model: &'m P,
    ram: Ram<'a, R>,
    kernels: &'static Kernels,
    cursor: Cursor<'m, P>,
    /// Rows of the input that have come, where it is fed by rows.
    fed: usize,
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
        let mut session = Self::over(model, [arena], kernels);
        session.reset();
        Ok(session)
    }

    /// A session that goes on where another one over the same arena has ended: the states are what they were then.
    pub fn resume(model: &'m P, arena: &'a mut [u8]) -> Result<Self, ArenaTooSmall> {
        let (needed, given) = (model.arena_bytes(), arena.len());
        let arena = arena.get_mut(..needed).ok_or(ArenaTooSmall { needed, given })?;
        Ok(Self::over(model, [arena], model.columns().best()))
    }
}

impl<'m, 'a, const R: usize> Session<'m, 'a, Model<'m>, R> {
    /// A session over several regions of RAM, one slice for each that the model was planned for, in its order
    /// (`mote convert --region`; [`mote_format::Model::regions`]). Any model runs in one arena as well, see
    /// [`Self::new`].
    pub fn in_regions(model: &'m Model<'m>, slices: [&'a mut [u8]; R]) -> Result<Self, RegionTooSmall> {
        let mut regions = model.format().regions().map(|region| region.len()).enumerate();
        let mut fitting = slices;
        for slice in &mut fitting {
            let (region, needed) = regions.next().unwrap_or((0, 0));
            let given = slice.len();
            *slice =
                core::mem::take(slice).get_mut(..needed).ok_or(RegionTooSmall { region, needed, given })?;
        }
        if let Some((region, needed)) = regions.find(|&(_, needed)| needed > 0) {
            return Err(RegionTooSmall { region, needed, given: 0 });
        }
        let mut session = Self::over(model, fitting, model.columns().best());
        session.reset();
        Ok(session)
    }
}

impl<'m, 'a, P: Program<'m>, const R: usize> Session<'m, 'a, P, R> {
    /// A session over regions that are as large as the model's and hold the states already.
    pub(crate) fn over(model: &'m P, slices: [&'a mut [u8]; R], kernels: &'static Kernels) -> Self {
        Self { model, ram: Ram::new(slices), kernels, cursor: Cursor::new(model), fed: 0 }
    }

    /// Forgets all inferences: every state holds its initial value again, and the next step is the first. A run that
    /// was left in the middle may have changed some states already; this puts them right.
    pub fn reset(&mut self) {
        let model = self.model;
        self.restart();
        for state in model.states() {
            let Some(tensor) = model.tensor(state.tensor) else { continue };
            let Some(bytes) = self.ram.get_mut(tensor.range()) else { continue };
            let initial = state.initial.and_then(|id| model.tensor(id));
            match initial.and_then(|initial| model.constants().get(initial.range())) {
                Some(initial) => bytes.copy_from_slice(initial),
                None if tensor.dtype == DType::I8 => bytes.fill(tensor.quant.zero as u8),
                None => bytes.fill(0),
            }
        }
    }

    /// Copies the states' values out, one after the other, so that another model may have the arena for a while. Gives
    /// how many bytes they are; `None`, and nothing is copied, when `to` has fewer.
    pub fn save_states(&self, to: &mut [u8]) -> Option<usize> {
        let bytes = self.state_bytes();
        let mut to = to.get_mut(..bytes)?;
        for state in self.states() {
            let (place, rest) = to.split_at_mut_checked(state.bytes())?;
            place.copy_from_slice(self.ram.get(state.range())?);
            to = rest;
        }
        Some(bytes)
    }

    /// Gives the states the values that [`Self::save_states`] copied out. Gives how many bytes they are; `None`, and
    /// nothing is changed, when `from` has fewer.
    pub fn restore_states(&mut self, from: &[u8]) -> Option<usize> {
        let bytes = self.state_bytes();
        let (model, mut from) = (self.model, from.get(..bytes)?);
        for state in model.states().filter_map(|state| model.tensor(state.tensor)) {
            let (values, rest) = from.split_at_checked(state.bytes())?;
            self.ram.get_mut(state.range())?.copy_from_slice(values);
            from = rest;
        }
        Some(bytes)
    }

    /// Bytes of all states.
    pub fn state_bytes(&self) -> usize {
        self.states().map(|state| state.bytes()).sum()
    }

    fn states(&self) -> impl Iterator<Item = TensorInfo> {
        self.model.states().filter_map(|state| self.model.tensor(state.tensor))
    }

    /// The instruction set in use.
    pub fn isa(&self) -> &'static str {
        self.kernels.name()
    }

    /// Input `i`, to be written before each run: later steps reuse its bytes. Empty when there is no such input,
    /// and when it is fed by rows.
    pub fn input_mut(&mut self, i: usize) -> Option<TensorMut<'_>> {
        let id = u16::try_from(i).ok().filter(|&id| id < self.model.inputs())?;
        let info = self.model.tensor(id).filter(|info| info.kept == 0)?;
        Some(TensorMut::over(info, self.ram.get_mut(info.range())?))
    }

    /// Output `i`, valid after a run until the next one starts.
    pub fn output(&self, i: usize) -> Option<Tensor<'_>> {
        let info = self.model.tensor(self.model.outputs().get(i)?)?;
        Some(Tensor::new(info, self.ram.get(info.range())?))
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
        self.restart();
        self.go_on(hook);
        self.restart();
    }

    /// Takes the next rows of the first input, as a camera delivers them, and computes as far as they reach. Gives the
    /// number of rows that are still to come: after the last one the outputs are there, and the next call starts anew.
    ///
    /// A model that was planned for it (`mote convert --rows`) holds no more of its input than it needs at a time; any
    /// other model waits for the last row.
    pub fn push_rows(&mut self, rows: &[u8]) -> Result<usize, RowsError> {
        self.push_rows_with(rows, &mut ())
    }

    /// As [`Self::push_rows`]; `hook` hears of each step.
    pub fn push_rows_with(&mut self, rows: &[u8], hook: &mut impl Hook) -> Result<usize, RowsError> {
        let Some(x) = self.model.tensor(0) else { return Ok(0) };
        let Image { height, row } = x.image().unwrap_or(Image { height: 1, row: x.bytes() });
        if !rows.len().is_multiple_of(row) {
            return Err(RowsError::Length { row, given: rows.len() });
        }
        let (left, given) = (height - self.fed, rows.len() / row);
        if given > left {
            return Err(RowsError::TooMany { left, given });
        }
        for row in rows.chunks_exact(row) {
            self.take_row(&x, row);
            if self.fed == height {
                self.go_on(hook);
                self.restart();
            } else if x.kept > 0 {
                self.go_on(hook);
            }
        }
        Ok(left - given)
    }

    /// A part of an inference, for executors that must not be held up: runs steps until `budget` multiply-accumulate
    /// operations are spent, at least one. `WouldBlock` says that there is more to do; after `Ok` the outputs are
    /// there, and the next call starts anew. Steps that run in lockstep are done a few rows at a time.
    pub fn step(&mut self, budget: u64) -> nb::Result<(), core::convert::Infallible> {
        let mut spent = Spent(0);
        while self.advance(&mut spent).is_some() {
            if spent.0 >= budget && !self.cursor.is_at_end() {
                return Err(nb::Error::WouldBlock);
            }
        }
        if !self.cursor.is_at_end() {
            return Err(nb::Error::WouldBlock);
        }
        self.restart();
        Ok(())
    }

    /// Not inlined: the new cursor would take stack while kernels run.
    #[inline(never)]
    fn restart(&mut self) {
        (self.cursor, self.fed) = (Cursor::new(self.model), 0);
    }

    /// Writes a row of the input behind those that have come.
    fn take_row(&mut self, x: &TensorInfo, row: &[u8]) {
        // The last rows may be read by nobody: their place may be another's by then.
        if x.kept == 0 || self.cursor.is_at_start() {
            let growth = x.grow(self.fed, 1);
            if let Some(growth) = &growth {
                self.ram.move_down(growth.moved.clone(), growth.to);
            }
            if let Some(place) = self.ram.get_mut(growth.map_or(*x, |g| g.part).range()) {
                place.copy_from_slice(row);
            }
        }
        self.fed += 1;
        self.cursor.progress.fed = self.fed as u16;
    }

    /// Runs to the end, or as far as the rows of the input reach.
    fn go_on(&mut self, hook: &mut impl Hook) {
        while self.advance(hook).is_some() {}
    }

    /// Runs what is next; `None` at the end, and where rows are missing.
    fn advance(&mut self, hook: &mut impl Hook) -> Option<()> {
        let next = self.cursor.peek()?;
        match &next {
            Next::Whole(info) => self.whole(info.borrow(), hook)?,
            Next::Rows(info, call) if P::LOCKSTEP => self.rows(info.borrow(), *call, hook)?,
            Next::Rows(..) => return None,
        }
        self.cursor.advance();
        Some(())
    }

    /// A step that runs by itself.
    #[inline(never)]
    fn whole(&mut self, info: &StepInfo<'m>, hook: &mut impl Hook) -> Option<()> {
        let (model, kernels) = (self.model, self.kernels);
        let y = model.info(info.output)?;
        let y = y.borrow();
        let bytes = self.ram.get(y.range()).unwrap_or_default();
        hook.before(&Step { model, info, y, part: y, offset: 0, bytes, kernels });
        if !model.compute(info, y, self.ram.first()) {
            bind::run(kernels, model, info, y, self.ram.lend());
        }
        let bytes = self.ram.get(y.range()).unwrap_or_default();
        hook.after(&Step { model, info, y, part: y, offset: 0, bytes, kernels });
        Some(())
    }

    /// Some rows of a step that runs in lockstep with others.
    #[inline(never)]
    fn rows(&mut self, info: &StepInfo<'m>, call: Call, hook: &mut impl Hook) -> Option<()> {
        let (model, kernels) = (self.model, self.kernels);
        let y = model.info(info.output)?;
        let y = y.borrow();
        let rows = Rows::new(model, info, call, &self.cursor.progress)?;
        // By reference: a copy would lie on the stack while the kernel runs.
        let growth = rows.grow(y);
        let growth = growth.as_ref()?;
        let (part, offset) = (&growth.part, rows.offset(y));
        let bytes = self.ram.get(part.range()).unwrap_or_default();
        hook.before(&Step { model, info, y, part, offset, bytes, kernels });
        bind::rows(kernels, model, info, &rows, growth, self.ram.lend());
        let bytes = self.ram.get(part.range()).unwrap_or_default();
        hook.after(&Step { model, info, y, part, offset, bytes, kernels });
        Some(())
    }
}

/// Counts multiply-accumulate operations; a step without any counts as one.
struct Spent(u64);

impl Hook for Spent {
    fn after(&mut self, step: &Step<'_>) {
        self.0 += step.macs().max(1);
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Session<'_, '_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{} on {}", self.model, self.kernels);
    }
}
