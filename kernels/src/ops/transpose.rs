//! Dimensions in another order.

use mote_format::{MAX_RANK, Shape, Transpose};

use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &Transpose, _: &Shape, _: &Shape) -> usize {
    0
}

/// Input elements from one index to the next along each input dimension.
fn strides(shape: &Shape) -> [usize; MAX_RANK] {
    let mut strides = [1; MAX_RANK];
    for d in (0..shape.rank().saturating_sub(1)).rev() {
        strides[d] = strides[d + 1] * shape.dims()[d + 1] as usize;
    }
    strides
}

pub(crate) fn naive(p: &Transpose, mut io: Io<'_>) {
    let (ys, x, strides) = (io.y.shape, io.x[0].i8s(), strides(io.x[0].shape));
    for (i, y) in io.y.i8s().iter_mut().enumerate() {
        let (mut rest, mut from) = (i, 0);
        for d in (0..ys.rank()).rev() {
            from += rest % ys.dims()[d] as usize * strides[usize::from(p.perm[d])];
            rest /= ys.dims()[d] as usize;
        }
        *y = x[from];
    }
}

/// As an odometer over the output; only the innermost dimension is walked without one.
#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Transpose, mut io: Io<'_>) {
    let (ys, x, strides) = (io.y.shape, io.x[0].i8s(), strides(io.x[0].shape));
    let Some(last) = ys.rank().checked_sub(1) else { return io.y.i8s().copy_from_slice(x) };
    let step = |d: usize| strides[usize::from(p.perm[d])];
    let mut at = [0u32; MAX_RANK];
    let mut from = 0;
    for row in io.y.i8s().chunks_exact_mut(ys.channels()) {
        row.iter_mut().enumerate().for_each(|(i, y)| *y = x[from + i * step(last)]);
        for d in (0..last).rev() {
            at[d] += 1;
            from += step(d);
            if at[d] < ys.dims()[d] {
                break;
            }
            from -= ys.dims()[d] as usize * step(d);
            at[d] = 0;
        }
    }
}
