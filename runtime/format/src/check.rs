//! The proof behind `Model::new_checked`: every tensor lies where it may, is written before it is read, and
//! shares no byte with another that is needed at the same time. Shapes and parameters are `rules`'.
//!
//! States are inputs that nobody fills: what lies on their bytes at the end is their value in the next inference.
//!
//! Time 0 is before the first step; step `k` happens at time `k + 1`; outputs are read at time `steps + 1`.
//! Tensors are stored in the order of their writing, so that a step's output needs no search.

use crate::error::{Error, Reason};
use crate::header::ALIGN;
use crate::model::{Model, StepInfo};
use crate::rows::Bands;
use crate::rules::Operands;
use crate::tensor::{RECORD, TensorInfo};

pub(crate) fn check(model: &Model<'_>) -> Result<(), Error> {
    let header = model.header();
    check_records(model)?;
    check_inputs(model)?;
    let mut at = header.steps;
    for index in 0..header.n_steps {
        let (step, next) = model.step(at, index)?;
        check_step(model, &step).map_err(|reason| Error { at, reason })?;
        at = next;
    }
    if at != header.steps + header.steps_len {
        return Err(Error { at, reason: Reason::Step });
    }
    for id in model.outputs().iter() {
        if !model.tensor(id).is_some_and(|t| t.live_at(header.n_steps + 1)) {
            return Err(Error { at: header.outputs, reason: Reason::NotLive(id) });
        }
    }
    check_states(model)?;
    crate::meta::check(model)
}

/// Each record by itself; and inputs and outputs of steps come before the constants.
fn check_records(model: &Model<'_>) -> Result<(), Error> {
    let header = model.header();
    let written = u32::from(header.given()) + u32::from(header.n_steps);
    if written > u32::from(header.n_tensors) {
        return Err(Error { at: 24, reason: Reason::Header });
    }
    for id in 0..header.n_tensors {
        let at = header.tensors + RECORD as u32 * u32::from(id);
        let tensor =
            model.tensor(id).filter(|t| t.plausible()).ok_or(Error { at, reason: Reason::Tensor })?;
        let constant = u32::from(id) >= written;
        let end = tensor.range().end;
        let fault = if tensor.constant != constant || tensor.last > header.n_steps + 1 {
            Some(Reason::Tensor)
        } else if constant
            && (end > header.consts_len as usize || !(tensor.offset as usize).is_multiple_of(ALIGN))
        {
            Some(Reason::Constant)
        } else if !constant && end > header.arena as usize {
            Some(Reason::OutsideArena)
        } else {
            None
        };
        fault.map_or(Ok(()), |reason| Err(Error { at, reason }))?;
    }
    Ok(())
}

/// Inputs and states are there at time 0 and do not overlap.
fn check_inputs(model: &Model<'_>) -> Result<(), Error> {
    for id in 0..model.header().given() {
        let at = model.header().tensors + RECORD as u32 * u32::from(id);
        let Some(tensor) = model.tensor(id).filter(|t| t.first == 0) else {
            return Err(Error { at, reason: Reason::Tensor });
        };
        free(model, tensor.range(), 0, id, |_, _| false).map_err(|reason| Error { at, reason })?;
    }
    Ok(())
}

/// What lies on a state's bytes after the last step is its next value, and nothing else needs these bytes then.
fn check_states(model: &Model<'_>) -> Result<(), Error> {
    let header = model.header();
    for (i, state) in (0u32..).zip(model.states()) {
        let at = header.outputs + 2 * u32::from(header.n_outputs) + 4 * i;
        let fits = |me: &TensorInfo| {
            let stays = |id: u16| {
                let follows = id == state.tensor || id >= header.given();
                model.tensor(id).is_some_and(|next| {
                    follows
                        && next.live_at(header.n_steps + 1)
                        && next.dtype == me.dtype
                        && next.range() == me.range()
                })
            };
            let starts = |id: u16| {
                model.tensor(id).is_some_and(|c| c.constant && c.dtype == me.dtype && c.bytes() == me.bytes())
            };
            stays(state.next) && state.initial.is_none_or(starts)
        };
        if !model.tensor(state.tensor).is_some_and(|me| fits(&me)) {
            return Err(Error { at, reason: Reason::State });
        }
    }
    Ok(())
}

fn check_step(model: &Model<'_>, step: &StepInfo<'_>) -> Result<(), Reason> {
    let now = step.index + 1;
    let written = model.header().given() + step.index;
    let y = model.tensor(step.output).filter(|y| y.first == now).ok_or(Reason::NotLive(step.output))?;
    for id in step.inputs.iter() {
        let x = model.tensor(id).ok_or(Reason::NotLive(id))?;
        let readable = x.constant || (id < written && x.live_at(now));
        if !readable {
            return Err(Reason::NotLive(id));
        }
    }
    let reader = model.reader(step.op.code())?;
    (reader.check)(&step.op, &Operands { model, inputs: step.inputs, y })?;
    free(model, y.range(), now, step.output, |id, x| may_share(step, &y, id, x))?;
    let scratch = step.scratch_at as usize..(step.scratch_at + step.scratch_len) as usize;
    if scratch.end > model.arena_bytes() {
        return Err(Reason::OutsideArena);
    }
    free(model, scratch, now, u16::MAX, |_, _| false)
}

/// A step may write on an input that dies with it: an in-place operator when they lie on the very same bytes, an
/// operator of one input that goes row by row when no row is overwritten before it has been read.
fn may_share(step: &StepInfo<'_>, y: &TensorInfo, id: u16, x: &TensorInfo) -> bool {
    if x.last != y.first || !step.inputs.iter().any(|input| input == id) {
        return false;
    }
    if x.range() == y.range() {
        return step.op.in_place();
    }
    step.inputs.len() == 1 && Bands::new(&step.op, x, y).is_some_and(|bands| bands.safe())
}

/// No live tensor but `me` shares a byte with `range` at `time`, unless it is excused.
fn free(
    model: &Model<'_>,
    range: core::ops::Range<usize>,
    time: u16,
    me: u16,
    excused: impl Fn(u16, &TensorInfo) -> bool,
) -> Result<(), Reason> {
    for id in (0..model.tensors()).filter(|&id| id != me) {
        let Some(other) = model.tensor(id).filter(|t| t.live_at(time)) else { continue };
        let other_range = other.range();
        let apart = range.end <= other_range.start || other_range.end <= range.start || range.is_empty();
        if !apart && !excused(id, &other) {
            return Err(Reason::Overlap(id));
        }
    }
    Ok(())
}
