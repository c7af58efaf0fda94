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
mod v256;
mod v512;

/// The rounding profiles as constant parameters.
const DOUBLE: u8 = 0;
const SINGLE: u8 = 1;
const FLOAT: u8 = 2;

/// AVX2: two values a word, as 16 bits.
pub(crate) mod avx2 {
    use super::v256::*;
    /// Values in a word of 32 bits.
    pub(super) const VALUES: usize = 2;
    /// The family with vectors of half the length.
    pub(super) const HALF: Option<&str> = None;
    /// The most vectors of channels in a tile.
    pub(super) const VECTORS: usize = 3;
    /// The most pixels in a tile of so many vectors.
    pub(super) const PIXELS: [usize; 4] = [0, 8, 6, 4];

    #[inline]
    #[target_feature(enable = "avx2")]
    fn dot(acc: V, x: V, w: V) -> V {
        add(acc, pairs(x, w))
    }

    /// The weights of a vector of channels: 16 bytes, widened.
    ///
    /// # Safety
    /// The bytes must be there.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn weights(at: *const i8) -> V {
        // SAFETY: the caller's promise.
        unsafe { widen(at) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn dot16(acc: V, x: V, w: V) -> V {
        add(acc, pairs(x, w))
    }

    family!("avx2", "avx2", std::is_x86_feature_detected!("avx2"), [(1, 8), (2, 6), (3, 4)]);
}

/// AVX-VNNI: four values a word, unsigned.
pub(crate) mod avx_vnni {
    use super::v256::*;
    use core::arch::x86_64::{_mm256_dpbusd_avx_epi32, _mm256_dpwssd_avx_epi32};
    pub(super) const VALUES: usize = 4;
    pub(super) const HALF: Option<&str> = None;
    pub(super) const VECTORS: usize = 3;
    pub(super) const PIXELS: [usize; 4] = [0, 8, 6, 4];

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    fn dot(acc: V, x: V, w: V) -> V {
        _mm256_dpbusd_avx_epi32(acc, x, w)
    }

    /// The weights of a vector of channels: 32 bytes.
    ///
    /// # Safety
    /// The bytes must be there.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn weights(at: *const i8) -> V {
        // SAFETY: the caller's promise.
        unsafe { load(at.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    fn dot16(acc: V, x: V, w: V) -> V {
        _mm256_dpwssd_avx_epi32(acc, x, w)
    }

    family!(
        "avx-vnni",
        "avx2,avxvnni",
        std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("avxvnni"),
        [(1, 8), (2, 6), (3, 4)]
    );
}

/// AVX-512 VNNI on vectors of 256 bits: the tiles of AVX-VNNI in the encoding that servers had first.
pub(crate) mod avx512_vnni_256 {
    use super::v256::*;
    use core::arch::x86_64::{_mm256_dpbusd_epi32, _mm256_dpwssd_epi32};
    pub(super) const VALUES: usize = 4;
    pub(super) const HALF: Option<&str> = None;
    pub(super) const VECTORS: usize = 3;
    pub(super) const PIXELS: [usize; 4] = [0, 8, 6, 4];

    #[inline]
    #[target_feature(enable = "avx2,avx512vl,avx512vnni")]
    fn dot(acc: V, x: V, w: V) -> V {
        _mm256_dpbusd_epi32(acc, x, w)
    }

    /// The weights of a vector of channels: 32 bytes.
    ///
    /// # Safety
    /// The bytes must be there.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn weights(at: *const i8) -> V {
        // SAFETY: the caller's promise.
        unsafe { load(at.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2,avx512vl,avx512vnni")]
    fn dot16(acc: V, x: V, w: V) -> V {
        _mm256_dpwssd_epi32(acc, x, w)
    }

    family!(
        "avx512-vnni-256",
        "avx2,avx512vl,avx512vnni",
        std::is_x86_feature_detected!("avx512vl") && std::is_x86_feature_detected!("avx512vnni"),
        [(1, 8), (2, 6), (3, 4)]
    );
}

/// AVX-512 VNNI: four values a word, sixteen channels a vector.
pub(crate) mod avx512_vnni {
    use super::v512::*;
    use core::arch::x86_64::{_mm512_dpbusd_epi32, _mm512_dpwssd_epi32};
    pub(super) const VALUES: usize = 4;
    pub(super) const HALF: Option<&str> = Some(super::avx512_vnni_256::Family::NAME);
    pub(super) const VECTORS: usize = 4;
    pub(super) const PIXELS: [usize; 5] = [0, 8, 8, 8, 6];

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn dot(acc: V, x: V, w: V) -> V {
        _mm512_dpbusd_epi32(acc, x, w)
    }

    /// The weights of a vector of channels: 64 bytes.
    ///
    /// # Safety
    /// The bytes must be there.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn weights(at: *const i8) -> V {
        // SAFETY: the caller's promise.
        unsafe { load(at.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn dot16(acc: V, x: V, w: V) -> V {
        _mm512_dpwssd_epi32(acc, x, w)
    }

    family!(
        "avx512-vnni",
        "avx512f,avx512bw,avx512vl,avx512vnni,avx2",
        std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512vl")
            && std::is_x86_feature_detected!("avx512vnni"),
        [(1, 8), (2, 8), (3, 8), (4, 6)]
    );
}
