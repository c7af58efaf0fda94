//! Uint8 to int8 and back.

use mote_format::{FlipSign, Shape};

use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &FlipSign, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(_: &FlipSign, mut io: Io<'_>) {
    io.x[0].values().map(io.y.i8s(), |x| (i32::from(x as u8) - 128) as i8);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, _: &FlipSign, mut io: Io<'_>) {
    io.x[0].values().map(io.y.i8s(), |x| x ^ i8::MIN);
}
