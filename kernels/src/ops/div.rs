//! Element-wise quotient in the steps of TFLite's reference: the reciprocal of the divisor by Newton–Raphson, times the
//! dividend with all of its leading bits, requantized. By zero, where TFLite stops, the quotient is one of its bounds.

use mote_format::{Div, Shape};

use super::broadcast::{self, Pairwise};
use super::softmax::one_over_one_plus;
use crate::isa::Isa;
use crate::quant::{doubling_high_mul, rounding_shift};
use crate::view::Io;

pub(crate) fn scratch(_: &Div, _: &Shape, _: &Shape) -> usize {
    0
}

/// The quotient of two elements.
struct Quotient<'a> {
    p: &'a Div,
    /// Zero points of the inputs and of the output.
    zeros: [i32; 3],
}

impl Pairwise for Quotient<'_> {
    #[inline(always)]
    fn at(&self, a: i8, b: i8) -> i8 {
        let (x, d) = (i32::from(a) - self.zeros[0], i32::from(b) - self.zeros[1]);
        if d == 0 {
            return if x < 0 { self.p.min } else { self.p.max };
        }
        let (x, d) = if d < 0 { (-x, d.unsigned_abs()) } else { (x, d.unsigned_abs()) };
        // d = (1 + f) · 2^bits; the dividend is shifted as far left as its sign lets it.
        let lead = d.leading_zeros();
        let inverse = one_over_one_plus((d << lead).wrapping_sub(1 << 31) as i32);
        let room = (x ^ (x >> 31)).leading_zeros() - 1;
        let quotient = doubling_high_mul(x << room, inverse);
        let right = (31 - lead) as i32 + room as i32 - i32::from(self.p.scale.shift);
        let scaled = doubling_high_mul(quotient, self.p.scale.mult);
        let scaled = if right > 31 { 0 } else { rounding_shift(scaled, right.max(0) as u32) };
        scaled.wrapping_add(self.zeros[2]).clamp(self.p.min.into(), self.p.max.into()) as i8
    }
}

fn quotient<'a>(p: &'a Div, io: &Io<'_>) -> Quotient<'a> {
    Quotient { p, zeros: [io.x[0].quant.zero, io.x[1].quant.zero, io.y.quant.zero] }
}

pub(crate) fn naive(p: &Div, mut io: Io<'_>) {
    let f = quotient(p, &io);
    broadcast::naive(&mut io, &f);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Div, mut io: Io<'_>) {
    let f = quotient(p, &io);
    broadcast::zip(&mut io, &f);
}
