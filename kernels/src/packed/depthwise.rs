//! Depthwise convolutions over packed weights. For each row of outputs, the rows of the image under it are interleaved
//! into words, which hold the values of one channel in neighbouring rows; a column of taps is then one product. A family
//! that multiplies one row at a time reads the image where it lies.

use mote_format::DepthwiseConv2d;
use std::vec::Vec;

use super::channels::Constants;
use super::conv::{bound, shifted};
use super::engine::{self, Engine, Order, Place};
use super::image::{Band, Image};
use super::memory::Lines;
use super::threads::Threads;
use crate::ops::Window;
use crate::view::Io;

/// Bytes of a band, and of the words of some rows of it: what a core's first cache holds.
const BAND: usize = 24 * 1024;
const WORDS: usize = 20 * 1024;

/// Multiply-accumulate operations of a convolution that take as long as one here.
const WORK: usize = 8;

/// Bytes of a cache line.
const LINE: usize = 64;

/// A layer that is ready to run.
pub(super) struct Depthwise {
    engine: &'static dyn Engine,
    image: Image,
    band: Band,
    layout: Layout,
    /// Where taps lie, in bytes from a window's first.
    taps: Vec<usize>,
    weights: Lines,
    /// What [`Engine::depthwise_way`] says of each block.
    ways: Vec<u8>,
    constants: Constants,
    /// What is done with the words, in order.
    calls: Vec<Call>,
}

/// The windows of some rows that have the same weights.
struct Call {
    /// The block of weights.
    block: usize,
    /// Outputs of a place.
    channels: usize,
    /// Places, row after row.
    places: Order,
}

/// How the words of some rows of windows lie: for each group of rows that share words, each row, and each phase, a run.
#[derive(Clone, Copy)]
struct Layout {
    /// Whether windows are read from the rows of the image; there are no words then.
    direct: bool,
    /// Channels, or neighbouring values, of a block.
    block: usize,
    /// Blocks until the channels come round again.
    blocks: usize,
    /// Groups of rows.
    groups: usize,
    /// Whether blocks go on over the borders of pixels: neighbouring windows are then neighbouring words. Columns of
    /// the image that differ in place within the window's stride lie apart, in phases. If not, a run is one block of
    /// channels of all columns.
    flat: bool,
    phases: usize,
    /// Columns of a phase.
    columns: usize,
    /// Values of a pixel.
    pixel: usize,
    /// Rows of windows.
    rows: usize,
    /// Bytes from one row of windows to the next.
    pitch: usize,
    /// Bytes from the rows of a tap to those of the next.
    group: usize,
}

/// Channels that a flat layout may repeat weights over.
const FLAT: usize = 512;

impl Layout {
    fn new(engine: &dyn Engine, image: &Image) -> Self {
        let Window { kernel, stride, image: [_, _, c], .. } = image.window;
        let block = 4 * engine.lanes();
        let blocks = c / gcd(c, block);
        let flat = c < block && blocks * block <= FLAT;
        let direct = engine.rows() == 1;
        let pixel = if flat || direct { c } else { block };
        let phases = if flat { stride[1] } else { 1 };
        let blocks = if flat { blocks } else { c.div_ceil(block) };
        let (columns, groups) = (image.width().div_ceil(phases), kernel[0].div_ceil(engine.rows()));
        let row = phases * columns * pixel;
        let layout =
            Self { direct, block, blocks, groups, flat, phases, columns, pixel, rows: 0, pitch: 0, group: 0 };
        if direct {
            let (rows, pitch) = (image.band(row, BAND), stride[0] * row);
            return Self { rows, pitch, group: image.window.dilation[0] * row, ..layout };
        }
        let rows = (WORDS / 4 / (groups * row)).clamp(1, image.rows);
        Self { rows, pitch: 4 * row, group: 4 * rows * row, ..layout }
    }

    /// The channel in place `at` of the blocks.
    fn channel(&self, at: usize, channels: usize) -> Option<usize> {
        if self.flat { Some(at % channels) } else { Some(at).filter(|&at| at < channels) }
    }

    /// Values of a row.
    fn row(&self) -> usize {
        self.phases * self.columns * self.pixel
    }

    /// All words. The last block may reach over the end of what is read or written.
    fn words(&self) -> usize {
        if self.direct { 0 } else { self.groups * self.rows * self.row() + 2 * self.block }
    }

    /// Bytes of a value.
    fn value(&self) -> usize {
        if self.direct { 1 } else { 4 }
    }

    /// Where column `x` of the image starts in its row, in bytes.
    fn column(&self, x: usize) -> usize {
        self.value() * (x % self.phases * self.columns + x / self.phases) * self.pixel
    }

    /// What is done with the words, for rows of `columns` windows of `c` channels.
    fn calls(&self, columns: usize, stride: usize, c: usize) -> Vec<Call> {
        let (block, blocks) = (self.block, self.blocks);
        let rows = |row: &dyn Fn(usize) -> Vec<(usize, usize)>| -> Order {
            let all = (0..self.rows).flat_map(|r| {
                let place = move |(from, to)| Place {
                    from: (r * self.pitch + self.value() * from) as u32,
                    to: (r * columns * c + to) as u32,
                };
                row(r).into_iter().map(place)
            });
            Order::new(all.collect())
        };
        if !self.flat {
            let row = |_| (0..columns).map(|x| (x * stride * self.pixel, x * c)).collect();
            // From the last block to the first, see `Out`.
            let call = |b: usize| Call { block: b, channels: (c - b * block).min(block), places: rows(&row) };
            return (0..blocks).rev().map(call).collect();
        }
        let (whole, rest) = (columns * c / block, columns * c % block);
        let call = |b: usize| {
            let row = |_| (b..whole).step_by(blocks).map(|k| (k * block, k * block)).collect();
            Call { block: b, channels: block, places: rows(&row) }
        };
        let calls = (0..blocks.min(whole)).map(call);
        // The rest of a row comes before what lies behind it.
        let tail = |_| std::vec![(whole * block, whole * block)];
        let tail = (rest > 0).then(|| Call { block: whole % blocks, channels: rest, places: rows(&tail) });
        tail.into_iter().chain(calls).collect()
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
        let image = Image { window, images, rows, columns, zero: io.x[0].quant.zero as i8 };
        let layout = Layout::new(engine, &image);
        let line = layout.phases * layout.columns * c;
        // Whole blocks are read, and the words lie behind the rows.
        let free =
            if layout.direct && layout.phases > 1 { line.next_multiple_of(4) } else { 4 * layout.words() };
        let work = WORK * rows * columns * io.i8s(p.weights).len();
        let slack = layout.block + LINE + free;
        let band = Band { value: 1, line, slack, rows: image.band(line, BAND), work };
        let (kw, dilation) = (window.kernel[1], window.dilation[1]);
        let tap = |group: usize| (0..kw).map(move |kx| group * layout.group + layout.column(kx * dilation));
        let taps: Vec<usize> = (0..layout.groups).flat_map(tap).collect();
        let weights = io.i8s(p.weights);
        let of = |channel: usize| weights[channel..].iter().step_by(c);
        let order: Vec<_> = (0..layout.blocks * layout.block).map(|at| layout.channel(at, c)).collect();
        let channels = io.channels(p.bias, &p.requant);
        let lanes = (0..layout.blocks).map(|b| b * layout.block..(b + 1) * layout.block);
        let sums = (|o| shifted(engine, of(o)), |o| bound(of(o)));
        let constants = Constants::new(engine, &channels, &order, lanes, sums)?;
        let calls = layout.calls(columns, window.stride[1], c);
        let weights = pack(engine, &layout, weights, &window);
        let block = taps.len() * layout.block * engine.rows();
        let blocks = weights.values().chunks_exact(block).take(layout.blocks);
        let ways = blocks.map(|w| engine.depthwise_way(w)).collect();
        Some(Self { engine, image, band, layout, taps, weights, ways, constants, calls })
    }

    /// Bytes of packed weights.
    pub(super) fn bytes(&self) -> usize {
        self.weights.bytes()
    }

    /// The layer's outputs.
    pub(super) fn run(&self, x: &[i8], y: &mut [i8], threads: &Threads) {
        let Image { window, columns, .. } = self.image;
        let (row, line) = (columns * window.image[2], self.band.line);
        let put = |from: &[i8], to: &mut [u8]| to.copy_from_slice(bytemuck::cast_slice(from));
        self.image.bands((x, y), self.band, threads, put, |memory, y| {
            let bytes = self.image.bytes(y.len() / row, line);
            let (lines, words) = memory.split_at_mut((bytes + self.layout.block).next_multiple_of(LINE));
            let lines: &mut [i8] = bytemuck::cast_slice_mut(lines);
            let free = words.len() / 4 * 4;
            let words: &mut [u32] = bytemuck::cast_slice_mut(&mut words[..free]);
            if self.layout.phases > 1 {
                lines[..bytes].chunks_exact_mut(line).for_each(|line| self.split(line, words));
            }
            for (i, y) in y.chunks_mut(self.layout.rows * row).enumerate() {
                self.rows(&lines[i * self.layout.rows * window.stride[0] * line..], y.len() / row, words, y);
            }
        });
    }

    /// Some rows of outputs, from the rows of the image under them.
    fn rows(&self, lines: &[i8], rows: usize, words: &mut [u32], y: &mut [i8]) {
        let Layout { direct, flat, .. } = self.layout;
        if flat && !direct {
            self.interleave(lines, rows, words);
        }
        for Call { block, channels, places } in &self.calls {
            let (first, way) = (block * self.layout.block, self.ways[*block]);
            // Neighbouring values are of all channels; otherwise, lines and outputs begin with the block's.
            let from = if flat { 0 } else { first };
            if !flat && !direct {
                self.interleave(&lines[from..], rows, words);
            }
            let x = if direct { bytemuck::cast_slice(&lines[from..]) } else { bytemuck::cast_slice(&*words) };
            let (taps, places) = (&self.taps[..], places.first(places.len() / self.layout.rows * rows));
            let out = self.constants.out(*block, first, *channels);
            let w = &self.weights.values::<i8>()[first * taps.len() * self.engine.rows()..];
            self.engine.depthwise(&engine::Depthwise { x, places, taps, w, way }, &out, &mut y[from..]);
        }
    }

    /// Brings the columns of a row into phases, by way of memory that is free.
    fn split(&self, line: &mut [i8], free: &mut [u32]) {
        let (Layout { phases, columns, .. }, c) = (self.layout, self.image.window.image[2]);
        let from: &mut [i8] = &mut bytemuck::cast_slice_mut(free)[..line.len()];
        from.copy_from_slice(line);
        for (phase, to) in line.chunks_exact_mut(columns * c).enumerate() {
            match c {
                8 => every::<8>(&from[phase * c..], phases, to),
                16 => every::<16>(&from[phase * c..], phases, to),
                _ => {
                    let from = from[phase * c..].chunks(phases * c);
                    to.chunks_exact_mut(c).zip(from).for_each(|(to, from)| to.copy_from_slice(&from[..c]));
                }
            }
        }
    }

    /// The words of some rows of windows, of the channels from the first of `lines` on.
    fn interleave(&self, lines: &[i8], rows: usize, words: &mut [u32]) {
        let Window {
            kernel: [kh, _], dilation: [dilation, _], image: [_, _, c], stride: [stride, _], ..
        } = self.image.window;
        let (layout, values, line) = (&self.layout, self.engine.rows(), self.band.line);
        let step = if layout.flat { layout.block } else { c };
        // Rows that lie behind each other are one.
        let (times, count) = if stride == 1 { (1, rows) } else { (rows, 1) };
        for group in 0..layout.groups {
            for r in 0..times {
                // Rows behind the window's last have weights of 0.
                let row = |ky: usize| &lines[(r * stride + if ky < kh { ky * dilation } else { 0 }) * line..];
                let from: [&[i8]; 4] = core::array::from_fn(|value| row(group * values + value));
                let to = &mut words[(group * layout.rows + r) * layout.row()..];
                let length = (count * layout.row()).next_multiple_of(layout.block);
                self.engine.interleave(&from[..values], step, &mut to[..length]);
            }
        }
    }
}

/// Every so many pixels of `C` channels.
fn every<const C: usize>(from: &[i8], step: usize, to: &mut [i8]) {
    let from = from.as_chunks::<C>().0.iter().step_by(step);
    to.as_chunks_mut::<C>().0.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// Weights in the order of blocks, taps, channels and rows.
fn pack(engine: &dyn Engine, layout: &Layout, w: &[i8], window: &Window) -> Lines {
    let ([kh, kw], c, values) = (window.kernel, window.image[2], engine.rows());
    let mut packed = Lines::zeroed::<i8>(layout.blocks * layout.groups * kw * layout.block * values);
    let all: &mut [i8] = packed.values_mut();
    let taps = (0..layout.groups).flat_map(|group| (0..kw).map(move |kx| (group, kx)));
    for block in 0..layout.blocks {
        for (tap, (group, kx)) in taps.clone().enumerate() {
            for lane in 0..layout.block {
                let Some(channel) = layout.channel(block * layout.block + lane, c) else { continue };
                for (value, ky) in (group * values..kh).take(values).enumerate() {
                    let at = ((block * layout.groups * kw + tap) * layout.block + lane) * values + value;
                    all[at] = w[(ky * kw + kx) * c + channel];
                }
            }
        }
    }
    packed
}
