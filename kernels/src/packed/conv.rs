//! Convolutions and dense layers over packed weights. The rows of the image that a band of output rows reads are
//! brought into words with their padding, once; tiles then read patches out of them where they lie.

use mote_format::{Conv2d, FullyConnected, Pads, Stride};
use std::vec::Vec;

use super::channels::Constants;
use super::engine::{Engine, Patches};
use super::memory::{Lines, with_memory};
use super::reach;
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
    window: Window,
    /// Images, output rows and columns, input and output channels.
    images: usize,
    rows: usize,
    columns: usize,
    channels: usize,
    outputs: usize,
    zero: i8,
    weights: Lines,
    /// First vector, vectors and first weight of each block of channels.
    blocks: Vec<(usize, usize, usize)>,
    constants: Constants,
}

impl Conv {
    /// `None` where the layer is not of a kind that tiles compute.
    pub(super) fn new(engine: &'static dyn Engine, p: &Conv2d, io: &Io<'_>) -> Option<Self> {
        let ([_, h, w, c], [images, rows, columns, outputs]) = (io.x[0].nhwc(), io.y.nhwc());
        if p.groups != 1 || p.dilation.w != 1 {
            return None;
        }
        let window = Window::new([h, w, c], [p.kh, p.kw], p.stride, p.dilation, p.pads);
        let (form, grid) = if window.is_pointwise() {
            (Form::Pixel, [1, images * rows * columns])
        } else if 2 * c <= engine.values() && p.kw > 1 {
            (Form::Patch, [rows, columns])
        } else {
            (Form::Rows, [rows, columns])
        };
        let images = if matches!(form, Form::Pixel) { 1 } else { images };
        let weights = io.i8s(p.weights);
        Self {
            engine,
            form,
            window,
            images,
            rows: grid[0],
            columns: grid[1],
            channels: c,
            outputs,
            zero: io.x[0].quant.zero as i8,
            weights: Lines::default(),
            blocks: blocks(outputs, engine),
            constants: constants(engine, &io.channels(p.bias, &p.requant), weights)?,
        }
        .pack(weights)
    }

    /// A dense layer is a pointwise convolution over its rows.
    pub(super) fn dense(engine: &'static dyn Engine, p: &FullyConnected, io: &Io<'_>) -> Option<Self> {
        let (c, outputs) = (io.x[0].shape.channels(), io.y.shape.channels());
        let weights = io.i8s(p.weights);
        Self {
            engine,
            form: Form::Pixel,
            window: Window::new([1, 1, c], [1, 1], ONE, ONE, NONE),
            images: 1,
            rows: 1,
            columns: io.x[0].shape.elements() / c.max(1),
            channels: c,
            outputs,
            zero: io.x[0].quant.zero as i8,
            weights: Lines::default(),
            blocks: blocks(outputs, engine),
            constants: constants(engine, &io.channels(p.bias, &p.requant), weights)?,
        }
        .pack(weights)
    }

    /// Words of a pixel.
    fn pixel(&self) -> usize {
        self.channels.div_ceil(self.engine.values())
    }

    /// Runs of a patch, and words of a run.
    fn patch(&self) -> (usize, usize) {
        let [kh, kw] = self.window.kernel;
        match self.form {
            Form::Pixel => (1, self.pixel()),
            Form::Rows => (kh, kw * self.pixel()),
            Form::Patch => (kh, (kw * self.channels).div_ceil(self.engine.values())),
        }
    }

    /// Weights in the order of the words of a patch, block of channels after block.
    fn pack(mut self, w: &[i8]) -> Option<Self> {
        let ((runs, len), values, lanes) = (self.patch(), self.engine.values(), self.engine.lanes());
        let [kh, kw] = self.window.kernel;
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
        Some(self)
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
        let (words, values) = (self.pixel(), self.engine.values());
        let chunk = (BAND / 2 / words.max(1)).clamp(8, self.columns.div_ceil(threads.count()).max(8));
        threads.for_each(y, chunk * self.outputs, |i, y| {
            let pixels = y.len() / self.outputs;
            let x = &x[i * chunk * self.channels..][..pixels * self.channels];
            with_memory(pixels * words, |memory: &mut [u32]| {
                if self.channels.is_multiple_of(values) {
                    self.engine.words(x, memory);
                } else {
                    self.uneven(x, memory);
                }
                let patches = Patches { words: memory, pixels, step: words, runs: 1, stride: 0, len: words };
                for &block in &self.blocks {
                    self.block(&patches, block, y);
                }
            });
        });
    }

    fn run_bands(&self, x: &[i8], y: &mut [i8], threads: &Threads) {
        let [h, w, _] = self.window.image;
        let (stride, reach) = (self.window.stride, reach(&self.window));
        let width = (self.columns - 1) * stride[1] + reach[1];
        let (runs, len) = self.patch();
        let line = match self.form {
            Form::Patch => self.columns * len,
            _ => width * self.pixel(),
        };
        let fit = (BAND / line.max(1)).saturating_sub(reach[0] - stride[0].min(reach[0])) / stride[0];
        let parts = if threads.count() > 1 { 2 * threads.count() } else { 1 };
        let band = fit.min(self.rows.div_ceil(parts)).max(1);
        let outputs = self.columns * self.outputs;
        for (image, y) in y.chunks_exact_mut(self.rows * outputs).enumerate().take(self.images) {
            let x = &x[image * h * w * self.channels..][..h * w * self.channels];
            threads.for_each(y, band * outputs, |i, y| {
                let first = i * band;
                let rows = (y.len() / outputs - 1) * stride[0] + reach[0];
                with_memory(rows * line, |memory: &mut [u32]| {
                    for (r, words) in memory.chunks_exact_mut(line).enumerate() {
                        self.line(x, first * stride[0] + r, width, words);
                    }
                    let (step, row) = match self.form {
                        Form::Patch => (len, line),
                        _ => (stride[1] * self.pixel(), line),
                    };
                    let run = self.window.dilation[0] * line;
                    let lines = |r: usize| &memory[r * stride[0] * row..];
                    self.block_rows(lines, step, (runs, run, len), y);
                });
            });
        }
    }

    /// All rows of a band, block of channels after block, so that a block's weights are read from near.
    fn block_rows<'a>(
        &self,
        lines: impl Fn(usize) -> &'a [u32],
        step: usize,
        (runs, stride, len): (usize, usize, usize),
        y: &mut [i8],
    ) {
        for &(first, vectors, start) in &self.blocks {
            for (r, y) in y.chunks_exact_mut(self.columns * self.outputs).enumerate() {
                let patches = Patches { words: lines(r), pixels: self.columns, step, runs, stride, len };
                self.block(&patches, (first, vectors, start), y);
            }
        }
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
    fn line(&self, x: &[i8], r: usize, width: usize, words: &mut [u32]) {
        let [h, w, c] = self.window.image;
        let pads = self.window.pads;
        let row = r.checked_sub(pads[0]).filter(|&row| row < h).map(|row| &x[row * w * c..][..w * c]);
        let right = width.saturating_sub(pads[1] + w);
        let inside = width.saturating_sub(pads[1] + right).min(w);
        if let Form::Patch = self.form {
            let mut padded = std::vec![self.zero; width * c];
            if let Some(row) = row {
                padded[pads[1] * c..][..inside * c].copy_from_slice(&row[..inside * c]);
            }
            return self.patches(&padded, words);
        }
        let pixel = self.pixel();
        let mut zero = [0u32];
        self.engine.words(&[self.zero; 4][..self.engine.values()], &mut zero);
        let Some(row) = row else { return words.fill(zero[0]) };
        let (left, rest) = words.split_at_mut(pads[1].min(width) * pixel);
        let (middle, right) = rest.split_at_mut(inside * pixel);
        left.fill(zero[0]);
        right.fill(zero[0]);
        if c.is_multiple_of(self.engine.values()) {
            self.engine.words(&row[..inside * c], middle);
        } else {
            self.uneven(&row[..inside * c], middle);
        }
    }

    /// The runs of a padded row that each output column reads, as words.
    fn patches(&self, row: &[i8], words: &mut [u32]) {
        let (len, values, c) = (self.patch().1, self.engine.values(), self.channels);
        let mut bytes = std::vec![0i8; words.len() * values];
        let run = self.window.kernel[1] * c;
        for (column, patch) in bytes.chunks_exact_mut(len * values).enumerate() {
            patch[..run].copy_from_slice(&row[column * self.window.stride[1] * c..][..run]);
        }
        self.engine.words(&bytes, words);
    }

    /// Pixels whose channels do not fill whole words.
    fn uneven(&self, x: &[i8], words: &mut [u32]) {
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
