//! Int8 at one scale to int8 at another.

use mote_format::{Requantize, Shape};

use crate::isa::Isa;
use crate::quant::Output;
use crate::view::Io;

pub(crate) fn scratch(_: &Requantize, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(p: &Requantize, mut io: Io<'_>) {
    let output = Output { round: p.round, zero: io.y.quant.zero, min: p.min, max: p.max };
    let zero = io.x[0].quant.zero;
    io.x[0].values().map(io.y.i8s(), |x| output.apply(i32::from(x) - zero, p.scale));
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &Requantize, mut io: Io<'_>) {
    let output = Output { round: p.round, zero: io.y.quant.zero, min: p.min, max: p.max };
    isa.rescale(io.x[0].values(), io.x[0].quant.zero, p.scale, &output, io.y.i8s());
}
