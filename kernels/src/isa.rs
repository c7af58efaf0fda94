//! Instruction sets: the micro-kernels that an operator is written over, and which sets this machine has.
//! Nothing here knows an operator.
//!
//! To add a set: one file in `isa/` and one row in [`crate::table`].

pub mod scalar;

#[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
pub(crate) mod aarch64;
#[cfg(mote_arm_dsp)]
pub mod arm_dsp;
#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(crate) mod x86;

use crate::indexed::{self, Indexed};
use crate::quant::{Channels, Output};
use crate::view::{In, Word};
use crate::ways::Ways;
use mote_format::Scale;

/// Equally long rows of int8 values at a fixed distance from each other.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rows<'a> {
    /// The values; row `i` starts at `i * stride`.
    pub data: &'a [i8],
    /// Distance between rows.
    pub stride: usize,
    /// Number of rows.
    pub count: usize,
    /// Length of a row.
    pub len: usize,
}

impl<'a> Rows<'a> {
    /// Row `i`; behind the last row, the last row again, so that a tile can overhang.
    #[inline(always)]
    pub fn row(&self, i: usize) -> &'a [i8] {
        let at = i.min(self.count - 1) * self.stride;
        &self.data[at..at + self.len]
    }

    /// The rows from `i` on.
    #[inline(always)]
    pub fn from(&self, i: usize) -> Self {
        Self { data: &self.data[i * self.stride..], count: self.count - i, ..*self }
    }
}

/// The taps of one window of a channels-last image; every one lies inside the image.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Taps<'a, T = i8> {
    /// The values; the first is channel 0 of the upper left tap.
    pub data: &'a [T],
    /// Values from one row of taps to the next.
    pub row: usize,
    /// Values from one tap to the next in its row.
    pub col: usize,
    /// Rows of taps.
    pub h: usize,
    /// Taps in a row.
    pub w: usize,
}

impl<'a, T: Copy> Taps<'a, T> {
    /// Each tap's values of the `len` channels from `c`, row by row.
    #[inline(always)]
    pub fn channels(self, c: usize, len: usize) -> impl Iterator<Item = &'a [T]> {
        (0..self.h).flat_map(move |i| {
            (0..self.w).map(move |j| {
                let at = i * self.row + j * self.col + c;
                &self.data[at..at + len]
            })
        })
    }
}

/// A block of sums: pixels by channels.
pub trait Tile: Copy {
    /// Pixels.
    const PIXELS: usize;
    /// Channels.
    const CHANNELS: usize;
    /// The sums of one pixel.
    fn pixel(&self, i: usize) -> &[i32];
}

impl<const M: usize, const N: usize> Tile for [[i32; N]; M] {
    const PIXELS: usize = M;
    const CHANNELS: usize = N;
    #[inline(always)]
    fn pixel(&self, i: usize) -> &[i32] {
        &self[i]
    }
}

/// So many products of an int16 value and a weight, and three more, fit 32 bits.
pub const WIDE: usize = 508;

/// Channels that [`Isa::depthwise`] and [`Isa::sum`] treat at a time.
pub const BLOCK: usize = 16;

/// A matrix product's right side: weights, how sums become outputs, and where those go.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Layer<'a> {
    /// A row of weights per channel.
    pub w: Rows<'a>,
    /// From sums to outputs.
    pub channels: Channels<'a>,
    /// Whether the short way of rounding is exact for all channels.
    pub plain: bool,
    /// Outputs from one pixel to the next.
    pub stride: usize,
}

impl<'a> Layer<'a> {
    /// A layer of dense rows of `k` weights.
    #[inline(always)]
    pub fn new<I: Isa>(isa: I, w: &'a [i8], k: usize, channels: Channels<'a>, stride: usize) -> Self {
        let w = Rows { data: w, stride: k, count: channels.bias.len(), len: k };
        Self { w, channels, plain: isa.is_plain(&channels), stride }
    }
}

/// Patches of an image, packed side by side in scratch in the order that the instruction set wants.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Block<'a> {
    /// Scratch, [`block_bytes`] long or longer.
    pub scratch: &'a mut [i8],
    /// Values of a patch.
    pub len: usize,
    /// Patches.
    pub count: usize,
}

/// The widest tile of any instruction set, in pixels.
pub const MAX_PIXELS: usize = 2;

/// A window with a kernel per channel, sliding over one channels-last image.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Slide<'a> {
    /// The image.
    pub x: &'a [i8],
    /// Weights, `[tap][channels]`.
    pub w: &'a [i8],
    /// From sums to outputs.
    pub scaling: Channels<'a>,
    /// Channels of the image and of the output.
    pub channels: usize,
    /// Rows and columns of the image.
    pub image: [usize; 2],
    /// Rows and columns of the output.
    pub output: [usize; 2],
    /// Rows and columns of taps.
    pub kernel: [usize; 2],
    /// Rows and columns from pixel to pixel.
    pub stride: [usize; 2],
    /// Rows from one row of taps to the next; columns are neighbours.
    pub dilation: usize,
    /// Rows of padding above and columns at the left.
    pub pads: [usize; 2],
    /// What padding is filled with.
    pub zero: i8,
}

/// [`Isa::SLIDES`] of plain Rust.
pub const SCALAR_SLIDES: usize = 1;
/// [`Isa::SLIDES`] of Arm DSP.
pub const DSP_SLIDES: usize = 4;

/// Columns of the image that [`Isa::slide`] unpacks at a time.
const SLIDE_COLUMNS: usize = 18;

/// Scratch for [`Isa::slide`] over the `columns` of the image that the output reads: weights, parameters of four
/// channels, and columns, in pairs of rows.
pub fn slide_bytes(kernel: [usize; 2], columns: usize) -> usize {
    64 + 16 * kernel[0].div_ceil(2) * (kernel[1] + columns.min(SLIDE_COLUMNS.max(kernel[1]))) + 3
}

/// Most patches of a block, on any instruction set.
pub const MAX_PATCHES: usize = 4;

/// Scratch for a block of patches of `len` values on any instruction set: values may be widened to 16 bits, in fours,
/// from the first aligned word on.
pub fn block_bytes(len: usize, count: usize) -> usize {
    2 * len.next_multiple_of(4) * count + 3
}

/// Runs `f` in a stack frame of its own: what one way of computing keeps there does not count while another one runs.
/// On x86-64, where the stack is long, `f` stays part of its caller, whose instruction set it needs.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
pub(crate) fn own_frame(f: impl FnOnce()) {
    f();
}

/// The micro-kernels. A value of the type proves that its instructions exist. The provided methods are exact on
/// every machine; a set overrides those that it can do faster, with the same bits.
pub trait Isa: Ways {
    /// Sums of a block of pixels and channels.
    type Tile: Tile;
    /// Sums of one pixel and a block of channels.
    type Line: Tile;

    /// Dot products of the first pixels with the first channels.
    fn tile(self, x: Rows<'_>, w: Rows<'_>) -> Self::Tile;

    /// Dot products of the first pixel with the first channels.
    fn line(self, x: Rows<'_>, w: Rows<'_>) -> Self::Line;

    /// Patches of a full block, at most [`MAX_PATCHES`].
    const PATCHES: usize = <Self::Tile as Tile>::PIXELS;

    /// Puts values at `at` of patch `i`.
    #[inline(always)]
    fn pack(self, block: &mut Block<'_>, i: usize, at: usize, x: &[i8]) {
        block.scratch[i * block.len + at..][..x.len()].copy_from_slice(x);
    }

    /// Puts `len` times the same value at `at` of patch `i`.
    #[inline(always)]
    fn fill(self, block: &mut Block<'_>, i: usize, at: usize, len: usize, value: i8) {
        block.scratch[i * block.len + at..][..len].fill(value);
    }

    /// Makes patch `i` of the rows of `x`, one behind the other.
    #[inline(always)]
    fn gather(self, block: &mut Block<'_>, i: usize, x: Rows<'_>) {
        for row in 0..x.count {
            self.pack(block, i, row * x.len, x.row(row));
        }
    }

    /// The layer's outputs for the patches of a block.
    #[inline(always)]
    fn product(self, block: &mut Block<'_>, layer: &Layer<'_>, y: &mut [i8]) {
        let x = Rows { data: block.scratch, stride: block.len, count: block.count, len: block.len };
        self.matrix(x, layer, &mut [], y);
    }

    /// The layer's outputs for every row of `x`. Scratch is [`block_bytes`] of some part of a row, or more.
    #[inline(always)]
    fn matrix(self, x: Rows<'_>, layer: &Layer<'_>, scratch: &mut [i8], y: &mut [i8]) {
        let _ = scratch;
        let mut m = 0;
        while m < x.count {
            let (x, y) = (x.from(m), &mut y[m * layer.stride..]);
            if x.count >= Self::Tile::PIXELS {
                lines(self, x, layer, y, Self::tile);
                m += Self::Tile::PIXELS;
            } else {
                lines(self, x, layer, y, Self::line);
                m += Self::Line::PIXELS;
            }
        }
    }

    /// The outputs of a layer with weights of four bits for the patches of a block.
    #[inline(always)]
    fn indexed(self, block: &mut Block<'_>, layer: &Indexed<'_>, y: &mut [i8]) {
        indexed::product(self, block, layer, y);
    }

    /// Channels that [`Isa::slide`] wants at least; `None` where it is not better than pixel after pixel.
    const SLIDES: Option<usize> = None;

    /// A window's outputs for one image. Scratch is [`slide_bytes`].
    #[inline(always)]
    fn slide(self, slide: &Slide<'_>, scratch: &mut [i8], y: &mut [i8]) {
        let _ = (slide, scratch, y);
    }

    /// Sums over the taps of each channel from `c` on, at most [`BLOCK`]; weights are `[tap][channels]`.
    #[inline(always)]
    fn depthwise(self, x: Taps<'_>, w: &[i8], channels: usize, c: usize, acc: &mut [i32]) {
        acc.fill(0);
        for (x, w) in x.channels(c, acc.len()).zip(w.chunks(channels)) {
            for ((acc, &x), &w) in acc.iter_mut().zip(x).zip(&w[c..]) {
                *acc = acc.wrapping_add(i32::from(x) * i32::from(w));
            }
        }
    }

    /// The dot products of at most [`WIDE`] int16 values with two rows of as many weights.
    #[inline(always)]
    fn dot16(self, x: &[Word], w: [&[i8]; 2]) -> [i32; 2] {
        w.map(|w| {
            let products = x.iter().zip(w).map(|(&x, &w)| i32::from(i16::from_le_bytes(x)) * i32::from(w));
            products.fold(0, i32::wrapping_add)
        })
    }

    /// Sums over the taps of each channel from `c` on, at most [`BLOCK`].
    #[inline(always)]
    fn sum(self, x: Taps<'_>, c: usize, acc: &mut [i32]) {
        acc.fill(0);
        for x in x.channels(c, acc.len()) {
            for (acc, &x) in acc.iter_mut().zip(x) {
                *acc = acc.wrapping_add(i32::from(x));
            }
        }
    }

    /// Largest of the taps of each channel.
    #[inline(always)]
    fn max(self, x: Taps<'_>, y: &mut [i8]) {
        y.fill(i8::MIN);
        for x in x.channels(0, y.len()) {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (*y).max(x);
            }
        }
    }

    /// Sums of consecutive channels to int8.
    #[inline(always)]
    fn requantize(self, acc: &[i32], channels: &Channels<'_>, y: &mut [i8]) {
        channels.apply(acc, y);
    }

    /// Sums to int8, all by the same scale.
    #[inline(always)]
    fn scale(self, sums: &[i32], scale: Scale, output: &Output, y: &mut [i8]) {
        sums.iter().zip(y).for_each(|(&sum, y)| *y = output.apply(sum, scale));
    }

    /// `y = scale · (x − zero)`, requantized.
    #[inline(always)]
    fn rescale(self, x: In<'_>, zero: i32, scale: Scale, output: &Output, y: &mut [i8]) {
        x.map(y, |x| output.apply(i32::from(x) - zero, scale));
    }

    /// `y = table[x + 128]`.
    #[inline(always)]
    fn lookup(self, x: In<'_>, table: &[i8; 256], y: &mut [i8]) {
        x.map(y, |x| table[usize::from(x as u8 ^ 0x80)]);
    }

    /// `y` = `x` held between two bounds.
    #[inline(always)]
    fn clamp(self, x: In<'_>, min: i8, max: i8, y: &mut [i8]) {
        x.map(y, |x| x.clamp(min, max));
    }
}

/// The first rows of `x`, as many as the tile has, times every row of weights.
#[inline(always)]
fn lines<I: Isa, T: Tile>(
    isa: I,
    x: Rows<'_>,
    layer: &Layer<'_>,
    y: &mut [i8],
    dot: impl Fn(I, Rows<'_>, Rows<'_>) -> T,
) {
    for n in (0..layer.w.count).step_by(T::CHANNELS) {
        let len = T::CHANNELS.min(layer.w.count - n);
        let tile = dot(isa, x, layer.w.from(n));
        let part = layer.channels.part(n, len);
        for i in 0..T::PIXELS {
            isa.requantize(&tile.pixel(i)[..len], &part, &mut y[i * layer.stride + n..][..len]);
        }
    }
}
