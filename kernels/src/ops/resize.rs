//! An image at another size: each pixel a mixture of four, which tables of rows and columns name. Where samples lie
//! is the converter's business.

use mote_format::{Const, Resize, Rounding, Shape};

use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &Resize, _: &Shape, _: &Shape) -> usize {
    0
}

/// Two rows or columns and the share of the second.
#[derive(Clone, Copy)]
struct Pair {
    at: [usize; 2],
    share: i32,
}

fn pairs<'a>(io: &Io<'a>, table: Const) -> impl Iterator<Item = Pair> + Clone + use<'a> {
    io.i32s(table).chunks_exact(2).map(|entry| {
        let both = entry[0] as u32;
        Pair { at: [(both & 0xFFFF) as usize, (both >> 16) as usize], share: entry[1] }
    })
}

pub(crate) fn naive(p: &Resize, mut io: Io<'_>) {
    let ([_, xh, xw, c], [_, yh, yw, _]) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, rows, cols) = (io.x[0].i8s(), pairs(&io, p.rows), pairs(&io, p.cols));
    for (i, y) in io.y.i8s().iter_mut().enumerate() {
        let (Some(row), Some(col)) = (rows.clone().nth(i / c / yw % yh), cols.clone().nth(i / c % yw)) else {
            return;
        };
        let value = |r: usize, q: usize| x[((i / c / yw / yh * xh + row.at[r]) * xw + col.at[q]) * c + i % c];
        let taps = [value(0, 0), value(1, 0), value(0, 1), value(1, 1)];
        if p.round == Rounding::Float {
            *y = float(taps, float_weights(row.share, col.share));
            continue;
        }
        let [fy, fx] = [row.share, col.share].map(i64::from);
        let weights = [(1024 - fy) * (1024 - fx), fy * (1024 - fx), (1024 - fy) * fx, fy * fx];
        let sum: i64 = taps.iter().zip(weights).map(|(&v, w)| i64::from(v) * w).sum();
        let half = if p.round == Rounding::Double && sum < 0 { (1 << 19) - 1 } else { 1 << 19 };
        *y = ((sum + half) >> 20) as i8;
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Resize, mut io: Io<'_>) {
    let ([_, xh, xw, c], [_, yh, _, _]) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, rows, cols) = (io.x[0].i8s(), pairs(&io, p.rows), pairs(&io, p.cols));
    let images = x.chunks_exact(xh * xw * c).zip(io.y.i8s().chunks_exact_mut(yh * cols.clone().count() * c));
    for (x, y) in images {
        let mut pixels = y.chunks_exact_mut(c);
        for row in rows.clone() {
            for (col, y) in cols.clone().zip(&mut pixels) {
                let tap = |r: usize, q: usize| &x[(row.at[r] * xw + col.at[q]) * c..][..c];
                mix(p.round, [tap(0, 0), tap(1, 0), tap(0, 1), tap(1, 1)], [row.share, col.share], y);
            }
        }
    }
}

/// One pixel. A share of 0 is a copy in the integer profiles and, all sums being small, in the float profile too.
#[inline(always)]
fn mix(round: Rounding, taps: [&[i8]; 4], [fy, fx]: [i32; 2], y: &mut [i8]) {
    if fy == 0 && fx == 0 {
        return y.copy_from_slice(taps[0]);
    }
    let [a, b, c, d] = taps;
    let values = a.iter().zip(b).zip(c).zip(d).map(|(((&a, &b), &c), &d)| [a, b, c, d]);
    if round == Rounding::Float {
        let weights = float_weights(fy, fx);
        return y.iter_mut().zip(values).for_each(|(y, taps)| *y = float(taps, weights));
    }
    // The weights add up to 2^20, so that no sum leaves 28 bits.
    let weights = [(1024 - fy) * (1024 - fx), fy * (1024 - fx), (1024 - fy) * fx, fy * fx];
    let away = i32::from(round == Rounding::Double);
    for (y, taps) in y.iter_mut().zip(values) {
        let sum: i32 = taps.iter().zip(weights).map(|(&v, w)| i32::from(v) * w).sum();
        *y = ((sum + (1 << 19) - (away & i32::from(sum < 0))) >> 20) as i8;
    }
}

/// The factors of each tap, row before column, in the order in which TFLite multiplies.
#[inline(always)]
fn float_weights(fy: i32, fx: i32) -> [[f32; 2]; 4] {
    let [fy, fx] = [fy, fx].map(|share| f32::from_bits(share as u32));
    [[1.0 - fy, 1.0 - fx], [fy, 1.0 - fx], [1.0 - fy, fx], [fy, fx]]
}

/// As TFLite mixes unsigned values: products and sums in this order, truncated.
#[inline(always)]
fn float(taps: [i8; 4], weights: [[f32; 2]; 4]) -> i8 {
    let product = |i: usize| (i32::from(taps[i]) + 128) as f32 * weights[i][0] * weights[i][1];
    let sum = product(0) + product(1) + product(2) + product(3) + 0.5;
    ((sum as i32) - 128).clamp(-128, 127) as i8
}
