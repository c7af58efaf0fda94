//! Element-wise sum in the steps of TFLite's int8 reference: both inputs widened and brought to one scale, added,
//! requantized.

use mote_format::{Add, Rounding, Scale, Shape};

use super::broadcast;
use crate::isa::Isa;
use crate::quant::{Output, double, single};
use crate::view::Io;

pub(crate) fn scratch(_: &Add, _: &Shape, _: &Shape) -> usize {
    0
}

/// The function of two elements that a step computes.
#[inline(always)]
fn sum<'a>(p: &'a Add, io: &Io<'_>) -> impl Fn(i8, i8) -> i8 + use<'a> {
    let (za, zb) = (io.x[0].quant.zero, io.x[1].quant.zero);
    let output = Output { round: p.round, zero: io.y.quant.zero, min: p.min, max: p.max };
    let rescale = |v: i32, s: Scale| match p.round {
        Rounding::Single => single(v << p.left, s.mult, s.shift.into()),
        _ => double(v << p.left, s.mult, s.shift.into()),
    };
    move |a, b| {
        let (a, b) = (rescale(i32::from(a) - za, p.a), rescale(i32::from(b) - zb, p.b));
        output.apply(a.wrapping_add(b), p.y)
    }
}

pub(crate) fn naive(p: &Add, mut io: Io<'_>) {
    let f = sum(p, &io);
    broadcast::naive(&mut io, f);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Add, mut io: Io<'_>) {
    let f = sum(p, &io);
    broadcast::zip(&mut io, f);
}
