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
/// Most steps read one or two tensors; they do without the stack that the widest concatenation needs.
pub(crate) fn run<'m, P: Program<'m>>(
    kernels: &Kernels,
    model: &P,
    step: &StepInfo<'_>,
    y: &TensorInfo,
    arena: &mut [u8],
) {
    let memory = &mut Memory { kernels, step, constants: model.constants(), arena };
    match step.inputs.len() {
        0 | 1 => {
            let Some(x) = step.inputs.get(0).and_then(|id| model.tensor(id)) else { return };
            if P::ROW_BY_ROW { memory.bands(&x, y) } else { memory.call::<1, 3>(&step.op, &[x], y) }
        }
        2 if P::MOST_INPUTS >= 2 => inputs::<2, 4>(model, memory, &step.op, y, |_, x| Some(x)),
        _ if P::MOST_INPUTS > 2 => {
            inputs::<MAX_INPUTS, { MAX_INPUTS + 2 }>(model, memory, &step.op, y, |_, x| Some(x));
        }
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
    let op = step.op.on_rows(&rows.window, &rows.range, height);
    let part = |id, x| rows.progress.input(id, &x, &rows.window, &rows.range);
    let memory = &mut Memory { kernels, step, constants: model.constants(), arena };
    match step.inputs.len() {
        0 | 1 => inputs::<1, 3>(model, memory, &op, &growth.part, part),
        2 if P::MOST_INPUTS >= 2 => inputs::<2, 4>(model, memory, &op, &growth.part, part),
        _ if P::MOST_INPUTS > 2 => {
            inputs::<MAX_INPUTS, { MAX_INPUTS + 2 }>(model, memory, &op, &growth.part, part);
        }
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

/// Calls the kernel of a step of at most `N` inputs on `part`s of them; `BUFFERS` are these, the output and the scratch.
#[inline(never)]
fn inputs<'m, const N: usize, const BUFFERS: usize>(
    model: &impl Program<'m>,
    memory: &mut Memory<'_>,
    op: &Op,
    y: &TensorInfo,
    part: impl Fn(u16, TensorInfo) -> Option<TensorInfo>,
) {
    let ids = memory.step.inputs.iter();
    let inputs: Vec<TensorInfo, N> = ids.filter_map(|id| part(id, model.tensor(id)?)).take(N).collect();
    memory.call::<N, BUFFERS>(op, &inputs, y);
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
    fn bands(&mut self, x: &TensorInfo, y: &TensorInfo) {
        let op: &'s Op = &self.step.op;
        let Some((bands, image)) = Bands::new(op, x, y).zip(x.image()) else {
            return self.call::<1, 3>(op, core::slice::from_ref(x), y);
        };
        let window = *bands.window();
        for rows in bands {
            let reads = window.reads(&rows, image.height);
            let op = op.on_rows(&window, &rows, image.height);
            self.call::<1, 3>(&op, &[x.rows(&reads)], &y.rows(&rows));
        }
    }

    /// Calls the kernel on these tensors, or parts of tensors.
    fn call<const N: usize, const BUFFERS: usize>(&mut self, op: &Op, inputs: &[TensorInfo], y: &TensorInfo) {
        let (step, constants) = (self.step, self.constants);
        let mut ranges = [const { 0..0 }; BUFFERS];
        ranges[N] = y.range();
        if step.scratch_len > 0 {
            let scratch = step.scratch_at as usize;
            ranges[N + 1] = scratch..scratch + step.scratch_len as usize;
        }
        // An input that is read twice, or that lies where the output does, is borrowed once.
        let first = |x: &TensorInfo| inputs.iter().position(|other| same(other, x)).unwrap_or(0);
        for (i, x) in inputs.iter().enumerate() {
            if !x.constant && first(x) == i && x.range() != y.range() {
                ranges[i] = x.range();
            }
        }
        let Ok(mut parts) = self.arena.get_disjoint_mut(ranges) else { return };
        let [before @ .., out, scratch] = &mut parts[..] else { return };
        let bytes = |x: &TensorInfo| {
            if x.constant {
                return Some(constants.get(x.range()).unwrap_or(&[]));
            }
            (x.range() != y.range()).then(|| &*before[first(x)])
        };
        let Some(some) = inputs.first() else { return };
        let view = |x: &TensorInfo| View { shape: x.shape, quant: x.quant, bytes: bytes(x) };
        let views: [View<'_>; N] = core::array::from_fn(|i| view(inputs.get(i).unwrap_or(some)));
        let y = ViewMut { shape: y.shape, quant: y.quant, bytes: out };
        self.kernels.run(op, Io { x: &views[..inputs.len()], y, scratch, constants });
    }
}

/// Whether two tensors are the same bytes; the arena and the constants are numbered alike.
fn same(a: &TensorInfo, b: &TensorInfo) -> bool {
    a.constant == b.constant && a.range() == b.range()
}
