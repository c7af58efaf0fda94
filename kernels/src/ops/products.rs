//! What layers of products are, whoever computes them: their windows, and the naive loops that define them, for weights
//! with a zero point as for those without (then it is 0). No micro-kernels.

use mote_format::{Conv2d, DepthwiseConv2d, FullyConnected, Pads, Stride};

use super::window::Window;
use crate::view::Io;

pub(crate) fn conv_window(p: &Conv2d, [_, h, w, c]: [usize; 4]) -> Window {
    Window::new([h, w, c], [p.kh, p.kw], p.stride, p.dilation, p.pads)
}

/// Bytes of one group's patch under the window.
pub(crate) fn patch(p: &Conv2d, channels: usize) -> usize {
    usize::from(p.kh) * usize::from(p.kw) * channels / usize::from(p.groups)
}

/// A dense layer as the convolution of pixels that it is.
#[inline(always)]
pub(crate) fn pointwise(p: &FullyConnected) -> Conv2d {
    let FullyConnected { weights, bias, requant } = *p;
    let (one, pads) = (Stride { h: 1, w: 1 }, Pads { top: 0, left: 0, bottom: 0, right: 0 });
    Conv2d { kh: 1, kw: 1, stride: one, dilation: one, pads, groups: 1, weights, bias, requant }
}

/// A convolution.
pub(super) fn conv2d(p: &Conv2d, weight_zero: i8, io: Io<'_>) {
    conv2d_of(p, io, |io, at| i32::from(io.i8s(p.weights)[at]) - i32::from(weight_zero));
}

/// A convolution whose weights, in their order, are those that `weight` gives.
pub(super) fn conv2d_of(p: &Conv2d, mut io: Io<'_>, weight: impl Fn(&Io<'_>, usize) -> i32) {
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, channels) = (io.x[0].i8s(), io.channels(p.bias, &p.requant));
    let (window, zero) = (conv_window(p, xd), io.x[0].quant.zero);
    let (cin, cout) = (xd[3] / usize::from(p.groups), yd[3] / usize::from(p.groups));
    for i in 0..io.y.shape.elements() {
        let (o, ox, oy, n) =
            (i % yd[3], i / yd[3] % yd[2], i / yd[3] / yd[2] % yd[1], i / yd[3] / yd[2] / yd[1]);
        let mut acc = 0i32;
        for (ky, kx, c) in taps(p, cin) {
            let (iy, ix) = (window.source(0, oy, ky), window.source(1, ox, kx));
            let value = iy.zip(ix).map_or(zero, |(iy, ix)| {
                i32::from(x[((n * xd[1] + iy) * xd[2] + ix) * xd[3] + o / cout * cin + c])
            });
            let at = ((o * usize::from(p.kh) + ky) * usize::from(p.kw) + kx) * cin + c;
            acc = acc.wrapping_add(value * weight(&io, at));
        }
        channels.part(o, 1).apply(&[acc], &mut io.y.i8s()[i..=i]);
    }
}

fn taps(p: &Conv2d, cin: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let (kh, kw) = (usize::from(p.kh), usize::from(p.kw));
    (0..kh).flat_map(move |ky| (0..kw).flat_map(move |kx| (0..cin).map(move |c| (ky, kx, c))))
}

pub(super) fn depthwise_window(p: &DepthwiseConv2d, [_, h, w, c]: [usize; 4]) -> Window {
    Window::new([h, w, c], [p.kh, p.kw], p.stride, p.dilation, p.pads)
}

/// A depthwise convolution.
pub(super) fn depthwise_conv2d(p: &DepthwiseConv2d, weight_zero: i8, mut io: Io<'_>) {
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, w, channels) = (io.x[0].i8s(), io.i8s(p.weights), io.channels(p.bias, &p.requant));
    let (window, zero) = (depthwise_window(p, xd), io.x[0].quant.zero);
    let (kh, kw) = (usize::from(p.kh), usize::from(p.kw));
    for (i, y) in io.y.i8s().iter_mut().enumerate() {
        let (o, ox, oy, n) =
            (i % yd[3], i / yd[3] % yd[2], i / yd[3] / yd[2] % yd[1], i / yd[3] / yd[2] / yd[1]);
        let mut acc = 0i32;
        for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
            let (iy, ix) = (window.source(0, oy, ky), window.source(1, ox, kx));
            let value = iy.zip(ix).map_or(zero, |(iy, ix)| {
                i32::from(x[((n * xd[1] + iy) * xd[2] + ix) * xd[3] + o / (yd[3] / xd[3])])
            });
            let weight = i32::from(w[(ky * kw + kx) * yd[3] + o]) - i32::from(weight_zero);
            acc = acc.wrapping_add(value * weight);
        }
        channels.part(o, 1).apply(&[acc], core::slice::from_mut(y));
    }
}

/// A dense layer.
pub(super) fn fully_connected(p: &FullyConnected, weight_zero: i8, io: Io<'_>) {
    fully_connected_of(p, io, |io, at| i32::from(io.i8s(p.weights)[at]) - i32::from(weight_zero));
}

/// A dense layer whose weights, in their order, are those that `weight` gives.
pub(super) fn fully_connected_of(p: &FullyConnected, mut io: Io<'_>, weight: impl Fn(&Io<'_>, usize) -> i32) {
    let (cin, cout) = (io.x[0].shape.channels(), io.y.shape.channels());
    let (x, channels) = (io.x[0].i8s(), io.channels(p.bias, &p.requant));
    for i in 0..io.y.shape.elements() {
        let (row, o) = (i / cout, i % cout);
        let mut acc = 0i32;
        for c in 0..cin {
            acc = acc.wrapping_add(i32::from(x[row * cin + c]) * weight(&io, o * cin + c));
        }
        channels.part(o, 1).apply(&[acc], &mut io.y.i8s()[i..=i]);
    }
}
