//! Dense layer: rows of the input times rows of weights, as in a pointwise convolution.

use mote_format::{FullyConnected, Shape};

use super::products;
use crate::isa::{Isa, Layer, Rows, block_bytes};
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
    let (cin, cout) = (io.x[0].shape.channels(), io.y.shape.channels());
    let layer = Layer::new(isa, io.i8s(p.weights), cin, io.channels(p.bias, &p.requant), cout);
    let x = Rows { data: io.x[0].i8s(), stride: cin, count: io.x[0].shape.elements() / cin, len: cin };
    isa.matrix(x, &layer, bytemuck::cast_slice_mut(&mut *io.scratch), io.y.i8s());
}
