//! Values held between two bounds.

use mote_format::{Clamp, Shape};

use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &Clamp, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(p: &Clamp, mut io: Io<'_>) {
    io.x[0].values().map(io.y.i8s(), |x| x.max(p.min).min(p.max));
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &Clamp, mut io: Io<'_>) {
    isa.clamp(io.x[0].values(), p.min, p.max, io.y.i8s());
}
