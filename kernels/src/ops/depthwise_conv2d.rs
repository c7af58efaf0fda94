//! Depthwise convolution: each channel with its own kernel. Windows inside the image are read where they lie;
//! others, and those of channels with several outputs, are gathered to scratch.

use mote_format::{DepthwiseConv2d, Shape};

use super::window::Window;
use crate::isa::{BLOCK, Isa, Taps};
use crate::view::Io;

fn window(p: &DepthwiseConv2d, [_, h, w, c]: [usize; 4]) -> Window {
    Window::new([h, w, c], [p.kh, p.kw], p.stride, p.dilation, p.pads)
}

/// One window over all output channels, and one over all input channels where they are not the same.
pub(crate) fn scratch(p: &DepthwiseConv2d, x: &Shape, y: &Shape) -> usize {
    let (cin, cout) = (x.channels(), y.channels());
    usize::from(p.kh) * usize::from(p.kw) * if cin == cout { cout } else { cin + cout }
}

pub(crate) fn naive(p: &DepthwiseConv2d, mut io: Io<'_>) {
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, w, channels) = (io.x[0].i8s(), io.i8s(p.weights), io.channels(p.bias, &p.requant));
    let (window, zero) = (window(p, xd), io.x[0].quant.zero);
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
            acc = acc.wrapping_add(value * i32::from(w[(ky * kw + kx) * yd[3] + o]));
        }
        channels.part(o, 1).apply(&[acc], core::slice::from_mut(y));
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &DepthwiseConv2d, mut io: Io<'_>) {
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, w, channels) = (io.x[0].i8s(), io.i8s(p.weights), io.channels(p.bias, &p.requant));
    let (window, zero) = (window(p, xd), io.x[0].quant.zero as i8);
    let (cin, cout) = (xd[3], yd[3]);
    let taps = usize::from(p.kh) * usize::from(p.kw);
    let scratch: &mut [i8] = bytemuck::cast_slice_mut(&mut *io.scratch);
    let (patch, narrow) = scratch.split_at_mut(taps * cout);
    let mut pixels = io.y.i8s().chunks_exact_mut(cout);
    for (n, oy, ox) in
        (0..yd[0]).flat_map(|n| (0..yd[1]).flat_map(move |oy| (0..yd[2]).map(move |ox| (n, oy, ox))))
    {
        let Some(y) = pixels.next() else { return };
        let x = &x[n * xd[1] * xd[2] * cin..];
        let taps = if cin == cout && window.is_inside(oy, ox) {
            window.taps(x, oy, ox)
        } else if cin == cout {
            window.gather(x, oy, ox, (0, cin), zero, patch);
            gathered(&window, patch, cout)
        } else {
            let narrow = &mut narrow[..taps * cin];
            window.gather(x, oy, ox, (0, cin), zero, narrow);
            for (many, &one) in patch.chunks_exact_mut(cout / cin).zip(&*narrow) {
                many.fill(one);
            }
            gathered(&window, patch, cout)
        };
        for (c, y) in y.chunks_mut(BLOCK).enumerate() {
            let mut acc = [0; BLOCK];
            let acc = &mut acc[..y.len()];
            isa.depthwise(taps, w, cout, c * BLOCK, acc);
            isa.requantize(acc, &channels.part(c * BLOCK, y.len()), y);
        }
    }
}

/// The taps of a gathered window.
fn gathered<'a>(window: &Window, patch: &'a [i8], channels: usize) -> Taps<'a> {
    let [h, w] = window.kernel;
    Taps { data: patch, row: w * channels, col: channels, h, w }
}
