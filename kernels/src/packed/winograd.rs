//! Convolutions of three by three at stride 1 by Winograd's transform F(4×4, 3×3) of Lavin and Gray (2015), in integers:
//! sixteen outputs take 36 products a channel, instead of 144. Weights are transformed by 24 · G on both sides, save for its
//! last row, which has 6 for 24 and leaves a factor of 4 to A. So weights stay within 144 · 127 and values within 100 · 128,
//! which 16 bits hold.
//!
//! Everything after that is exact modulo 2^32: a sum comes out as 576 times itself, of which a product with the inverse of
//! 9 and a shift by 6 bits make the sum, if that is proven to lie within 26 bits.

use mote_format::Conv2d;
use std::vec::Vec;

use super::channels::Constants;
use super::conv::bound;
use super::engine::{Collected, Engine, Order, Patches, Place};
use super::image::{Band, Image};
use super::memory::Lines;
use super::threads::Threads;
use crate::ops::Window;
use crate::view::Io;

/// Rows and columns of a tile of outputs.
const TILE: usize = 4;
/// Those of the values under it.
const UNDER: usize = TILE + 2;
/// Values of a transformed tile.
pub(crate) const POINTS: usize = UNDER * UNDER;
/// Outputs of a tile.
pub(crate) const OUTPUTS: usize = TILE * TILE;
/// Input channels that are transformed together, and output channels of a block.
pub(crate) const CHANNELS: usize = 16;

/// Bytes of a band's transformed values and sums; what a core's second cache holds.
const BAND: usize = 384 * 1024;

/// Bytes of transformed weights that stay in a core's second cache.
const NEAR: usize = 512 * 1024;

/// What the magnitude of a sum stays below.
const SUM: u64 = 1 << 25;

/// One channel of the values under a tile, transformed.
pub(crate) type Values = [[i16; CHANNELS]; POINTS];
/// The sums of a block of channels of a tile.
pub(crate) type Sums = [[i32; CHANNELS]; POINTS];

/// A layer that is ready to run.
pub(super) struct Winograd {
    engine: &'static dyn Engine,
    image: Image,
    band: Band,
    /// Output channels.
    outputs: usize,
    /// Values of a word.
    word: usize,
    /// The tiles of a band: their first values and sums.
    places: Order,
    /// 16-bit weights of each block of channels, point, and word of a patch.
    weights: Lines,
    constants: Constants,
}

impl Winograd {
    /// `None` where the layer is of another kind, or not worth it.
    pub(super) fn new(engine: &'static dyn Engine, p: &Conv2d, io: &Io<'_>) -> Option<Self> {
        let ([_, h, w, c], [images, rows, columns, outputs]) = (io.x[0].nhwc(), io.y.nhwc());
        let wide = engine.wide()?;
        let window = Window::new([h, w, c], [p.kh, p.kw], p.stride, p.dilation, p.pads);
        let tiles = [rows, columns].map(|n| n.div_ceil(TILE));
        let fits = window.kernel == [3, 3] && window.stride == [1, 1] && window.dilation == [1, 1];
        // Vectors may write over outputs that come later: with sixteen channels or more, these are of an earlier block.
        if !fits || p.groups != 1 || !c.is_multiple_of(CHANNELS) || c < wide.channels || outputs < CHANNELS {
            return None;
        }
        let blocks = outputs.div_ceil(CHANNELS);
        let length = blocks * POINTS * c * CHANNELS;
        let near = length * size_of::<i16>() <= NEAR;
        // Tiles that reach beyond the image are computed whole.
        let full = 2 * rows * columns >= tiles[0] * tiles[1] * OUTPUTS;
        let weights = io.i8s(p.weights);
        let of = |o: usize| &weights[o * 9 * c..][..9 * c];
        if !full || !(near || tiles[0] * tiles[1] >= wide.tiles) || (0..outputs).any(|o| bound(of(o)) >= SUM)
        {
            return None;
        }
        let line = (tiles[1] * TILE + 2) * c;
        let each = tiles[1] * (c / CHANNELS * size_of::<Values>() + size_of::<Sums>());
        let high = (BAND / each).clamp(1, tiles[0]);
        let image = Image { window, images, rows, columns, zero: io.x[0].quant.zero as i8 };
        // Rows under the last tiles are there too.
        let slack = TILE * line + 64 + high * each;
        let work = rows * columns * weights.len();
        let band = Band { value: 1, line, slack, rows: (high * TILE).min(rows), work };
        let order: Vec<_> = (0..blocks * CHANNELS).map(|o| (o < outputs).then_some(o)).collect();
        let lanes = (0..blocks).map(|b| b * CHANNELS..(b + 1) * CHANNELS);
        let sums = (|_| 0, |o| bound(of(o)));
        let constants = Constants::new(engine, &io.channels(p.bias, &p.requant), &order, lanes, sums)?;
        let mut packed = Lines::zeroed::<i16>(length);
        pack(weights, [outputs, c], wide.values, packed.values_mut());
        let place = |tile: usize| Place {
            from: (tile * c / CHANNELS * size_of::<Values>()) as u32,
            to: (tile * POINTS * CHANNELS) as u32,
        };
        let places = Order::new((0..high * tiles[1]).map(place).collect());
        Some(Self { engine, image, band, outputs, word: wide.values, places, weights: packed, constants })
    }

    /// Bytes of packed weights.
    pub(super) fn bytes(&self) -> usize {
        self.weights.bytes()
    }

    /// The layer's outputs.
    pub(super) fn run(&self, x: &[i8], y: &mut [i8], threads: &Threads) {
        let put = |from: &[i8], to: &mut [u8]| to.copy_from_slice(bytemuck::cast_slice(from));
        let (c, row, line) = (self.image.window.image[2], self.image.columns * self.outputs, self.band.line);
        self.image.bands((x, y), self.band, threads, put, |memory, y| {
            let rows = y.len() / row;
            let [high, wide] = [rows, self.image.columns].map(|n| n.div_ceil(TILE));
            let (lines, rest) = memory.split_at_mut(((high * TILE + 2) * line).next_multiple_of(64));
            let (values, rest) = rest.split_at_mut(high * wide * (c / CHANNELS) * size_of::<Values>());
            let rest = &mut rest[..high * wide * size_of::<Sums>()];
            let lines: &[i8] = bytemuck::cast_slice(lines);
            let values = bytemuck::cast_slice_mut::<_, [i16; CHANNELS]>(values).as_chunks_mut::<POINTS>().0;
            let sums = bytemuck::cast_slice_mut::<_, [i32; CHANNELS]>(rest).as_chunks_mut::<POINTS>().0;
            for (tile, values) in values.chunks_exact_mut(c / CHANNELS).enumerate() {
                let at = tile / wide * TILE * line + tile % wide * TILE * c;
                self.engine.spread(&lines[at..], [line, c], values);
            }
            self.blocks(bytemuck::cast_slice(values.as_flattened()), sums, wide, y);
        });
    }

    /// Products and outputs of the tiles, `wide` to a row.
    fn blocks(&self, bytes: &[u8], sums: &mut [Sums], wide: usize, y: &mut [i8]) {
        let Image { columns, window: Window { image: [_, _, c], .. }, .. } = self.image;
        let (outputs, tiles, word) = (self.outputs, sums.len(), self.word);
        let (stride, len) = (size_of::<Values>(), CHANNELS / word);
        let weights = self.weights.values::<i16>().chunks_exact(c * CHANNELS);
        let rows = y.len() / (columns * outputs);
        let places = self.places.first(tiles);
        // From the last block to the first, see `Out`.
        for block in (0..outputs.div_ceil(CHANNELS)).rev() {
            for (point, w) in weights.clone().skip(block * POINTS).take(POINTS).enumerate() {
                let bytes = &bytes[point * size_of::<[i16; CHANNELS]>()..];
                let patches = Patches { bytes, places, runs: c / CHANNELS, stride, len };
                self.engine.wide_products(&patches, w, sums.as_flattened_mut()[point..].as_flattened_mut());
            }
            let from = block * CHANNELS;
            let out = self.constants.out(block, from, (outputs - from).min(CHANNELS));
            for (tile, sums) in sums.iter().enumerate() {
                let [top, left] = [tile / wide * TILE, tile % wide * TILE];
                let to = |i: usize, j: usize| Place {
                    from: 0,
                    to: (((top + i) * columns + left + j) * outputs) as u32,
                };
                let (high, wide) = ((rows - top).min(TILE), (columns - left).min(TILE));
                let places =
                    core::array::from_fn(|n| if n < high * wide { to(n / wide, n % wide) } else { to(0, 0) });
                self.engine.collect(&Collected { sums, places, high, wide }, &out, &mut y[from..]);
            }
        }
    }
}

/// 24 · G times three weights.
fn transformed([a, b, c]: [i32; 3]) -> [i32; UNDER] {
    [6 * a, -4 * (a + b + c), -4 * (a - b + c), a + 2 * b + 4 * c, a - 2 * b + 4 * c, 6 * c]
}

/// Weights in the order of blocks of channels, points, and words of `word` input channels.
fn pack(w: &[i8], [outputs, c]: [usize; 2], word: usize, packed: &mut [i16]) {
    for (o, w) in w.chunks_exact(9 * c).enumerate().take(outputs) {
        for i in 0..c {
            let rows: [[i32; UNDER]; 3] = core::array::from_fn(|ky| {
                transformed(core::array::from_fn(|kx| w[(ky * 3 + kx) * c + i].into()))
            });
            for kx in 0..UNDER {
                for (ky, value) in transformed(rows.map(|row| row[kx])).into_iter().enumerate() {
                    let at = (o / CHANNELS * POINTS + ky * UNDER + kx) * c * CHANNELS;
                    packed[at + (i / word * CHANNELS + o % CHANNELS) * word + i % word] = value as i16;
                }
            }
        }
    }
}

/// Bᵀ times six values.
#[inline(always)]
fn forward([a, b, c, d, e, f]: [i16; UNDER]) -> [i16; UNDER] {
    let (s, t) = (e.wrapping_sub(c.wrapping_mul(4)), d.wrapping_sub(b.wrapping_mul(4)));
    let (u, v) = (e.wrapping_sub(c), d.wrapping_sub(b).wrapping_mul(2));
    let ends = |a: i16, c: i16, e: i16| a.wrapping_mul(4).wrapping_sub(c.wrapping_mul(5)).wrapping_add(e);
    [ends(a, c, e), s.wrapping_add(t), s.wrapping_sub(t), u.wrapping_add(v), u.wrapping_sub(v), ends(b, d, f)]
}

/// Aᵀ times six sums.
#[inline(always)]
fn back([a, b, c, d, e, f]: [i32; UNDER]) -> [i32; TILE] {
    let (s, t) = (b.wrapping_add(c), b.wrapping_sub(c));
    let (u, v) = (d.wrapping_add(e), d.wrapping_sub(e));
    [
        a.wrapping_add(s).wrapping_add(u),
        t.wrapping_add(v.wrapping_mul(2)),
        s.wrapping_add(u.wrapping_mul(4)),
        t.wrapping_add(v.wrapping_mul(8)).wrapping_add(f.wrapping_mul(4)),
    ]
}

/// The values under a tile, transformed, sixteen channels at a time: columns from the image, then rows where they lie. Rows
/// of the image are `line` bytes apart, pixels `pixel`.
#[inline(always)]
pub(crate) fn spread(x: &[i8], [line, pixel]: [usize; 2], values: &mut [Values]) {
    let length = values.len() * CHANNELS;
    for j in 0..UNDER {
        let rows: [&[[i8; CHANNELS]]; UNDER] =
            core::array::from_fn(|i| x[i * line + j * pixel..][..length].as_chunks().0);
        let [a, b, c, d, e, f] = rows;
        for (n, values) in values.iter_mut().enumerate() {
            let [a, b, c, d, e, f] = [&a[n], &b[n], &c[n], &d[n], &e[n], &f[n]];
            for channel in 0..CHANNELS {
                let column = [a, b, c, d, e, f].map(|x| i16::from(x[channel]));
                for (i, value) in forward(column).into_iter().enumerate() {
                    values[i * UNDER + j][channel] = value;
                }
            }
        }
    }
    for row in values.as_flattened_mut().as_chunks_mut::<UNDER>().0 {
        (0..CHANNELS).for_each(|channel| {
            let values = forward(core::array::from_fn(|j| row[j][channel]));
            (0..UNDER).for_each(|j| row[j][channel] = values[j]);
        });
    }
}

/// The sums of a tile's outputs, with the bias.
#[inline(always)]
pub(crate) fn collect(sums: &Sums, bias: &[i32; CHANNELS], y: &mut [[i32; CHANNELS]; OUTPUTS]) {
    /// Modulo 2^32.
    const NINTH: i32 = 954_437_177;
    for channel in 0..CHANNELS {
        let columns: [[i32; TILE]; UNDER] =
            core::array::from_fn(|j| back(core::array::from_fn(|i| sums[i * UNDER + j][channel])));
        for i in 0..TILE {
            for (j, sum) in back(columns.map(|column| column[i])).into_iter().enumerate() {
                y[i * TILE + j][channel] = (sum.wrapping_mul(NINTH) >> 6).wrapping_add(bias[channel]);
            }
        }
    }
}
