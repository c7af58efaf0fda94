//! Softmax of int16 values over the last dimension, step by step as TFLite's reference computes it: exponentials of the
//! differences to the largest value with 15 fraction bits, interpolated in a table, and in another one the reciprocal of
//! their sum.

use mote_format::{Shape, Softmax16};

use crate::isa::Isa;
use crate::quant::double;
use crate::sums16::{value, word};
use crate::view::Io;

pub(crate) fn scratch(_: &Softmax16, _: &Shape, _: &Shape) -> usize {
    0
}

/// The function that a table of 513 holds, at a number of 16 bits; what lies outside these becomes the nearest.
#[inline(always)]
fn lookup(table: &[i16], x: i32) -> i32 {
    let at = x.clamp(i16::MIN.into(), i16::MAX.into()) + (1 << 15);
    let (index, rest) = ((at >> 7) as usize, at & 0x7F);
    let [a, b] = [table[index], table[index + 1]].map(i32::from);
    // The difference of two entries fits 16 bits in TFLite's tables; wrapping keeps any others defined.
    a + ((i32::from((b - a) as i16) * rest + 64) >> 7)
}

#[inline(always)]
pub(crate) fn naive(p: &Softmax16, mut io: Io<'_>) {
    let length = io.x[0].shape.channels();
    let (exp, reciprocal) = (io.i16s(p.exp), io.i16s(p.reciprocal));
    for (x, y) in io.x[0].words().chunks_exact(length).zip(io.y.words().chunks_exact_mut(length)) {
        let max = x.iter().map(|&x| value(x)).max().unwrap_or(0);
        let mut sum = 0i32;
        for (x, y) in x.iter().zip(&mut *y) {
            let diff = double(value(*x) - max, p.scale.mult, p.scale.shift.into());
            *y = word(lookup(exp, diff.saturating_add(i16::MAX.into())));
            sum = sum.wrapping_add(value(*y));
        }
        let headroom = sum.leading_zeros();
        let shifted = (((i64::from(sum) << headroom) >> 1) + (1 << 13)) >> 14;
        let factor = i64::from(lookup(reciprocal, shifted as i32 - ((1 << 15) + (1 << 16))));
        let right = 31u32.saturating_sub(headroom).max(1);
        for y in y {
            let scaled = (i64::from(value(*y)) * factor + (1 << (right - 1))) >> right;
            *y = word(scaled.clamp(0, i16::MAX.into()) as i32);
        }
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Softmax16, io: Io<'_>) {
    naive(p, io);
}
