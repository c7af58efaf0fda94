//! AVX2: sixteen products an instruction. Bytes are sign-extended to 16 bits and multiplied in pairs by
//! `vpmaddwd`, which is exact; `vpmaddubsw` would saturate.

#![allow(unsafe_code)]

use core::arch::x86_64::*;

use super::{Isa, Rows};
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
