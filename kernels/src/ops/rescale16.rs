//! Int16 to int16 or int8 at another scale.

use mote_format::{DType, Rescale16, Shape};

use crate::isa::Isa;
use crate::quant::double;
use crate::sums16::{value, word};
use crate::view::{Io, Word};

pub(crate) fn scratch(_: &Rescale16, _: &Shape, _: &Shape) -> usize {
    0
}

#[inline(always)]
fn scaled(p: &Rescale16, x: Word, zero: i32) -> i32 {
    let x = value(x);
    let scale = if x < 0 { p.negative } else { p.positive };
    double(x, scale.mult, scale.shift.into()).saturating_add(zero).clamp(p.min.into(), p.max.into())
}

#[inline(always)]
pub(crate) fn naive(p: &Rescale16, mut io: Io<'_>) {
    if p.to == DType::I16 {
        return io.x[0].values().map(io.y.words(), |x| word(scaled(p, x, 0)));
    }
    let (x, zero) = (io.x[0].words(), io.y.quant.zero);
    io.y.i8s().iter_mut().zip(x).for_each(|(y, &x)| *y = scaled(p, x, zero) as i8);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Rescale16, io: Io<'_>) {
    naive(p, io);
}
