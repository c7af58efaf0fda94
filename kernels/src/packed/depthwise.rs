//! Depthwise convolutions over packed weights: rows of the image with their padding as 16-bit values, from which the
//! taps of each window are read where they lie, two at a time.

use mote_format::DepthwiseConv2d;
use std::vec::Vec;

use super::channels::Constants;
use super::engine::{self, Engine};
use super::image::Image;
use super::memory::Lines;
use super::threads::Threads;
use crate::ops::Window;
use crate::view::Io;

/// 16-bit values of a band: what a core's first cache holds.
const BAND: usize = 12 * 1024;

/// A layer that is ready to run.
pub(super) struct Depthwise {
    engine: &'static dyn Engine,
    image: Image,
    layout: Layout,
    weights: Lines,
    constants: Constants,
}

/// How a row's values are cut into blocks of 2 · lanes.
#[derive(Clone, Copy)]
struct Layout {
    /// Values of a block.
    block: usize,
    /// Blocks until the channels come round again.
    blocks: usize,
    /// Values from one pixel to the next.
    pixel: usize,
    /// Whether blocks go on over the borders of pixels: neighbouring windows are then neighbouring values.
    flat: bool,
}

/// Lanes that a flat layout may repeat weights over.
const FLAT: usize = 512;

impl Layout {
    fn new(lanes: usize, channels: usize, stride: usize) -> Self {
        let block = 2 * lanes;
        let blocks = channels / gcd(channels, block);
        if stride == 1 && (channels.is_multiple_of(block) || blocks * block <= FLAT) {
            return Self { block, blocks, pixel: channels, flat: true };
        }
        let blocks = channels.div_ceil(block);
        Self { block, blocks, pixel: blocks * block, flat: false }
    }

    /// The channel in place `at` of the vectors. Within each 128 bits of eight 16-bit values, the lower four lie in the
    /// block's first vector and the upper four in its second.
    fn channel(&self, at: usize, channels: usize) -> Option<usize> {
        let (lanes, place) = (self.block / 2, at % self.block);
        let (upper, lane) = (place / lanes, place % lanes);
        let value = at - place + lane / 4 * 8 + upper * 4 + lane % 4;
        if self.flat { Some(value % channels) } else { Some(value).filter(|&value| value < channels) }
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Depthwise {
    /// `None` where the layer is not of a kind that blocks of channels compute.
    pub(super) fn new(engine: &'static dyn Engine, p: &DepthwiseConv2d, io: &Io<'_>) -> Option<Self> {
        let ([_, h, w, c], [images, rows, columns, outputs]) = (io.x[0].nhwc(), io.y.nhwc());
        if c != outputs {
            return None;
        }
        let window = Window::new([h, w, c], [p.kh, p.kw], p.stride, p.dilation, p.pads);
        let taps = usize::from(p.kh) * usize::from(p.kw);
        let weights = io.i8s(p.weights);
        let layout = Layout::new(engine.lanes(), c, window.stride[1]);
        let Layout { block: width, blocks, .. } = layout;
        let channel = |at: usize| layout.channel(at, c);
        let mut packed = Lines::zeroed::<i16>(blocks * taps.next_multiple_of(2) * width);
        let mut all = packed.values_mut::<i16>().iter_mut();
        for block in 0..blocks {
            for pair in 0..taps.div_ceil(2) {
                for (at, tap) in (0..width).flat_map(|at| [(at, 2 * pair), (at, 2 * pair + 1)]) {
                    let weight = channel(block * width + at).filter(|_| tap < taps);
                    if let Some(slot) = all.next() {
                        *slot = weight.map_or(0, |channel| weights[tap * c + channel].into());
                    }
                }
            }
        }
        Some(Self {
            engine,
            image: Image { window, images, rows, columns, zero: io.x[0].quant.zero as i8 },
            layout,
            weights: packed,
            constants: Constants::new(
                &io.channels(p.bias, &p.requant),
                (0..blocks * width).map(channel),
                |_| 0,
            )?,
        })
    }

    /// Bytes of packed weights.
    pub(super) fn bytes(&self) -> usize {
        self.weights.bytes()
    }

    /// The layer's outputs.
    pub(super) fn run(&self, x: &[i8], y: &mut [i8], threads: &Threads) {
        let Image { window, columns, .. } = self.image;
        let (c, Layout { block, pixel, .. }) = (window.image[2], self.layout);
        let line = self.image.width() * pixel;
        let (taps, weights) = (self.taps(line), self.weights.values::<i16>());
        let put = |x: &[i8], r: usize, values: &mut [i16]| self.line(x, r, values);
        self.image.bands((x, y), (line, block, BAND), threads, put, |memory, y| {
            for b in 0..self.layout.blocks {
                for (r, y) in y.chunks_exact_mut(columns * c).enumerate() {
                    let x = memory.get(r * window.stride[0] * line + b * block..).unwrap_or(&[]);
                    let w = &weights[b * taps.len() * block..];
                    self.block(b, engine::Depthwise { x, pixels: 0, step: 0, taps: &taps, w }, y);
                }
            }
        });
    }

    /// One block of channels of a row of pixels; `windows` lacks how many there are.
    fn block(&self, b: usize, windows: engine::Depthwise<'_>, y: &mut [i8]) {
        let Layout { block, blocks, pixel, flat } = self.layout;
        let c = self.image.window.image[2];
        if !flat {
            let channels = (c - b * block).min(block);
            let out = self.constants.out(b * block, channels, c);
            let step = self.image.window.stride[1] * pixel;
            let windows = engine::Depthwise { pixels: self.image.columns, step, ..windows };
            return self.engine.depthwise(&windows, &out, &mut y[b * block..]);
        }
        let (whole, rest) = (y.len() / block, y.len() % block);
        let step = blocks * block;
        let pixels = (whole + blocks - 1 - b) / blocks;
        if pixels > 0 {
            let out = self.constants.out(b * block, block, step);
            self.engine.depthwise(&engine::Depthwise { pixels, step, ..windows }, &out, &mut y[b * block..]);
        }
        if rest > 0 && whole % blocks == b {
            let out = self.constants.out(b * block, rest, step);
            let x = &windows.x[pixels * step..];
            let windows = engine::Depthwise { x, pixels: 1, step, ..windows };
            self.engine.depthwise(&windows, &out, &mut y[whole * block..]);
        }
    }

    /// Where the taps of a window lie in rows of `line` values; the first twice when their number is odd, with a weight
    /// of 0.
    fn taps(&self, line: usize) -> Vec<usize> {
        let Window { kernel: [kh, kw], dilation: [dh, dw], .. } = self.image.window;
        let column = dw * self.layout.pixel;
        let taps = (0..kh).flat_map(|ky| (0..kw).map(move |kx| ky * dh * line + kx * column));
        taps.chain((kh * kw % 2 == 1).then_some(0)).collect()
    }

    /// Row `r` of the padded image, widened.
    fn line(&self, x: &[i8], r: usize, values: &mut [i16]) {
        let (c, pixel) = (self.image.window.image[2], self.layout.pixel);
        self.image.line(x, r, (pixel, self.image.zero.into()), values, |from, to| {
            if pixel == c {
                return self.engine.widen(from, to);
            }
            for (to, from) in to.chunks_exact_mut(pixel).zip(from.chunks_exact(c)) {
                self.engine.widen(from, &mut to[..c]);
            }
        });
    }
}
