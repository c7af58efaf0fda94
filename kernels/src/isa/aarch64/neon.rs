//! Products on NEON: the patch of a pixel and the weights of a channel are multiplied sixteen values at a time, to
//! 16 bits, where some are summed before they are widened to 32. Four channels of four pixels are a tile.

use core::arch::aarch64::*;
use core::arch::asm;
use std::vec::Vec;

use super::LANES;
use super::lanes::{Range, Scales, V, add4, by_profile, load4, load4_low, store};
use crate::packed::engine::{Out, Patches, Place, Weights};

/// Products that a lane of 16 bits may sum up for two words: as many as cannot leave it whatever the activations are.
const ONE: u8 = 0;
const TWO: u8 = 1;
const FOUR: u8 = 2;
/// A vector whose ways differ.
const MIXED: u8 = 3;

/// Values of a word.
const WORD: usize = 16;
/// Weights of a word of each of a vector's channels.
const VECTOR: usize = LANES * WORD;

/// How many products lanes can sum up, for each vector, each two words of a run and the one that is left. Activations are
/// −128 at most, so the magnitudes of the weights that meet in a lane may sum up to 255.
pub(super) fn ways(w: &[i8], vectors: usize, words: usize) -> Vec<u8> {
    let block = vectors * VECTOR;
    let runs = w.chunks_exact((words * block).max(1));
    let vector = |v: usize| {
        let steps = runs.clone().flat_map(move |run| run.chunks(2 * block));
        steps.map(move |step| way(step.chunks(block).map(|word| &word[v * VECTOR..][..VECTOR])))
    };
    (0..vectors).flat_map(vector).collect()
}

/// How many products lanes can sum up for one or two words.
fn way<'w>(words: impl Iterator<Item = &'w [i8]> + Clone) -> u8 {
    let magnitude = |word: &[i8], at: usize| u32::from(word[at].unsigned_abs());
    let pair = |word: &[i8], at: usize| magnitude(word, at) + magnitude(word, at + WORD / 2);
    let mut lanes = (0..VECTOR).filter(|at| at % WORD < WORD / 2);
    if lanes.clone().all(|at| words.clone().map(|word| pair(word, at)).sum::<u32>() <= 255) {
        FOUR
    } else if lanes.all(|at| words.clone().all(|word| pair(word, at) <= 255)) {
        TWO
    } else {
        ONE
    }
}

/// The outputs of all patches, vector of channels after vector.
///
/// # Safety
/// NEON, and what [`Engine::products`](crate::packed::engine::Engine::products) asserts.
#[target_feature(enable = "neon")]
pub(super) unsafe fn products(x: &Patches<'_>, w: &Weights<'_>, out: &Out<'_>, y: &mut [i8]) {
    // SAFETY: the caller's promise.
    unsafe { by_profile!(out, vectors; x, w, out, y) }
}

/// # Safety
/// As [`products`].
#[target_feature(enable = "neon")]
unsafe fn vectors<const PROFILE: u8>(x: &Patches<'_>, w: &Weights<'_>, out: &Out<'_>, y: &mut [i8]) {
    let steps = w.ways.len() / w.vectors;
    let range = Range::new(out.zero, out.min, out.max);
    // The weights and the ways of each vector are there.
    let vector = |v: usize| Vector {
        x,
        w: w.values.as_ptr().wrapping_add(v * VECTOR),
        word: w.vectors * VECTOR,
        ways: &w.ways[v * steps..][..steps],
    };
    let (channels, y) = (|v: usize| out.channels - v * LANES, y.as_mut_ptr());
    // SAFETY: the constants are there for whole vectors, and some of the outputs of each; the pixels lie in the patches.
    unsafe {
        if x.places.len() >= 4 {
            for v in 0..w.vectors {
                let (scales, vector) = (Scales::at(out, v * LANES), vector(v));
                let two = vector.ways.iter().all(|&way| way == TWO);
                let (mut pixel, channels) = (0, channels(v).min(LANES));
                while pixel < x.places.len() {
                    pixel = pixel.min(x.places.len() - 4);
                    let sums = if two { vector.sums::<TWO>(pixel) } else { vector.sums::<MIXED>(pixel) };
                    let bytes = range.requantize::<PROFILE>(add4(sums, [scales.bias; 4]), [&scales; 4]);
                    put(bytes, y.add(v * LANES), &*x.places.as_ptr().add(pixel).cast(), channels);
                    pixel += 4;
                }
            }
            return;
        }
        let way = w.ways.iter().copied().min().unwrap_or(ONE);
        for (pixel, v) in
            (0..x.places.len()).flat_map(|pixel| (0..w.vectors).step_by(4).map(move |v| (pixel, v)))
        {
            let four = |n: usize| (v + n).min(w.vectors - 1);
            let all = [v, four(1), four(2), four(3)];
            let [s0, s1, s2, s3] = all.map(|v| Scales::at(out, v * LANES));
            let from = all.map(|v| vector(v).w);
            let sums = match way {
                FOUR => one_pixel::<FOUR>(x, pixel, from, w.vectors * VECTOR),
                TWO => one_pixel::<TWO>(x, pixel, from, w.vectors * VECTOR),
                _ => one_pixel::<ONE>(x, pixel, from, w.vectors * VECTOR),
            };
            let sums = add4(sums, [s0.bias, s1.bias, s2.bias, s3.bias]);
            let bytes = range.requantize::<PROFILE>(sums, [&s0, &s1, &s2, &s3]);
            let y = y.add(x.places.get_unchecked(pixel).to as usize + v * LANES);
            store(y, bytes, channels(v).min(4 * LANES));
        }
    }
}

/// Four channels of four pixels, or fewer channels.
///
/// # Safety
/// The outputs are there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn put(bytes: int8x16_t, y: *mut i8, places: &[Place; 4], channels: usize) {
    let words = vreinterpretq_s32_s8(bytes);
    // SAFETY: the caller's promise.
    unsafe {
        let [a, b, c, d] = places.map(|place| y.add(place.to as usize));
        if channels == LANES {
            vst1q_lane_s32::<0>(a.cast(), words);
            vst1q_lane_s32::<1>(b.cast(), words);
            vst1q_lane_s32::<2>(c.cast(), words);
            vst1q_lane_s32::<3>(d.cast(), words);
            return;
        }
        let mut all = [0i8; 16];
        vst1q_s8(all.as_mut_ptr(), bytes);
        for (pixel, y) in all.as_chunks::<LANES>().0.iter().zip([a, b, c, d]) {
            core::ptr::copy_nonoverlapping(pixel.as_ptr(), y, channels);
        }
    }
}

/// A vector of channels.
struct Vector<'a> {
    x: &'a Patches<'a>,
    w: *const i8,
    /// From the weights of a word to those of the next.
    word: usize,
    ways: &'a [u8],
}

impl Vector<'_> {
    /// The sums of four pixels, a vector of channels each, multiplied in one way or, where it is [`MIXED`], as they say.
    ///
    /// # Safety
    /// The pixels lie in the patches.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn sums<const WAY: u8>(&self, pixel: usize) -> [V; 4] {
        let Patches { bytes, places, runs, stride, len } = *self.x;
        let mut sums = [[vdupq_n_s32(0); LANES]; 4];
        let next = stride.wrapping_sub(WORD * len);
        let (mut w, mut ways) = (self.w, self.ways.as_ptr());
        // SAFETY: `w` moves by the weights of each word of a patch, the pixels by a word, as often as there are words,
        // and `ways` by one for each two words of a run and for one that is left.
        unsafe {
            let mut pixels: [*const i8; 4] = core::array::from_fn(|m| {
                bytes.as_ptr().add(places.get_unchecked(pixel + m).from as usize).cast()
            });
            for _ in 0..runs {
                for _ in 0..len / 2 {
                    let (a, b) = (load4_low(&mut w, self.word), load4(&mut w, self.word));
                    let each = sums.iter_mut().zip(&mut pixels);
                    match if WAY == MIXED { *ways } else { WAY } {
                        FOUR => each.for_each(|(sums, x)| four(sums, x, a, b)),
                        TWO => each.for_each(|(sums, x)| two(sums, x, a, b)),
                        _ => each.for_each(|(sums, x)| (one(sums, x, a), one(sums, x, b)).1),
                    }
                    ways = ways.add(1);
                }
                if len % 2 == 1 {
                    let a = load4(&mut w, self.word);
                    let each = sums.iter_mut().zip(&mut pixels);
                    match if WAY == MIXED { *ways } else { WAY } {
                        ONE => each.for_each(|(sums, x)| one(sums, x, a)),
                        _ => each.for_each(|(sums, x)| pair(sums, x, a)),
                    }
                    ways = ways.add(1);
                }
                pixels = pixels.map(|x| x.wrapping_add(next));
            }
        }
        core::array::from_fn(|m| {
            vpaddq_s32(vpaddq_s32(sums[m][0], sums[m][1]), vpaddq_s32(sums[m][2], sums[m][3]))
        })
    }
}

/// The sums of a pixel, four vectors of channels, whose weights are multiplied alike.
///
/// # Safety
/// The pixel lies in the patches, and the weights of each vector are there, `word` bytes apart.
#[target_feature(enable = "neon")]
unsafe fn one_pixel<const WAY: u8>(
    x: &Patches<'_>,
    pixel: usize,
    mut w: [*const i8; 4],
    word: usize,
) -> [V; 4] {
    let mut sums = [[vdupq_n_s32(0); LANES]; 4];
    // SAFETY: each of `w` moves by the weights of a word of the patch, `at` by a word, as often as there are words.
    unsafe {
        let mut at: *const i8 = x.bytes.as_ptr().add(x.places.get_unchecked(pixel).from as usize).cast();
        for _ in 0..x.runs {
            for _ in 0..x.len / 2 {
                for (sums, w) in sums.iter_mut().zip(&mut w) {
                    let (mut x, a, b) = (at, load4_low(w, word), load4(w, word));
                    match WAY {
                        FOUR => four(sums, &mut x, a, b),
                        TWO => two(sums, &mut x, a, b),
                        _ => (one(sums, &mut x, a), one(sums, &mut x, b)).1,
                    }
                }
                at = at.add(2 * WORD);
            }
            if x.len % 2 == 1 {
                for (sums, w) in sums.iter_mut().zip(&mut w) {
                    let (mut x, a) = (at, load4(w, word));
                    if WAY == ONE { one(sums, &mut x, a) } else { pair(sums, &mut x, a) }
                }
                at = at.add(WORD);
            }
            at = at.wrapping_add(x.stride.wrapping_sub(WORD * x.len));
        }
    }
    sums.map(|[a, b, c, d]| vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)))
}

/// The products of two words of a pixel with four channels in the given order of instructions: registers suffice for the
/// sums of four pixels only when no more of them are in flight. `x` moves behind the words.
macro_rules! products {
    ($name:ident, $doc:literal: $($line:literal)*) => {
        #[doc = $doc]
        ///
        /// # Safety
        /// The words are there.
        #[inline]
        #[target_feature(enable = "neon")]
        unsafe fn $name(sums: &mut [V; 4], x: &mut *const i8, a: [int8x16_t; 4], b: [int8x16_t; 4]) {
            let ([s0, s1, s2, s3], [a0, a1, a2, a3], [b0, b1, b2, b3]) = (sums, a, b);
            // SAFETY: the caller's promise; nothing but the words is read.
            unsafe {
                asm!(
                    "ldp {x0:q}, {x1:q}, [{x}], #32",
                    $($line,)*
                    x = inout(reg) *x, x0 = out(vreg) _, x1 = out(vreg) _,
                    s0 = inout(vreg) *s0, s1 = inout(vreg) *s1, s2 = inout(vreg) *s2, s3 = inout(vreg) *s3,
                    a0 = in(vreg) a0, a1 = in(vreg) a1, a2 = in(vreg) a2, a3 = in(vreg) a3,
                    b0 = in(vreg) b0, b1 = in(vreg) b1, b2 = in(vreg) b2, b3 = in(vreg) b3,
                    p0 = out(vreg) _, p1 = out(vreg) _, p2 = out(vreg) _, p3 = out(vreg) _,
                    options(readonly, nostack, preserves_flags),
                );
            }
        }
    };
}

products! {
    four, "Four products are summed in 16 bits.":
    "smull {p0:v}.8h, {x0:v}.8b, {a0:v}.8b"
    "smull {p1:v}.8h, {x0:v}.8b, {a1:v}.8b"
    "smull {p2:v}.8h, {x0:v}.8b, {a2:v}.8b"
    "smull {p3:v}.8h, {x0:v}.8b, {a3:v}.8b"
    "smlal2 {p0:v}.8h, {x0:v}.16b, {a0:v}.16b"
    "smlal2 {p1:v}.8h, {x0:v}.16b, {a1:v}.16b"
    "smlal2 {p2:v}.8h, {x0:v}.16b, {a2:v}.16b"
    "smlal2 {p3:v}.8h, {x0:v}.16b, {a3:v}.16b"
    "smlal {p0:v}.8h, {x1:v}.8b, {b0:v}.8b"
    "smlal {p1:v}.8h, {x1:v}.8b, {b1:v}.8b"
    "smlal {p2:v}.8h, {x1:v}.8b, {b2:v}.8b"
    "smlal {p3:v}.8h, {x1:v}.8b, {b3:v}.8b"
    "smlal2 {p0:v}.8h, {x1:v}.16b, {b0:v}.16b"
    "smlal2 {p1:v}.8h, {x1:v}.16b, {b1:v}.16b"
    "smlal2 {p2:v}.8h, {x1:v}.16b, {b2:v}.16b"
    "smlal2 {p3:v}.8h, {x1:v}.16b, {b3:v}.16b"
    "sadalp {s0:v}.4s, {p0:v}.8h"
    "sadalp {s1:v}.4s, {p1:v}.8h"
    "sadalp {s2:v}.4s, {p2:v}.8h"
    "sadalp {s3:v}.4s, {p3:v}.8h"
}

products! {
    two, "Two products are summed in 16 bits.":
    "smull {p0:v}.8h, {x0:v}.8b, {a0:v}.8b"
    "smull {p1:v}.8h, {x0:v}.8b, {a1:v}.8b"
    "smull {p2:v}.8h, {x0:v}.8b, {a2:v}.8b"
    "smull {p3:v}.8h, {x0:v}.8b, {a3:v}.8b"
    "smlal2 {p0:v}.8h, {x0:v}.16b, {a0:v}.16b"
    "smlal2 {p1:v}.8h, {x0:v}.16b, {a1:v}.16b"
    "smlal2 {p2:v}.8h, {x0:v}.16b, {a2:v}.16b"
    "smlal2 {p3:v}.8h, {x0:v}.16b, {a3:v}.16b"
    "sadalp {s0:v}.4s, {p0:v}.8h"
    "sadalp {s1:v}.4s, {p1:v}.8h"
    "sadalp {s2:v}.4s, {p2:v}.8h"
    "sadalp {s3:v}.4s, {p3:v}.8h"
    "smull {p0:v}.8h, {x1:v}.8b, {b0:v}.8b"
    "smull {p1:v}.8h, {x1:v}.8b, {b1:v}.8b"
    "smull {p2:v}.8h, {x1:v}.8b, {b2:v}.8b"
    "smull {p3:v}.8h, {x1:v}.8b, {b3:v}.8b"
    "smlal2 {p0:v}.8h, {x1:v}.16b, {b0:v}.16b"
    "smlal2 {p1:v}.8h, {x1:v}.16b, {b1:v}.16b"
    "smlal2 {p2:v}.8h, {x1:v}.16b, {b2:v}.16b"
    "smlal2 {p3:v}.8h, {x1:v}.16b, {b3:v}.16b"
    "sadalp {s0:v}.4s, {p0:v}.8h"
    "sadalp {s1:v}.4s, {p1:v}.8h"
    "sadalp {s2:v}.4s, {p2:v}.8h"
    "sadalp {s3:v}.4s, {p3:v}.8h"
}

/// Two products of one word are summed in 16 bits.
///
/// # Safety
/// The word is there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn pair(sums: &mut [V; 4], x: &mut *const i8, [a0, a1, a2, a3]: [int8x16_t; 4]) {
    let [s0, s1, s2, s3] = sums;
    // SAFETY: the caller's promise; nothing but the word is read.
    unsafe {
        asm!(
            "ldr {x0:q}, [{x}], #16",
            "smull {p0:v}.8h, {x0:v}.8b, {a0:v}.8b",
            "smull {p1:v}.8h, {x0:v}.8b, {a1:v}.8b",
            "smull {p2:v}.8h, {x0:v}.8b, {a2:v}.8b",
            "smull {p3:v}.8h, {x0:v}.8b, {a3:v}.8b",
            "smlal2 {p0:v}.8h, {x0:v}.16b, {a0:v}.16b",
            "smlal2 {p1:v}.8h, {x0:v}.16b, {a1:v}.16b",
            "smlal2 {p2:v}.8h, {x0:v}.16b, {a2:v}.16b",
            "smlal2 {p3:v}.8h, {x0:v}.16b, {a3:v}.16b",
            "sadalp {s0:v}.4s, {p0:v}.8h",
            "sadalp {s1:v}.4s, {p1:v}.8h",
            "sadalp {s2:v}.4s, {p2:v}.8h",
            "sadalp {s3:v}.4s, {p3:v}.8h",
            x = inout(reg) *x, x0 = out(vreg) _,
            s0 = inout(vreg) *s0, s1 = inout(vreg) *s1, s2 = inout(vreg) *s2, s3 = inout(vreg) *s3,
            a0 = in(vreg) a0, a1 = in(vreg) a1, a2 = in(vreg) a2, a3 = in(vreg) a3,
            p0 = out(vreg) _, p1 = out(vreg) _, p2 = out(vreg) _, p3 = out(vreg) _,
            options(readonly, nostack, preserves_flags),
        );
    }
}

/// Each product of one word is widened: two might be 2 · 128 · 128, which 16 bits cannot hold.
///
/// # Safety
/// The word is there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn one(sums: &mut [V; 4], x: &mut *const i8, w: [int8x16_t; 4]) {
    // SAFETY: the caller's promise.
    let word = unsafe { vld1q_s8(*x) };
    *x = x.wrapping_add(WORD);
    for (sum, w) in sums.iter_mut().zip(w) {
        let low = vpadalq_s16(*sum, vmull_s8(vget_low_s8(word), vget_low_s8(w)));
        *sum = vpadalq_s16(low, vmull_high_s8(word, w));
    }
}
