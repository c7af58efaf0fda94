//! Winograd's transform on NEON: products of 16-bit values with lanes of others, four channels an instruction.

use core::arch::aarch64::*;
use core::arch::asm;

use super::LANES;
use super::lanes::{Range, Scales, V, by_profile, store};
use crate::packed::engine::{Collected, Out, Patches, Place};
use crate::packed::winograd::{self, CHANNELS, OUTPUTS};

/// Vectors of sums of a block.
const VECTORS: usize = CHANNELS / LANES;
/// Values of a vector.
const VALUES: usize = 8;

/// Places at a time.
const PLACES: usize = 4;

/// The sums of all places, four at a time; the last four may have been computed before.
///
/// # Safety
/// NEON, and what [`Engine::wide_products`](crate::packed::engine::Engine::wide_products) asserts.
#[target_feature(enable = "neon")]
pub(super) unsafe fn products(x: &Patches<'_>, w: &[i16], sums: &mut [i32]) {
    let (chunks, rest) = x.places.as_chunks::<PLACES>();
    let last = (!rest.is_empty()).then(|| {
        let last = |n: usize| x.places[(x.places.len() + n).saturating_sub(PLACES).min(x.places.len() - 1)];
        core::array::from_fn(last)
    });
    for places in chunks.iter().chain(&last) {
        // SAFETY: the caller's promise, for some of the places.
        unsafe { tile(x, places, w.as_ptr(), sums.as_mut_ptr()) };
    }
}

/// The sums of four places.
///
/// # Safety
/// As [`products`].
#[target_feature(enable = "neon")]
unsafe fn tile(x: &Patches<'_>, places: &[Place; PLACES], mut w: *const i16, sums: *mut i32) {
    let next = x.stride - 2 * x.len;
    let mut tile = [[vdupq_n_s32(0); VECTORS]; PLACES];
    // SAFETY: `w` moves by the weights of sixteen channels for each value of a patch, the pixels by vectors of values; runs
    // are of whole vectors.
    unsafe {
        let mut pixels = places.map(|place| x.bytes.as_ptr().add(place.from as usize));
        for _ in 0..x.runs {
            for _ in 0..x.len / VALUES {
                eight(&mut tile, &mut pixels, &mut w);
            }
            pixels = pixels.map(|x| x.wrapping_add(next));
        }
        for (vectors, place) in tile.iter().zip(places) {
            for (n, &vector) in vectors.iter().enumerate() {
                vst1q_s32(sums.add(place.to as usize + n * LANES), vector);
            }
        }
    }
}

/// The products of one value of four pixels with the weights of sixteen channels, as instructions.
macro_rules! value {
    ($lane:literal) => {
        concat!(
            "ldp {low:q}, {high:q}, [{w}], #32\n",
            value!("a", $lane),
            value!("b", $lane),
            value!("c", $lane),
            value!("d", $lane),
        )
    };
    ($pixel:literal, $lane:literal) => {
        concat!(
            value!("smlal", $pixel, "0", "low", "4h", $lane),
            value!("smlal2", $pixel, "1", "low", "8h", $lane),
            value!("smlal", $pixel, "2", "high", "4h", $lane),
            value!("smlal2", $pixel, "3", "high", "8h", $lane),
        )
    };
    ($multiply:literal, $pixel:literal, $sums:literal, $weights:literal, $half:literal, $lane:literal) => {
        concat!(
            $multiply,
            " {",
            $pixel,
            $sums,
            ":v}.4s, {",
            $weights,
            ":v}.",
            $half,
            ", {",
            $pixel,
            ":v}.h[",
            $lane,
            "]\n",
        )
    };
}

/// Sums plus the products of eight values of each pixel; all pointers move on. In one piece, since the compiler runs out of
/// the registers that lanes may come from.
///
/// # Safety
/// The values and the weights are there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn eight(tile: &mut [[V; VECTORS]; PLACES], pixels: &mut [*const u8; PLACES], w: &mut *const i16) {
    let [[a0, a1, a2, a3], [b0, b1, b2, b3], [c0, c1, c2, c3], [d0, d1, d2, d3]] = tile;
    let [pa, pb, pc, pd] = pixels;
    // SAFETY: the caller's promise; nothing else is read.
    unsafe {
        asm!(
            "ldr {a:q}, [{pa}], #16",
            "ldr {b:q}, [{pb}], #16",
            "ldr {c:q}, [{pc}], #16",
            "ldr {d:q}, [{pd}], #16",
            value!("0"), value!("1"), value!("2"), value!("3"),
            value!("4"), value!("5"), value!("6"), value!("7"),
            a0 = inout(vreg) *a0, a1 = inout(vreg) *a1, a2 = inout(vreg) *a2, a3 = inout(vreg) *a3,
            b0 = inout(vreg) *b0, b1 = inout(vreg) *b1, b2 = inout(vreg) *b2, b3 = inout(vreg) *b3,
            c0 = inout(vreg) *c0, c1 = inout(vreg) *c1, c2 = inout(vreg) *c2, c3 = inout(vreg) *c3,
            d0 = inout(vreg) *d0, d1 = inout(vreg) *d1, d2 = inout(vreg) *d2, d3 = inout(vreg) *d3,
            pa = inout(reg) *pa, pb = inout(reg) *pb, pc = inout(reg) *pc, pd = inout(reg) *pd,
            a = out(vreg_low16) _, b = out(vreg_low16) _, c = out(vreg_low16) _, d = out(vreg_low16) _,
            w = inout(reg) *w, low = out(vreg) _, high = out(vreg) _,
            options(readonly, nostack, preserves_flags),
        );
    }
}

/// A tile's outputs.
///
/// # Safety
/// NEON, and what [`Engine::collect`](crate::packed::engine::Engine::collect) asserts.
#[target_feature(enable = "neon")]
pub(super) unsafe fn collect(tile: &Collected<'_>, out: &Out<'_>, y: &mut [i8]) {
    // SAFETY: the caller's promise.
    unsafe { by_profile!(out, requantized; tile, out, y) }
}

/// # Safety
/// As [`collect`].
#[target_feature(enable = "neon")]
unsafe fn requantized<const PROFILE: u8>(tile: &Collected<'_>, out: &Out<'_>, y: &mut [i8]) {
    let mut sums = [[0; CHANNELS]; OUTPUTS];
    let bias = out.bias.first_chunk().expect("constants for whole vectors");
    winograd::collect(tile.sums, bias, &mut sums);
    let range = Range::new(out.zero, out.min, out.max);
    // SAFETY: constants and outputs are there.
    unsafe {
        let scales: [Scales; VECTORS] = core::array::from_fn(|n| Scales::at(out, n * LANES));
        for (i, sums) in sums.chunks_exact(4).enumerate().take(tile.high) {
            for (sums, place) in sums.iter().zip(&tile.places[i * tile.wide..][..tile.wide]) {
                let sums = vld1q_s32_x4(sums.as_ptr());
                let sums = [sums.0, sums.1, sums.2, sums.3];
                let bytes =
                    range.requantize::<PROFILE>(sums, [&scales[0], &scales[1], &scales[2], &scales[3]]);
                store(y.as_mut_ptr().add(place.to as usize), bytes, out.channels);
            }
        }
    }
}
