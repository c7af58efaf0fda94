//! The input inside a border of one value.

use mote_format::{MAX_RANK, Pad, Shape};

use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &Pad, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(p: &Pad, mut io: Io<'_>) {
    let (xs, ys, x) = (io.x[0].shape, io.y.shape, io.x[0].i8s());
    let size = io.y.bytes.len() / ys.elements();
    for (i, y) in io.y.i8s().iter_mut().enumerate() {
        let (i, byte) = (i / size, i % size);
        let (mut rest, mut from, mut stride) = (i, Some(0), 1);
        for d in (0..ys.rank()).rev() {
            let at = rest % ys.dims()[d] as usize;
            rest /= ys.dims()[d] as usize;
            let inside = at.checked_sub(p.before[d].into()).filter(|&a| a < xs.dims()[d] as usize);
            from = from.zip(inside).map(|(f, a)| f + a * stride);
            stride *= xs.dims()[d] as usize;
        }
        *y = from.map_or(p.value, |f| x[f * size + byte]);
    }
}

/// Rows of the last dimension are copied whole.
#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Pad, mut io: Io<'_>) {
    let (xs, ys) = (io.x[0].shape, io.y.shape);
    let size = io.y.bytes.len() / ys.elements();
    let (rank, y) = (ys.rank(), io.y.i8s());
    y.fill(p.value);
    let Some(last) = rank.checked_sub(1) else { return y.copy_from_slice(io.x[0].i8s()) };
    let mut at = [0u32; MAX_RANK];
    for row in io.x[0].i8s().chunks_exact(xs.channels() * size) {
        let outer =
            (0..last).fold(0, |n, d| n * ys.dims()[d] as usize + at[d] as usize + usize::from(p.before[d]));
        let start = (outer * ys.channels() + usize::from(p.before[last])) * size;
        y[start..start + row.len()].copy_from_slice(row);
        for d in (0..last).rev() {
            at[d] += 1;
            if at[d] < xs.dims()[d] {
                break;
            }
            at[d] = 0;
        }
    }
}
