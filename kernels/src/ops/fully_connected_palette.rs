//! Dense layer with weights of four bits.

use mote_format::{FullyConnectedPalette, Shape};

use super::palette::{self, dense, weight};
use super::products;
use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &FullyConnectedPalette, x: &Shape, _: &Shape) -> usize {
    palette::scratch(x.channels(), palette::rows(x))
}

pub(crate) fn naive(p: &FullyConnectedPalette, io: Io<'_>) {
    let len = io.x[0].shape.channels();
    products::fully_connected_of(&p.layer, io, |io, at| weight(io, p.layer.weights, p.palette, len, at));
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &FullyConnectedPalette, mut io: Io<'_>) {
    let (layer, x, y) = dense(&p.layer, &io);
    palette::run(isa, &layer, p.palette, &mut io, x, y);
}
