//! Convolutions and dense layers over packed weights. The rows of the image that a band of output rows reads are laid
//! out once with their padding; tiles then read patches out of them where they lie.

use mote_format::{Conv2d, Conv2dPalette, FullyConnected, FullyConnectedPalette};
use std::vec::Vec;

use super::channels::Constants;
use super::engine::{Engine, Order, Patches, Place, Weights};
use super::image::{Band, Image};
use super::memory::Lines;
use super::threads::Threads;
use crate::indexed::decoded;
use crate::ops::Window;
use crate::ops::products::{patch, pointwise};
use crate::view::Io;

/// Bytes of a band; what one core's second cache holds with some weights beside it.
const BAND: usize = 96 * 1024;

/// Bytes of a run that is brought to others, with what follows it.
const CHUNK: usize = 16;

/// Some vectors of output channels.
struct Block {
    /// The first vector.
    first: usize,
    /// How many there are.
    vectors: usize,
    /// The first weight.
    start: usize,
    /// What [`Engine::ways`] says of the weights.
    ways: Vec<u8>,
}

/// A layer that is ready to run.
pub(super) struct Conv {
    engine: &'static dyn Engine,
    image: Image,
    band: Band,
    /// Output channels.
    outputs: usize,
    /// Runs of a patch, and words of a run.
    runs: usize,
    len: usize,
    /// The pixels of a band.
    places: Order,
    /// The same where the runs of patches, which are far shorter than a word, are brought together first.
    gathered: Option<Order>,
    weights: Lines,
    blocks: Vec<Block>,
    constants: Constants,
}

impl Conv {
    /// `None` where the layer is not of a kind that tiles compute.
    pub(super) fn new(engine: &'static dyn Engine, p: &Conv2d, io: &Io<'_>) -> Option<Self> {
        Self::over(engine, p, io.i8s(p.weights), io, io.x[0].nhwc(), io.y.nhwc())
    }

    /// Weights of four bits are decoded once.
    pub(super) fn palette(engine: &'static dyn Engine, p: &Conv2dPalette, io: &Io<'_>) -> Option<Self> {
        let x = io.x[0].nhwc();
        let weights = decoded(io.bytes(p.layer.weights), io.i8s(p.palette), patch(&p.layer, x[3]));
        Self::over(engine, &p.layer, &weights, io, x, io.y.nhwc())
    }

    /// A dense layer is a pointwise convolution over its rows.
    pub(super) fn dense(engine: &'static dyn Engine, p: &FullyConnected, io: &Io<'_>) -> Option<Self> {
        Self::dense_over(engine, p, io.i8s(p.weights), io)
    }

    /// Weights of four bits are decoded once.
    pub(super) fn dense_palette(
        engine: &'static dyn Engine,
        p: &FullyConnectedPalette,
        io: &Io<'_>,
    ) -> Option<Self> {
        let weights = decoded(io.bytes(p.layer.weights), io.i8s(p.palette), io.x[0].shape.channels());
        Self::dense_over(engine, &p.layer, &weights, io)
    }

    fn dense_over(engine: &'static dyn Engine, p: &FullyConnected, w: &[i8], io: &Io<'_>) -> Option<Self> {
        let (c, outputs) = (io.x[0].shape.channels(), io.y.shape.channels());
        let rows = io.x[0].shape.elements() / c.max(1);
        Self::over(engine, &pointwise(p), w, io, [1, rows, 1, c], [1, rows, 1, outputs])
    }

    /// A layer over images of these dimensions.
    fn over(
        engine: &'static dyn Engine,
        p: &Conv2d,
        weights: &[i8],
        io: &Io<'_>,
        [_, h, w, c]: [usize; 4],
        [images, rows, columns, outputs]: [usize; 4],
    ) -> Option<Self> {
        if p.groups != 1 || p.dilation.w != 1 {
            return None;
        }
        let window = Window::new([h, w, c], [p.kh, p.kw], p.stride, p.dilation, p.pads);
        let image = Image { window, images, rows, columns, zero: io.x[0].quant.zero as i8 };
        let value = engine.word() / engine.values();
        let line = image.width() * c * value;
        let (kh, row) = (window.kernel[0], window.kernel[1] * c);
        let words = |values: usize| values.div_ceil(engine.values());
        let gather = 2 * words(kh * row) <= kh * words(row) && row * value <= CHUNK;
        let (runs, len) = if gather { (1, words(kh * row)) } else { (kh, words(row)) };
        let work = rows * columns * weights.len();
        let (rows, patch) = (image.band(line, BAND), len * engine.word());
        // The last word of a run may reach behind the last value, as a chunk may.
        let slack = if gather { 2 * CHUNK + rows * columns * patch } else { engine.word() };
        let band = Band { value, line, slack, rows, work };
        let pixel = window.stride[1] * c * value;
        let place = |i: usize| Place {
            from: (i / columns * window.stride[0] * line + i % columns * pixel) as u32,
            to: (i * outputs) as u32,
        };
        let places: Vec<Place> = (0..band.rows * columns).map(place).collect();
        let together = |(i, place): (usize, &Place)| Place { from: (i * patch) as u32, ..*place };
        let gathered = gather.then(|| Order::new(places.iter().enumerate().map(together).collect()));
        let places = Order::new(places);
        let tiles = engine.tiles().iter().filter(|&&(_, pixels)| pixels > 1 || images * rows * columns == 1);
        let vectors = tiles.map(|&(vectors, _)| vectors).collect::<Vec<_>>();
        let (blocks, packed) = pack(engine, &vectors, weights, outputs, runs, len);
        let constants = constants(engine, &io.channels(p.bias, &p.requant), weights, &blocks)?;
        let weights = packed;
        Some(Self { engine, image, band, outputs, runs, len, places, gathered, weights, blocks, constants })
    }

    /// Bytes of packed weights.
    pub(super) fn bytes(&self) -> usize {
        self.weights.bytes()
    }

    /// The layer's outputs.
    pub(super) fn run(&self, x: &[i8], y: &mut [i8], threads: &Threads) {
        let (runs, len, lanes) = (self.runs, self.len, self.engine.lanes());
        let stride = self.image.window.dilation[0] * self.band.line;
        let put = |x: &[i8], values: &mut [u8]| self.engine.put(x, values);
        self.image.bands((x, y), self.band, threads, put, |bytes, y| {
            let places = self.places.first(y.len() / self.outputs);
            let patches = match &self.gathered {
                Some(to) => {
                    let to = to.first(places.len());
                    Patches { bytes: self.gather(bytes, &places, &to), places: to, runs, stride, len }
                }
                None => Patches { bytes, places, runs, stride, len },
            };
            // From the last block to the first, see `Out`.
            for (i, &Block { first, vectors, start, ref ways }) in self.blocks.iter().enumerate().rev() {
                let from = first * lanes;
                let channels = (self.outputs - from).min(vectors * lanes);
                let out = self.constants.out(i, from, channels);
                let w = Weights { values: &self.weights.values()[start..], vectors, ways };
                self.engine.products(&patches, &w, &out, &mut y[from..]);
            }
        });
    }

    /// Brings the runs of each patch together, behind the rows of the image; what follows them in the last word of a patch
    /// has weights of 0.
    fn gather<'b>(&self, bytes: &'b mut [u8], places: &[Place], to: &[Place]) -> &'b [u8] {
        let Image { window, columns, .. } = self.image;
        let run = window.kernel[1] * window.image[2] * self.band.value;
        let stride = window.dilation[0] * self.band.line;
        let lines = self.image.bytes(places.len() / columns, self.band.line) + CHUNK;
        let (lines, patches) = bytes.split_at_mut(lines);
        for (place, to) in places.iter().zip(to) {
            // Each run is written with what follows it in the image, which the next one covers.
            for ky in 0..window.kernel[0] {
                let from = &lines[place.from as usize + ky * stride..][..CHUNK];
                patches[to.from as usize + ky * run..][..CHUNK].copy_from_slice(from);
            }
        }
        patches
    }
}

/// Weights in the order of the words of a patch, `runs` runs of `len`, block of channels after block; `tiles` says how
/// many vectors blocks may have.
fn pack(
    engine: &dyn Engine,
    tiles: &[usize],
    w: &[i8],
    outputs: usize,
    runs: usize,
    len: usize,
) -> (Vec<Block>, Lines) {
    let (values, lanes) = (engine.values(), engine.lanes());
    let row = w.len() / (outputs * runs).max(1);
    let mut packed = Lines::zeroed::<i8>(runs * len * values * outputs.next_multiple_of(lanes));
    let all: &mut [i8] = packed.values_mut();
    let (mut blocks, mut first, mut start) = (Vec::new(), 0, 0);
    while first * lanes < outputs {
        let left = outputs.div_ceil(lanes) - first;
        let vectors = tiles.iter().copied().rfind(|&n| n <= left).unwrap_or(1);
        let width = vectors * lanes;
        for (lane, o) in (first * lanes..outputs).take(width).enumerate() {
            for (run, row) in w[o * runs * row..][..runs * row].chunks_exact(row).enumerate() {
                for (word, from) in row.chunks(values).enumerate() {
                    let at = start + ((run * len + word) * width + lane) * values;
                    all[at..at + from.len()].copy_from_slice(from);
                }
            }
        }
        let end = start + runs * len * width * values;
        let ways = engine.ways(&all[start..end], vectors, len);
        blocks.push(Block { first, vectors, start, ways });
        (first, start) = (first + vectors, end);
    }
    (blocks, packed)
}

/// The constants; words of four values are shifted by 128, which the bias takes back.
fn constants(
    engine: &dyn Engine,
    channels: &crate::quant::Channels<'_>,
    weights: &[i8],
    blocks: &[Block],
) -> Option<Constants> {
    let outputs = channels.bias.len();
    let lanes = outputs.next_multiple_of(engine.lanes());
    let length = weights.len() / outputs.max(1);
    let of = |o: usize| &weights[o * length..][..length];
    let order: Vec<_> = (0..lanes).map(|o| (o < outputs).then_some(o)).collect();
    let lanes = |block: &Block| block.first * engine.lanes()..(block.first + block.vectors) * engine.lanes();
    let sums = (|o| shifted(engine, of(o)), |o| bound(of(o)));
    Constants::new(engine, channels, &order, blocks.iter().map(lanes), sums)
}

/// What the bias takes back when values are shifted to be unsigned, for some weights.
pub(super) fn shifted<'w>(engine: &dyn Engine, weights: impl IntoIterator<Item = &'w i8>) -> i32 {
    let offset = engine.offset();
    weights.into_iter().fold(0i32, |sum, &w| sum.wrapping_add(i32::from(w).wrapping_mul(-offset)))
}

/// What the sum of these weights times any values cannot exceed.
pub(super) fn bound<'w>(weights: impl IntoIterator<Item = &'w i8>) -> u64 {
    weights.into_iter().map(|w| 128 * u64::from(w.unsigned_abs())).sum()
}
