//! Convolution whose weights have a zero point. Pointwise ones read the image as it lies; others gather patches to
//! scratch.

use mote_format::{Conv2d, Conv2dAsymmetric, Shape};

use super::asymmetric::matrix;
use super::window::Window;
use crate::isa::{Isa, MAX_PIXELS, Rows};
use crate::view::Io;

fn window(p: &Conv2d, [_, h, w, c]: [usize; 4]) -> Window {
    Window::new([h, w, c], [p.kh, p.kw], p.stride, p.dilation, p.pads)
}

/// Bytes of one group's patch under the window.
fn patch(p: &Conv2d, channels: usize) -> usize {
    usize::from(p.kh) * usize::from(p.kw) * channels / usize::from(p.groups)
}

/// Patches of as many pixels as the widest tile has.
pub(crate) fn scratch(p: &Conv2dAsymmetric, x: &Shape, _: &Shape) -> usize {
    let dims = x.nhwc().unwrap_or([1; 4]);
    let direct = window(&p.layer, dims).is_pointwise() && p.layer.groups == 1;
    if direct { 0 } else { MAX_PIXELS * patch(&p.layer, dims[3]) }
}

pub(crate) fn naive(p: &Conv2dAsymmetric, mut io: Io<'_>) {
    let (layer, zero) = (&p.layer, io.x[0].quant.zero);
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let channels = io.channels(layer.bias, &layer.requant);
    let (x, w, window) = (io.x[0].i8s(), io.i8s(layer.weights), window(layer, xd));
    let groups = usize::from(layer.groups);
    let (cin, cout) = (xd[3] / groups, yd[3] / groups);
    let [kh, kw] = window.kernel;
    for (i, y) in io.y.i8s().iter_mut().enumerate() {
        let (o, ox, oy, n) =
            (i % yd[3], i / yd[3] % yd[2], i / yd[3] / yd[2] % yd[1], i / yd[3] / yd[2] / yd[1]);
        let mut acc = 0i32;
        for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
            let pixel = window.source(0, oy, ky).zip(window.source(1, ox, kx));
            for c in 0..cin {
                let value = pixel.map_or(zero, |(iy, ix)| {
                    i32::from(x[((n * xd[1] + iy) * xd[2] + ix) * xd[3] + o / cout * cin + c])
                });
                let weight = i32::from(w[((o * kh + ky) * kw + kx) * cin + c]) - i32::from(p.weight_zero);
                acc = acc.wrapping_add(value * weight);
            }
        }
        channels.part(o, 1).apply(&[acc], core::slice::from_mut(y));
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &Conv2dAsymmetric, mut io: Io<'_>) {
    let layer = &p.layer;
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let channels = io.channels(layer.bias, &layer.requant);
    let (x, w, window) = (io.x[0].i8s(), io.i8s(layer.weights), window(layer, xd));
    if window.is_pointwise() && layer.groups == 1 {
        let x = Rows { data: x, stride: xd[3], count: xd[0] * xd[1] * xd[2], len: xd[3] };
        let w = Rows { data: w, stride: xd[3], count: yd[3], len: xd[3] };
        return matrix(isa, x, (w, p.weight_zero), &channels, yd[3], io.y.i8s());
    }
    let groups = usize::from(layer.groups);
    let (cin, cout, k) = (xd[3] / groups, yd[3] / groups, patch(layer, xd[3]));
    let zero = io.x[0].quant.zero as i8;
    let patches: &mut [i8] = bytemuck::cast_slice_mut(&mut *io.scratch);
    let y = io.y.i8s();
    for g in 0..groups {
        let channels = channels.part(g * cout, cout);
        let w = Rows { data: &w[g * cout * k..(g + 1) * cout * k], stride: k, count: cout, len: k };
        for (n, oy) in (0..yd[0]).flat_map(|n| (0..yd[1]).map(move |oy| (n, oy))) {
            let x = &x[n * xd[1] * xd[2] * xd[3]..];
            let row = &mut y[(n * yd[1] + oy) * yd[2] * yd[3]..][..yd[2] * yd[3]];
            for ox in (0..yd[2]).step_by(MAX_PIXELS) {
                let count = MAX_PIXELS.min(yd[2] - ox);
                for (i, patch) in patches.chunks_exact_mut(k).take(count).enumerate() {
                    window.gather(x, oy, ox + i, (g * cin, cin), zero, patch);
                }
                let x = Rows { data: patches, stride: k, count, len: k };
                matrix(isa, x, (w, p.weight_zero), &channels, yd[3], &mut row[ox * yd[3] + g * cout..]);
            }
        }
    }
}
