//! Slices along one dimension in the order of a list.

use mote_format::{Gather, Shape};

use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &Gather, _: &Shape, _: &Shape) -> usize {
    0
}

/// Length of the dimension, and bytes of a slice behind it.
fn lengths(p: &Gather, io: &Io<'_>) -> (usize, usize) {
    let (_, rest) = io.x[0].shape.dims().split_at(p.axis.into());
    let size = io.y.bytes.len() / io.y.shape.elements();
    (rest[0] as usize, rest[1..].iter().map(|&d| d as usize).product::<usize>() * size)
}

pub(crate) fn naive(p: &Gather, io: Io<'_>) {
    let ((length, inner), indices) = (lengths(p, &io), io.u16s(p.indices));
    let x = io.x[0].bytes.unwrap_or(&[]);
    for (i, y) in io.y.bytes.iter_mut().enumerate() {
        let (outer, index) = (i / inner / indices.len(), indices[i / inner % indices.len()]);
        *y = x[(outer * length + usize::from(index)) * inner + i % inner];
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Gather, io: Io<'_>) {
    let ((length, inner), indices) = (lengths(p, &io), io.u16s(p.indices));
    let x = io.x[0].bytes.unwrap_or(&[]).chunks_exact(length * inner);
    for (x, y) in x.zip(io.y.bytes.chunks_exact_mut(indices.len() * inner)) {
        for (&index, y) in indices.iter().zip(y.chunks_exact_mut(inner)) {
            y.copy_from_slice(&x[usize::from(index) * inner..][..inner]);
        }
    }
}
