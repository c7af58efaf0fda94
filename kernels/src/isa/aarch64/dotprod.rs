//! Products by `sdot`: four values of a pixel times those of four channels. A tile is four pixels and up to four vectors
//! of channels; what lies in four words of a pixel is multiplied out of one register.

use core::arch::aarch64::*;
use core::arch::asm;

use super::LANES;
use super::lanes::{Range, Scales, V, by_profile, load4, store};
use crate::packed::engine::{Out, Patches, Weights};

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
    let pixels = x.places.len();
    // SAFETY: the pixels lie in the patches.
    unsafe {
        if pixels < 4 {
            for pixel in 0..pixels {
                tile::<1, N>(x, pixel, w, word, out, c, y);
            }
            return;
        }
        let mut pixel = 0;
        while pixel < pixels {
            tile::<4, N>(x, pixel.min(pixels - 4), w, word, out, c, y);
            pixel += 4;
        }
    }
}

/// The outputs of `M` pixels.
///
/// # Safety
/// As [`products`]; the pixels from `pixel` on lie in the patches.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn tile<const M: usize, const N: usize>(
    x: &Patches<'_>,
    pixel: usize,
    w: *const i8,
    word: usize,
    out: &Out<'_>,
    c: usize,
    y: *mut i8,
) {
    // SAFETY: the bias is there for whole vectors; the rest is the caller's promise.
    unsafe {
        let sums = sums::<M, N>(x, pixel, w, word, out.bias.as_ptr().add(c));
        by_profile!(out, requantize, M, N; &sums, x, pixel, out, c, y)
    }
}

/// The sums of `M` pixels to int8. Called from one place each, so that sums stay in registers.
///
/// # Safety
/// As [`tile`].
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn requantize<const PROFILE: u8, const M: usize, const N: usize>(
    sums: &[[V; N]; M],
    x: &Patches<'_>,
    pixel: usize,
    out: &Out<'_>,
    c: usize,
    y: *mut i8,
) {
    let channels = (out.channels - c).min(N * LANES);
    let range = Range::new(out.zero, out.min, out.max);
    // SAFETY: the constants are there for whole vectors, and the outputs of the pixels.
    unsafe {
        let vector = const { [0, 1 % N * LANES, 2 % N * LANES, 3 % N * LANES] };
        let (s0, s1) = (Scales::at(out, c), Scales::at(out, c + vector[1]));
        let (s2, s3) = (Scales::at(out, c + vector[2]), Scales::at(out, c + vector[3]));
        let scales = [&s0, &s1, &s2, &s3];
        let vectors = |m: usize| [sums[m][0], sums[m][1 % N], sums[m][2 % N], sums[m][3 % N]];
        let to = |m: usize| y.add(x.places.get_unchecked(pixel + m).to as usize);
        if channels == N * LANES && range.rectifies::<PROFILE>() {
            (0..M).for_each(|m| store(to(m), range.rectify::<PROFILE>(vectors(m), scales), N * LANES));
        } else {
            (0..M).for_each(|m| store(to(m), range.requantize::<PROFILE>(vectors(m), scales), channels));
        }
    }
}

/// The sums of `M` pixels, their bias added.
///
/// # Safety
/// The pixels lie in the patches; the weights of each word are there, and the bias of each vector.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn sums<const M: usize, const N: usize>(
    x: &Patches<'_>,
    pixel: usize,
    mut w: *const i8,
    word: usize,
    bias: *const i32,
) -> [[V; N]; M] {
    let next = x.stride.wrapping_sub(4 * x.len);
    // SAFETY: `w` moves by the weights of each word of a patch, the pixels by a word, as often as there are words.
    unsafe {
        let mut sums = [core::array::from_fn(|n| vld1q_s32(bias.add(n * LANES))); M];
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
                each::<0, M, N>(&mut sums, words, &mut w, word);
                each::<1, M, N>(&mut sums, words, &mut w, word);
                each::<2, M, N>(&mut sums, words, &mut w, word);
                each::<3, M, N>(&mut sums, words, &mut w, word);
            }
            for _ in 0..x.len % 4 {
                let mut words = [vdupq_n_s8(0); M];
                for (words, x) in words.iter_mut().zip(&mut pixels) {
                    *words = vreinterpretq_s8_s32(vld1q_dup_s32(x.cast()));
                    *x = x.add(4);
                }
                each::<0, M, N>(&mut sums, words, &mut w, word);
            }
            pixels = pixels.map(|at| at.wrapping_add(next));
        }
        sums
    }
}

/// Sums plus the products of word `LANE` of each pixel; `w` moves on to the next word's weights, `word` bytes later.
///
/// # Safety
/// The weights are there.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn each<const LANE: u8, const M: usize, const N: usize>(
    sums: &mut [[V; N]; M],
    x: [int8x16_t; M],
    w: &mut *const i8,
    word: usize,
) {
    // SAFETY: the caller's promise.
    let weights: [int8x16_t; N] = unsafe {
        if N == 4 {
            let four = load4(w, word);
            core::array::from_fn(|n| four[n])
        } else {
            let at = *w;
            *w = w.wrapping_add(word);
            core::array::from_fn(|n| vld1q_s8(at.add(n * VECTOR)))
        }
    };
    for (sums, x) in sums.iter_mut().zip(x) {
        for (sum, w) in sums.iter_mut().zip(weights) {
            *sum = dot::<LANE>(*sum, w, x);
        }
    }
}

/// Sums plus the products of four values of each channel with word `LANE` of a pixel; in the order in which they are
/// written, since weights that wait for their turn would be copied out of the way of the next.
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
                    options(nomem, nostack, preserves_flags),
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
