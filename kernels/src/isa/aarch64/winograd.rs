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

/// The sums of all places.
///
/// # Safety
/// NEON, and what [`Engine::wide_products`](crate::packed::engine::Engine::wide_products) asserts.
#[target_feature(enable = "neon")]
pub(super) unsafe fn products(x: &Patches<'_>, w: &[i16], sums: &mut [i32]) {
    let (mut places, sums) = (x.places, sums.as_mut_ptr());
    // SAFETY: the caller's promise, for some of the pixels.
    unsafe {
        while let Some((first, rest)) = places.split_first_chunk::<4>() {
            tile(x, first, w.as_ptr(), sums);
            places = rest;
        }
        for place in places {
            tile(x, &[*place], w.as_ptr(), sums);
        }
    }
}

/// The sums of `M` places.
///
/// # Safety
/// As [`products`].
#[inline]
#[target_feature(enable = "neon")]
unsafe fn tile<const M: usize>(x: &Patches<'_>, places: &[Place; M], mut w: *const i16, sums: *mut i32) {
    let next = x.stride - 2 * x.len;
    // SAFETY: `w` moves by the weights of sixteen channels for each value of a patch, the pixels by vectors of values; runs
    // are of whole vectors.
    unsafe {
        let mut tile = [[vdupq_n_s32(0); VECTORS]; M];
        let mut pixels = places.map(|place| x.bytes.as_ptr().add(place.from as usize));
        for _ in 0..x.runs {
            for _ in 0..x.len / VALUES {
                let values = pixels.map(|x| vld1q_s16(x.cast()));
                pixels = pixels.map(|x| x.add(2 * VALUES));
                each::<0, M>(&mut tile, values, &mut w);
                each::<1, M>(&mut tile, values, &mut w);
                each::<2, M>(&mut tile, values, &mut w);
                each::<3, M>(&mut tile, values, &mut w);
                each::<4, M>(&mut tile, values, &mut w);
                each::<5, M>(&mut tile, values, &mut w);
                each::<6, M>(&mut tile, values, &mut w);
                each::<7, M>(&mut tile, values, &mut w);
            }
            pixels = pixels.map(|x| x.wrapping_add(next));
        }
        for (vectors, place) in tile.iter().zip(places) {
            let [a, b, c, d] = *vectors;
            vst1q_s32_x4(sums.add(place.to as usize), int32x4x4_t(a, b, c, d));
        }
    }
}

/// Sums plus the products of value `LANE` of each pixel with its weights; `w` moves on.
///
/// # Safety
/// The weights are there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn each<const LANE: i32, const M: usize>(
    tile: &mut [[V; VECTORS]; M],
    values: [int16x8_t; M],
    w: &mut *const i16,
) {
    // SAFETY: the caller's promise.
    let (low, high) = unsafe { (vld1q_s16(*w), vld1q_s16(w.add(VALUES))) };
    *w = w.wrapping_add(CHANNELS);
    for ([a, b, c, d], x) in tile.iter_mut().zip(values) {
        // In one piece, or the compiler runs out of the registers that lanes may come from.
        // SAFETY: registers only.
        unsafe {
            asm!(
                "smlal {a:v}.4s, {low:v}.4h, {x:v}.h[{lane}]",
                "smlal2 {b:v}.4s, {low:v}.8h, {x:v}.h[{lane}]",
                "smlal {c:v}.4s, {high:v}.4h, {x:v}.h[{lane}]",
                "smlal2 {d:v}.4s, {high:v}.8h, {x:v}.h[{lane}]",
                a = inout(vreg) *a, b = inout(vreg) *b, c = inout(vreg) *c, d = inout(vreg) *d,
                low = in(vreg) low, high = in(vreg) high, x = in(vreg_low16) x, lane = const LANE,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
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
