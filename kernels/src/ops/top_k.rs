//! The largest values of each row, the first of equals first, or their indices. No memory beside the output: each next
//! one is looked for among those that come after the last.

use mote_format::{Shape, TopK};

use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &TopK, _: &Shape, _: &Shape) -> usize {
    0
}

#[inline(always)]
pub(crate) fn naive(_: &TopK, io: Io<'_>) {
    let (length, k) = (io.x[0].shape.channels(), io.y.shape.channels());
    let size = io.y.bytes.len() / io.y.shape.elements();
    for (row, y) in io.x[0].i8s().chunks_exact(length).zip(io.y.bytes.chunks_exact_mut(k * size)) {
        let mut last = None;
        for y in y.chunks_exact_mut(size) {
            let Some(best) = next(row, last) else { return };
            match size {
                1 => y[0] = row[best] as u8,
                _ => y.copy_from_slice(&(best as u32).to_le_bytes()),
            }
            last = Some(best);
        }
    }
}

/// The index that comes after `last` in descending order of values and, among equals, ascending order of indices.
fn next(row: &[i8], last: Option<usize>) -> Option<usize> {
    let after = |i: usize| last.is_none_or(|l| row[i] < row[l] || (row[i] == row[l] && i > l));
    let candidates = (0..row.len()).filter(|&i| after(i));
    candidates.reduce(|best, i| if row[i] > row[best] { i } else { best })
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &TopK, io: Io<'_>) {
    naive(p, io);
}
