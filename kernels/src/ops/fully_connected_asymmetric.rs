//! Dense layer whose weights have a zero point.

use mote_format::{FullyConnectedAsymmetric, Shape};

use super::asymmetric::matrix;
use crate::isa::{Isa, Rows};
use crate::view::Io;

pub(crate) fn scratch(_: &FullyConnectedAsymmetric, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(p: &FullyConnectedAsymmetric, mut io: Io<'_>) {
    let (cin, cout) = (io.x[0].shape.channels(), io.y.shape.channels());
    let channels = io.channels(p.layer.bias, &p.layer.requant);
    let (x, w) = (io.x[0].i8s(), io.i8s(p.layer.weights));
    for (i, y) in io.y.i8s().iter_mut().enumerate() {
        let (row, o) = (i / cout, i % cout);
        let mut acc = 0i32;
        for c in 0..cin {
            let weight = i32::from(w[o * cin + c]) - i32::from(p.weight_zero);
            acc = acc.wrapping_add(i32::from(x[row * cin + c]) * weight);
        }
        channels.part(o, 1).apply(&[acc], core::slice::from_mut(y));
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &FullyConnectedAsymmetric, mut io: Io<'_>) {
    let (cin, cout) = (io.x[0].shape.channels(), io.y.shape.channels());
    let channels = io.channels(p.layer.bias, &p.layer.requant);
    let x = Rows { data: io.x[0].i8s(), stride: cin, count: io.x[0].shape.elements() / cin, len: cin };
    let w = Rows { data: io.i8s(p.layer.weights), stride: cin, count: cout, len: cin };
    matrix(isa, x, (w, p.weight_zero), &channels, cout, io.y.i8s());
}
