//! The border between the layers of [`packed`](crate::packed), which are safe and know no instruction, and the
//! families of instructions in `isa`, which know no layer.

use mote_format::Rounding;

/// A family of instructions that computes tiles. Its existence proves that the machine has them.
pub(crate) trait Engine: Sync {
    /// Its name, as in `--isa`.
    fn name(&self) -> &'static str;

    /// The family with vectors of half the length.
    fn half(&self) -> Option<&'static str>;

    /// Channels in a vector of sums.
    fn lanes(&self) -> usize;

    /// Values of one channel that are multiplied together: a word of 32 bits holds so many.
    fn values(&self) -> usize;

    /// The most vectors of channels in a tile.
    fn most_vectors(&self) -> usize;

    /// The most pixels in a tile of so many vectors.
    fn most_pixels(&self, vectors: usize) -> usize;

    /// Bytes as words; `x` has [`values`](Self::values) bytes a word.
    fn words(&self, x: &[i8], words: &mut [u32]);

    /// Bytes as 16-bit values.
    fn widen(&self, x: &[i8], y: &mut [i16]);

    /// Patches times weights, requantized. `w` holds, for each word of a patch, `vectors` · lanes words of weights.
    fn tile(&self, x: &Patches<'_>, w: &[i8], vectors: usize, out: &Out<'_>, y: &mut [i8]);

    /// Sums over the taps of one block of 2 · lanes channels, requantized.
    fn depthwise(&self, d: &Depthwise<'_>, out: &Out<'_>, y: &mut [i8]);

    /// Element-wise sums of equally long slices.
    fn add(&self, a: &[i8], b: &[i8], sum: &Sum, y: &mut [i8]);
}

/// The words of the patches of some pixels: `runs` runs of `len` words each, `stride` apart; the patch of the next
/// pixel starts `step` words later.
pub(crate) struct Patches<'a> {
    pub(crate) words: &'a [u32],
    pub(crate) pixels: usize,
    pub(crate) step: usize,
    pub(crate) runs: usize,
    pub(crate) stride: usize,
    pub(crate) len: usize,
}

impl Patches<'_> {
    /// Words of a patch.
    pub(crate) fn length(&self) -> usize {
        self.runs * self.len
    }

    /// Behind the last word that is read.
    pub(crate) fn end(&self) -> usize {
        self.pixels.saturating_sub(1) * self.step + self.runs.saturating_sub(1) * self.stride + self.len
    }
}

/// The windows of some pixels over a block of channels of 16-bit values.
pub(crate) struct Depthwise<'a> {
    /// The values; the first is the block's first channel of the first pixel's first tap.
    pub(crate) x: &'a [i16],
    pub(crate) pixels: usize,
    /// Values from one pixel's window to the next one's.
    pub(crate) step: usize,
    /// Distance of each tap from the first; of an even number.
    pub(crate) taps: &'a [usize],
    /// For each pair of taps, interleaved, the weights of the channels in the order of `low` lanes and `high` lanes.
    pub(crate) w: &'a [i16],
}

impl Depthwise<'_> {
    /// Behind the last value that is read, when a tap has `channels` of them.
    pub(crate) fn end(&self, channels: usize) -> usize {
        let last = self.taps.iter().max().map_or(0, |t| t + channels);
        self.pixels.saturating_sub(1) * self.step + last
    }
}

/// How the sums of some channels become int8, and where they go. The constants are there for whole vectors, those of
/// channels behind `channels` being 0.
pub(crate) struct Out<'a> {
    pub(crate) round: Rounding,
    pub(crate) bias: &'a [i32],
    /// Mantissas, or float bits.
    pub(crate) mult: &'a [i32],
    /// *double*: bits to the left before the product.
    pub(crate) left: &'a [i32],
    /// *double* and *single*: bits to the right after it.
    pub(crate) right: &'a [i32],
    /// *double*: `2^right − 1`.
    pub(crate) mask: &'a [i32],
    /// *single*: `2^(right − 1)`.
    pub(crate) half: &'a [i32],
    pub(crate) zero: i32,
    pub(crate) min: i8,
    pub(crate) max: i8,
    /// Channels that are written.
    pub(crate) channels: usize,
    /// Outputs from one pixel to the next.
    pub(crate) stride: usize,
}

impl Out<'_> {
    /// Whether the constants are there for all of a tile's `channels`, and some of the last vector are written.
    pub(crate) fn fits(&self, channels: usize, lanes: usize) -> bool {
        let all = [self.bias, self.mult, self.left, self.right, self.mask, self.half];
        all.iter().all(|of| of.len() >= channels)
            && self.channels <= channels
            && (self.channels + lanes > channels || channels == 2 * lanes)
    }

    /// Behind the last output of so many pixels.
    pub(crate) fn end(&self, pixels: usize) -> usize {
        pixels.saturating_sub(1) * self.stride + self.channels
    }
}

/// A product with a scale: shifts as in [`Out`].
pub(crate) struct Rescale {
    pub(crate) mult: i32,
    pub(crate) left: i32,
    pub(crate) right: i32,
    pub(crate) mask: i32,
    pub(crate) half: i32,
}

/// The constants of an element-wise sum.
pub(crate) struct Sum {
    pub(crate) round: Rounding,
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
