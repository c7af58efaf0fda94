//! Splits the arena into what one step reads, writes and scribbles on, and hands it to the kernel.

use heapless::Vec;
use mote_format::{MAX_INPUTS, StepInfo, TensorInfo};
use mote_kernels::table::Kernels;
use mote_kernels::view::{Io, View, ViewMut};

use crate::program::Program;

/// Runs one step. The model's check has proven that the buffers exist and lie apart.
///
/// Most steps read one or two tensors; they do without the stack that the widest concatenation needs.
pub(crate) fn run<'m>(
    kernels: &Kernels,
    model: &impl Program<'m>,
    step: &StepInfo<'_>,
    y: &TensorInfo,
    arena: &mut [u8],
) {
    match step.inputs.len() {
        0 | 1 => run_with::<1, 3>(kernels, model, step, y, arena),
        2 => run_with::<2, 4>(kernels, model, step, y, arena),
        _ => run_with::<MAX_INPUTS, { MAX_INPUTS + 2 }>(kernels, model, step, y, arena),
    }
}

/// Runs a step of at most `N` inputs; `BUFFERS` are these, the output and the scratch.
#[inline(never)]
fn run_with<'m, const N: usize, const BUFFERS: usize>(
    kernels: &Kernels,
    model: &impl Program<'m>,
    step: &StepInfo<'_>,
    y: &TensorInfo,
    arena: &mut [u8],
) {
    let inputs: Vec<TensorInfo, N> = step.inputs.iter().filter_map(|id| model.tensor(id)).take(N).collect();
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
    let Ok(mut parts) = arena.get_disjoint_mut(ranges) else { return };
    let [before @ .., out, scratch] = &mut parts[..] else { return };
    let bytes = |x: &TensorInfo| {
        if x.constant {
            return model.constants().get(x.range());
        }
        (x.range() != y.range()).then(|| &*before[first(x)])
    };
    let views: Vec<View<'_>, N> =
        inputs.iter().map(|x| View { shape: x.shape, quant: x.quant, bytes: bytes(x) }).collect();
    let y = ViewMut { shape: y.shape, quant: y.quant, bytes: out };
    kernels.run(&step.op, Io { x: &views, y, scratch, constants: model.constants() });
}

/// Whether two tensors are the same bytes; the arena and the constants are numbered alike.
fn same(a: &TensorInfo, b: &TensorInfo) -> bool {
    a.constant == b.constant && a.range() == b.range()
}
