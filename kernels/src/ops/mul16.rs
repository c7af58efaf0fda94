//! Element-wise product of int16 values, requantized.

use mote_format::{Mul16, Shape};

use super::broadcast::{self, Pairwise};
use crate::isa::Isa;
use crate::quant::double;
use crate::sums16::{value, word};
use crate::view::{Io, Word};

pub(crate) fn scratch(_: &Mul16, _: &Shape, _: &Shape) -> usize {
    0
}

impl Pairwise<Word> for Mul16 {
    #[inline(always)]
    fn at(&self, a: Word, b: Word) -> Word {
        let scaled = double(value(a) * value(b), self.scale.mult, self.scale.shift.into());
        word(scaled.clamp(self.min.into(), self.max.into()))
    }
}

pub(crate) fn naive(p: &Mul16, mut io: Io<'_>) {
    broadcast::naive(&mut io, p);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Mul16, mut io: Io<'_>) {
    broadcast::zip(&mut io, p);
}
