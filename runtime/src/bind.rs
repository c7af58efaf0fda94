//! Splits the arena into what one step reads, writes and scribbles on, and hands it to the kernel.

use heapless::Vec;
use mote_format::{MAX_INPUTS, Model, StepInfo, TensorInfo};
use mote_kernels::table::Kernels;
use mote_kernels::view::{Io, View, ViewMut};

/// Inputs, output and scratch.
const BUFFERS: usize = MAX_INPUTS + 2;

/// Runs one step. The model's check has proven that the buffers exist and lie apart.
pub(crate) fn run(
    kernels: &Kernels,
    model: &Model<'_>,
    step: &StepInfo<'_>,
    y: &TensorInfo,
    arena: &mut [u8],
) {
    let inputs: Vec<TensorInfo, MAX_INPUTS> = step.inputs.iter().filter_map(|id| model.tensor(id)).collect();
    let mut ranges = [const { 0..0 }; BUFFERS];
    ranges[MAX_INPUTS] = y.range();
    if step.scratch_len > 0 {
        let scratch = step.scratch_at as usize;
        ranges[MAX_INPUTS + 1] = scratch..scratch + step.scratch_len as usize;
    }
    // An input that is read twice, or that lies where the output does, is borrowed once.
    let first = |x: &TensorInfo| inputs.iter().position(|other| same(other, x)).unwrap_or(0);
    for (i, x) in inputs.iter().enumerate() {
        if !x.constant && first(x) == i && x.range() != y.range() {
            ranges[i] = x.range();
        }
    }
    let Ok([before @ .., out, scratch]) = arena.get_disjoint_mut(ranges) else { return };
    let bytes = |x: &TensorInfo| {
        if x.constant {
            return Some(model.tensor_bytes(x));
        }
        (x.range() != y.range()).then(|| &*before[first(x)])
    };
    let views: Vec<View<'_>, MAX_INPUTS> =
        inputs.iter().map(|x| View { shape: x.shape, quant: x.quant, bytes: bytes(x) }).collect();
    let y = ViewMut { shape: y.shape, quant: y.quant, bytes: out };
    kernels.run(&step.op, Io { x: &views, y, scratch, constants: model.constants() });
}

/// Whether two tensors are the same bytes; the arena and the constants are numbered alike.
fn same(a: &TensorInfo, b: &TensorInfo) -> bool {
    a.constant == b.constant && a.range() == b.range()
}
