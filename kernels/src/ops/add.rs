//! Element-wise sum in the steps of TFLite's int8 reference: both inputs widened and brought to one scale, added,
//! requantized.

use mote_format::{Add, Rounding, Scale, Shape};

use super::broadcast::{self, Pairwise};
use crate::isa::Isa;
use crate::quant::{double, single};
use crate::view::Io;

pub(crate) fn scratch(_: &Add, _: &Shape, _: &Shape) -> usize {
    0
}

/// The sum of two elements; `F` is the rounding profile.
struct Sum<'a, F> {
    p: &'a Add,
    /// Zero points of the inputs and of the output.
    zeros: [i32; 3],
    scaled: F,
}

impl<F: Fn(i32, i32, i32) -> i32> Pairwise for Sum<'_, F> {
    #[inline(always)]
    fn at(&self, a: i8, b: i8) -> i8 {
        let (p, [za, zb, zy]) = (self.p, self.zeros);
        let rescale = |v: i32, s: Scale| (self.scaled)(v, s.mult, s.shift.into());
        let widened = |v: i8, zero: i32| (i32::from(v) - zero) << p.left;
        let both = rescale(widened(a, za), p.a).wrapping_add(rescale(widened(b, zb), p.b));
        rescale(both, p.y).wrapping_add(zy).clamp(p.min.into(), p.max.into()) as i8
    }
}

fn sum<'a, F>(p: &'a Add, io: &Io<'_>, scaled: F) -> Sum<'a, F> {
    Sum { p, zeros: [io.x[0].quant.zero, io.x[1].quant.zero, io.y.quant.zero], scaled }
}

pub(crate) fn naive(p: &Add, mut io: Io<'_>) {
    let profile = if p.round == Rounding::Single { single } else { double };
    let f = sum(p, &io, profile);
    broadcast::naive(&mut io, &f);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Add, mut io: Io<'_>) {
    if p.round == Rounding::Single {
        let f = sum(p, &io, single);
        broadcast::zip(&mut io, &f);
    } else {
        let f = sum(p, &io, double);
        broadcast::zip(&mut io, &f);
    }
}
