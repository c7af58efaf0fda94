//! Convolution with weights of four bits.

use mote_format::{Conv2dPalette, Shape};

use super::palette::{self, weight};
use super::products::{self, patch};
use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(p: &Conv2dPalette, x: &Shape, y: &Shape) -> usize {
    palette::scratch(patch(&p.layer, x.channels()), y.elements() / y.channels())
}

pub(crate) fn naive(p: &Conv2dPalette, io: Io<'_>) {
    let len = patch(&p.layer, io.x[0].shape.channels());
    products::conv2d_of(&p.layer, io, |io, at| weight(io, p.layer.weights, p.palette, len, at));
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &Conv2dPalette, mut io: Io<'_>) {
    let (x, y) = (io.x[0].nhwc(), io.y.nhwc());
    palette::run(isa, &p.layer, p.palette, &mut io, x, y);
}
