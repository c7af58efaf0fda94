//! Convolution: the patches under the window, two pixels at a time, times the weights. Pointwise convolutions
//! read the image as it lies; others gather patches to scratch.

use mote_format::{Conv2d, Shape};

use super::window::Window;
use crate::isa::{Isa, MAX_PIXELS, Rows, Tile};
use crate::quant::Channels;
use crate::view::Io;

fn window(p: &Conv2d, [_, h, w, c]: [usize; 4]) -> Window {
    Window::new([h, w, c], [p.kh, p.kw], p.stride, p.dilation, p.pads)
}

/// Bytes of one group's patch under the window.
fn patch(p: &Conv2d, channels: usize) -> usize {
    usize::from(p.kh) * usize::from(p.kw) * channels / usize::from(p.groups)
}

/// Patches of as many pixels as the widest tile has.
pub(crate) fn scratch(p: &Conv2d, x: &Shape, _: &Shape) -> usize {
    let dims = x.nhwc().unwrap_or([1; 4]);
    if window(p, dims).is_pointwise() && p.groups == 1 { 0 } else { MAX_PIXELS * patch(p, dims[3]) }
}

pub(crate) fn naive(p: &Conv2d, mut io: Io<'_>) {
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, w, channels) = (io.x[0].i8s(), io.i8s(p.weights), io.channels(p.bias, &p.requant));
    let (window, zero) = (window(p, xd), io.x[0].quant.zero);
    let (cin, cout) = (xd[3] / usize::from(p.groups), yd[3] / usize::from(p.groups));
    for (i, y) in io.y.i8s().iter_mut().enumerate() {
        let (o, ox, oy, n) =
            (i % yd[3], i / yd[3] % yd[2], i / yd[3] / yd[2] % yd[1], i / yd[3] / yd[2] / yd[1]);
        let mut acc = 0i32;
        for (ky, kx, c) in taps(p, cin) {
            let (iy, ix) = (window.source(0, oy, ky), window.source(1, ox, kx));
            let value = iy.zip(ix).map_or(zero, |(iy, ix)| {
                i32::from(x[((n * xd[1] + iy) * xd[2] + ix) * xd[3] + o / cout * cin + c])
            });
            let weight = w[((o * usize::from(p.kh) + ky) * usize::from(p.kw) + kx) * cin + c];
            acc = acc.wrapping_add(value * i32::from(weight));
        }
        channels.part(o, 1).apply(&[acc], core::slice::from_mut(y));
    }
}

fn taps(p: &Conv2d, cin: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let (kh, kw) = (usize::from(p.kh), usize::from(p.kw));
    (0..kh).flat_map(move |ky| (0..kw).flat_map(move |kx| (0..cin).map(move |c| (ky, kx, c))))
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &Conv2d, mut io: Io<'_>) {
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, w, channels) = (io.x[0].i8s(), io.i8s(p.weights), io.channels(p.bias, &p.requant));
    let window = window(p, xd);
    if window.is_pointwise() && p.groups == 1 {
        let x = Rows { data: x, stride: xd[3], count: xd[0] * xd[1] * xd[2], len: xd[3] };
        let w = Rows { data: w, stride: xd[3], count: yd[3], len: xd[3] };
        return matrix(isa, x, w, &channels, yd[3], io.y.i8s());
    }
    let groups = usize::from(p.groups);
    let (cin, cout, k) = (xd[3] / groups, yd[3] / groups, patch(p, xd[3]));
    let zero = io.x[0].quant.zero as i8;
    let patches: &mut [i8] = bytemuck::cast_slice_mut(&mut *io.scratch);
    let y = io.y.i8s();
    for g in 0..groups {
        let (channels, w) = (channels.part(g * cout, cout), &w[g * cout * k..(g + 1) * cout * k]);
        let w = Rows { data: w, stride: k, count: cout, len: k };
        for (n, oy) in (0..yd[0]).flat_map(|n| (0..yd[1]).map(move |oy| (n, oy))) {
            let x = &x[n * xd[1] * xd[2] * xd[3]..];
            let row = &mut y[(n * yd[1] + oy) * yd[2] * yd[3]..][..yd[2] * yd[3]];
            for ox in (0..yd[2]).step_by(MAX_PIXELS) {
                let count = MAX_PIXELS.min(yd[2] - ox);
                for (i, patch) in patches.chunks_exact_mut(k).take(count).enumerate() {
                    window.gather(x, oy, ox + i, (g * cin, cin), zero, patch);
                }
                let x = Rows { data: patches, stride: k, count, len: k };
                matrix(isa, x, w, &channels, yd[3], &mut row[ox * yd[3] + g * cout..]);
            }
        }
    }
}

/// Every row of `x` times every row of `w`, requantized; rows of `y` are `stride` apart.
#[inline(always)]
pub(super) fn matrix<I: Isa>(
    isa: I,
    x: Rows<'_>,
    w: Rows<'_>,
    channels: &Channels<'_>,
    stride: usize,
    y: &mut [i8],
) {
    let mut m = 0;
    while m < x.count {
        if x.count - m >= I::Tile::PIXELS {
            lines(isa, x.from(m), w, channels, stride, &mut y[m * stride..], I::tile);
            m += I::Tile::PIXELS;
        } else {
            lines(isa, x.from(m), w, channels, stride, &mut y[m * stride..], I::line);
            m += I::Line::PIXELS;
        }
    }
}

/// The first rows of `x`, as many as the tile has, times every row of `w`.
#[inline(always)]
fn lines<I: Isa, T: Tile>(
    isa: I,
    x: Rows<'_>,
    w: Rows<'_>,
    channels: &Channels<'_>,
    stride: usize,
    y: &mut [i8],
    dot: impl Fn(I, Rows<'_>, Rows<'_>) -> T,
) {
    for n in (0..w.count).step_by(T::CHANNELS) {
        let len = T::CHANNELS.min(w.count - n);
        let tile = dot(isa, x, w.from(n));
        let part = channels.part(n, len);
        for i in 0..T::PIXELS {
            isa.requantize(&tile.pixel(i)[..len], &part, &mut y[i * stride + n..][..len]);
        }
    }
}
