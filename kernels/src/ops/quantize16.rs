//! Float to int16.

use mote_format::{Quantize16, Shape};

use crate::isa::Isa;
use crate::quant::quantize16;
use crate::view::Io;

pub(crate) fn scratch(_: &Quantize16, _: &Shape, _: &Shape) -> usize {
    0
}

#[inline(always)]
pub(crate) fn naive(_: &Quantize16, mut io: Io<'_>) {
    let (x, quant) = (io.x[0].bytes.unwrap_or(&[]).as_chunks().0, *io.y.quant);
    for (y, &x) in io.y.words().iter_mut().zip(x) {
        *y = quantize16(f32::from_le_bytes(x), quant).to_le_bytes();
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Quantize16, io: Io<'_>) {
    naive(p, io);
}
