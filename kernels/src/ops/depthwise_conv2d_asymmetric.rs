//! Depthwise convolution whose weights have a zero point. Windows inside the image are read where they lie; others, and
//! those of channels with several outputs, are gathered to scratch.

use mote_format::{DepthwiseConv2dAsymmetric, Shape};

use super::products::{self, depthwise_window};
use super::window::Window;
use crate::isa::{BLOCK, Isa, Taps};
use crate::view::Io;

/// One window over all output channels.
pub(crate) fn scratch(p: &DepthwiseConv2dAsymmetric, _: &Shape, y: &Shape) -> usize {
    usize::from(p.layer.kh) * usize::from(p.layer.kw) * y.channels()
}

pub(crate) fn naive(p: &DepthwiseConv2dAsymmetric, io: Io<'_>) {
    products::depthwise_conv2d(&p.layer, p.weight_zero, io);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &DepthwiseConv2dAsymmetric, mut io: Io<'_>) {
    let layer = &p.layer;
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let channels = io.channels(layer.bias, &layer.requant);
    let (x, w, window) = (io.x[0].i8s(), io.i8s(layer.weights), depthwise_window(layer, xd));
    let zero = io.x[0].quant.zero as i8;
    let (cin, cout) = (xd[3], yd[3]);
    let patch: &mut [i8] = bytemuck::cast_slice_mut(&mut *io.scratch);
    let mut pixels = io.y.i8s().chunks_exact_mut(cout);
    for (n, oy, ox) in
        (0..yd[0]).flat_map(|n| (0..yd[1]).flat_map(move |oy| (0..yd[2]).map(move |ox| (n, oy, ox))))
    {
        let Some(y) = pixels.next() else { return };
        let x = &x[n * xd[1] * xd[2] * cin..];
        let taps = if cin == cout && window.is_inside(oy, ox) {
            window.taps(x, oy, ox)
        } else {
            spread(&window, x, (oy, ox), cout, zero, patch);
            let [h, w] = window.kernel;
            Taps { data: patch, row: w * cout, col: cout, h, w }
        };
        for (c, y) in y.chunks_mut(BLOCK).enumerate() {
            let (mut acc, mut sum) = ([0; BLOCK], [0; BLOCK]);
            let (acc, sum) = (&mut acc[..y.len()], &mut sum[..y.len()]);
            isa.depthwise(taps, w, cout, c * BLOCK, acc);
            isa.sum(taps, c * BLOCK, sum);
            let excess = |sum: i32| sum.wrapping_mul(p.weight_zero.into());
            acc.iter_mut().zip(sum).for_each(|(acc, sum)| *acc = acc.wrapping_sub(excess(*sum)));
            isa.requantize(acc, &channels.part(c * BLOCK, y.len()), y);
        }
    }
}

/// Gathers a window in which each output channel has its input channel's values.
#[inline(always)]
fn spread(window: &Window, x: &[i8], (oy, ox): (usize, usize), cout: usize, zero: i8, patch: &mut [i8]) {
    let [_, width, cin] = window.image;
    for (tap, patch) in patch.chunks_exact_mut(cout).enumerate() {
        let (ky, kx) = (tap / window.kernel[1], tap % window.kernel[1]);
        let Some((iy, ix)) = window.source(0, oy, ky).zip(window.source(1, ox, kx)) else {
            patch.fill(zero);
            continue;
        };
        let pixel = &x[(iy * width + ix) * cin..][..cin];
        patch.chunks_exact_mut(cout / cin).zip(pixel).for_each(|(many, &one)| many.fill(one));
    }
}
