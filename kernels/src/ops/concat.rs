//! Inputs one after the other along one dimension: runs of bytes, copied in turn.

use mote_format::{Concat, Shape};

use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &Concat, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(p: &Concat, mut io: Io<'_>) {
    let axis = usize::from(p.axis);
    let size = io.y.bytes.len() / io.y.shape.elements();
    let inner = io.y.shape.dims()[axis + 1..].iter().map(|&d| d as usize).product::<usize>() * size;
    let length = io.y.shape.dims()[axis] as usize;
    let mut start = 0;
    for x in io.x {
        let own = x.shape.dims()[axis] as usize;
        for (i, &v) in x.i8s().iter().enumerate() {
            let (outer, a, rest) = (i / inner / own, i / inner % own, i % inner);
            io.y.i8s()[(outer * length + start + a) * inner + rest] = v;
        }
        start += own;
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Concat, mut io: Io<'_>) {
    let axis = usize::from(p.axis);
    let size = io.y.bytes.len() / io.y.shape.elements();
    let run = |shape: &Shape| shape.dims()[axis..].iter().map(|&d| d as usize).product::<usize>() * size;
    let total = run(io.y.shape);
    let mut start = 0;
    for x in io.x {
        let own = run(x.shape);
        for (x, y) in x.i8s().chunks_exact(own).zip(io.y.i8s().chunks_exact_mut(total)) {
            y[start..start + own].copy_from_slice(x);
        }
        start += own;
    }
}
