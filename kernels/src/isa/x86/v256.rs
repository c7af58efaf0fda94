//! Vectors of 256 bits as eight 32-bit lanes: the few operations that the tiles are written in. All need AVX2.

use core::arch::x86_64::*;

/// Eight 32-bit lanes.
pub(super) type V = __m256i;
/// Number of 32-bit lanes.
pub(super) const LANES: usize = 8;

macro_rules! lanes {
    ($($(#[$doc:meta])* $name:ident($($arg:ident),*) = $body:expr;)*) => {$(
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = "avx2")]
        pub(super) fn $name($($arg: V),*) -> V {
            $body
        }
    )*};
}

lanes! {
    add(a, b) = _mm256_add_epi32(a, b);
    /// The sums of the products of neighbouring 16-bit values.
    pairs(a, b) = _mm256_madd_epi16(a, b);
    /// 16-bit values of the lower halves of each 128 bits, alternating.
    interleave_low(a, b) = _mm256_unpacklo_epi16(a, b);
    /// 16-bit values of the upper halves of each 128 bits, alternating.
    interleave_high(a, b) = _mm256_unpackhi_epi16(a, b);
    shift_left(a, by) = _mm256_sllv_epi32(a, by);
    shift_right(a, by) = _mm256_srav_epi32(a, by);
    and(a, b) = _mm256_and_si256(a, b);
    /// 1 where `a` is larger.
    larger(a, b) = _mm256_srli_epi32::<31>(_mm256_cmpgt_epi32(a, b));
    negative(a) = _mm256_srli_epi32::<31>(a);
    min(a, b) = _mm256_min_epi32(a, b);
    max(a, b) = _mm256_max_epi32(a, b);
    halve(a) = _mm256_srai_epi32::<1>(a);
    /// The upper halves of the 64-bit products.
    high(a, b) = {
        let even = _mm256_srli_epi64::<32>(_mm256_mul_epi32(a, b));
        let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(a), _mm256_srli_epi64::<32>(b));
        _mm256_blend_epi32::<0b1010_1010>(even, odd)
    };
    /// `(a·b + 2^30) >> 31`.
    doubling_high(a, b) = {
        let half = _mm256_set1_epi64x(1 << 30);
        let even = _mm256_add_epi64(_mm256_mul_epi32(a, b), half);
        let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(a), _mm256_srli_epi64::<32>(b));
        let odd = _mm256_add_epi64(odd, half);
        _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<31>(even), _mm256_slli_epi64::<1>(odd))
    };
    /// Lanes times floats, held between two bounds (floats too), rounded half to even.
    float_product(a, b, low, high) = {
        let product = _mm256_mul_ps(_mm256_cvtepi32_ps(a), _mm256_castsi256_ps(b));
        let held = _mm256_min_ps(_mm256_max_ps(product, _mm256_castsi256_ps(low)), _mm256_castsi256_ps(high));
        _mm256_cvtps_epi32(held)
    };
}

/// One value in all lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn splat(value: i32) -> V {
    _mm256_set1_epi32(value)
}

/// Lanes from memory.
///
/// # Safety
/// 32 bytes must be there.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn load(at: *const i32) -> V {
    // SAFETY: the caller's promise; the read may be unaligned.
    unsafe { _mm256_loadu_si256(at.cast()) }
}

/// Sixteen bytes, sign-extended to 16 bits.
///
/// # Safety
/// They must be there.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn widen(at: *const i8) -> V {
    // SAFETY: the caller's promise.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(at.cast()) })
}

/// Eight lanes, each within an int8, to eight bytes.
///
/// # Safety
/// Eight bytes must be there.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn store_bytes(at: *mut i8, v: V) {
    let words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
    // SAFETY: the caller's promise.
    unsafe { _mm_storel_epi64(at.cast(), _mm_packs_epi16(words, words)) }
}

/// Lanes of [`interleave_low`] and [`interleave_high`], each within an int8, to sixteen bytes in order.
///
/// # Safety
/// Sixteen bytes must be there.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn store_interleaved(at: *mut i8, low: V, high: V) {
    let words = _mm256_packs_epi32(low, high);
    let bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
    // SAFETY: the caller's promise.
    unsafe { _mm_storeu_si128(at.cast(), bytes) }
}

/// Eight bytes as lanes.
///
/// # Safety
/// They must be there.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn load_bytes(at: *const i8) -> V {
    // SAFETY: the caller's promise.
    _mm256_cvtepi8_epi32(unsafe { _mm_loadl_epi64(at.cast()) })
}
