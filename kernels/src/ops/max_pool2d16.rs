//! Largest int16 value in each window, then a clamp. Padding is never chosen.

use mote_format::{MaxPool2d16, Shape, Stride};

use super::pool16;
use super::window::Window;
use crate::isa::Isa;

use crate::view::Io;

fn window(p: &MaxPool2d16, [_, h, w, c]: [usize; 4]) -> Window {
    Window::new([h, w, c], [p.kh, p.kw], p.stride, Stride { h: 1, w: 1 }, p.pads)
}

pub(crate) fn scratch(_: &MaxPool2d16, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(p: &MaxPool2d16, mut io: Io<'_>) {
    let window = window(p, io.x[0].nhwc());
    pool16::naive(&window, &mut io, i32::MIN, i32::max, |max, _| max.clamp(p.min.into(), p.max.into()));
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &MaxPool2d16, mut io: Io<'_>) {
    let window = window(p, io.x[0].nhwc());
    pool16::run(&window, &mut io, i32::MIN, i32::max, |max, _| max.clamp(p.min.into(), p.max.into()));
}
