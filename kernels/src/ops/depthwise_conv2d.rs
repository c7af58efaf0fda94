//! Depthwise convolution: each channel with its own kernel. Windows inside the image are read where they lie;
//! others, and those of channels with several outputs, are gathered to scratch.

use mote_format::{DepthwiseConv2d, Shape};

use super::products::{self, depthwise_window};
use super::window::Window;
use crate::isa::{BLOCK, Isa, Slide, Taps, own_frame, slide_bytes};
use crate::view::Io;
use crate::ways;

/// The window of a block of channels, or what a sliding window needs.
pub(crate) fn scratch(p: &DepthwiseConv2d, _: &Shape, y: &Shape) -> usize {
    let kernel = [p.kh, p.kw].map(usize::from);
    let columns = (y.nhwc().map_or(1, |y| y[2]) - 1) * usize::from(p.stride.w) + kernel[1];
    (kernel[0] * kernel[1] * y.channels().min(BLOCK)).max(slide_bytes(kernel, columns))
}

pub(crate) fn naive(p: &DepthwiseConv2d, io: Io<'_>) {
    products::depthwise_conv2d(p, 0, io);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &DepthwiseConv2d, mut io: Io<'_>) {
    let (cin, cout) = (io.x[0].shape.channels(), io.y.shape.channels());
    let slides = slides(p, I::SLIDES, cin, cout);
    if isa.may(ways::SLIDE) && slides {
        own_frame(|| slide(isa, p, &mut io));
    } else if isa.may(ways::PIXELS) && !slides {
        own_frame(|| pixels(isa, p, &mut io));
    }
}

/// Whether windows slide over channels like these; `least` as in [`Isa::SLIDES`].
#[inline(always)]
pub(crate) fn slides(p: &DepthwiseConv2d, least: Option<usize>, cin: usize, cout: usize) -> bool {
    least.is_some_and(|least| cout >= least) && cin == cout && p.dilation.w == 1
}

/// A sliding window over each image.
#[inline(always)]
fn slide<I: Isa>(isa: I, p: &DepthwiseConv2d, io: &mut Io<'_>) {
    let ([n, h, w, c], [_, rows, cols, _]) = (io.x[0].nhwc(), io.y.nhwc());
    let mut slide = Slide {
        x: &[],
        w: io.i8s(p.weights),
        scaling: io.channels(p.bias, &p.requant),
        channels: c,
        image: [h, w],
        output: [rows, cols],
        kernel: [p.kh.into(), p.kw.into()],
        stride: [p.stride.h.into(), p.stride.w.into()],
        dilation: p.dilation.h.into(),
        pads: [p.pads.top.into(), p.pads.left.into()],
        zero: io.x[0].quant.zero as i8,
    };
    let scratch: &mut [i8] = bytemuck::cast_slice_mut(&mut *io.scratch);
    let (x, y, size) = (io.x[0].i8s(), io.y.i8s(), rows * cols * c);
    for i in 0..if isa.may(ways::GROUPS) { n } else { 1 } {
        slide.x = &x[i * h * w * c..];
        isa.slide(&slide, scratch, &mut y[i * size..][..size]);
    }
}

/// Window after window.
#[inline(always)]
fn pixels<I: Isa>(isa: I, p: &DepthwiseConv2d, io: &mut Io<'_>) {
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, w, channels) = (io.x[0].i8s(), io.i8s(p.weights), io.channels(p.bias, &p.requant));
    let (window, zero) = (depthwise_window(p, xd), io.x[0].quant.zero as i8);
    let (cin, cout) = (xd[3], yd[3]);
    let taps = usize::from(p.kh) * usize::from(p.kw);
    let scratch: &mut [i8] = bytemuck::cast_slice_mut(&mut *io.scratch);
    let (patches, many) = (scratch, cout / cin);
    let mut pixels = io.y.i8s().chunks_exact_mut(cout);
    for (n, oy, ox) in
        (0..yd[0]).flat_map(|n| (0..yd[1]).flat_map(move |oy| (0..yd[2]).map(move |ox| (n, oy, ox))))
    {
        let Some(y) = pixels.next() else { return };
        let x = &x[n * xd[1] * xd[2] * cin..];
        // Where windows slide, few layers come here: one way is enough for them.
        let direct = I::SLIDES.is_none() && many == 1 && window.is_inside(oy, ox);
        for (c, y) in y.chunks_mut(BLOCK).enumerate().map(|(i, y)| (i * BLOCK, y)) {
            let mut acc = [0; BLOCK];
            let acc = &mut acc[..y.len()];
            if direct {
                isa.depthwise(window.taps(x, oy, ox), w, cout, c, acc);
            } else {
                let patch = &mut patches[..taps * y.len()];
                spread(&window, x, (oy, ox), (c, y.len(), many), zero, patch);
                isa.depthwise(gathered(&window, patch, y.len()), &w[c..], cout, 0, acc);
            }
            isa.requantize(acc, &channels.part(c, y.len()), y);
        }
    }
}

/// Gathers the window of `len` output channels from `c` on; each `many` of them have the values of one input channel.
#[inline(always)]
fn spread(
    window: &Window,
    x: &[i8],
    (oy, ox): (usize, usize),
    (c, len, many): (usize, usize, usize),
    zero: i8,
    patch: &mut [i8],
) {
    let [_, width, cin] = window.image;
    for (tap, patch) in patch.chunks_exact_mut(len).enumerate() {
        let (ky, kx) = (tap / window.kernel[1], tap % window.kernel[1]);
        let Some((iy, ix)) = window.source(0, oy, ky).zip(window.source(1, ox, kx)) else {
            patch.fill(zero);
            continue;
        };
        let pixel = &x[(iy * width + ix) * cin..][..cin];
        if many == 1 {
            patch.copy_from_slice(&pixel[c..c + len]);
        } else {
            (c..).zip(patch).for_each(|(c, patch)| *patch = pixel[c / many]);
        }
    }
}

/// The taps of a gathered window.
fn gathered<'a>(window: &Window, patch: &'a [i8], channels: usize) -> Taps<'a> {
    let [h, w] = window.kernel;
    Taps { data: patch, row: w * channels, col: channels, h, w }
}
