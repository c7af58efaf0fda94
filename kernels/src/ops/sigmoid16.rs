//! Sigmoid and hyperbolic tangent of int16 values, interpolated in a table of the sigmoid of positive numbers, step by
//! step as TFLite's reference does it: tanh(x) = 2 · sigmoid(2x) − 1, and sigmoid(−x) = 1 − sigmoid(x).

use mote_format::{Shape, Sigmoid16};

use crate::isa::Isa;
use crate::sums16::{value, word};
use crate::view::{Io, Word};

pub(crate) fn scratch(_: &Sigmoid16, _: &Shape, _: &Shape) -> usize {
    0
}

/// The sigmoid of `x / (24 · 2^fine)`, with 16 + `fine` fraction bits; `end` behind the table.
#[inline(always)]
fn between(table: &[u16], x: u32, fine: u32, end: i32) -> i32 {
    let at = (x >> fine) as usize;
    match table.get(at..at.saturating_add(2)) {
        Some(&[a, b]) => {
            let rest = (x & ((1 << fine) - 1)) as i32;
            (i32::from(a) << fine).wrapping_add(rest * (i32::from(b) - i32::from(a)))
        }
        _ => end,
    }
}

#[inline(always)]
fn one(p: &Sigmoid16, table: &[u16], x: Word) -> Word {
    let half = (1i32 << p.shift) >> 1;
    let x = (value(x) * i32::from(p.mult)).wrapping_add(half) >> p.shift;
    if p.tanh == 1 {
        let y = between(table, x.unsigned_abs(), 8, 0xFFFF << 8) - (1 << 23);
        return word((if x < 0 { -y - 1 } else { y } + (1 << 7)) >> 8);
    }
    let y = between(table, x.unsigned_abs(), 9, 0x7FFF << 10);
    word((if x < 0 { (1 << 25) - y - 1 } else { y } + (1 << 9)) >> 10)
}

#[inline(always)]
pub(crate) fn naive(p: &Sigmoid16, mut io: Io<'_>) {
    let table = io.u16s(p.table);
    io.x[0].values().map(io.y.words(), |x| one(p, table, x));
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Sigmoid16, io: Io<'_>) {
    naive(p, io);
}
