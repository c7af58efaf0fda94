//! Requantization of vectors of four sums in the ways of rounding of [`Profile`], and how four of them become bytes.

use core::arch::aarch64::*;

use super::LANES;
use crate::packed::Profile;
use crate::packed::engine::{Out, Rescale};

/// Four 32-bit lanes.
pub(super) type V = int32x4_t;

/// The scales of a vector of channels. Shifts to the right are negative, as the instructions want them, and round half up
/// themselves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scales {
    pub(super) bias: V,
    mult: V,
    left: V,
    right: V,
}

impl Scales {
    /// Those of the channels from `c` on.
    ///
    /// # Safety
    /// They are there.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) unsafe fn at(out: &Out<'_>, c: usize) -> Self {
        // SAFETY: the caller's promise.
        let of = |of: &[i32]| unsafe { vld1q_s32(of.as_ptr().add(c)) };
        let right = vdupq_n_s32(-doubled(out.profile));
        Self {
            bias: of(out.bias),
            mult: of(out.mult),
            left: of(out.left),
            right: vsubq_s32(right, of(out.right)),
        }
    }

    /// One scale in all lanes.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn splat(of: &Rescale, profile: Profile) -> Self {
        Self {
            bias: vdupq_n_s32(0),
            mult: vdupq_n_s32(of.mult),
            left: vdupq_n_s32(of.left),
            right: vdupq_n_s32(-doubled(profile) - of.right),
        }
    }

    /// [`Profile::Double`]: what lies below zero loses one before it is shifted, half up, if it is shifted.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn double(&self, x: V) -> V {
        let x = vqrdmulhq_s32(vshlq_s32(x, self.left), self.mult);
        vrshlq_s32(vsraq_n_s32::<31>(x, vandq_s32(x, self.right)), self.right)
    }

    /// [`Profile::Away`].
    #[inline]
    #[target_feature(enable = "neon")]
    fn away(&self, x: V) -> V {
        let x = vqrdmulhq_s32(x, self.mult);
        vrshlq_s32(vsraq_n_s32::<31>(x, x), self.right)
    }

    /// [`Profile::Up`].
    #[inline]
    #[target_feature(enable = "neon")]
    fn up(&self, x: V) -> V {
        vrshlq_s32(vqrdmulhq_s32(x, self.mult), self.right)
    }

    /// [`Profile::Single`]: what the product drops below the half that is added cannot change the result.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn single(&self, x: V) -> V {
        vrshlq_s32(vqdmulhq_s32(x, self.mult), self.right)
    }

    /// [`Profile::Float`]: half to even. Holding between the bounds before or after rounding is the same.
    #[inline]
    #[target_feature(enable = "neon")]
    fn float(&self, x: V) -> V {
        vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(x), vreinterpretq_f32_s32(self.mult)))
    }
}

/// Bits that the doubling products have more than the profile's formula, before the shift to the right.
fn doubled(profile: Profile) -> i32 {
    i32::from(matches!(profile, Profile::Up | Profile::Single))
}

/// The output's zero point and bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    zero: i32,
    min: i8,
    max: i8,
}

impl Range {
    pub(super) fn new(zero: i32, min: i8, max: i8) -> Self {
        Self { zero, min, max }
    }

    /// Sixteen scaled lanes as bytes, the zero point added.
    #[inline]
    #[target_feature(enable = "neon")]
    fn bytes(&self, v: [V; 4], zero: i16) -> int8x16_t {
        let zero = vdupq_n_s16(zero);
        let low = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(v[0]), v[1]), zero);
        let high = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(v[2]), v[3]), zero);
        let bytes = vqmovn_high_s16(vqmovn_s16(low), high);
        vmaxq_s8(vminq_s8(bytes, vdupq_n_s8(self.max)), vdupq_n_s8(self.min))
    }

    /// Sixteen lanes that may be anything as bytes: the zero point is added in 32 bits, where it may wrap.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn wrapping(&self, v: [V; 4]) -> int8x16_t {
        self.bytes(v.map(|v| vaddq_s32(v, vdupq_n_s32(self.zero))), 0)
    }

    /// Four vectors of sums, each with its scales, requantized. A result near the ends of 32 bits, where adding the zero
    /// point would wrap, is possible in [`Profile::Double`] only.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn requantize(&self, profile: Profile, sums: [V; 4], scales: [&Scales; 4]) -> int8x16_t {
        let zero = self.zero as i16;
        let all =
            |scaled: fn(&Scales, V) -> V| -> [V; 4] { core::array::from_fn(|n| scaled(scales[n], sums[n])) };
        match profile {
            Profile::Up => self.bytes(all(|s, v| s.up(v)), zero),
            Profile::Away => self.bytes(all(|s, v| s.away(v)), zero),
            Profile::Single => self.bytes(all(|s, v| s.single(v)), zero),
            Profile::Float => self.bytes(all(|s, v| s.float(v)), zero),
            // Never asked for here: see `Engine::fuses`.
            Profile::Fused | Profile::FusedSigned => self.bytes(sums, zero),
            Profile::Double => self.wrapping(all(|s, v| s.double(v))),
        }
    }
}

/// The first `n` of sixteen bytes.
///
/// # Safety
/// `n` bytes must be there, 16 at most.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn store(at: *mut i8, bytes: int8x16_t, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match n {
            16 => vst1q_s8(at, bytes),
            8 => vst1_s8(at, vget_low_s8(bytes)),
            LANES => vst1q_lane_s32::<0>(at.cast(), vreinterpretq_s32_s8(bytes)),
            _ => {
                let mut all = [0i8; 16];
                vst1q_s8(all.as_mut_ptr(), bytes);
                core::ptr::copy_nonoverlapping(all.as_ptr(), at, n);
            }
        }
    }
}
