//! Gives each call of a kernel what it reads, writes and scribbles on. A step is one call, or a call per band
//! of rows where its output runs into its input, or one of a group that makes a few rows of each step in turn.

use core::borrow::Borrow;
use core::ops::Range;

use heapless::Vec;
use mote_format::{Bands, Call, Growth, MAX_INPUTS, Op, Progress, RowWindow, Shape, StepInfo, TensorInfo};
use mote_kernels::table::Kernels;
use mote_kernels::view::{Io, View, ViewMut};

use crate::program::Program;
use crate::ram::Ram;

/// Runs one step. The model's check has proven that the buffers exist and lie apart.
///
/// Most steps read one tensor; they do without the stack that several need. An included model whose steps all read one
/// does without the code for more.
#[inline]
pub(crate) fn run<'m, P: Program<'m>, const R: usize>(
    kernels: &Kernels,
    model: &P,
    step: &StepInfo<'_>,
    y: &TensorInfo,
    ram: Ram<'_, R>,
) {
    let memory = &mut Memory { kernels, step, constants: model.constants(), ram };
    match step.inputs.len() {
        0 | 1 => {
            let Some(x) = step.inputs.get(0).and_then(|id| model.info(id)) else { return };
            if P::ROW_BY_ROW {
                memory.bands(x.borrow(), y)
            } else {
                memory.one(&step.op, x.borrow().into(), y.into())
            }
        }
        _ if P::MOST_INPUTS < 2 => {}
        _ if P::UPDATES && step.op.updates() > 0 => memory.update(y, |id| model.info(id)),
        2 => inputs::<R, 2>(memory, &step.op, y, &|id| model.tensor(id)),
        _ if P::MOST_INPUTS > 2 => inputs::<R, MAX_INPUTS>(memory, &step.op, y, &|id| model.tensor(id)),
        _ => {}
    }
}

/// Makes some rows of one step's output, where the others of its tensor make room.
#[inline]
pub(crate) fn rows<'m, P: Program<'m>, const R: usize>(
    kernels: &Kernels,
    model: &P,
    step: &StepInfo<'_>,
    rows: &Rows<'_>,
    growth: &Growth,
    mut ram: Ram<'_, R>,
) {
    ram.move_down(growth.moved.clone(), growth.to);
    let x = step.inputs.get(0).and_then(|id| model.info(id)?.borrow().image());
    let height = x.map_or(1, |x| x.height);
    let mut op = step.op;
    op.keep_rows(&rows.window, &rows.range, height);
    let part = |id| rows.progress.input(id, model.info(id)?.borrow(), &rows.window, &rows.range);
    let memory = &mut Memory { kernels, step, constants: model.constants(), ram };
    match step.inputs.len() {
        0 | 1 => {
            let x = step.inputs.get(0).and_then(part);
            let Some(x) = &x else { return };
            memory.one(&op, x.into(), (&growth.part).into());
        }
        2 if P::MOST_INPUTS > 1 => inputs::<R, 2>(memory, &op, &growth.part, &part),
        _ if P::MOST_INPUTS > 2 => inputs::<R, MAX_INPUTS>(memory, &op, &growth.part, &part),
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
            let x = model.info(id)?;
            progress.wants(id, x.borrow(), &window, &range).filter(|&wanted| wanted > progress.fed)
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

/// Calls the kernel of a step of several inputs, at most `N`, on these tensors or parts of tensors.
#[inline(never)]
fn inputs<const R: usize, const N: usize>(
    memory: &mut Memory<'_, R>,
    op: &Op,
    y: &TensorInfo,
    tensor: &dyn Fn(u16) -> Option<TensorInfo>,
) {
    let tensors: Vec<TensorInfo, N> = memory.step.inputs.iter().filter_map(tensor).take(N).collect();
    let (out, constants) = (y.range(), memory.constants);
    let scratch = memory.scratch();
    let Some(parts) = memory.ram.lend().parts(&out, &scratch) else { return };
    let views = tensors.iter().map(|x| {
        let same = !x.constant && x.range() == out;
        let bytes = if x.constant { constants.get(x.range()) } else { parts.read(x.range()) };
        View { shape: &x.shape, quant: &x.quant, bytes: (!same).then_some(bytes.unwrap_or(&[])) }
    });
    let views: Vec<View<'_>, N> = views.collect();
    let y = ViewMut { shape: &y.shape, quant: &y.quant, bytes: parts.y };
    memory
        .kernels
        .run(op, Io { x: &views, y, states: Default::default(), scratch: parts.scratch, constants });
}

/// What the calls of one step's kernel share.
struct Memory<'s, const R: usize> {
    kernels: &'s Kernels,
    step: &'s StepInfo<'s>,
    constants: &'s [u8],
    ram: Ram<'s, R>,
}

impl<const R: usize> Memory<'_, R> {
    /// Runs a step of one input, which may die row by row under the output.
    #[inline]
    fn bands(&mut self, x: &TensorInfo, y: &TensorInfo) {
        let mut bands = Bands::new(&self.step.op, x, y);
        let (mut op, mut xs, mut ys) = (self.step.op, x.shape, y.shape);
        let mut places = (x.range(), y.range());
        loop {
            if let Some(bands) = &mut bands {
                let Some(next) = bands.keep_next(&mut op, &mut xs, &mut ys) else { return };
                places = next;
            }
            // One place that calls: a second one would take stack of its own.
            let x = Part { of: x, shape: &xs, at: places.0.clone() };
            self.one(&op, x, Part { of: y, shape: &ys, at: places.1.clone() });
            if bands.is_none() {
                return;
            }
        }
    }

    /// Calls the kernel of a step of one input.
    #[inline(always)]
    fn one(&mut self, op: &Op, x: Part<'_>, y: Part<'_>) {
        let (kernels, constants) = (self.kernels, self.constants);
        let Some(Apart { x: bytes, y: out, scratch }) = self.apart(x.of.constant, x.at, y.at) else { return };
        let x = View { shape: x.shape, quant: &x.of.quant, bytes };
        let y = ViewMut { shape: y.shape, quant: &y.of.quant, bytes: out };
        kernels.run(op, Io { x: &[x], y, states: Default::default(), scratch, constants });
    }

    /// The bytes of a call. Not inlined: what it takes to find them would lie on the stack while the kernel runs.
    #[inline(never)]
    fn apart(&mut self, constant: bool, from: Range<usize>, to: Range<usize>) -> Option<Apart<'_>> {
        let same = !constant && from == to;
        let read = if constant || same { 0..0 } else { from.clone() };
        let scratch = self.scratch();
        let [bytes, y, scratch] = self.ram.lend().disjoint([read, to, scratch])?;
        let bytes = if constant { self.constants.get(from)? } else { bytes };
        Some(Apart { x: (!same).then_some(bytes), y, scratch })
    }

    /// Calls the kernel of an operator that changes the states behind its first input, one or two.
    #[inline(never)]
    fn update<T: Borrow<TensorInfo>>(&mut self, y: &TensorInfo, tensor: impl Fn(u16) -> Option<T>) {
        let inputs: Vec<T, 3> = self.step.inputs.iter().filter_map(tensor).take(3).collect();
        let (scratch, constants) = (self.scratch(), self.constants);
        let tensor = |i: usize| inputs.get(i).map(Borrow::borrow);
        let arena = |i: usize| tensor(i).filter(|x| !x.constant).map_or(0..0, TensorInfo::range);
        let Some(first) = tensor(0) else { return };
        let ranges = [arena(0), arena(1), arena(2), y.range(), scratch];
        let Some([x, one, two, out, scratch]) = self.ram.lend().disjoint(ranges) else { return };
        let x = if first.constant { constants.get(first.range()).unwrap_or(&[]) } else { x };
        let view = |i: usize| {
            let tensor = tensor(i).unwrap_or(first);
            View { shape: &tensor.shape, quant: &tensor.quant, bytes: (i == 0).then_some(x) }
        };
        let views = [view(0), view(1), view(2)];
        let y = ViewMut { shape: &y.shape, quant: &y.quant, bytes: out };
        let x = views.get(..inputs.len()).unwrap_or(&views);
        self.kernels.run(&self.step.op, Io { x, y, states: [one, two], scratch, constants });
    }

    /// Where the step scribbles. Scratch of no length lies nowhere.
    fn scratch(&self) -> Range<usize> {
        let (at, len) = (self.step.scratch_at as usize, self.step.scratch_len as usize);
        if len == 0 { 0..0 } else { at..at + len }
    }
}

/// Some rows of a tensor, or all of it: their shape, and where they lie.
struct Part<'t> {
    of: &'t TensorInfo,
    shape: &'t Shape,
    at: Range<usize>,
}

impl<'t> From<&'t TensorInfo> for Part<'t> {
    fn from(of: &'t TensorInfo) -> Self {
        Self { of, shape: &of.shape, at: of.range() }
    }
}

/// The bytes that a kernel of one input is given.
struct Apart<'a> {
    /// `None` when they are the output's.
    x: Option<&'a [u8]>,
    y: &'a mut [u8],
    scratch: &'a mut [u8],
}
