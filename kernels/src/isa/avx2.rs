//! AVX2: sixteen products an instruction. Bytes are sign-extended to 16 bits and multiplied in pairs by
//! `vpmaddwd`, which is exact; `vpmaddubsw` would saturate.

#![allow(unsafe_code)]

use core::arch::x86_64::*;

use super::{BLOCK, Isa, Rows, Taps};
use crate::ways::Ways;

/// Proof that the processor has AVX2.
#[derive(Debug, Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// Without asking the processor.
    ///
    /// # Safety
    /// The processor must have AVX2.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Self {
        Self(())
    }
}

impl Ways for Avx2 {}

impl Isa for Avx2 {
    type Tile = [[i32; 4]; 2];
    type Line = [[i32; 4]; 1];

    #[inline(always)]
    fn tile(self, x: Rows<'_>, w: Rows<'_>) -> Self::Tile {
        // SAFETY: `self` proves AVX2.
        unsafe { dot(x, w) }
    }

    #[inline(always)]
    fn line(self, x: Rows<'_>, w: Rows<'_>) -> Self::Line {
        // SAFETY: `self` proves AVX2.
        unsafe { dot(x, w) }
    }

    #[inline(always)]
    fn sum(self, x: Taps<'_>, c: usize, acc: &mut [i32]) {
        match acc.first_chunk_mut::<BLOCK>() {
            // SAFETY: `self` proves AVX2.
            Some(acc) => unsafe { sum(x, c, acc) },
            None => {
                acc.fill(0);
                for x in x.channels(c, acc.len()) {
                    acc.iter_mut().zip(x).for_each(|(acc, &x)| *acc = acc.wrapping_add(x.into()));
                }
            }
        }
    }

    #[inline(always)]
    fn max(self, x: Taps<'_>, y: &mut [i8]) {
        let (blocks, rest) = y.as_chunks_mut::<BYTES>();
        for (i, y) in blocks.iter_mut().enumerate() {
            // SAFETY: `self` proves AVX2.
            unsafe { max(x, i * BYTES, y) };
        }
        let from = BYTES * blocks.len();
        rest.fill(i8::MIN);
        for x in x.channels(from, rest.len()) {
            rest.iter_mut().zip(x).for_each(|(y, &x)| *y = x.max(*y));
        }
    }
}

/// Bytes of a vector.
const BYTES: usize = 32;

/// Calls `f` with `N` channels from `c` on of each tap.
#[inline(always)]
fn each<const N: usize>(x: Taps<'_>, c: usize, mut f: impl FnMut(&[i8; N])) {
    for i in 0..x.h {
        let row = &x.data[i * x.row + c..];
        for j in 0..x.w {
            if let Some(channels) = row.get(j * x.col..).and_then(|tap| tap.first_chunk()) {
                f(channels);
            }
        }
    }
}

/// The sums of the taps of a block of channels, which stay in registers.
///
/// # Safety
/// AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn sum(x: Taps<'_>, c: usize, acc: &mut [i32; BLOCK]) {
    let mut sums = [_mm256_setzero_si256(); 2];
    each::<BLOCK>(x, c, |x| {
        // SAFETY: a block has sixteen bytes.
        let x = unsafe { _mm_loadu_si128(x.as_ptr().cast()) };
        sums[0] = _mm256_add_epi32(sums[0], _mm256_cvtepi8_epi32(x));
        sums[1] = _mm256_add_epi32(sums[1], _mm256_cvtepi8_epi32(_mm_srli_si128::<8>(x)));
    });
    for (sum, acc) in sums.into_iter().zip(acc.as_chunks_mut::<{ BLOCK / 2 }>().0) {
        // SAFETY: a half of the sums is a vector.
        unsafe { _mm256_storeu_si256(acc.as_mut_ptr().cast(), sum) };
    }
}

/// The largest of the taps of some channels.
///
/// # Safety
/// AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn max(x: Taps<'_>, c: usize, y: &mut [i8; BYTES]) {
    let mut most = _mm256_set1_epi8(i8::MIN);
    // SAFETY: a block is a vector.
    each::<BYTES>(x, c, |x| most = _mm256_max_epi8(most, unsafe { _mm256_loadu_si256(x.as_ptr().cast()) }));
    // SAFETY: the array is a vector.
    unsafe { _mm256_storeu_si256(y.as_mut_ptr().cast(), most) };
}

/// Sixteen values from `at`, widened to 16 bits.
///
/// # Safety
/// AVX2, and `at + 16 <= row.len()`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn widen(row: &[i8], at: usize) -> __m256i {
    debug_assert!(at + 16 <= row.len());
    // SAFETY: the caller promises that the sixteen bytes lie in the row.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(row.as_ptr().add(at).cast()) })
}

/// The dot products of `M` rows with four; what is left of a row after whole vectors is done one by one.
///
/// # Safety
/// AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn dot<const M: usize>(x: Rows<'_>, w: Rows<'_>) -> [[i32; 4]; M] {
    let len = x.len.min(w.len);
    let whole = len - len % 16;
    let x: [&[i8]; M] = core::array::from_fn(|i| &x.row(i)[..len]);
    let w: [&[i8]; 4] = core::array::from_fn(|i| &w.row(i)[..len]);
    let mut acc = [[_mm256_setzero_si256(); 4]; M];
    for k in (0..whole).step_by(16) {
        // SAFETY: k + 16 <= whole <= the length of each row.
        let w = w.map(|w| unsafe { widen(w, k) });
        for (acc, x) in acc.iter_mut().zip(x) {
            // SAFETY: as above.
            let x = unsafe { widen(x, k) };
            for (acc, w) in acc.iter_mut().zip(w) {
                *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(x, w));
            }
        }
    }
    let mut sums = [[0; 4]; M];
    for (m, sums) in sums.iter_mut().enumerate() {
        *sums = reduce(acc[m]);
        for k in whole..len {
            for (sum, w) in sums.iter_mut().zip(w) {
                *sum = sum.wrapping_add(i32::from(x[m][k]) * i32::from(w[k]));
            }
        }
    }
    sums
}

/// The sums of the lanes of four vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn reduce(v: [__m256i; 4]) -> [i32; 4] {
    let pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
    let sums = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs));
    let mut out = [0; 4];
    // SAFETY: the array has sixteen bytes.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), sums) };
    out
}
