//! Largest value in each window, then a clamp. Padding is never chosen.

use mote_format::{MaxPool2d, Shape, Stride};

use super::window::Window;
use crate::isa::Isa;
use crate::view::{In, Io};

fn window(p: &MaxPool2d, [_, h, w, c]: [usize; 4]) -> Window {
    Window::new([h, w, c], [p.kh, p.kw], p.stride, Stride { h: 1, w: 1 }, p.pads)
}

pub(crate) fn scratch(_: &MaxPool2d, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(p: &MaxPool2d, mut io: Io<'_>) {
    let (xd, yd, x) = (io.x[0].nhwc(), io.y.nhwc(), io.x[0].i8s());
    let window = window(p, xd);
    for (i, y) in io.y.i8s().iter_mut().enumerate() {
        let (c, ox, oy, n) =
            (i % yd[3], i / yd[3] % yd[2], i / yd[3] / yd[2] % yd[1], i / yd[3] / yd[2] / yd[1]);
        let rows = (0..p.kh.into()).filter_map(|k| window.source(0, oy, k));
        let cols = (0..p.kw.into()).filter_map(|k| window.source(1, ox, k));
        let taps =
            rows.flat_map(|iy| cols.clone().map(move |ix| x[((n * xd[1] + iy) * xd[2] + ix) * xd[3] + c]));
        *y = taps.max().unwrap_or(i8::MIN).clamp(p.min, p.max);
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &MaxPool2d, mut io: Io<'_>) {
    let (xd, yd, x) = (io.x[0].nhwc(), io.y.nhwc(), io.x[0].i8s());
    let window = window(p, xd);
    window.each(x, yd, io.y.i8s(), |taps, y| {
        isa.max(taps, y);
        isa.clamp(In::Same, p.min, p.max, y);
    });
}
