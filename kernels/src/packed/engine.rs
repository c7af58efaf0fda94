//! The border between the layers of [`packed`](crate::packed), which are safe and know no instruction, and the
//! families of instructions in `isa`, which know no layer.

use core::ops::Deref;
use std::vec::Vec;

use super::channels::Profile;
use super::winograd::{OUTPUTS, Sums, Values};

/// A family of instructions that computes tiles. Its existence proves that the machine has them.
pub(crate) trait Engine: Sync {
    /// Its name, as in `--isa`.
    fn name(&self) -> &'static str;

    /// The family with vectors of half the length.
    fn half(&self) -> Option<&'static str>;

    /// Channels in a vector of sums.
    fn lanes(&self) -> usize;

    /// Values of one channel that are multiplied together: a word holds so many.
    fn values(&self) -> usize;

    /// Bytes of a word.
    fn word(&self) -> usize {
        4
    }

    /// What [`put`](Self::put) and [`interleave`](Self::interleave) add to values: 128 makes them unsigned.
    fn offset(&self) -> i32;

    /// Whether the way of rounding that is proven for floats is the shortest.
    fn fuses(&self) -> bool {
        false
    }

    /// Vectors of channels and pixels of tiles, smallest first. There is a tile of one pixel for each number of vectors;
    /// those that have no other are for layers of one pixel.
    fn tiles(&self) -> &'static [(usize, usize)];

    /// What [`products`](Self::products) has to know of the weights of a block, whose patches have runs of so many words, to
    /// choose the fastest way to multiply that is exact.
    fn ways(&self, w: &[i8], vectors: usize, words: usize) -> Vec<u8> {
        let _ = (w, vectors, words);
        Vec::new()
    }

    /// Values as they lie in words, `word / values` bytes each.
    fn put(&self, x: &[i8], values: &mut [u8]);

    /// Rows whose values a word of a depthwise layer holds. A family of one row reads the image where it lies.
    fn rows(&self) -> usize {
        self.values()
    }

    /// Words of 32 bits of one value from each of [`rows`](Self::rows) rows: `4 · lanes` words from each place, places
    /// being `step` values apart.
    fn interleave(&self, rows: &[&[i8]], step: usize, words: &mut [u32]) {
        let _ = (rows, step, words);
    }

    /// Patches times weights, requantized.
    fn products(&self, x: &Patches<'_>, w: &Weights<'_>, out: &Out<'_>, y: &mut [i8]);

    /// As [`ways`](Self::ways), for the weights of a block of a depthwise layer.
    fn depthwise_way(&self, w: &[i8]) -> u8 {
        let _ = w;
        0
    }

    /// Which layers are faster by Winograd's transform, if any are.
    fn wide(&self) -> Option<Wide>;

    /// [`spread`](super::winograd::spread), compiled for the family.
    fn spread(&self, x: &[i8], steps: [usize; 2], values: &mut [Values]);

    /// Patches of 16-bit values, [`Wide::values`] a word, times 16-bit weights of sixteen channels; the sums go
    /// where their places say.
    fn wide_products(&self, x: &Patches<'_>, w: &[i16], sums: &mut [i32]);

    /// [`collect`](super::winograd::collect), compiled for the family, requantized.
    fn collect(&self, tile: &Collected<'_>, out: &Out<'_>, y: &mut [i8]);

    /// Sums over the taps of one block of 4 · lanes channels, requantized.
    fn depthwise(&self, d: &Depthwise<'_>, out: &Out<'_>, y: &mut [i8]);

    /// Element-wise sums of equally long slices.
    fn add(&self, a: &[i8], b: &[i8], sum: &Sum, y: &mut [i8]);
}

/// Which layers Winograd's transform makes faster.
pub(crate) struct Wide {
    /// 16-bit values of a word of [`Engine::wide_products`].
    pub(crate) values: usize,
    /// The least input channels.
    pub(crate) channels: usize,
    /// Tiles from which on weights, which are eight times as long, are worth their way from memory.
    pub(crate) tiles: usize,
}

/// The weights of a block of channels.
pub(crate) struct Weights<'a> {
    /// For each word of a patch, `vectors` · lanes words.
    pub(crate) values: &'a [i8],
    pub(crate) vectors: usize,
    /// What [`Engine::ways`] says of them.
    #[cfg_attr(target_arch = "x86_64", allow(dead_code))]
    pub(crate) ways: &'a [u8],
}

/// Where a pixel's patch or window starts, and where its first output goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// In bytes.
    pub(crate) from: u32,
    /// In outputs.
    pub(crate) to: u32,
}

/// Places of which neither offset falls.
pub(crate) struct Order(Vec<Place>);

impl Order {
    pub(crate) fn new(places: Vec<Place>) -> Self {
        assert!(places.is_sorted_by(|a, b| a.from <= b.from && a.to <= b.to));
        Self(places)
    }

    /// The first `n`.
    pub(crate) fn first(&self, n: usize) -> Places<'_> {
        Places(&self.0[..n])
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Some of an [`Order`]: the last has the largest offsets.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a>(&'a [Place]);

impl Places<'_> {
    /// The last.
    fn end(&self) -> Place {
        self.0.last().copied().unwrap_or(Place { from: 0, to: 0 })
    }
}

impl Deref for Places<'_> {
    type Target = [Place];

    fn deref(&self) -> &[Place] {
        self.0
    }
}

/// The patches of some pixels, values as [`Engine::put`] lays them out: `runs` runs of `len` words each, `stride` bytes
/// apart. Words may lie at any byte.
pub(crate) struct Patches<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) places: Places<'a>,
    pub(crate) runs: usize,
    pub(crate) stride: usize,
    pub(crate) len: usize,
}

impl Patches<'_> {
    /// Behind the last sum, where each place has so many.
    pub(crate) fn sums(&self, each: usize) -> usize {
        self.places.end().to as usize + each
    }

    /// Words of a patch.
    pub(crate) fn length(&self) -> usize {
        self.runs * self.len
    }

    /// Behind the last byte that is read, words being so long.
    pub(crate) fn end(&self, word: usize) -> usize {
        self.places.end().from as usize + self.runs.saturating_sub(1) * self.stride + word * self.len
    }
}

/// A tile of Winograd's transform: its sums, and where the outputs go that lie in the image, `high` rows of `wide`.
pub(crate) struct Collected<'a> {
    pub(crate) sums: &'a Sums,
    pub(crate) places: [Place; OUTPUTS],
    pub(crate) high: usize,
    pub(crate) wide: usize,
}

/// The windows of some pixels over a block of channels, from words that [`Engine::interleave`] makes, or from the bytes
/// of the image.
pub(crate) struct Depthwise<'a> {
    pub(crate) x: &'a [u8],
    /// From the block's first channel of a window's first tap.
    pub(crate) places: Places<'a>,
    /// Distance of each tap from the first, in bytes.
    pub(crate) taps: &'a [usize],
    /// The weights of each channel of each tap, one of each row.
    pub(crate) w: &'a [i8],
    /// What [`Engine::depthwise_way`] says of them.
    #[cfg_attr(target_arch = "x86_64", allow(dead_code))]
    pub(crate) way: u8,
}

impl Collected<'_> {
    /// Behind the last output, of so many channels each.
    pub(crate) fn end(&self, channels: usize) -> usize {
        self.places.iter().fold(0, |last, place| last.max(place.to)) as usize + channels
    }
}

impl Depthwise<'_> {
    /// Behind the last byte that is read, when a tap has so many.
    pub(crate) fn end(&self, bytes: usize) -> usize {
        self.places.end().from as usize + self.taps.iter().max().map_or(0, |tap| tap + bytes)
    }
}

/// How the sums of some channels become int8, and where they go. The constants are there for whole vectors, those of
/// channels behind `channels` being 0. Outputs behind `channels`, of whole vectors, may be written with anything where
/// they lie in `y`: layers go from the last channels to the first, and from pixel to pixel, so that these come later.
pub(crate) struct Out<'a> {
    pub(crate) profile: Profile,
    /// What sums start with.
    pub(crate) bias: &'a [i32],
    /// Mantissas, or float bits.
    pub(crate) mult: &'a [i32],
    /// Bits to the left before the product.
    pub(crate) left: &'a [i32],
    /// Added before the last shift.
    pub(crate) add: &'a [i32],
    /// The last shift, to the right.
    pub(crate) right: &'a [i32],
    pub(crate) zero: i32,
    pub(crate) min: i8,
    pub(crate) max: i8,
    /// Channels that are written.
    pub(crate) channels: usize,
}

impl Out<'_> {
    /// Whether the constants are there for all of a tile's `channels`.
    pub(crate) fn fits(&self, channels: usize) -> bool {
        let all = [self.bias, self.mult, self.left, self.add, self.right];
        all.iter().all(|of| of.len() >= channels) && self.channels <= channels
    }

    /// Behind the last output.
    pub(crate) fn end(&self, places: &Places<'_>) -> usize {
        places.end().to as usize + self.channels
    }
}

/// A product with a scale: shifts as in [`Out`].
pub(crate) struct Rescale {
    pub(crate) mult: i32,
    pub(crate) left: i32,
    pub(crate) add: i32,
    pub(crate) right: i32,
}

/// The constants of an element-wise sum.
pub(crate) enum Sum {
    /// `a · a_scale + b · b_scale + offset` in floats, rounded half to even; the offset holds the zero points.
    Float { scales: [f32; 2], offset: f32, min: i8, max: i8 },
    /// As the operator defines it.
    Exact(ExactSum),
}

/// An element-wise sum in integers.
pub(crate) struct ExactSum {
    pub(crate) profile: Profile,
    /// Bits that both inputs are shifted left by.
    pub(crate) left: i32,
    /// Zero points of the inputs and of the output.
    pub(crate) zeros: [i32; 3],
    pub(crate) a: Rescale,
    pub(crate) b: Rescale,
    pub(crate) y: Rescale,
    pub(crate) min: i8,
    pub(crate) max: i8,
}
