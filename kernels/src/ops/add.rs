//! Element-wise sum in the steps of TFLite's int8 reference: both inputs widened and brought to one scale, added,
//! requantized.

use mote_format::{Add, Rounding, Scale, Shape};

use super::broadcast::{self, Pairwise};
use crate::isa::{BLOCK, Isa};
use crate::quant::{Output, double, doubling_high_mul, held, single};
use crate::view::{In, Io};
use crate::ways;

/// Elements from which on it pays to tabulate both inputs.
const MANY: usize = 2048;

/// Bytes of the tables.
pub(crate) const TABLES: usize = 2 * 256 * size_of::<i32>() + 3;

/// Two tables of 32-bit words, aligned, where there are many elements.
pub(crate) fn scratch(_: &Add, _: &Shape, y: &Shape) -> usize {
    if y.elements() < MANY { 0 } else { TABLES }
}

/// The sum of two elements; `F` is the rounding profile.
struct Sum<'a, F> {
    p: &'a Add,
    /// Zero points of the inputs and of the output.
    zeros: [i32; 3],
    scaled: F,
}

impl<F: Fn(i32, i32, i32) -> i32> Sum<'_, F> {
    #[inline(always)]
    fn rescale(&self, v: i32, s: Scale) -> i32 {
        (self.scaled)(v, s.mult, s.shift.into())
    }

    /// One input, widened and brought to the common scale.
    #[inline(always)]
    fn widened(&self, v: i8, zero: i32, s: Scale) -> i32 {
        self.rescale((i32::from(v) - zero) << self.p.left, s)
    }

    /// Every input, widened, from the lowest on.
    fn tabulate(&self, table: &mut [i32; 256], zero: i32, s: Scale) {
        let (left, right) = (self.p.left, -i32::from(s.shift));
        if self.p.round == Rounding::Single || !(0..31).contains(&right) || left > 20 {
            for (v, entry) in (i8::MIN..=i8::MAX).zip(table) {
                *entry = self.widened(v, zero, s);
            }
            return;
        }
        // Few bits are used: to round half away from zero takes an addition and a shift.
        let (half, away) = ((1 << right) >> 1, -i32::from(right > 0));
        let mut v = (i32::from(i8::MIN) - zero) << left;
        for entry in table {
            let high = doubling_high_mul(v, s.mult);
            *entry = (high + half + (high >> 31 & away)) >> right;
            v += 1 << left;
        }
    }
}

impl<F: Fn(i32, i32, i32) -> i32> Pairwise for Sum<'_, F> {
    #[inline(always)]
    fn at(&self, a: i8, b: i8) -> i8 {
        let (p, [za, zb, zy]) = (self.p, self.zeros);
        let both = self.widened(a, za, p.a).wrapping_add(self.widened(b, zb, p.b));
        held(self.rescale(both, p.y).wrapping_add(zy), p.min, p.max)
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
pub(crate) fn run<I: Isa>(isa: I, p: &Add, mut io: Io<'_>) {
    let profile = if p.round == Rounding::Single { single } else { double };
    let f = sum(p, &io, profile);
    let (_, words, _) = bytemuck::pod_align_to_mut::<u8, i32>(&mut *io.scratch);
    let alike = io.x[0].shape == io.y.shape && io.x[1].shape == io.y.shape;
    let tables = words.split_first_chunk_mut::<256>().filter(|_| alike && isa.may(ways::TABLES));
    let Some((a, b)) = tables.and_then(|(a, rest)| Some((a, rest.first_chunk_mut::<256>()?))) else {
        if isa.may(ways::ELEMENTS) {
            broadcast::zip(&mut io, &f);
        }
        return;
    };
    f.tabulate(a, f.zeros[0], p.a);
    f.tabulate(b, f.zeros[1], p.b);
    let output = Output { round: p.round, zero: f.zeros[2], min: p.min, max: p.max };
    let at = |table: &[i32; 256], v: i8| table[usize::from(v as u8 ^ 0x80)];
    let (xa, xb) = (io.x[0].values(), io.x[1].values());
    for (i, y) in io.y.i8s().chunks_mut(BLOCK).enumerate() {
        let mut sums = [0; BLOCK];
        let sums = &mut sums[..y.len()];
        let part = |x: In<'_>, y: &[i8], sums: &mut [i32], table: &[i32; 256]| {
            let x = match x {
                In::Apart(x) => &x[i * BLOCK..][..y.len()],
                In::Same => y,
            };
            sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum = sum.wrapping_add(at(table, x)));
        };
        part(xa, y, sums, a);
        part(xb, y, sums, b);
        isa.scale(sums, p.y, &output, y);
    }
}
