//! Float to int8.

use mote_format::{Quantize, Shape};

use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &Quantize, _: &Shape, _: &Shape) -> usize {
    0
}

#[inline(always)]
pub(crate) fn naive(_: &Quantize, mut io: Io<'_>) {
    let (x, quant) = (io.x[0].bytes.unwrap_or(&[]), *io.y.quant);
    for (y, x) in io.y.i8s().iter_mut().zip(x.chunks_exact(4)) {
        *y = crate::quant::quantize(f32::from_le_bytes([x[0], x[1], x[2], x[3]]), quant);
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Quantize, io: Io<'_>) {
    naive(p, io);
}
