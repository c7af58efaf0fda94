//! Rows divided by their length, as TFLite's int8 reference does it: an exact sum of squares, its inverse root by
//! Newton–Raphson steps, one rescaling of each value.

use mote_format::{L2Norm, Shape};

use crate::inverse_sqrt::inverse_sqrt;
use crate::isa::Isa;
use crate::quant::double;
use crate::view::Io;

pub(crate) fn scratch(_: &L2Norm, _: &Shape, _: &Shape) -> usize {
    0
}

#[inline(always)]
pub(crate) fn naive(_: &L2Norm, mut io: Io<'_>) {
    let (length, zero) = (io.x[0].shape.channels(), io.x[0].quant.zero);
    for (x, y) in io.x[0].i8s().chunks_exact(length).zip(io.y.i8s().chunks_exact_mut(length)) {
        let values = x.iter().map(|&x| i32::from(x) - zero);
        let scale = inverse_sqrt(values.clone().map(|v| v * v).sum());
        for (v, y) in values.zip(y) {
            // 1 is 2^7 at the output's scale.
            *y = double(v, scale.mult, i32::from(scale.shift) + 7).clamp(-128, 127) as i8;
        }
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &L2Norm, io: Io<'_>) {
    naive(p, io);
}
