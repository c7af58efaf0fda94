//! Depthwise convolution of int16 values: each channel with its own kernel, over the taps that lie inside the image.

use mote_format::{DepthwiseConv2d16, Shape};

use super::products16::{self, depthwise_window, place};
use crate::isa::{BLOCK, Isa};
use crate::sums16::value;
use crate::view::Io;

pub(crate) fn scratch(_: &DepthwiseConv2d16, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(p: &DepthwiseConv2d16, io: Io<'_>) {
    products16::depthwise_conv2d(p, io);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &DepthwiseConv2d16, mut io: Io<'_>) {
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, w, sums) = (io.x[0].words(), io.i8s(p.weights), io.sums16(p.bias, &p.requant));
    let (window, many) = (depthwise_window(p, xd), yd[3] / xd[3]);
    for (pixel, y) in io.y.words().chunks_exact_mut(yd[3]).enumerate() {
        let [n, oy, ox, _] = place(pixel * yd[3], yd);
        for (c, y) in y.chunks_mut(BLOCK).enumerate().map(|(i, y)| (i * BLOCK, y)) {
            let mut acc = [0i32; BLOCK];
            let acc = &mut acc[..y.len()];
            for (ky, iy) in (0..window.kernel[0]).filter_map(|k| Some((k, window.source(0, oy, k)?))) {
                for (kx, ix) in (0..window.kernel[1]).filter_map(|k| Some((k, window.source(1, ox, k)?))) {
                    let x = &x[((n * xd[1] + iy) * xd[2] + ix) * xd[3]..][..xd[3]];
                    let w = &w[(ky * window.kernel[1] + kx) * yd[3] + c..][..acc.len()];
                    if many == 1 {
                        let taps = acc.iter_mut().zip(&x[c..]).zip(w);
                        taps.for_each(|((acc, &x), &w)| *acc = acc.wrapping_add(value(x) * i32::from(w)));
                    } else {
                        for (i, (acc, &w)) in acc.iter_mut().zip(w).enumerate() {
                            *acc = acc.wrapping_add(value(x[(c + i) / many]) * i32::from(w));
                        }
                    }
                }
            }
            let mut wide = [0; BLOCK];
            wide.iter_mut().zip(&*acc).for_each(|(wide, &acc)| *wide = acc.into());
            sums.apply(c, &wide[..y.len()], y);
        }
    }
}
