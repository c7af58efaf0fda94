//! Random steps, one generator per operator, named as the operator's module: tails in every dimension, extreme
//! values, all rounding profiles. A row of the operator table without a generator does not compile.

use mote_format::*;

use crate::case::Case;
use crate::common::builder::{Builder, quant};
use crate::draw::Draw;

mod elementwise;
mod image;
mod layout;
mod recurrent;
mod window;
mod words;

pub(crate) use elementwise::*;
pub(crate) use image::*;
pub(crate) use layout::*;
pub(crate) use recurrent::*;
pub(crate) use window::*;
pub(crate) use words::*;

fn volume(dims: &[u32]) -> usize {
    dims.iter().product::<u32>() as usize
}

/// Up to `rank` dimensions of up to `most`, at least `least` of them.
fn dims(d: &mut Draw<'_>, least: u32, rank: u32, most: u32) -> Vec<u32> {
    let rank = d.range(least, rank);
    (0..rank).map(|_| d.range(1, most)).collect()
}

/// A step with one int8 input and an int8 output.
fn unary(d: &mut Draw<'_>, mut b: Builder, op: Op, x: &[u32], y: &[u32], qx: Quant) -> Case {
    let input = b.input("x", DType::I8, x, qx);
    let zero = d.zero();
    let scratch = scratch(&op, x, y);
    let output = b.step(op, &[input], (DType::I8, y, quant(0.1, zero)), scratch);
    b.output(output);
    Case::new(b, vec![Some(d.bytes(volume(x)))])
}

/// As the format stores it; the suite's own buffers are exactly that long.
fn scratch(op: &Op, x: &[u32], y: &[u32]) -> u32 {
    let shape = |dims| Shape::new(dims).expect("small");
    mote_kernels::table::scratch(op, &shape(x), &shape(y)) as u32
}

/// Multipliers for `n` channels whose sums have about `bits` bits.
fn requant(d: &mut Draw<'_>, b: &mut Builder, n: usize, bits: i32) -> Requant {
    let round = d.rounding();
    // A few drawn ones in turn: enough to differ from channel to channel, few enough to shrink.
    let few: Vec<Scale> = (0..3).map(|_| d.scale(round, bits)).collect();
    // Alike in runs, too, since a kernel may treat a few channels together.
    let run = d.pick(&[1, 1, 4, 7]);
    let scales: Vec<Scale> = (0..n).map(|i| few[i / run % few.len()]).collect();
    let mult: Vec<i32> = scales.iter().map(|s| s.mult).collect();
    let shift: Vec<i8> = scales.iter().map(|s| s.shift).collect();
    let (min, max) = d.bounds();
    Requant { min, max, ..b.requant(round, &mult, &shift) }
}

/// Bits of a sum of `n` products.
fn bits(n: u32) -> i32 {
    12 + n.ilog2() as i32 / 2
}
