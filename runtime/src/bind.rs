//! Splits the arena into what one step reads, writes and scribbles on, and hands it to the kernel: the whole step at
//! once, or band after band of rows where the output runs into its input.

use heapless::Vec;
use mote_format::{Bands, MAX_INPUTS, Op, StepInfo, TensorInfo};
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
        2 if P::MOST_INPUTS >= 2 => run_with::<2, 4>(model, memory, y),
        _ if P::MOST_INPUTS > 2 => run_with::<MAX_INPUTS, { MAX_INPUTS + 2 }>(model, memory, y),
        _ => {}
    }
}

/// Runs a step of at most `N` inputs; `BUFFERS` are these, the output and the scratch.
#[inline(never)]
fn run_with<'m, const N: usize, const BUFFERS: usize>(
    model: &impl Program<'m>,
    memory: &mut Memory<'_>,
    y: &TensorInfo,
) {
    let inputs = memory.step.inputs.iter();
    let inputs: Vec<TensorInfo, N> = inputs.filter_map(|id| model.tensor(id)).take(N).collect();
    memory.call::<N, BUFFERS>(&memory.step.op, &inputs, y);
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
