//! Weights of four bits, indices into a palette: what a layer of them is, and its products in plain Rust, which decode a
//! few weights at a time. How indices lie in memory is `mote_format`'s; sets with loops of their own are in `isa`.

use mote_format::{INT4, PALETTE};

use crate::isa::{Block, Isa, Rows, Tile};
use crate::quant::Channels;
use crate::ways;

/// A layer with weights of four bits.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Indexed<'a> {
    /// A row of indices per channel, each as long as a patch of the block that it meets: whole words of eight.
    pub rows: &'a [u8],
    /// What the indices stand for.
    pub palette: [i16; PALETTE],
    /// Whether an index is its weight plus 8.
    pub int4: bool,
    /// From sums to outputs.
    pub channels: Channels<'a>,
    /// Whether the short way of rounding is exact for all channels.
    pub plain: bool,
    /// Outputs from one pixel to the next.
    pub stride: usize,
}

impl<'a> Indexed<'a> {
    /// The layer of these rows.
    pub fn new<I: Isa>(
        isa: I,
        rows: &'a [u8],
        palette: &[i8; PALETTE],
        channels: Channels<'a>,
        stride: usize,
    ) -> Self {
        let plain = isa.is_plain(&channels);
        Self { rows, palette: palette.map(i16::from), int4: *palette == INT4, channels, plain, stride }
    }

    /// The rows of indices, for patches of so many values.
    #[inline(always)]
    pub fn rows(&self, len: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.rows.chunks_exact((len / 2).max(1)).take(self.channels.bias.len())
    }
}

/// Where in a word the index of each of its eight weights lies, in bits.
pub(crate) const BITS: [u32; 8] = [0, 4, 16, 20, 8, 12, 24, 28];

/// Weights that are decoded together: whole words.
const PART: usize = 64;

/// Rows that are decoded together: channels of the widest tile.
const ROWS: usize = 4;

/// The outputs for a block of patches that lie one behind the other.
#[inline(always)]
pub(crate) fn product<I: Isa>(isa: I, block: &Block<'_>, layer: &Indexed<'_>, y: &mut [i8]) {
    let x = Rows { data: block.scratch, stride: block.len, count: block.count, len: block.len };
    if isa.may(ways::BLOCKS) && block.count == I::Tile::PIXELS {
        tiles(isa, x, layer, y, I::tile);
    } else {
        tiles(isa, x, layer, y, I::line);
    }
}

#[inline(always)]
fn tiles<I: Isa, T: Tile>(
    isa: I,
    x: Rows<'_>,
    layer: &Indexed<'_>,
    y: &mut [i8],
    dot: impl Fn(I, Rows<'_>, Rows<'_>) -> T,
) {
    let (row, channels) = (x.len / 2, T::CHANNELS.min(ROWS));
    for n in (0..layer.channels.bias.len()).step_by(channels) {
        let count = channels.min(layer.channels.bias.len() - n);
        let mut sums = [[0i32; ROWS]; crate::isa::MAX_PIXELS];
        for at in (0..x.len).step_by(PART) {
            let len = PART.min(x.len - at);
            let mut w = [0i8; ROWS * PART];
            for (i, w) in w.chunks_exact_mut(PART).take(count).enumerate() {
                decode(&layer.rows[(n + i) * row + at / 2..][..len / 2], &layer.palette, w);
            }
            let w = Rows { data: &w, stride: PART, count, len };
            let tile = dot(isa, Rows { data: &x.data[at..], len, ..x }, w);
            for (i, sums) in sums[..T::PIXELS].iter_mut().enumerate() {
                let more = &tile.pixel(i)[..count];
                sums.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.wrapping_add(*more));
            }
        }
        let part = layer.channels.part(n, count);
        for (i, sums) in sums[..T::PIXELS].iter().enumerate() {
            isa.requantize(&sums[..count], &part, &mut y[i * layer.stride + n..][..count]);
        }
    }
}

/// Some words of indices as weights.
#[inline(always)]
fn decode(indices: &[u8], palette: &[i16; PALETTE], w: &mut [i8]) {
    for (word, w) in indices.as_chunks::<4>().0.iter().zip(w.as_chunks_mut::<8>().0) {
        let word = u32::from_le_bytes(*word);
        *w = BITS.map(|bits| palette[(word >> bits & 15) as usize] as i8);
    }
}

/// All rows decoded, each of `len` weights: for hosts, which do so once.
#[cfg(feature = "std")]
pub(crate) fn decoded(rows: &[u8], palette: &[i8], len: usize) -> std::vec::Vec<i8> {
    let bytes = mote_format::palette_row(len).unwrap_or(0).max(1);
    let weight = |row, at| palette.get(mote_format::palette_index(row, at)).copied().unwrap_or(0);
    rows.chunks_exact(bytes).flat_map(|row| (0..len).map(move |at| weight(row, at))).collect()
}
