//! Convolutions and dense layers over packed weights. The rows of the image that a band of output rows reads are
//! brought into words with their padding, once; tiles then read patches out of them where they lie.

use mote_format::{Conv2d, FullyConnected, Pads, Stride};
use std::vec::Vec;

use super::channels::Constants;
use super::engine::{Engine, Patches};
use super::image::Image;
use super::memory::{Lines, with_memory};
use super::threads::Threads;
use crate::ops::Window;
use crate::view::Io;

/// Words of a band; what one core's second cache holds with some weights beside it.
const BAND: usize = 24 * 1024;

const NONE: Pads = Pads { top: 0, left: 0, bottom: 0, right: 0 };
const ONE: Stride = Stride { h: 1, w: 1 };

/// What an output pixel reads.
#[derive(Clone, Copy)]
enum Form {
    /// The pixel itself: the image is a row of pixels.
    Pixel,
    /// A run of whole pixels from each row under the window.
    Rows,
    /// A patch of its own: there are fewer channels than values in a word.
    Patch,
}

/// A layer that is ready to run.
pub(super) struct Conv {
    engine: &'static dyn Engine,
    form: Form,
    image: Image,
    /// Input channels.
    channels: usize,
    /// Output channels.
    outputs: usize,
    weights: Lines,
    /// First vector, vectors and first weight of each block of channels.
    blocks: Vec<(usize, usize, usize)>,
    constants: Constants,
}

impl Conv {
    /// `None` where the layer is not of a kind that tiles compute.
    pub(super) fn new(engine: &'static dyn Engine, p: &Conv2d, io: &Io<'_>) -> Option<Self> {
        Self::over(engine, p, io, io.x[0].nhwc(), io.y.nhwc())
    }

    /// A dense layer is a pointwise convolution over its rows.
    pub(super) fn dense(engine: &'static dyn Engine, p: &FullyConnected, io: &Io<'_>) -> Option<Self> {
        let (c, outputs) = (io.x[0].shape.channels(), io.y.shape.channels());
        let rows = io.x[0].shape.elements() / c.max(1);
        let FullyConnected { weights, bias, requant } = *p;
        let (stride, dilation, pads) = (ONE, ONE, NONE);
        let p = Conv2d { kh: 1, kw: 1, stride, dilation, pads, groups: 1, weights, bias, requant };
        Self::over(engine, &p, io, [1, 1, rows, c], [1, 1, rows, outputs])
    }

    /// A layer over images of these dimensions.
    fn over(
        engine: &'static dyn Engine,
        p: &Conv2d,
        io: &Io<'_>,
        [_, h, w, c]: [usize; 4],
        [images, rows, columns, outputs]: [usize; 4],
    ) -> Option<Self> {
        if p.groups != 1 || p.dilation.w != 1 {
            return None;
        }
        let window = Window::new([h, w, c], [p.kh, p.kw], p.stride, p.dilation, p.pads);
        let form = if window.is_pointwise() {
            Form::Pixel
        } else if 2 * c <= engine.values() && p.kw > 1 {
            Form::Patch
        } else {
            Form::Rows
        };
        let weights = io.i8s(p.weights);
        let mut layer = Self {
            engine,
            form,
            image: Image { window, images, rows, columns, zero: io.x[0].quant.zero as i8 },
            channels: c,
            outputs,
            weights: Lines::default(),
            blocks: blocks(outputs, engine),
            constants: constants(engine, &io.channels(p.bias, &p.requant), weights)?,
        };
        layer.pack(weights);
        Some(layer)
    }

    /// Words of a pixel.
    fn pixel(&self) -> usize {
        self.channels.div_ceil(self.engine.values())
    }

    /// Runs of a patch, and words of a run.
    fn patch(&self) -> (usize, usize) {
        let [kh, kw] = self.image.window.kernel;
        match self.form {
            Form::Pixel => (1, self.pixel()),
            Form::Rows => (kh, kw * self.pixel()),
            Form::Patch => (kh, (kw * self.channels).div_ceil(self.engine.values())),
        }
    }

    /// Weights in the order of the words of a patch, block of channels after block.
    fn pack(&mut self, w: &[i8]) {
        let ((runs, len), values, lanes) = (self.patch(), self.engine.values(), self.engine.lanes());
        let [kh, kw] = self.image.window.kernel;
        let (c, row) = (self.channels, kw * self.channels);
        let vectors = self.blocks.last().map_or(0, |b| b.0 + b.1);
        let mut packed = Lines::zeroed::<i8>(runs * len * vectors * lanes * values);
        let all: &mut [i8] = packed.values_mut();
        let mut at = 0;
        for (first, vectors, start) in &mut self.blocks {
            *start = at;
            for word in 0..runs * len {
                let (run, in_run) = (word / len, word % len);
                for lane in 0..*vectors * lanes {
                    let o = *first * lanes + lane;
                    for value in 0..values {
                        let place = match self.form {
                            Form::Patch => Some(in_run * values + value).filter(|&i| i < row),
                            _ => {
                                let pixel = c.div_ceil(values);
                                let channel = in_run % pixel * values + value;
                                (channel < c).then_some(in_run / pixel * c + channel)
                            }
                        };
                        if let Some(place) = place.filter(|_| o < self.outputs) {
                            all[at] = w[(o * kh + run) * row + place];
                        }
                        at += 1;
                    }
                }
            }
        }
        self.weights = packed;
    }

    /// Bytes of packed weights.
    pub(super) fn bytes(&self) -> usize {
        self.weights.bytes()
    }

    /// The layer's outputs.
    pub(super) fn run(&self, x: &[i8], y: &mut [i8], threads: &Threads) {
        match self.form {
            Form::Pixel => self.run_pixels(x, y, threads),
            Form::Rows | Form::Patch => self.run_bands(x, y, threads),
        }
    }

    fn run_pixels(&self, x: &[i8], y: &mut [i8], threads: &Threads) {
        let (len, all) = (self.pixel(), y.len() / self.outputs);
        let chunk = (BAND / 2 / len.max(1)).clamp(8, all.div_ceil(threads.count()).max(8));
        threads.for_each(y, chunk * self.outputs, |i, y| {
            let pixels = y.len() / self.outputs;
            with_memory(pixels * len, |words: &mut [u32]| {
                self.words(&x[i * chunk * self.channels..][..pixels * self.channels], words);
                let patches = Patches { words, pixels, step: len, runs: 1, stride: 0, len };
                self.blocks.iter().for_each(|&block| self.block(&patches, block, y));
            });
        });
    }

    fn run_bands(&self, x: &[i8], y: &mut [i8], threads: &Threads) {
        let Image { window, columns, .. } = self.image;
        let (runs, len) = self.patch();
        let (line, step) = match self.form {
            Form::Patch => (columns * len, len),
            _ => (self.image.width() * self.pixel(), window.stride[1] * self.pixel()),
        };
        let stride = window.dilation[0] * line;
        let put = |x: &[i8], r: usize, words: &mut [u32]| self.line(x, r, words);
        self.image.bands((x, y), (line, 0, BAND), threads, put, |memory, y| {
            // Block of channels after block, so that a block's weights are read from near.
            for &block in &self.blocks {
                for (r, y) in y.chunks_exact_mut(columns * self.outputs).enumerate() {
                    let words = &memory[r * window.stride[0] * line..];
                    self.block(&Patches { words, pixels: columns, step, runs, stride, len }, block, y);
                }
            }
        });
    }

    /// A row of pixels times one block of channels, in tiles of nearly equal size.
    fn block(&self, all: &Patches<'_>, (first, vectors, start): (usize, usize, usize), y: &mut [i8]) {
        let lanes = self.engine.lanes();
        let channels = (self.outputs - first * lanes).min(vectors * lanes);
        let w = &self.weights.values::<i8>()[start..];
        let out = self.constants.out(first * lanes, channels, self.outputs);
        for (from, pixels) in split(all.pixels, self.engine.most_pixels(vectors)) {
            let patches = Patches { words: &all.words[from * all.step..], pixels, ..*all };
            self.engine.tile(&patches, w, vectors, &out, &mut y[from * self.outputs + first * lanes..]);
        }
    }

    /// Row `r` of the padded image as words.
    fn line(&self, x: &[i8], r: usize, words: &mut [u32]) {
        let zero = self.image.zero;
        if let Form::Patch = self.form {
            let mut row = std::vec![zero; self.image.width() * self.channels];
            let put = |from: &[i8], to: &mut [i8]| to.copy_from_slice(from);
            self.image.line(x, r, (self.channels, zero), &mut row, put);
            return self.patches(&row, words);
        }
        let mut padding = [0];
        self.engine.words(&[zero; 4][..self.engine.values()], &mut padding);
        self.image.line(x, r, (self.pixel(), padding[0]), words, |from, to| self.words(from, to));
    }

    /// The runs of a padded row that each output column reads, as words.
    fn patches(&self, row: &[i8], words: &mut [u32]) {
        let (len, values, c) = (self.patch().1, self.engine.values(), self.channels);
        let mut bytes = std::vec![0i8; words.len() * values];
        let window = &self.image.window;
        let run = window.kernel[1] * c;
        for (column, patch) in bytes.chunks_exact_mut(len * values).enumerate() {
            patch[..run].copy_from_slice(&row[column * window.stride[1] * c..][..run]);
        }
        self.engine.words(&bytes, words);
    }

    /// Pixels as words; a pixel starts with a word.
    fn words(&self, x: &[i8], words: &mut [u32]) {
        if self.channels.is_multiple_of(self.engine.values()) {
            return self.engine.words(x, words);
        }
        let (c, pixel) = (self.channels, self.pixel() * self.engine.values());
        let mut bytes = std::vec![0i8; words.len() * self.engine.values()];
        match c {
            3 => spread::<3>(x, pixel, &mut bytes),
            1 => spread::<1>(x, pixel, &mut bytes),
            _ => {
                for (to, from) in bytes.chunks_exact_mut(pixel).zip(x.chunks_exact(c)) {
                    to[..c].copy_from_slice(from);
                }
            }
        }
        self.engine.words(&bytes, words);
    }
}

/// Pixels of `C` channels, `pixel` bytes apart.
fn spread<const C: usize>(x: &[i8], pixel: usize, bytes: &mut [i8]) {
    for (to, from) in bytes.chunks_exact_mut(pixel).zip(x.as_chunks::<C>().0) {
        to[..C].copy_from_slice(from);
    }
}

/// Blocks of channels of nearly equal size.
fn blocks(outputs: usize, engine: &dyn Engine) -> Vec<(usize, usize, usize)> {
    let vectors = outputs.div_ceil(engine.lanes());
    split(vectors, engine.most_vectors()).map(|(first, n)| (first, n, 0)).collect()
}

/// `total` things in as few parts of at most `most` as there can be, of nearly equal size: starts and lengths.
fn split(total: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = total.div_ceil(most.max(1)).max(1);
    (0..parts).map(move |i| (i * total / parts, (i + 1) * total / parts - i * total / parts))
}

/// The constants; words of four values are shifted by 128, which the bias takes back.
fn constants(
    engine: &dyn Engine,
    channels: &crate::quant::Channels<'_>,
    weights: &[i8],
) -> Option<Constants> {
    let outputs = channels.bias.len();
    let lanes = outputs.div_ceil(engine.lanes()) * engine.lanes();
    let length = weights.len() / outputs.max(1);
    let offset = if engine.values() == 4 { -128 } else { 0 };
    let order = (0..lanes).map(|o| (o < outputs).then_some(o));
    Constants::new(channels, order, |o| {
        weights[o * length..][..length].iter().map(|&w| i32::from(w)).sum::<i32>().wrapping_mul(offset)
    })
}
