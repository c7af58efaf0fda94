//! Int16 to float.

use mote_format::{Dequantize16, Shape};

use crate::isa::Isa;
use crate::quant::dequantize;
use crate::view::Io;

pub(crate) fn scratch(_: &Dequantize16, _: &Shape, _: &Shape) -> usize {
    0
}

#[inline(always)]
pub(crate) fn naive(_: &Dequantize16, io: Io<'_>) {
    let quant = *io.x[0].quant;
    for (y, &x) in io.y.bytes.as_chunks_mut().0.iter_mut().zip(io.x[0].words()) {
        *y = dequantize(i16::from_le_bytes(x), quant).to_le_bytes();
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Dequantize16, io: Io<'_>) {
    naive(p, io);
}
