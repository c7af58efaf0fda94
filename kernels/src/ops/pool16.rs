//! Pools of int16 values: the taps inside the image, folded into one number a channel.

use super::products16::place;
use super::window::Window;
use crate::isa::BLOCK;
use crate::sums16::{value, word};
use crate::view::Io;

/// The definition: `finish` is given what `fold` makes of `start` and the taps, and how many these are.
pub(super) fn naive(
    window: &Window,
    io: &mut Io<'_>,
    start: i32,
    fold: impl Fn(i32, i32) -> i32,
    finish: impl Fn(i32, i32) -> i32,
) {
    let (xd, yd, x) = (io.x[0].nhwc(), io.y.nhwc(), io.x[0].words());
    for (i, y) in io.y.words().iter_mut().enumerate() {
        let [n, oy, ox, c] = place(i, yd);
        let (mut all, mut count) = (start, 0);
        for iy in (0..window.kernel[0]).filter_map(|k| window.source(0, oy, k)) {
            for ix in (0..window.kernel[1]).filter_map(|k| window.source(1, ox, k)) {
                all = fold(all, value(x[((n * xd[1] + iy) * xd[2] + ix) * xd[3] + c]));
                count += 1;
            }
        }
        *y = word(finish(all, count));
    }
}

/// The same, some channels at a time.
#[inline(always)]
pub(super) fn run(
    window: &Window,
    io: &mut Io<'_>,
    start: i32,
    fold: impl Fn(i32, i32) -> i32,
    finish: impl Fn(i32, i32) -> i32,
) {
    let (xd, yd, x) = (io.x[0].nhwc(), io.y.nhwc(), io.x[0].words());
    for (pixel, y) in io.y.words().chunks_exact_mut(yd[3]).enumerate() {
        let [n, oy, ox, _] = place(pixel * yd[3], yd);
        let taps = window.taps(&x[n * xd[1] * xd[2] * xd[3]..], oy, ox);
        let count = (taps.h * taps.w) as i32;
        for (c, y) in y.chunks_mut(BLOCK).enumerate() {
            let mut acc = [start; BLOCK];
            let acc = &mut acc[..y.len()];
            for x in taps.channels(c * BLOCK, y.len()) {
                acc.iter_mut().zip(x).for_each(|(acc, &x)| *acc = fold(*acc, value(x)));
            }
            y.iter_mut().zip(acc).for_each(|(y, acc)| *y = word(finish(*acc, count)));
        }
    }
}
