//! Index of the largest value of each row, the first of equals.

use mote_format::{ArgMax, Shape};

use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &ArgMax, _: &Shape, _: &Shape) -> usize {
    0
}

#[inline(always)]
pub(crate) fn naive(_: &ArgMax, io: Io<'_>) {
    let rows = io.x[0].i8s().chunks_exact(io.x[0].shape.channels());
    for (y, row) in io.y.bytes.chunks_exact_mut(4).zip(rows) {
        let best = row.iter().enumerate().fold(0, |best, (i, v)| if *v > row[best] { i } else { best });
        y.copy_from_slice(&(best as i32).to_le_bytes());
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &ArgMax, io: Io<'_>) {
    naive(p, io);
}
