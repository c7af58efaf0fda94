//! Requantized sum of the taps inside the image; the zero point of each tap is taken off first.

use mote_format::{Shape, Stride, SumPool2d};

use super::window::Window;
use crate::isa::{BLOCK, Isa};
use crate::quant::Output;
use crate::view::Io;

fn window(p: &SumPool2d, [_, h, w, c]: [usize; 4]) -> Window {
    Window::new([h, w, c], [p.kh, p.kw], p.stride, Stride { h: 1, w: 1 }, p.pads)
}

fn output(p: &SumPool2d, zero: i32) -> Output {
    Output { round: p.round, zero, min: p.min, max: p.max }
}

pub(crate) fn scratch(_: &SumPool2d, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(p: &SumPool2d, mut io: Io<'_>) {
    let (xd, yd, x) = (io.x[0].nhwc(), io.y.nhwc(), io.x[0].i8s());
    let (window, output, zero) = (window(p, xd), output(p, io.y.quant.zero), io.x[0].quant.zero);
    for (i, y) in io.y.i8s().iter_mut().enumerate() {
        let (c, ox, oy, n) =
            (i % yd[3], i / yd[3] % yd[2], i / yd[3] / yd[2] % yd[1], i / yd[3] / yd[2] / yd[1]);
        let mut sum = 0i32;
        for iy in (0..p.kh.into()).filter_map(|k| window.source(0, oy, k)) {
            for ix in (0..p.kw.into()).filter_map(|k| window.source(1, ox, k)) {
                sum = sum.wrapping_add(i32::from(x[((n * xd[1] + iy) * xd[2] + ix) * xd[3] + c]) - zero);
            }
        }
        *y = output.apply(sum, p.scale);
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &SumPool2d, mut io: Io<'_>) {
    let (xd, yd, x) = (io.x[0].nhwc(), io.y.nhwc(), io.x[0].i8s());
    let (window, output, zero) = (window(p, xd), output(p, io.y.quant.zero), io.x[0].quant.zero);
    window.each(x, yd, io.y.i8s(), |taps, y| {
        let zeros = zero.wrapping_mul((taps.h * taps.w) as i32);
        for (c, y) in y.chunks_mut(BLOCK).enumerate() {
            let mut acc = [0; BLOCK];
            let acc = &mut acc[..y.len()];
            isa.sum(taps, c * BLOCK, acc);
            acc.iter_mut().for_each(|sum| *sum = sum.wrapping_sub(zeros));
            isa.scale(acc, p.scale, &output, y);
        }
    });
}
