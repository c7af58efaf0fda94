//! The larger of each two elements.

use mote_format::{Maximum, Shape};

use super::broadcast::{self, Pairwise};
use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &Maximum, _: &Shape, _: &Shape) -> usize {
    0
}

impl Pairwise for Maximum {
    #[inline(always)]
    fn at(&self, a: i8, b: i8) -> i8 {
        a.max(b)
    }
}

pub(crate) fn naive(p: &Maximum, mut io: Io<'_>) {
    broadcast::naive(&mut io, p);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Maximum, mut io: Io<'_>) {
    broadcast::zip(&mut io, p);
}
