//! Dense layer: rows of the input times rows of weights, as in a pointwise convolution.

use mote_format::{FullyConnected, Shape};

use super::matrix;
use super::products;
use crate::isa::{Isa, block_bytes};
use crate::view::Io;

/// Values of the input that are widened to words at a time; to 16 bits twice as many.
const PART: usize = 64;

pub(crate) fn scratch(_: &FullyConnected, x: &Shape, _: &Shape) -> usize {
    block_bytes(2 * x.channels().min(PART), 1)
}

pub(crate) fn naive(p: &FullyConnected, io: Io<'_>) {
    products::fully_connected(p, 0, io);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &FullyConnected, mut io: Io<'_>) {
    matrix::run(isa, &mut io, p.weights, p.bias, &p.requant);
}
