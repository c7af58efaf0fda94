//! Requantized sum of the int16 taps inside the image.

use mote_format::{Shape, Stride, SumPool2d16};

use super::pool16;
use super::window::Window;
use crate::isa::Isa;
use crate::quant::double;
use crate::view::Io;

fn window(p: &SumPool2d16, [_, h, w, c]: [usize; 4]) -> Window {
    Window::new([h, w, c], [p.kh, p.kw], p.stride, Stride { h: 1, w: 1 }, p.pads)
}

pub(crate) fn scratch(_: &SumPool2d16, _: &Shape, _: &Shape) -> usize {
    0
}

#[inline(always)]
fn scaled(p: &SumPool2d16, sum: i32) -> i32 {
    double(sum, p.scale.mult, p.scale.shift.into()).clamp(p.min.into(), p.max.into())
}

pub(crate) fn naive(p: &SumPool2d16, mut io: Io<'_>) {
    let window = window(p, io.x[0].nhwc());
    pool16::naive(&window, &mut io, 0, i32::wrapping_add, |sum, _| scaled(p, sum));
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &SumPool2d16, mut io: Io<'_>) {
    let window = window(p, io.x[0].nhwc());
    pool16::run(&window, &mut io, 0, i32::wrapping_add, |sum, _| scaled(p, sum));
}
