//! Vectors of 512 bits as sixteen 32-bit lanes: the few operations that the tiles are written in. All need AVX-512 F,
//! BW and DQ.

use core::arch::x86_64::*;

/// Sixteen 32-bit lanes.
pub(super) type V = __m512i;
/// Number of 32-bit lanes.
pub(super) const LANES: usize = 16;
/// The even lanes.
const EVEN: __mmask16 = 0b0101_0101_0101_0101;

macro_rules! lanes {
    ($($(#[$doc:meta])* $name:ident($($arg:ident),*) = $body:expr;)*) => {$(
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq")]
        pub(super) fn $name($($arg: V),*) -> V {
            $body
        }
    )*};
}

lanes! {
    add(a, b) = _mm512_add_epi32(a, b);
    subtract(a, b) = _mm512_sub_epi32(a, b);
    shift_left(a, by) = _mm512_sllv_epi32(a, by);
    shift_right(a, by) = _mm512_srav_epi32(a, by);
    and(a, b) = _mm512_and_si512(a, b);
    /// 1 where `a` is larger.
    larger(a, b) = _mm512_maskz_set1_epi32(_mm512_cmpgt_epi32_mask(a, b), 1);
    /// −1 where `a` is negative.
    sign(a) = _mm512_srai_epi32::<31>(a);
    min(a, b) = _mm512_min_epi32(a, b);
    max(a, b) = _mm512_max_epi32(a, b);
    halve(a) = _mm512_srli_epi32::<1>(a);
    add64(a, b) = _mm512_add_epi64(a, b);
    /// The upper halves of the products of the even and the odd lanes.
    high(even, odd) = _mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd, EVEN, even);
    /// The order of [`high`], which is that of before.
    arranged(a) = a;
    /// `(a·b + 2^30) >> 31`.
    doubling_high(a, b) = {
        let half = splat64(1 << 30);
        let (even, odd) = products64(a, b);
        let (even, odd) = (add64(even, half), add64(odd, half));
        _mm512_mask_blend_epi32(EVEN, _mm512_slli_epi64::<1>(odd), _mm512_srli_epi64::<31>(even))
    };
    /// Lanes times floats, held between two bounds (floats too), rounded half to even.
    float_product(a, b, low, high) = {
        let product = _mm512_mul_ps(_mm512_cvtepi32_ps(a), _mm512_castsi512_ps(b));
        let held = _mm512_min_ps(_mm512_max_ps(product, _mm512_castsi512_ps(low)), _mm512_castsi512_ps(high));
        _mm512_cvtps_epi32(held)
    };
    /// `a` where `x` is negative, and `b` elsewhere.
    by_sign(x, a, b) = _mm512_mask_blend_epi32(_mm512_movepi32_mask(x), b, a);
    /// Integers as floats.
    floats(a) = _mm512_castps_si512(_mm512_cvtepi32_ps(a));
    /// Floats as the nearest integers, half to even.
    nearest(a) = _mm512_cvtps_epi32(_mm512_castsi512_ps(a));
    /// `a · b + c` in floats, rounded once.
    fma(a, b, c) = _mm512_castps_si512(_mm512_fmadd_ps(
        _mm512_castsi512_ps(a),
        _mm512_castsi512_ps(b),
        _mm512_castsi512_ps(c),
    ));
}

/// The products of the even lanes and of the odd ones.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn products64(a: V, b: V) -> (V, V) {
    let odd = |v| _mm512_shuffle_epi32::<0b11_11_01_01>(v);
    (_mm512_mul_epi32(a, b), _mm512_mul_epi32(odd(a), odd(b)))
}

/// Words of the values in four rows, in order. Values are shifted to be unsigned.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn fours(rows: [V; 4]) -> [V; 4] {
    // Unpacking stays within 128 bits; this brings there what belongs there afterwards.
    let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    let unsigned = splat8(-128);
    let [a, b, c, d] = rows.map(|row| _mm512_permutexvar_epi32(order, _mm512_xor_si512(row, unsigned)));
    let (ab, cd) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
    let (ab2, cd2) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
    [
        _mm512_unpacklo_epi16(ab, cd),
        _mm512_unpackhi_epi16(ab, cd),
        _mm512_unpacklo_epi16(ab2, cd2),
        _mm512_unpackhi_epi16(ab2, cd2),
    ]
}

/// Four vectors of lanes to bytes: a zero point is added, and they are held between two bounds. Within 128 bits lie
/// four lanes of each vector.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn packed(lanes: [V; 4], zero: V, min: V, max: V) -> V {
    let [a, b, c, d] = lanes;
    let low = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero);
    let high = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero);
    _mm512_max_epi8(_mm512_min_epi8(_mm512_packs_epi16(low, high), max), min)
}

/// What [`packed`] makes of arranged lanes, as of others: here they are the same.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn tidied(v: V) -> V {
    v
}

/// What [`packed`] makes, vector after vector.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn ordered(v: V) -> V {
    let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_permutexvar_epi32(order, v)
}

/// The first `N` · LANES bytes, to memory.
///
/// # Safety
/// There must be room.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) unsafe fn store_bytes<const N: usize>(at: *mut i8, v: V) {
    // SAFETY: the caller's promise.
    unsafe {
        match N {
            1 => _mm_storeu_si128(at.cast(), _mm512_castsi512_si128(v)),
            2 => _mm256_storeu_si256(at.cast(), _mm512_castsi512_si256(v)),
            _ => _mm512_storeu_si512(at.cast(), v),
        }
    }
}

/// One value in all lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn splat(value: i32) -> V {
    _mm512_set1_epi32(value)
}

/// One value in all bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn splat8(value: i8) -> V {
    _mm512_set1_epi8(value)
}

/// One value in all 16-bit lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn splat16(value: i16) -> V {
    _mm512_set1_epi16(value)
}

/// One value in all 64-bit lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn splat64(value: i64) -> V {
    _mm512_set1_epi64(value)
}

/// Lanes from memory.
///
/// # Safety
/// 64 bytes must be there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) unsafe fn load(at: *const i32) -> V {
    // SAFETY: the caller's promise; the read may be unaligned.
    unsafe { _mm512_loadu_epi32(at) }
}

/// Lanes to memory.
///
/// # Safety
/// There must be room for 64 bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) unsafe fn store(at: *mut u32, v: V) {
    // SAFETY: the caller's promise; the write may be unaligned.
    unsafe { _mm512_storeu_si512(at.cast(), v) }
}

/// Sixty-four bytes.
///
/// # Safety
/// They must be there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) unsafe fn load_values(at: *const i8) -> V {
    // SAFETY: the caller's promise; the read may be unaligned.
    unsafe { _mm512_loadu_epi8(at) }
}

/// Sixteen bytes as lanes.
///
/// # Safety
/// They must be there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) unsafe fn load_bytes(at: *const i8) -> V {
    // SAFETY: the caller's promise.
    _mm512_cvtepi8_epi32(unsafe { _mm_loadu_si128(at.cast()) })
}
