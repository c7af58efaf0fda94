//! Dense layer over int16 values: rows of the input times rows of weights.

use mote_format::{FullyConnected16, Shape};

use super::dots16::outputs;
use super::products16;
use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &FullyConnected16, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(p: &FullyConnected16, io: Io<'_>) {
    products16::fully_connected(p, io);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &FullyConnected16, mut io: Io<'_>) {
    let (cin, cout) = (io.x[0].shape.channels(), io.y.shape.channels());
    let (x, w, sums) = (io.x[0].words(), io.i8s(p.weights), io.sums16(p.bias, &p.requant));
    for (x, y) in x.chunks_exact(cin).zip(io.y.words().chunks_exact_mut(cout)) {
        outputs(isa, x, w, y, |o, dots, y| sums.apply_any(o, dots, y));
    }
}
