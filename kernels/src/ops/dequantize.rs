//! Int8 to float.

use mote_format::{Dequantize, Shape};

use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &Dequantize, _: &Shape, _: &Shape) -> usize {
    0
}

#[inline(always)]
pub(crate) fn naive(_: &Dequantize, io: Io<'_>) {
    let quant = *io.x[0].quant;
    for (y, &x) in io.y.bytes.chunks_exact_mut(4).zip(io.x[0].i8s()) {
        y.copy_from_slice(&crate::quant::dequantize(x, quant).to_le_bytes());
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Dequantize, io: Io<'_>) {
    naive(p, io);
}
