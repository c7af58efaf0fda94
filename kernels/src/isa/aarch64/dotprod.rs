//! Products by `sdot`: four values of a pixel, or of a column of taps, times those of four channels. A tile is four pixels and up to four vectors
//! of channels; what lies in four words of a pixel is multiplied out of one register.

use core::arch::aarch64::*;
use core::arch::asm;

use super::lanes::{Range, Scales, V, store};
use super::slide::scales;
use super::{BLOCK, LANES};
use crate::packed::engine::{Depthwise, Out, Patches, Weights};

/// Bytes of a vector of weights.
const VECTOR: usize = 16;

/// The outputs of all patches, up to four vectors of channels after four.
///
/// # Safety
/// Dot products, and what [`Engine::products`](crate::packed::engine::Engine::products) asserts.
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn products(x: &Patches<'_>, w: &Weights<'_>, out: &Out<'_>, y: &mut [i8]) {
    for v in (0..w.vectors).step_by(4) {
        // SAFETY: the weights of each vector are there, and some of its outputs; the rest is the caller's promise.
        unsafe {
            let (w, word, y) =
                (w.values.as_ptr().add(v * VECTOR), w.vectors * VECTOR, y.as_mut_ptr().add(v * LANES));
            match word / VECTOR - v {
                1 => pixels::<1>(x, w, word, out, v * LANES, y),
                2 => pixels::<2>(x, w, word, out, v * LANES, y),
                3 => pixels::<3>(x, w, word, out, v * LANES, y),
                _ => pixels::<4>(x, w, word, out, v * LANES, y),
            }
        }
    }
}

/// The `N` vectors of channels from `c` on, four pixels at a time; the last four may have been computed before. The
/// weights of a word are `word` bytes apart from those of the next.
///
/// # Safety
/// As [`products`].
#[target_feature(enable = "neon,dotprod")]
unsafe fn pixels<const N: usize>(
    x: &Patches<'_>,
    w: *const i8,
    word: usize,
    out: &Out<'_>,
    c: usize,
    y: *mut i8,
) {
    let (pixels, channels) = (x.places.len(), (out.channels - c).min(N * LANES));
    let range = Range::new(out.zero, out.min, out.max);
    // SAFETY: the constants are there for whole vectors; the pixels lie in the patches, and in the outputs.
    unsafe {
        let all: [Scales; 4] =
            core::array::from_fn(|n| Scales::at(out, c + if n < N { n * LANES } else { 0 }));
        let [s0, s1, s2, s3] = &all;
        let put = |sums: [V; N], pixel: usize| {
            let y = y.add(x.places.get_unchecked(pixel).to as usize);
            let vector = |n: usize| sums[if n < N { n } else { 0 }];
            let sums = [vector(0), vector(1), vector(2), vector(3)];
            store(y, range.requantize(out.profile, sums, [s0, s1, s2, s3]), channels);
        };
        if pixels < 4 {
            for pixel in 0..pixels {
                let [sums] = sums::<1, N>(x, pixel, w, word, &all);
                put(sums, pixel);
            }
            return;
        }
        let mut pixel = 0;
        while pixel < pixels {
            pixel = pixel.min(pixels - 4);
            let sums = sums::<4, N>(x, pixel, w, word, &all);
            for (m, sums) in sums.into_iter().enumerate() {
                put(sums, pixel + m);
            }
            pixel += 4;
        }
    }
}

/// The sums of `M` pixels, their bias added.
///
/// # Safety
/// The pixels lie in the patches, and the weights of each word are there.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn sums<const M: usize, const N: usize>(
    x: &Patches<'_>,
    pixel: usize,
    mut w: *const i8,
    word: usize,
    scales: &[Scales; 4],
) -> [[V; N]; M] {
    let mut sums = [core::array::from_fn(|n| scales[n].bias); M];
    // SAFETY: `w` moves by the weights of each word of a patch, the pixels by a word, as often as there are words.
    unsafe {
        let mut pixels: [*const i8; M] = core::array::from_fn(|m| {
            x.bytes.as_ptr().add(x.places.get_unchecked(pixel + m).from as usize).cast()
        });
        for _ in 0..x.runs {
            for _ in 0..x.len / 4 {
                let mut words = [vdupq_n_s8(0); M];
                for (words, x) in words.iter_mut().zip(&mut pixels) {
                    *words = vld1q_s8(*x);
                    *x = x.add(VECTOR);
                }
                each::<0, M, N>(&mut sums, words, w);
                each::<1, M, N>(&mut sums, words, w.add(word));
                each::<2, M, N>(&mut sums, words, w.add(2 * word));
                each::<3, M, N>(&mut sums, words, w.add(3 * word));
                w = w.wrapping_add(4 * word);
            }
            for _ in 0..x.len % 4 {
                let mut words = [vdupq_n_s8(0); M];
                for (words, x) in words.iter_mut().zip(&mut pixels) {
                    *words = vreinterpretq_s8_s32(vld1q_dup_s32(x.cast()));
                    *x = x.add(4);
                }
                each::<0, M, N>(&mut sums, words, w);
                w = w.wrapping_add(word);
            }
            pixels = pixels.map(|at| at.wrapping_add(x.stride).wrapping_sub(4 * x.len));
        }
    }
    sums
}

/// Requantized sums of windows: four rows of a tap at once.
///
/// # Safety
/// Dot products, and what [`Engine::depthwise`](crate::packed::engine::Engine::depthwise) asserts, for four rows a word.
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn depthwise(d: &Depthwise<'_>, out: &Out<'_>, y: &mut [i8]) {
    // SAFETY: the caller's promise.
    unsafe {
        match d.taps.len() {
            3 => windows::<3>(d, out, y),
            _ => any(d, out, y),
        }
    }
}

/// Windows of few taps, whose weights stay in registers.
///
/// # Safety
/// As [`depthwise`]; there are so many taps.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn windows<const TAPS: usize>(d: &Depthwise<'_>, out: &Out<'_>, y: &mut [i8]) {
    let range = Range::new(out.zero, out.min, out.max);
    // SAFETY: constants, weights, taps and outputs are there.
    unsafe {
        let all = scales(out);
        let [s0, s1, s2, s3] = &all;
        let w: [[int8x16_t; 4]; TAPS] = core::array::from_fn(|tap| load4(d.w.as_ptr().add(tap * 4 * BLOCK)));
        let taps: [usize; TAPS] = core::array::from_fn(|tap| *d.taps.get_unchecked(tap));
        for place in d.places {
            let x = d.x.as_ptr().cast::<i8>().add(place.from as usize);
            let mut sums = [s0.bias, s1.bias, s2.bias, s3.bias];
            for tap in 0..TAPS {
                let x = load4(x.add(taps[tap]));
                for n in 0..4 {
                    sums[n] = dot_vectors(sums[n], x[n], w[tap][n]);
                }
            }
            let bytes = range.requantize(out.profile, sums, [s0, s1, s2, s3]);
            store(y.as_mut_ptr().add(place.to as usize), bytes, out.channels);
        }
    }
}

/// Windows of any taps.
///
/// # Safety
/// As [`depthwise`].
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn any(d: &Depthwise<'_>, out: &Out<'_>, y: &mut [i8]) {
    let range = Range::new(out.zero, out.min, out.max);
    // SAFETY: constants, weights, taps and outputs are there.
    unsafe {
        let all = scales(out);
        let [s0, s1, s2, s3] = &all;
        for place in d.places {
            let x = d.x.as_ptr().cast::<i8>().add(place.from as usize);
            let (mut sums, mut w) = ([s0.bias, s1.bias, s2.bias, s3.bias], d.w.as_ptr());
            for &tap in d.taps {
                let (x, weights) = (load4(x.add(tap)), load4(w));
                for n in 0..4 {
                    sums[n] = dot_vectors(sums[n], x[n], weights[n]);
                }
                w = w.add(4 * BLOCK);
            }
            let bytes = range.requantize(out.profile, sums, [s0, s1, s2, s3]);
            store(y.as_mut_ptr().add(place.to as usize), bytes, out.channels);
        }
    }
}

/// Four vectors.
///
/// # Safety
/// They are there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load4(at: *const i8) -> [int8x16_t; 4] {
    // SAFETY: the caller's promise.
    let all = unsafe { vld1q_s8_x4(at) };
    [all.0, all.1, all.2, all.3]
}

/// Sums plus the products of word `LANE` of each pixel.
///
/// # Safety
/// The weights are there.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn each<const LANE: u8, const M: usize, const N: usize>(
    sums: &mut [[V; N]; M],
    x: [int8x16_t; M],
    w: *const i8,
) {
    let mut weights = [vdupq_n_s8(0); N];
    // SAFETY: the caller's promise.
    unsafe {
        match N {
            4 => weights.copy_from_slice(&load4(w)[..N]),
            _ => weights.iter_mut().enumerate().for_each(|(n, weight)| *weight = vld1q_s8(w.add(n * VECTOR))),
        }
    }
    for (sums, x) in sums.iter_mut().zip(x) {
        for (sum, w) in sums.iter_mut().zip(weights) {
            *sum = dot::<LANE>(*sum, w, x);
        }
    }
}

/// Sums plus the products of four values of each channel with word `LANE` of a pixel.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot<const LANE: u8>(mut sum: V, w: int8x16_t, x: int8x16_t) -> V {
    macro_rules! sdot {
        ($lane:literal) => {
            // SAFETY: registers only; the function has the instruction.
            unsafe {
                asm!(
                    concat!("sdot {sum:v}.4s, {w:v}.16b, {x:v}.4b[", $lane, "]"),
                    sum = inout(vreg) sum, w = in(vreg) w, x = in(vreg) x,
                    options(pure, nomem, nostack, preserves_flags),
                )
            }
        };
    }
    match LANE {
        0 => sdot!("0"),
        1 => sdot!("1"),
        2 => sdot!("2"),
        _ => sdot!("3"),
    }
    sum
}

/// Sums plus the products of four values of each channel.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot_vectors(mut sum: V, x: int8x16_t, w: int8x16_t) -> V {
    // SAFETY: registers only; the function has the instruction.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {x:v}.16b, {w:v}.16b",
            sum = inout(vreg) sum, x = in(vreg) x, w = in(vreg) w,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}
