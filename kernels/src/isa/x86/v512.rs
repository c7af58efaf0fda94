//! Vectors of 512 bits as sixteen 32-bit lanes: the few operations that the tiles are written in. All need AVX-512 F and BW.

use core::arch::x86_64::*;

/// Sixteen 32-bit lanes.
pub(super) type V = __m512i;
/// Number of 32-bit lanes.
pub(super) const LANES: usize = 16;
/// The odd lanes.
const ODD: __mmask16 = 0b1010_1010_1010_1010;

macro_rules! lanes {
    ($($(#[$doc:meta])* $name:ident($($arg:ident),*) = $body:expr;)*) => {$(
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw")]
        pub(super) fn $name($($arg: V),*) -> V {
            $body
        }
    )*};
}

lanes! {
    add(a, b) = _mm512_add_epi32(a, b);
    /// 16-bit values of the lower halves of each 128 bits, alternating.
    interleave_low(a, b) = _mm512_unpacklo_epi16(a, b);
    /// 16-bit values of the upper halves of each 128 bits, alternating.
    interleave_high(a, b) = _mm512_unpackhi_epi16(a, b);
    shift_left(a, by) = _mm512_sllv_epi32(a, by);
    shift_right(a, by) = _mm512_srav_epi32(a, by);
    and(a, b) = _mm512_and_si512(a, b);
    /// 1 where `a` is larger.
    larger(a, b) = _mm512_maskz_set1_epi32(_mm512_cmpgt_epi32_mask(a, b), 1);
    negative(a) = _mm512_srli_epi32::<31>(a);
    min(a, b) = _mm512_min_epi32(a, b);
    max(a, b) = _mm512_max_epi32(a, b);
    halve(a) = _mm512_srai_epi32::<1>(a);
    /// The upper halves of the 64-bit products.
    high(a, b) = {
        let even = _mm512_srli_epi64::<32>(_mm512_mul_epi32(a, b));
        let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(a), _mm512_srli_epi64::<32>(b));
        _mm512_mask_blend_epi32(ODD, even, odd)
    };
    /// `(a·b + 2^30) >> 31`.
    doubling_high(a, b) = {
        let half = _mm512_set1_epi64(1 << 30);
        let even = _mm512_add_epi64(_mm512_mul_epi32(a, b), half);
        let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(a), _mm512_srli_epi64::<32>(b));
        let odd = _mm512_add_epi64(odd, half);
        _mm512_mask_blend_epi32(ODD, _mm512_srli_epi64::<31>(even), _mm512_slli_epi64::<1>(odd))
    };
    /// Lanes times floats, held between two bounds (floats too), rounded half to even.
    float_product(a, b, low, high) = {
        let product = _mm512_mul_ps(_mm512_cvtepi32_ps(a), _mm512_castsi512_ps(b));
        let held = _mm512_min_ps(_mm512_max_ps(product, _mm512_castsi512_ps(low)), _mm512_castsi512_ps(high));
        _mm512_cvtps_epi32(held)
    };
}

/// One value in all lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn splat(value: i32) -> V {
    _mm512_set1_epi32(value)
}

/// Lanes from memory.
///
/// # Safety
/// 64 bytes must be there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn load(at: *const i32) -> V {
    // SAFETY: the caller's promise; the read may be unaligned.
    unsafe { _mm512_loadu_epi32(at) }
}

/// Sixteen lanes, each within an int8, to sixteen bytes.
///
/// # Safety
/// Sixteen bytes must be there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn store_bytes(at: *mut i8, v: V) {
    // SAFETY: the caller's promise.
    unsafe { _mm_storeu_si128(at.cast(), _mm512_cvtepi32_epi8(v)) }
}

/// Lanes of [`interleave_low`] and [`interleave_high`], each within an int8, to thirty-two bytes in order.
///
/// # Safety
/// Thirty-two bytes must be there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn store_interleaved(at: *mut i8, low: V, high: V) {
    let bytes = _mm512_cvtepi16_epi8(_mm512_packs_epi32(low, high));
    // SAFETY: the caller's promise.
    unsafe { _mm256_storeu_si256(at.cast(), bytes) }
}

/// Sixteen bytes as lanes.
///
/// # Safety
/// They must be there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn load_bytes(at: *const i8) -> V {
    // SAFETY: the caller's promise.
    _mm512_cvtepi8_epi32(unsafe { _mm_loadu_si128(at.cast()) })
}
