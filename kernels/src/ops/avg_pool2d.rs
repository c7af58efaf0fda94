//! Mean of the taps inside the image, as TFLite's references compute it: of int8 with halves away from zero, of uint8 with
//! halves up, which is away from what was its 0.

use mote_format::{AvgPool2d, Shape, Stride};

use super::window::Window;
use crate::isa::{BLOCK, Isa};
use crate::quant::held;
use crate::view::Io;

fn window(p: &AvgPool2d, [_, h, w, c]: [usize; 4]) -> Window {
    Window::new([h, w, c], [p.kh, p.kw], p.stride, Stride { h: 1, w: 1 }, p.pads)
}

/// `sum / count`, halves away from the origin, held between the bounds.
#[inline(always)]
fn mean(p: &AvgPool2d, sum: i32, count: i32) -> i8 {
    let origin = i32::from(p.origin);
    let sum = sum.wrapping_sub(origin.wrapping_mul(count));
    let half = if sum > 0 { count / 2 } else { -(count / 2) };
    held(sum.wrapping_add(half) / count.max(1) + origin, p.min, p.max)
}

pub(crate) fn scratch(_: &AvgPool2d, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(p: &AvgPool2d, mut io: Io<'_>) {
    let (xd, yd, x) = (io.x[0].nhwc(), io.y.nhwc(), io.x[0].i8s());
    let window = window(p, xd);
    for (i, y) in io.y.i8s().iter_mut().enumerate() {
        let (c, ox, oy, n) =
            (i % yd[3], i / yd[3] % yd[2], i / yd[3] / yd[2] % yd[1], i / yd[3] / yd[2] / yd[1]);
        let (mut sum, mut count) = (0i32, 0i32);
        for iy in (0..p.kh.into()).filter_map(|k| window.source(0, oy, k)) {
            for ix in (0..p.kw.into()).filter_map(|k| window.source(1, ox, k)) {
                sum = sum.wrapping_add(x[((n * xd[1] + iy) * xd[2] + ix) * xd[3] + c].into());
                count += 1;
            }
        }
        *y = mean(p, sum, count);
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &AvgPool2d, mut io: Io<'_>) {
    let (xd, yd, x) = (io.x[0].nhwc(), io.y.nhwc(), io.x[0].i8s());
    let window = window(p, xd);
    window.each(x, yd, io.y.i8s(), |taps, y| {
        let count = (taps.h * taps.w) as i32;
        for (c, y) in y.chunks_mut(BLOCK).enumerate() {
            let mut acc = [0; BLOCK];
            let acc = &mut acc[..y.len()];
            isa.sum(taps, c * BLOCK, acc);
            y.iter_mut().zip(acc).for_each(|(y, &mut sum)| *y = mean(p, sum, count));
        }
    });
}
