//! Element-wise product of the values without their zero points, requantized.

use mote_format::{Mul, Shape};

use super::broadcast;
use crate::isa::Isa;
use crate::quant::Output;
use crate::view::Io;

pub(crate) fn scratch(_: &Mul, _: &Shape, _: &Shape) -> usize {
    0
}

/// The function of two elements that a step computes.
#[inline(always)]
fn product<'a>(p: &'a Mul, io: &Io<'_>) -> impl Fn(i8, i8) -> i8 + use<'a> {
    let (za, zb) = (io.x[0].quant.zero, io.x[1].quant.zero);
    let output = Output { round: p.round, zero: io.y.quant.zero, min: p.min, max: p.max };
    move |a, b| output.apply((i32::from(a) - za) * (i32::from(b) - zb), p.scale)
}

pub(crate) fn naive(p: &Mul, mut io: Io<'_>) {
    let f = product(p, &io);
    broadcast::naive(&mut io, f);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Mul, mut io: Io<'_>) {
    let f = product(p, &io);
    broadcast::zip(&mut io, f);
}
