//! Values below zero times a factor of their own, all at another scale.

use mote_format::{Prelu, Shape};

use super::broadcast::{self, Pairwise};
use crate::isa::Isa;
use crate::quant::Output;
use crate::view::Io;

pub(crate) fn scratch(_: &Prelu, _: &Shape, _: &Shape) -> usize {
    0
}

/// A value and its factor.
struct Slope<'a> {
    p: &'a Prelu,
    /// Zero points of both.
    zeros: [i32; 2],
    output: Output,
}

impl Pairwise for Slope<'_> {
    #[inline(always)]
    fn at(&self, a: i8, b: i8) -> i8 {
        let (value, factor) = (i32::from(a) - self.zeros[0], i32::from(b) - self.zeros[1]);
        if value >= 0 {
            self.output.apply(value, self.p.positive)
        } else {
            self.output.apply(value * factor, self.p.negative)
        }
    }
}

fn slope<'a>(p: &'a Prelu, io: &Io<'_>) -> Slope<'a> {
    let output = Output { round: p.round, zero: io.y.quant.zero, min: i8::MIN, max: i8::MAX };
    Slope { p, zeros: [io.x[0].quant.zero, io.x[1].quant.zero], output }
}

pub(crate) fn naive(p: &Prelu, mut io: Io<'_>) {
    let f = slope(p, &io);
    broadcast::naive(&mut io, &f);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Prelu, mut io: Io<'_>) {
    let f = slope(p, &io);
    broadcast::zip(&mut io, &f);
}
