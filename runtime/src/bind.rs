//! Splits the arena into what one call of a kernel reads, writes and scribbles on. A step is one call, or a call per band
//! of rows where its output runs into its input, or one of a group that makes a few rows of each step in turn.

use core::ops::Range;

use heapless::Vec;
use mote_format::{Bands, Call, Growth, MAX_INPUTS, Op, Progress, RowWindow, StepInfo, TensorInfo};
use mote_kernels::table::Kernels;
use mote_kernels::view::{Io, View, ViewMut};

use crate::program::Program;

/// Runs one step. The model's check has proven that the buffers exist and lie apart.
///
/// Most steps read one or two tensors; they do without the stack that the widest concatenation needs. An included model
/// whose steps all read one does without the stack and the code for two.
pub(crate) fn run<'m, P: Program<'m>>(
    kernels: &Kernels,
    model: &P,
    step: &StepInfo<'_>,
    y: &TensorInfo,
    arena: &mut [u8],
) {
    let memory = &mut Memory { kernels, step, constants: model.constants(), arena };
    match step.inputs.len() {
        0 | 1 if P::ROW_BY_ROW => {
            let Some(x) = step.inputs.get(0).and_then(|id| model.tensor(id)) else { return };
            if P::MOST_INPUTS < 2 { memory.bands::<1>(&x, y) } else { memory.bands::<2>(&x, y) }
        }
        _ if P::MOST_INPUTS < 2 => inputs::<1>(model, memory, &step.op, y, |_, x| Some(x)),
        0..=2 => inputs::<2>(model, memory, &step.op, y, |_, x| Some(x)),
        _ if P::MOST_INPUTS > 2 => inputs::<MAX_INPUTS>(model, memory, &step.op, y, |_, x| Some(x)),
        _ => {}
    }
}

/// Makes some rows of one step's output, where the others of its tensor make room.
#[inline(never)]
pub(crate) fn rows<'m, P: Program<'m>>(
    kernels: &Kernels,
    model: &P,
    step: &StepInfo<'_>,
    rows: &Rows<'_>,
    growth: &Growth,
    arena: &mut [u8],
) {
    arena.copy_within(growth.moved.clone(), growth.to);
    let x = step.inputs.get(0).and_then(|id| model.tensor(id)?.image());
    let height = x.map_or(1, |x| x.height);
    let mut op = step.op;
    op.keep_rows(&rows.window, &rows.range, height);
    let part = |id, x| rows.progress.input(id, &x, &rows.window, &rows.range);
    let memory = &mut Memory { kernels, step, constants: model.constants(), arena };
    match step.inputs.len() {
        _ if P::MOST_INPUTS < 2 => inputs::<1>(model, memory, &op, &growth.part, part),
        0..=2 => inputs::<2>(model, memory, &op, &growth.part, part),
        _ if P::MOST_INPUTS > 2 => inputs::<MAX_INPUTS>(model, memory, &op, &growth.part, part),
        _ => {}
    }
}

/// Which rows a call of a group makes.
pub(crate) struct Rows<'s> {
    window: RowWindow,
    range: Range<usize>,
    progress: &'s Progress,
}

impl<'s> Rows<'s> {
    /// The rows of `call`; `None` as long as rows of the model's input are missing.
    pub(crate) fn new<'m>(
        model: &impl Program<'m>,
        step: &StepInfo<'_>,
        call: Call,
        progress: &'s Progress,
    ) -> Option<Self> {
        let made = progress.made(call.step);
        let (window, range) = (step.op.row_window()?, made..made + call.rows);
        let missing = |id: u16| {
            let x = model.tensor(id)?;
            progress.wants(id, &x, &window, &range).filter(|&wanted| wanted > progress.fed)
        };
        let complete = step.inputs.iter().all(|id| missing(id).is_none());
        complete.then_some(Self { window, range, progress })
    }

    /// Where they go.
    pub(crate) fn grow(&self, y: &TensorInfo) -> Option<Growth> {
        y.grow(self.range.start, self.range.len())
    }

    /// Bytes of the rows before them.
    pub(crate) fn offset(&self, y: &TensorInfo) -> usize {
        y.image().map_or(0, |image| self.range.start * image.row)
    }
}

/// Calls the kernel of a step of at most `N` inputs on `part`s of them.
#[inline(never)]
fn inputs<'m, const N: usize>(
    model: &impl Program<'m>,
    memory: &mut Memory<'_>,
    op: &Op,
    y: &TensorInfo,
    part: impl Fn(u16, TensorInfo) -> Option<TensorInfo>,
) {
    let ids = memory.step.inputs.iter();
    let inputs: Vec<TensorInfo, N> = ids.filter_map(|id| part(id, model.tensor(id)?)).take(N).collect();
    memory.call::<N>(op, &inputs, y);
}

/// What the calls of one step's kernel share.
struct Memory<'s> {
    kernels: &'s Kernels,
    step: &'s StepInfo<'s>,
    constants: &'s [u8],
    arena: &'s mut [u8],
}

impl<'s> Memory<'s> {
    /// Runs a step of one input, which may die row by row under the output.
    #[inline(never)]
    fn bands<const N: usize>(&mut self, x: &TensorInfo, y: &TensorInfo) {
        let op: &'s Op = &self.step.op;
        let Some((bands, image)) = Bands::new(op, x, y).zip(x.image()) else {
            return self.call::<N>(op, core::slice::from_ref(x), y);
        };
        let window = *bands.window();
        let (mut op, mut input, mut output) = (*op, *x, *y);
        for rows in bands {
            let reads = window.reads(&rows, image.height);
            op.keep_rows(&window, &rows, image.height);
            input.keep_rows(x, &reads);
            output.keep_rows(y, &rows);
            self.call::<N>(&op, core::slice::from_ref(&input), &output);
        }
    }

    /// Calls the kernel on these tensors, at most `N` inputs, or on parts of tensors.
    #[inline(never)]
    fn call<const N: usize>(&mut self, op: &Op, inputs: &[TensorInfo], y: &TensorInfo) {
        if op.updates() > 0 {
            return self.update(op, inputs, y);
        }
        let (out, constants) = (y.range(), self.constants);
        let Some(Parts { y: bytes, scratch, rest }) = Parts::new(self.arena, &out, self.scratch()) else {
            return;
        };
        let view = |x: &TensorInfo| {
            let range = x.range();
            let bytes = if x.constant {
                constants.get(range)
            } else if range == out {
                return View { shape: x.shape, quant: x.quant, bytes: None };
            } else {
                rest.iter().find_map(|(at, part)| {
                    part.get(range.start.checked_sub(*at)?..range.end.checked_sub(*at)?)
                })
            };
            View { shape: x.shape, quant: x.quant, bytes: bytes.or(Some(&[])) }
        };
        let views: Vec<View<'_>, N> = inputs.iter().map(view).collect();
        let y = ViewMut { shape: y.shape, quant: y.quant, bytes };
        self.kernels.run(op, Io { x: &views, y, states: Default::default(), scratch, constants });
    }

    /// Calls the kernel of an operator that changes the states behind its first input, one or two.
    #[inline(never)]
    fn update(&mut self, op: &Op, inputs: &[TensorInfo], y: &TensorInfo) {
        let (scratch, constants) = (self.scratch(), self.constants);
        let arena = |i: usize| inputs.get(i).filter(|x| !x.constant).map_or(0..0, TensorInfo::range);
        let Some(first) = inputs.first() else { return };
        let ranges = [arena(0), arena(1), arena(2), y.range(), scratch];
        let Ok([x, one, two, out, scratch]) = self.arena.get_disjoint_mut(ranges) else { return };
        let x = if first.constant { constants.get(first.range()).unwrap_or(&[]) } else { x };
        let view = |i: usize| {
            let tensor = inputs.get(i).unwrap_or(first);
            View { shape: tensor.shape, quant: tensor.quant, bytes: (i == 0).then_some(x) }
        };
        let views = [view(0), view(1), view(2)];
        let y = ViewMut { shape: y.shape, quant: y.quant, bytes: out };
        let x = views.get(..inputs.len()).unwrap_or(&views);
        self.kernels.run(op, Io { x, y, states: [one, two], scratch, constants });
    }

    /// Where the step scribbles.
    fn scratch(&self) -> Range<usize> {
        let at = self.step.scratch_at as usize;
        at..at + self.step.scratch_len as usize
    }
}

/// The arena, in the parts that a kernel's call may write, and the rest with the places where it lies.
struct Parts<'a> {
    y: &'a mut [u8],
    scratch: &'a mut [u8],
    rest: [(usize, &'a [u8]); 3],
}

impl<'a> Parts<'a> {
    /// `None` when the two share bytes, or lie outside.
    fn new(arena: &'a mut [u8], y: &Range<usize>, scratch: Range<usize>) -> Option<Self> {
        // Scratch of no length lies nowhere.
        let scratch = if scratch.is_empty() { y.end..y.end } else { scratch };
        let first = y.start <= scratch.start;
        let (low, high) = if first { (y, &scratch) } else { (&scratch, y) };
        let (before, arena) = arena.split_at_mut_checked(low.start)?;
        let (one, arena) = arena.split_at_mut_checked(low.len())?;
        let (between, arena) = arena.split_at_mut_checked(high.start.checked_sub(low.end)?)?;
        let (other, behind) = arena.split_at_mut_checked(high.len())?;
        let rest: [(usize, &[u8]); 3] = [(0, before), (low.end, between), (high.end, behind)];
        let (y, scratch) = if first { (one, other) } else { (other, one) };
        Some(Self { y, scratch, rest })
    }
}
