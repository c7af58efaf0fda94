//! The proof behind `Model::new_checked`: every tensor lies where it may, is written before it is read, and
//! shares no byte with another that is needed at the same time. Shapes and parameters are `rules`'.
//!
//! States are inputs that nobody fills: what lies on their bytes at the end is their value in the next inference.
//!
//! Time 0 is before the first step; step `k` happens at time `k + 1`; outputs are read at time `steps + 1`.
//! Tensors are stored in the order of their writing, so that a step's output needs no search.

use crate::error::{Error, Reason};
use crate::header::ALIGN;
use crate::lockstep::{Call, Group, MAX_GROUP, Progress};
use crate::model::{Model, StepInfo};
use crate::rows::{Bands, Image};
use crate::rules::Operands;
use crate::tensor::{RECORD, TensorInfo};

pub(crate) fn check(model: &Model<'_>) -> Result<(), Error> {
    let header = model.header();
    check_records(model)?;
    check_inputs(model)?;
    let mut at = header.steps;
    let mut groups = model.groups();
    let (mut index, mut group) = (0, groups.next());
    while index < header.n_steps {
        if let Some(now) = group.as_ref().filter(|g| g.first == index) {
            at = check_group(model, now, at)?;
            index += u16::from(now.steps);
            group = groups.next();
            continue;
        }
        let (step, next) = model.step(at, index)?;
        check_step(model, &step).map_err(|reason| Error { at, reason })?;
        (index, at) = (index + 1, next);
    }
    if group.is_some() || !groups.bytes().is_empty() {
        let at = header.outputs + header.lists_len();
        return Err(Error { at, reason: Reason::Schedule });
    }
    if at != header.steps + header.steps_len {
        return Err(Error { at, reason: Reason::Step });
    }
    for id in model.outputs().iter() {
        if !model.tensor(id).is_some_and(|t| t.kept == 0 && t.live_at(header.n_steps + 1)) {
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
        } else if !constant && !in_one_region(model, &tensor.range()) {
            Some(Reason::OutsideArena)
        } else {
            None
        };
        fault.map_or(Ok(()), |reason| Err(Error { at, reason }))?;
    }
    Ok(())
}

/// Whether the arena has these bytes, in one piece.
fn in_one_region(model: &Model<'_>, range: &core::ops::Range<usize>) -> bool {
    model.regions().any(|region| region.start <= range.start && range.end <= region.end)
}

/// Inputs and states are there at time 0 and do not overlap.
fn check_inputs(model: &Model<'_>) -> Result<(), Error> {
    for id in 0..model.header().given() {
        let at = model.header().tensors + RECORD as u32 * u32::from(id);
        let alone = model.header().given() == 1 && model.groups().next().is_some_and(|g| g.first == 0);
        let Some(tensor) = model.tensor(id).filter(|t| t.first == 0 && (t.kept == 0 || alone)) else {
            return Err(Error { at, reason: Reason::Tensor });
        };
        free(model, tensor.range(), 0, id, &|_, _| false).map_err(|reason| Error { at, reason })?;
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

/// A step that runs by itself.
fn check_step(model: &Model<'_>, step: &StepInfo<'_>) -> Result<(), Reason> {
    let now = step.index + 1;
    let whole = |t: &TensorInfo| t.kept == 0;
    let y = model
        .tensor(step.output)
        .filter(|y| y.first == now && whole(y))
        .ok_or(Reason::NotLive(step.output))?;
    check_operands(model, step, &y, &|_, x| whole(x) && x.last >= now)?;
    check_memory(model, step, &y, &|id, x| may_share(step, &y, id, x))
}

/// Steps that run in lockstep; gives where the next record is. All of them happen at one time, that of the first, and
/// what they read and write is needed to the end of the last. So the buffers of a group all lie apart.
fn check_group(model: &Model<'_>, group: &Group<'_>, at: u32) -> Result<u32, Error> {
    let (first, steps) = (group.first, u16::from(group.steps));
    let refuse = |reason| Err(Error { at, reason });
    if steps == 0 || usize::from(steps) > MAX_GROUP || first + steps > model.steps_len() {
        return refuse(Reason::Schedule);
    }
    let (now, end) = (first + 1, first + steps);
    let mut records = [0; MAX_GROUP];
    let mut next = at;
    for (index, record) in (first..end).zip(&mut records) {
        *record = next;
        let (step, behind) = model.step(next, index)?;
        check_member(model, &step, now, end).map_err(|reason| Error { at: next, reason })?;
        next = behind;
    }
    let mut progress = Progress::new(model.header().given() + first, 0);
    for call in group.calls.clone() {
        let Some(&record) = records[..usize::from(steps)].get(call.step) else {
            return refuse(Reason::Schedule);
        };
        let (step, _) = model.step(record, first + call.step as u16)?;
        if check_call(model, &step, call, &mut progress).is_none() {
            return Err(Error { at: record, reason: Reason::Schedule });
        }
    }
    let done = |step: usize| {
        let y = model.tensor(model.header().given() + first + step as u16)?;
        Some(y.image()?.height == progress.made(step))
    };
    if (0..usize::from(steps)).all(|step| done(step) == Some(true)) {
        Ok(next)
    } else {
        refuse(Reason::Schedule)
    }
}

/// A step of a group that happens at time `now` and ends at time `end`.
fn check_member(model: &Model<'_>, step: &StepInfo<'_>, now: u16, end: u16) -> Result<(), Reason> {
    let y = model.tensor(step.output).filter(|y| y.first == now).ok_or(Reason::NotLive(step.output))?;
    // A tensor that keeps some rows only is read by nobody else.
    let lives = |x: &TensorInfo| if x.kept == 0 { x.last >= end } else { x.last == end };
    let mine = |x: &TensorInfo| x.kept == 0 || x.first == now || (x.first == 0 && now == 1);
    if !lives(&y) {
        return Err(Reason::NotLive(step.output));
    }
    check_operands(model, step, &y, &|_, x| lives(x) && mine(x))?;
    let tall = |image: Image| image.height > usize::from(u16::MAX);
    let counted = |x: TensorInfo| x.image().is_some_and(|image| x.kept == 0 || !tall(image));
    let images = step.inputs.iter().all(|id| model.tensor(id).is_some_and(counted));
    if !images || step.op.row_window().is_none() || y.image().is_none_or(tall) {
        return Err(Reason::Schedule);
    }
    let same_time = StepInfo { index: now - 1, ..*step };
    check_memory(model, &same_time, &y, &|_, _| false)
}

/// Makes the rows of one call: `None` when some that it reads are not there, or there is no room for those it writes.
/// Rows of an input that is fed come when they are needed.
fn check_call(model: &Model<'_>, step: &StepInfo<'_>, call: Call, progress: &mut Progress) -> Option<()> {
    let (window, y) = (step.op.row_window()?, model.tensor(step.output)?);
    let made = progress.made(call.step);
    y.grow(made, call.rows)?;
    for id in step.inputs.iter() {
        let x = model.tensor(id)?;
        let rows = made..made + call.rows;
        progress.fed = progress.fed.max(progress.wants(id, &x, &window, &rows).unwrap_or(0));
        progress.input(id, &x, &window, &rows)?;
    }
    progress.advance(call);
    Some(())
}

/// The operands are written, still `live`, and as the operator wants them.
fn check_operands(
    model: &Model<'_>,
    step: &StepInfo<'_>,
    y: &TensorInfo,
    live: &dyn Fn(u16, &TensorInfo) -> bool,
) -> Result<(), Reason> {
    let written = model.header().given() + step.index;
    for id in step.inputs.iter() {
        let x = model.tensor(id).ok_or(Reason::NotLive(id))?;
        let readable = x.constant || (id < written && live(id, &x));
        if !readable {
            return Err(Reason::NotLive(id));
        }
    }
    check_updates(model, step)?;
    let reader = model.reader(step.op.code())?;
    (reader.check)(&step.op, &Operands { model, inputs: step.inputs, y: *y })
}

/// The output and the scratch lie clear of all that is needed at the time of the step.
fn check_memory(
    model: &Model<'_>,
    step: &StepInfo<'_>,
    y: &TensorInfo,
    excused: &dyn Fn(u16, &TensorInfo) -> bool,
) -> Result<(), Reason> {
    let now = step.index + 1;
    free(model, y.range(), now, step.output, excused)?;
    let scratch = step.scratch_at as usize..(step.scratch_at + step.scratch_len) as usize;
    if !in_one_region(model, &scratch) {
        return Err(Reason::OutsideArena);
    }
    free(model, scratch, now, u16::MAX, &|_, _| false)
}

/// What a step changes where it lies is a state that keeps its bytes to the end, and read by the step in no other way.
fn check_updates(model: &Model<'_>, step: &StepInfo<'_>) -> Result<(), Reason> {
    let header = model.header();
    let kept = step.inputs.len().saturating_sub(step.op.updates());
    for id in step.inputs.iter().skip(kept) {
        let state = (header.n_inputs..header.given()).contains(&id);
        let lasting = model.tensor(id).is_some_and(|t| t.last == header.n_steps + 1);
        if !state || !lasting || step.inputs.iter().filter(|&other| other == id).count() != 1 {
            return Err(Reason::State);
        }
    }
    Ok(())
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
    excused: &dyn Fn(u16, &TensorInfo) -> bool,
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
