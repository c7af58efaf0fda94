//! Dense layer whose weights have a zero point.

use mote_format::{FullyConnectedAsymmetric, Shape};

use super::asymmetric::matrix;
use super::products;
use crate::isa::{Isa, Rows};
use crate::view::Io;

pub(crate) fn scratch(_: &FullyConnectedAsymmetric, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(p: &FullyConnectedAsymmetric, io: Io<'_>) {
    products::fully_connected(&p.layer, p.weight_zero, io);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &FullyConnectedAsymmetric, mut io: Io<'_>) {
    let (cin, cout) = (io.x[0].shape.channels(), io.y.shape.channels());
    let channels = io.channels(p.layer.bias, &p.layer.requant);
    let x = Rows { data: io.x[0].i8s(), stride: cin, count: io.x[0].shape.elements() / cin, len: cin };
    let w = Rows { data: io.i8s(p.layer.weights), stride: cin, count: cout, len: cin };
    matrix(isa, x, (w, p.weight_zero), &channels, cout, io.y.i8s());
}
