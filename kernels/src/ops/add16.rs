//! Element-wise sum or difference of int16 values in the steps of TFLite's reference: both widened and brought to one
//! scale, added, requantized.

use mote_format::{Add16, Scale, Shape};

use super::broadcast::{self, Pairwise};
use crate::isa::Isa;
use crate::quant::double;
use crate::sums16::{value, word};
use crate::view::{Io, Word};

/// Bits by which the inputs are widened.
const LEFT: u32 = 15;

pub(crate) fn scratch(_: &Add16, _: &Shape, _: &Shape) -> usize {
    0
}

#[inline(always)]
fn rescale(v: i32, s: Scale) -> i32 {
    double(v, s.mult, s.shift.into())
}

impl Pairwise<Word> for Add16 {
    #[inline(always)]
    fn at(&self, a: Word, b: Word) -> Word {
        let (a, b) = (rescale(value(a) << LEFT, self.a), rescale(value(b) << LEFT, self.b));
        let both = if self.subtract == 1 { a.wrapping_sub(b) } else { a.wrapping_add(b) };
        word(rescale(both, self.y).clamp(self.min.into(), self.max.into()))
    }
}

pub(crate) fn naive(p: &Add16, mut io: Io<'_>) {
    broadcast::naive(&mut io, p);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Add16, mut io: Io<'_>) {
    broadcast::zip(&mut io, p);
}
