//! AArch64 with packed weights: products for convolutions and dense layers, depthwise sums and sums of images, on NEON
//! and on its dot products. All families requantize alike (`lanes`) and add alike (`sum`); they differ in how weights
//! and values are multiplied. Which layer uses which is `packed`'s to say.

#![allow(unsafe_code)]

mod dotprod;
mod lanes;
mod neon;
mod slide;
mod sum;
mod winograd;

use std::vec::Vec;

use crate::packed::engine::{Collected, Depthwise, Engine, Out, Patches, Sum, Weights, Wide};
use crate::packed::winograd::{CHANNELS, Values, spread};

/// Sums of a vector.
const LANES: usize = 4;
/// Channels of a depthwise block.
const BLOCK: usize = 4 * LANES;

/// A family of instructions. Its existence proves that the machine has them: it is only given out where it is
/// [`present`].
struct Family {
    name: &'static str,
    present: fn() -> bool,
    /// Values of a word.
    values: usize,
    /// Bytes of a word.
    word: usize,
    /// Whether its products are so few to an instruction that Winograd's transform saves some.
    wide: bool,
    ways: fn(&[i8], usize, usize) -> Vec<u8>,
    /// # Safety
    /// The family's instructions, and what [`Engine::products`] asserts.
    products: unsafe fn(&Patches<'_>, &Weights<'_>, &Out<'_>, &mut [i8]),
}

/// NEON, which every AArch64 processor has: sixteen values a word, multiplied to 16 bits and summed in pairs.
static NEON: Family = Family {
    name: "neon",
    present: || std::arch::is_aarch64_feature_detected!("neon"),
    values: 16,
    word: 16,
    wide: true,
    ways: neon::ways,
    products: neon::products,
};

/// The dot products of Armv8.2: four values a word.
static DOTPROD: Family = Family {
    name: "dotprod",
    present: || std::arch::is_aarch64_feature_detected!("dotprod"),
    values: 4,
    word: 4,
    wide: false,
    ways: |_, _, _| Vec::new(),
    products: dotprod::products,
};

/// The families that this machine has, slowest first.
pub(crate) fn present() -> impl Iterator<Item = &'static dyn Engine> {
    [&NEON, &DOTPROD].into_iter().filter(|family| (family.present)()).map(|family| family as &dyn Engine)
}

impl Engine for Family {
    fn name(&self) -> &'static str {
        self.name
    }

    fn half(&self) -> Option<&'static str> {
        None
    }

    fn lanes(&self) -> usize {
        LANES
    }

    fn values(&self) -> usize {
        self.values
    }

    fn word(&self) -> usize {
        self.word
    }

    fn offset(&self) -> i32 {
        0
    }

    fn rows(&self) -> usize {
        1
    }

    fn tiles(&self) -> &'static [(usize, usize)] {
        &[(1, 4), (2, 4), (3, 4), (4, 4), (8, 4), (16, 4), (32, 4)]
    }

    fn ways(&self, w: &[i8], vectors: usize, words: usize) -> Vec<u8> {
        (self.ways)(w, vectors, words)
    }

    fn depthwise_way(&self, w: &[i8]) -> u8 {
        slide::way(w)
    }

    fn put(&self, x: &[i8], values: &mut [u8]) {
        values.copy_from_slice(bytemuck::cast_slice(x));
    }

    fn products(&self, x: &Patches<'_>, w: &Weights<'_>, out: &Out<'_>, y: &mut [i8]) {
        let channels = w.vectors * LANES;
        assert!(x.end(self.word) <= x.bytes.len() && w.values.len() >= x.length() * channels * self.values);
        assert!(out.fits(channels) && out.channels + LANES > channels && out.end(&x.places) <= y.len());
        // SAFETY: the family's existence proves its instructions; patches, weights, channels and outputs lie in their
        // slices.
        unsafe { (self.products)(x, w, out, y) }
    }

    fn wide(&self) -> Option<Wide> {
        self.wide.then_some(Wide { values: 1, channels: CHANNELS, tiles: 12 })
    }

    fn spread(&self, x: &[i8], steps: [usize; 2], values: &mut [Values]) {
        spread(x, steps, values);
    }

    fn wide_products(&self, x: &Patches<'_>, w: &[i16], sums: &mut [i32]) {
        assert!(x.end(2) <= x.bytes.len() && x.len.is_multiple_of(8) && w.len() >= x.length() * CHANNELS);
        assert!(x.sums(CHANNELS) <= sums.len());
        // SAFETY: the family's existence proves NEON; patches, weights and sums lie in their slices.
        unsafe { winograd::products(x, w, sums) }
    }

    fn collect(&self, tile: &Collected<'_>, out: &Out<'_>, y: &mut [i8]) {
        assert!(out.fits(CHANNELS) && tile.end(out.channels) <= y.len());
        // SAFETY: the family's existence proves NEON; channels and outputs lie in their slices.
        unsafe { winograd::collect(tile, out, y) }
    }

    fn depthwise(&self, d: &Depthwise<'_>, out: &Out<'_>, y: &mut [i8]) {
        assert!(d.end(BLOCK) <= d.x.len() && d.w.len() >= d.taps.len() * BLOCK);
        assert!(out.fits(BLOCK) && out.end(&d.places) <= y.len());
        // SAFETY: the family's existence proves NEON; taps, weights, channels and outputs lie in their slices.
        unsafe { slide::depthwise(d, out, y) }
    }

    fn add(&self, a: &[i8], b: &[i8], sum: &Sum, y: &mut [i8]) {
        assert!(a.len() == y.len() && b.len() == y.len());
        // SAFETY: the family's existence proves NEON.
        unsafe { sum::add(a, b, sum, y) }
    }
}
