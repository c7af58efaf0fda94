//! x86-64 with packed weights: tiles of pixels × channels for convolutions and dense layers, and depthwise sums, on
//! AVX2, AVX-VNNI and AVX-512 VNNI. Vectors of one width are in `v256` and `v512`; what is written over them, once for
//! all families, in `family`. Which layer uses which tile is `packed`'s to say.
//!
//! AVX2 widens both factors to 16 bits and multiplies pairs with `vpmaddwd`, which is exact (`vpmaddubsw` saturates).
//! VNNI multiplies four unsigned bytes by four signed ones; activations are shifted by 128 to be unsigned, which the
//! bias takes back.

#![allow(unsafe_code)]

#[macro_use]
mod family;
#[macro_use]
mod finish;
mod v256;
mod v512;

/// The families that this machine has, slowest first.
pub(crate) fn present() -> impl Iterator<Item = &'static dyn crate::packed::engine::Engine> {
    let all = [
        avx2::Family::detect,
        avx_vnni::Family::detect,
        avx512_vnni_256::Family::detect,
        avx512_vnni::Family::detect,
    ];
    all.into_iter().filter_map(|detect| detect())
}

/// AVX2: two values a word, as 16 bits.
pub(crate) mod avx2 {
    use super::v256::*;

    family!(
        "avx2", "avx2,fma", std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma"),
        half: None,
        values: 2,
        tiles: [(1, 8), (2, 6), (4, 1)],
        weights: |at| widen(at),
        dot: |acc, x, w| add(acc, pairs(x, w)),
        wide: |acc, x, w| add(acc, pairs(x, w)),
        words: |rows| twos(rows),
    );
}

/// AVX-VNNI: four values a word, unsigned.
pub(crate) mod avx_vnni {
    use super::v256::*;
    use core::arch::x86_64::{_mm256_dpbusd_avx_epi32, _mm256_dpwssd_avx_epi32};

    family!(
        "avx-vnni", "avx2,fma,avxvnni",
        std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("fma")
            && std::is_x86_feature_detected!("avxvnni"),
        half: None,
        values: 4,
        tiles: [(1, 8), (2, 6), (4, 1)],
        weights: |at| load(at.cast()),
        dot: |acc, x, w| _mm256_dpbusd_avx_epi32(acc, x, w),
        wide: |acc, x, w| _mm256_dpwssd_avx_epi32(acc, x, w),
        words: |rows| fours(rows),
    );
}

/// AVX-512 VNNI on vectors of 256 bits: the tiles of AVX-VNNI in the encoding that servers had first, with twice the
/// registers.
pub(crate) mod avx512_vnni_256 {
    use super::v256::*;
    use core::arch::x86_64::{_mm256_dpbusd_epi32, _mm256_dpwssd_epi32};

    family!(
        "avx512-vnni-256", "avx2,fma,avx512vl,avx512vnni",
        std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("fma")
            && std::is_x86_feature_detected!("avx512vl")
            && std::is_x86_feature_detected!("avx512vnni"),
        half: None,
        values: 4,
        tiles: [(1, 8), (2, 8), (4, 6)],
        weights: |at| load(at.cast()),
        dot: |acc, x, w| _mm256_dpbusd_epi32(acc, x, w),
        wide: |acc, x, w| _mm256_dpwssd_epi32(acc, x, w),
        words: |rows| fours(rows),
    );
}

/// AVX-512 VNNI: four values a word, sixteen channels a vector.
pub(crate) mod avx512_vnni {
    use super::v512::*;
    use core::arch::x86_64::{_mm512_dpbusd_epi32, _mm512_dpwssd_epi32};

    family!(
        "avx512-vnni", "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma",
        std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512dq")
            && std::is_x86_feature_detected!("avx512vl")
            && std::is_x86_feature_detected!("avx512vnni"),
        half: Some(super::avx512_vnni_256::Family::NAME),
        values: 4,
        tiles: [(1, 8), (2, 8), (4, 6)],
        weights: |at| load(at.cast()),
        dot: |acc, x, w| _mm512_dpbusd_epi32(acc, x, w),
        wide: |acc, x, w| _mm512_dpwssd_epi32(acc, x, w),
        words: |rows| fours(rows),
    );
}
