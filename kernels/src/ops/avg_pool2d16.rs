//! Mean of the int16 taps inside the image, halves away from zero, as TFLite's reference computes it.

use mote_format::{AvgPool2d16, Shape, Stride};

use super::pool16;
use super::window::Window;
use crate::isa::Isa;

use crate::view::Io;

fn window(p: &AvgPool2d16, [_, h, w, c]: [usize; 4]) -> Window {
    Window::new([h, w, c], [p.kh, p.kw], p.stride, Stride { h: 1, w: 1 }, p.pads)
}

pub(crate) fn scratch(_: &AvgPool2d16, _: &Shape, _: &Shape) -> usize {
    0
}

/// `sum / count`, held between the bounds.
#[inline(always)]
fn mean(p: &AvgPool2d16, sum: i32, count: i32) -> i32 {
    let half = if sum > 0 { count / 2 } else { -(count / 2) };
    (sum.wrapping_add(half) / count.max(1)).clamp(p.min.into(), p.max.into())
}

pub(crate) fn naive(p: &AvgPool2d16, mut io: Io<'_>) {
    let window = window(p, io.x[0].nhwc());
    pool16::naive(&window, &mut io, 0, i32::wrapping_add, |sum, count| mean(p, sum, count));
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &AvgPool2d16, mut io: Io<'_>) {
    let window = window(p, io.x[0].nhwc());
    pool16::run(&window, &mut io, 0, i32::wrapping_add, |sum, count| mean(p, sum, count));
}
