//! What layers of products over int16 values are: the naive loops that define them. Padding holds 0, which adds nothing.

use mote_format::{Conv2d16, DepthwiseConv2d16, FullyConnected16};

use super::window::Window;
use crate::sums16::value;
use crate::view::Io;

pub(super) fn conv_window(p: &Conv2d16, [_, h, w, c]: [usize; 4]) -> Window {
    Window::new([h, w, c], [p.kh, p.kw], p.stride, p.dilation, p.pads)
}

pub(super) fn depthwise_window(p: &DepthwiseConv2d16, [_, h, w, c]: [usize; 4]) -> Window {
    Window::new([h, w, c], [p.kh, p.kw], p.stride, p.dilation, p.pads)
}

/// Where element `i` of an image lies: image, row, column, channel.
pub(super) fn place(i: usize, y: [usize; 4]) -> [usize; 4] {
    [i / y[3] / y[2] / y[1], i / y[3] / y[2] % y[1], i / y[3] % y[2], i % y[3]]
}

/// A convolution.
pub(super) fn conv2d(p: &Conv2d16, mut io: Io<'_>) {
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, w, sums) = (io.x[0].words(), io.i8s(p.weights), io.sums16(p.bias, &p.requant));
    let (window, groups) = (conv_window(p, xd), usize::from(p.groups));
    let (cin, cout) = (xd[3] / groups, yd[3] / groups);
    let [kh, kw] = window.kernel;
    for (i, y) in io.y.words().iter_mut().enumerate() {
        let [n, oy, ox, o] = place(i, yd);
        let mut sum = 0i64;
        for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
            let Some((iy, ix)) = window.source(0, oy, ky).zip(window.source(1, ox, kx)) else { continue };
            for c in 0..cin {
                let x = x[((n * xd[1] + iy) * xd[2] + ix) * xd[3] + o / cout * cin + c];
                sum += i64::from(value(x) * i32::from(w[((o * kh + ky) * kw + kx) * cin + c]));
            }
        }
        sums.apply(o, &[sum], core::slice::from_mut(y));
    }
}

/// A depthwise convolution.
pub(super) fn depthwise_conv2d(p: &DepthwiseConv2d16, mut io: Io<'_>) {
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, w, sums) = (io.x[0].words(), io.i8s(p.weights), io.sums16(p.bias, &p.requant));
    let window = depthwise_window(p, xd);
    let [kh, kw] = window.kernel;
    for (i, y) in io.y.words().iter_mut().enumerate() {
        let [n, oy, ox, o] = place(i, yd);
        let mut sum = 0i64;
        for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
            if let Some((iy, ix)) = window.source(0, oy, ky).zip(window.source(1, ox, kx)) {
                let x = x[((n * xd[1] + iy) * xd[2] + ix) * xd[3] + o / (yd[3] / xd[3])];
                sum += i64::from(value(x) * i32::from(w[(ky * kw + kx) * yd[3] + o]));
            }
        }
        sums.apply(o, &[sum], core::slice::from_mut(y));
    }
}

/// A dense layer.
pub(super) fn fully_connected(p: &FullyConnected16, mut io: Io<'_>) {
    let (cin, cout) = (io.x[0].shape.channels(), io.y.shape.channels());
    let (x, w, sums) = (io.x[0].words(), io.i8s(p.weights), io.sums16(p.bias, &p.requant));
    for (i, y) in io.y.words().iter_mut().enumerate() {
        let (row, o) = (i / cout, i % cout);
        let sum = (0..cin).map(|c| i64::from(value(x[row * cin + c]) * i32::from(w[o * cin + c]))).sum();
        sums.apply_any(o, &[sum], core::slice::from_mut(y));
    }
}
