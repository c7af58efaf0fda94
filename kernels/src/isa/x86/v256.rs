//! Vectors of 256 bits as eight 32-bit lanes: the few operations that the tiles are written in. All need AVX2, floats FMA.

use core::arch::x86_64::*;

/// Eight 32-bit lanes.
pub(super) type V = __m256i;
/// Number of 32-bit lanes.
pub(super) const LANES: usize = 8;

macro_rules! lanes {
    ($($(#[$doc:meta])* $name:ident($($arg:ident),*) = $body:expr;)*) => {$(
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        pub(super) fn $name($($arg: V),*) -> V {
            $body
        }
    )*};
}

lanes! {
    add(a, b) = _mm256_add_epi32(a, b);
    subtract(a, b) = _mm256_sub_epi32(a, b);
    /// The sums of the products of neighbouring 16-bit values.
    pairs(a, b) = _mm256_madd_epi16(a, b);
    shift_left(a, by) = _mm256_sllv_epi32(a, by);
    shift_right(a, by) = _mm256_srav_epi32(a, by);
    and(a, b) = _mm256_and_si256(a, b);
    /// 1 where `a` is larger.
    larger(a, b) = _mm256_srli_epi32::<31>(_mm256_cmpgt_epi32(a, b));
    /// −1 where `a` is negative.
    sign(a) = _mm256_srai_epi32::<31>(a);
    min(a, b) = _mm256_min_epi32(a, b);
    max(a, b) = _mm256_max_epi32(a, b);
    halve(a) = _mm256_srli_epi32::<1>(a);
    add64(a, b) = _mm256_add_epi64(a, b);
    /// The upper halves of the products of the even and the odd lanes, arranged.
    high(even, odd) = _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(
        _mm256_castsi256_ps(even),
        _mm256_castsi256_ps(odd),
    ));
    /// In each four lanes the even ones first; the same again gives the order of before.
    arranged(a) = _mm256_shuffle_epi32::<0b11_01_10_00>(a);
    /// `(a·b + 2^30) >> 31`.
    doubling_high(a, b) = {
        let half = splat64(1 << 30);
        let (even, odd) = products64(a, b);
        let (even, odd) = (add64(even, half), add64(odd, half));
        _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<31>(even), _mm256_slli_epi64::<1>(odd))
    };
    /// Lanes times floats, held between two bounds (floats too), rounded half to even.
    float_product(a, b, low, high) = {
        let product = _mm256_mul_ps(_mm256_cvtepi32_ps(a), _mm256_castsi256_ps(b));
        let held = _mm256_min_ps(_mm256_max_ps(product, _mm256_castsi256_ps(low)), _mm256_castsi256_ps(high));
        _mm256_cvtps_epi32(held)
    };
    /// `a` where `x` is negative, and `b` elsewhere.
    by_sign(x, a, b) = _mm256_castps_si256(_mm256_blendv_ps(
        _mm256_castsi256_ps(b),
        _mm256_castsi256_ps(a),
        _mm256_castsi256_ps(x),
    ));
    /// Integers as floats.
    floats(a) = _mm256_castps_si256(_mm256_cvtepi32_ps(a));
    /// Floats as the nearest integers, half to even.
    nearest(a) = _mm256_cvtps_epi32(_mm256_castsi256_ps(a));
    /// `a · b + c` in floats, rounded once.
    fma(a, b, c) = _mm256_castps_si256(_mm256_fmadd_ps(
        _mm256_castsi256_ps(a),
        _mm256_castsi256_ps(b),
        _mm256_castsi256_ps(c),
    ));
}

/// The products of the even lanes and of the odd ones.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn products64(a: V, b: V) -> (V, V) {
    let odd = |v| _mm256_shuffle_epi32::<0b11_11_01_01>(v);
    (_mm256_mul_epi32(a, b), _mm256_mul_epi32(odd(a), odd(b)))
}

/// Words of the values in four rows: sixteen, and sixteen more, in order. Values are shifted to be unsigned.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn fours(rows: [V; 4]) -> [V; 4] {
    // Unpacking stays within 128 bits; this brings there what belongs there afterwards.
    let order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
    let unsigned = splat8(-128);
    let [a, b, c, d] = rows.map(|row| _mm256_permutevar8x32_epi32(_mm256_xor_si256(row, unsigned), order));
    let (ab, cd) = (_mm256_unpacklo_epi8(a, b), _mm256_unpacklo_epi8(c, d));
    let (ab2, cd2) = (_mm256_unpackhi_epi8(a, b), _mm256_unpackhi_epi8(c, d));
    [
        _mm256_unpacklo_epi16(ab, cd),
        _mm256_unpackhi_epi16(ab, cd),
        _mm256_unpacklo_epi16(ab2, cd2),
        _mm256_unpackhi_epi16(ab2, cd2),
    ]
}

/// Words of the values in two rows, in order, as 16 bits.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn twos(rows: [V; 2]) -> [V; 4] {
    let [a, b] = rows;
    let (low, high) = (_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b));
    let first = |v| _mm256_cvtepi8_epi16(_mm256_castsi256_si128(v));
    let second = |v| _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(v));
    [first(low), first(high), second(low), second(high)]
}

/// Four vectors of lanes to bytes: a zero point is added, and they are held between two bounds. Within 128 bits lie
/// four lanes of each vector.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn packed(lanes: [V; 4], zero: V, min: V, max: V) -> V {
    let [a, b, c, d] = lanes;
    let low = _mm256_adds_epi16(_mm256_packs_epi32(a, b), zero);
    let high = _mm256_adds_epi16(_mm256_packs_epi32(c, d), zero);
    _mm256_max_epi8(_mm256_min_epi8(_mm256_packs_epi16(low, high), max), min)
}

/// What [`packed`] makes of arranged lanes, as of others.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn tidied(v: V) -> V {
    let order = _mm256_setr_epi8(
        0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15, //
        0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15,
    );
    _mm256_shuffle_epi8(v, order)
}

/// What [`packed`] makes, vector after vector.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn ordered(v: V) -> V {
    _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
}

/// The first `N` · LANES bytes, to memory.
///
/// # Safety
/// There must be room.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn store_bytes<const N: usize>(at: *mut i8, v: V) {
    // SAFETY: the caller's promise.
    unsafe {
        match N {
            1 => _mm_storel_epi64(at.cast(), _mm256_castsi256_si128(v)),
            2 => _mm_storeu_si128(at.cast(), _mm256_castsi256_si128(v)),
            _ => _mm256_storeu_si256(at.cast(), v),
        }
    }
}

/// One value in all lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn splat(value: i32) -> V {
    _mm256_set1_epi32(value)
}

/// One value in all bytes.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn splat8(value: i8) -> V {
    _mm256_set1_epi8(value)
}

/// One value in all 16-bit lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn splat16(value: i16) -> V {
    _mm256_set1_epi16(value)
}

/// One value in all 64-bit lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn splat64(value: i64) -> V {
    _mm256_set1_epi64x(value)
}

/// Lanes from memory.
///
/// # Safety
/// 32 bytes must be there.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn load(at: *const i32) -> V {
    // SAFETY: the caller's promise; the read may be unaligned.
    unsafe { _mm256_loadu_si256(at.cast()) }
}

/// Lanes to memory.
///
/// # Safety
/// There must be room for 32 bytes.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn store(at: *mut u32, v: V) {
    // SAFETY: the caller's promise; the write may be unaligned.
    unsafe { _mm256_storeu_si256(at.cast(), v) }
}

/// Thirty-two bytes.
///
/// # Safety
/// They must be there.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn load_values(at: *const i8) -> V {
    // SAFETY: the caller's promise; the read may be unaligned.
    unsafe { _mm256_loadu_si256(at.cast()) }
}

/// Sixteen bytes, sign-extended to 16 bits.
///
/// # Safety
/// They must be there.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn widen(at: *const i8) -> V {
    // SAFETY: the caller's promise.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(at.cast()) })
}

/// Sixteen bytes as 16 bits each, to memory.
///
/// # Safety
/// They must be there, and room for them.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn widen_to(from: *const i8, to: *mut u8) {
    // SAFETY: the caller's promise; the write may be unaligned.
    unsafe { _mm256_storeu_si256(to.cast(), widen(from)) }
}

/// Eight bytes as lanes.
///
/// # Safety
/// They must be there.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn load_bytes(at: *const i8) -> V {
    // SAFETY: the caller's promise.
    _mm256_cvtepi8_epi32(unsafe { _mm_loadl_epi64(at.cast()) })
}
