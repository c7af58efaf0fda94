//! Depthwise convolutions over packed weights. For each row of outputs, the rows of the image under it are interleaved
//! into words, which hold the values of one channel in neighbouring rows; a column of taps is then one product. A family
//! that multiplies one row at a time reads the image where it lies.

use mote_format::DepthwiseConv2d;
use std::vec::Vec;

use super::channels::Constants;
use super::conv::{bound, shifted};
use super::engine::{self, Engine};
use super::image::{Band, Image};
use super::memory::Lines;
use super::threads::Threads;
use crate::ops::Window;
use crate::view::Io;

/// Bytes of a band; what a core's first cache holds beside the words of a row.
const BAND: usize = 24 * 1024;

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
}

/// How the words of a row of windows lie: for each group of rows that share words, and each phase, a run.
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
    /// Words of a run.
    run: usize,
}

/// Channels that a flat layout may repeat weights over.
const FLAT: usize = 512;

impl Layout {
    fn new(engine: &dyn Engine, image: &Image) -> Self {
        let Window { kernel, stride, image: [_, _, c], .. } = image.window;
        let block = 4 * engine.lanes();
        let blocks = c / gcd(c, block);
        let flat = c < block && blocks * block <= FLAT;
        let phases = if flat { stride[1] } else { 1 };
        let columns = image.width().div_ceil(phases);
        // The last block of a row of windows may reach over its end.
        let run = if flat { (columns * c).next_multiple_of(block) + block } else { columns * block };
        let blocks = if flat { blocks } else { c.div_ceil(block) };
        let (direct, groups) = (engine.rows() == 1, kernel[0].div_ceil(engine.rows()));
        Self { direct, block, blocks, groups, flat, phases, columns, run }
    }

    /// The channel in place `at` of the blocks.
    fn channel(&self, at: usize, channels: usize) -> Option<usize> {
        if self.flat { Some(at % channels) } else { Some(at).filter(|&at| at < channels) }
    }

    /// Words of a row of windows.
    fn words(&self) -> usize {
        if self.direct { 0 } else { self.groups * self.phases * self.run }
    }

    /// Bytes from one value of a run to the next.
    fn value(&self) -> usize {
        if self.direct { 1 } else { 4 }
    }

    /// Bytes from one column of a phase to the next.
    fn pixel(&self, channels: usize) -> usize {
        self.value() * if self.flat || self.direct { channels } else { self.block }
    }

    /// Bytes from one phase to the next.
    fn phase(&self, channels: usize) -> usize {
        if self.direct { self.columns * channels } else { 4 * self.run }
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
        // Interleaving reads whole blocks, and the words lie behind the rows.
        let free =
            if layout.direct && layout.phases > 1 { line.next_multiple_of(4) } else { 4 * layout.words() };
        let slack = layout.block + LINE + free;
        let band = Band { value: 1, line, slack, rows: image.band(line, BAND) };
        let (kw, dilation) = (window.kernel[1], window.dilation[1]);
        let group = if layout.direct { window.dilation[0] * line } else { layout.phases * layout.phase(c) };
        let (phase, pixel) = (layout.phase(c), layout.pixel(c));
        let column = |x: usize| x % layout.phases * phase + x / layout.phases * pixel;
        let taps = (0..layout.groups)
            .flat_map(|g| (0..kw).map(move |kx| (g, kx * dilation)))
            .map(|(g, x)| g * group + column(x));
        let weights = io.i8s(p.weights);
        let of = |channel: usize| weights[channel..].iter().step_by(c);
        let order = (0..layout.blocks * layout.block).map(|at| layout.channel(at, c));
        let channels = io.channels(p.bias, &p.requant);
        let constants = Constants::new(&channels, order, |o| shifted(engine, of(o)), |o| bound(of(o)))?;
        let taps: Vec<usize> = taps.collect();
        let weights = pack(engine, &layout, weights, &window);
        let block = taps.len() * layout.block * engine.rows();
        let blocks = weights.values().chunks_exact(block).take(layout.blocks);
        let ways = blocks.map(|w| engine.depthwise_way(w)).collect();
        Some(Self { engine, image, band, layout, taps, weights, ways, constants })
    }

    /// Bytes of packed weights.
    pub(super) fn bytes(&self) -> usize {
        self.weights.bytes()
    }

    /// The layer's outputs.
    pub(super) fn run(&self, x: &[i8], y: &mut [i8], threads: &Threads) {
        let Image { window, columns, .. } = self.image;
        let (row, step) = (columns * window.image[2], window.stride[0] * self.band.line);
        let put = |from: &[i8], to: &mut [u8]| to.copy_from_slice(bytemuck::cast_slice(from));
        self.image.bands((x, y), self.band, threads, put, |memory, y| {
            let rows = self.image.bytes(y.len() / row, self.band.line);
            let (lines, words) = memory.split_at_mut((rows + self.layout.block).next_multiple_of(LINE));
            let lines: &mut [i8] = bytemuck::cast_slice_mut(lines);
            let free = words.len() / 4 * 4;
            let words: &mut [u32] = bytemuck::cast_slice_mut(&mut words[..free]);
            if self.layout.phases > 1 {
                lines.chunks_exact_mut(self.band.line).for_each(|line| self.split(line, words));
            }
            for r in 0..y.len() / row {
                self.row(&lines[r * step..], words, &mut y[r * row..], row);
            }
        });
    }

    /// The first `row` outputs, from the rows of the image under them.
    fn row(&self, lines: &[i8], words: &mut [u32], y: &mut [i8], row: usize) {
        let Layout { block, blocks, flat, .. } = self.layout;
        let c = self.image.window.image[2];
        if !flat {
            let step = self.image.window.stride[1] * self.layout.pixel(c);
            // From the last block to the first, see `Out`.
            for b in (0..blocks).rev() {
                let x = self.interleave(&lines[b * block..], c, words);
                let out = self.constants.out(b * block, (c - b * block).min(block), c);
                self.windows(b, x, (self.image.columns, step), &out, &mut y[b * block..]);
            }
            return;
        }
        let x = self.interleave(lines, block, words);
        let (whole, rest, step) = (row / block, row % block, blocks * block);
        let value = self.layout.value();
        for b in 0..blocks.min(whole) {
            let out = self.constants.out(b * block, block, step);
            let windows = ((whole - b).div_ceil(blocks), value * step);
            self.windows(b, &x[value * b * block..], windows, &out, &mut y[b * block..]);
        }
        if rest > 0 {
            let b = whole % blocks;
            let out = self.constants.out(b * block, rest, step);
            self.windows(b, &x[value * whole * block..], (1, value * step), &out, &mut y[whole * block..]);
        }
    }

    /// So many windows, `step` bytes apart, of block `b`.
    fn windows(
        &self,
        b: usize,
        x: &[u8],
        (pixels, step): (usize, usize),
        out: &engine::Out<'_>,
        y: &mut [i8],
    ) {
        let (taps, way) = (&self.taps[..], self.ways[b]);
        let w = &self.weights.values::<i8>()[b * taps.len() * self.layout.block * self.engine.rows()..];
        self.engine.depthwise(&engine::Depthwise { x, pixels, step, taps, w, way }, out, y);
    }

    /// Brings the columns of a row into phases, by way of memory that is free.
    fn split(&self, line: &mut [i8], free: &mut [u32]) {
        let (Layout { phases, columns, .. }, c) = (self.layout, self.image.window.image[2]);
        let from: &mut [i8] = &mut bytemuck::cast_slice_mut(free)[..line.len()];
        from.copy_from_slice(line);
        for (phase, to) in line.chunks_exact_mut(columns * c).enumerate() {
            let from = from[phase * c..].chunks(phases * c);
            match c {
                8 => to
                    .as_chunks_mut::<8>()
                    .0
                    .iter_mut()
                    .zip(from)
                    .for_each(|(to, from)| to.copy_from_slice(&from[..8])),
                16 => to
                    .as_chunks_mut::<16>()
                    .0
                    .iter_mut()
                    .zip(from)
                    .for_each(|(to, from)| to.copy_from_slice(&from[..16])),
                _ => to.chunks_exact_mut(c).zip(from).for_each(|(to, from)| to.copy_from_slice(&from[..c])),
            }
        }
    }

    /// The bytes of a row of windows: those of words, of the values from the first of `lines` on, `step` apart, or `lines`
    /// themselves.
    fn interleave<'w>(&self, lines: &'w [i8], step: usize, words: &'w mut [u32]) -> &'w [u8] {
        let Window { kernel: [kh, _], dilation: [dilation, _], image: [_, _, c], .. } = self.image.window;
        let Layout { direct, block, flat, phases, columns, run, .. } = self.layout;
        if direct {
            return bytemuck::cast_slice(lines);
        }
        let rows = self.engine.rows();
        let words = &mut words[..self.layout.words()];
        for (group, words) in words.chunks_exact_mut(phases * run).enumerate() {
            for (phase, words) in words.chunks_exact_mut(run).enumerate() {
                // Rows behind the window's last have weights of 0.
                let at = |ky: usize| {
                    let row = if ky < kh { ky * dilation * self.band.line } else { 0 };
                    &lines[row + phase * columns * c..]
                };
                let all: [&[i8]; 4] = core::array::from_fn(|row| at(group * rows + row));
                let filled = if flat { (columns * c).next_multiple_of(block) } else { run };
                self.engine.interleave(&all[..rows], step, &mut words[..filled]);
            }
        }
        bytemuck::cast_slice(words)
    }
}

/// Bytes of a cache line.
const LINE: usize = 64;

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
