//! Element-wise product of the values without their zero points, requantized.

use mote_format::{Mul, Shape};

use super::broadcast::{self, Pairwise};
use crate::isa::Isa;
use crate::quant::Output;
use crate::view::Io;

pub(crate) fn scratch(_: &Mul, _: &Shape, _: &Shape) -> usize {
    0
}

/// The product of two elements.
struct Product<'a> {
    p: &'a Mul,
    /// Zero points of the inputs.
    zeros: [i32; 2],
    output: Output,
}

impl Pairwise for Product<'_> {
    #[inline(always)]
    fn at(&self, a: i8, b: i8) -> i8 {
        let [za, zb] = self.zeros;
        self.output.apply((i32::from(a) - za) * (i32::from(b) - zb), self.p.scale)
    }
}

fn product<'a>(p: &'a Mul, io: &Io<'_>) -> Product<'a> {
    let output = Output { round: p.round, zero: io.y.quant.zero, min: p.min, max: p.max };
    Product { p, zeros: [io.x[0].quant.zero, io.x[1].quant.zero], output }
}

pub(crate) fn naive(p: &Mul, mut io: Io<'_>) {
    let f = product(p, &io);
    broadcast::naive(&mut io, &f);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Mul, mut io: Io<'_>) {
    let f = product(p, &io);
    broadcast::zip(&mut io, &f);
}
