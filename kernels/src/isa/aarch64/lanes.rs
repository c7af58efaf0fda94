//! Requantization of vectors of four sums in the ways of rounding of [`Profile`], and how four of them become bytes.

use core::arch::aarch64::*;
use core::arch::asm;

use super::LANES;
use crate::packed::Profile;
use crate::packed::engine::{Out, Rescale};

/// The profiles as constant parameters.
pub(super) const DOUBLE: u8 = 0;
pub(super) const AWAY: u8 = 1;
pub(super) const UP: u8 = 2;
pub(super) const SINGLE: u8 = 3;
pub(super) const FLOAT: u8 = 4;

/// A call of a function whose first parameter is the profile.
macro_rules! by_profile {
    ($out:expr, $name:ident $(, $parameter:expr)*; $($argument:expr),*) => {
        match $out.profile {
            // Others are never asked for: see `Engine::fuses`.
            $crate::packed::Profile::Double | $crate::packed::Profile::Fused | $crate::packed::Profile::FusedSigned => $name::<{ $crate::isa::aarch64::lanes::DOUBLE } $(, { $parameter })*>($($argument),*),
            $crate::packed::Profile::Away => $name::<{ $crate::isa::aarch64::lanes::AWAY } $(, { $parameter })*>($($argument),*),
            $crate::packed::Profile::Up => $name::<{ $crate::isa::aarch64::lanes::UP } $(, { $parameter })*>($($argument),*),
            $crate::packed::Profile::Single => $name::<{ $crate::isa::aarch64::lanes::SINGLE } $(, { $parameter })*>($($argument),*),
            $crate::packed::Profile::Float => $name::<{ $crate::isa::aarch64::lanes::FLOAT } $(, { $parameter })*>($($argument),*),
        }
    };
}
pub(super) use by_profile;

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

    /// Whether [`rectify`](Self::rectify) has the bits of [`requantize`](Self::requantize): what a ReLU leaves takes all
    /// values of a byte, and the profile has no results that wrap.
    pub(super) fn rectifies<const PROFILE: u8>(&self) -> bool {
        PROFILE != DOUBLE && self.zero == -128 && (self.min, self.max) == (i8::MIN, i8::MAX)
    }

    /// As [`requantize`](Self::requantize): unsigned numbers saturate where the ReLU holds values.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn rectify<const PROFILE: u8>(&self, sums: [V; 4], scales: [&Scales; 4]) -> int8x16_t {
        let [a, b, c, d] = scaled::<PROFILE>(sums, scales);
        let low = vqmovn_high_s32(vqmovn_s32(a), b);
        let high = vqmovn_high_s32(vqmovn_s32(c), d);
        let bytes = vqmovun_high_s16(vqmovun_s16(low), high);
        vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(0x80)))
    }

    /// Sixteen lanes that may be anything as bytes: the zero point is added in 32 bits, where it may wrap.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn wrapping(&self, v: [V; 4]) -> int8x16_t {
        self.bytes(add4(v, [vdupq_n_s32(self.zero); 4]), 0)
    }

    /// Four vectors of sums, each with its scales, requantized by one of the profiles. A result near the ends of 32 bits,
    /// where adding the zero point would wrap, is possible in [`Profile::Double`] only.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn requantize<const PROFILE: u8>(&self, sums: [V; 4], scales: [&Scales; 4]) -> int8x16_t {
        let scaled = scaled::<PROFILE>(sums, scales);
        if PROFILE == DOUBLE { self.wrapping(scaled) } else { self.bytes(scaled, self.zero as i16) }
    }
}

/// Four vectors of sums times their scales, by one of the profiles.
#[inline]
#[target_feature(enable = "neon")]
fn scaled<const PROFILE: u8>([a, b, c, d]: [V; 4], [e, f, g, h]: [&Scales; 4]) -> [V; 4] {
    match PROFILE {
        UP => [e.up(a), f.up(b), g.up(c), h.up(d)],
        AWAY => [e.away(a), f.away(b), g.away(c), h.away(d)],
        SINGLE => [e.single(a), f.single(b), g.single(c), h.single(d)],
        FLOAT => [e.float(a), f.float(b), g.float(c), h.float(d)],
        _ => [e.double(a), f.double(b), g.double(c), h.double(d)],
    }
}

/// Sums lane by lane.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn add4([a, b, c, d]: [V; 4], [e, f, g, h]: [V; 4]) -> [V; 4] {
    [vaddq_s32(a, e), vaddq_s32(b, f), vaddq_s32(c, g), vaddq_s32(d, h)]
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

/// Four vectors of bytes by one instruction, which the compiler would make two of and an addition. There are two sets of
/// registers, for two loads whose vectors are needed together.
macro_rules! load4 {
    ($($name:ident: $list:literal $a:tt $b:tt $c:tt $d:tt;)*) => {$(
        /// Four vectors of bytes; `at` moves by `step`.
        ///
        /// # Safety
        /// They are there.
        #[inline]
        #[target_feature(enable = "neon")]
        pub(super) unsafe fn $name(at: &mut *const i8, step: usize) -> [int8x16_t; 4] {
            let (a, b, c, d);
            // SAFETY: the caller's promise; nothing else is read.
            unsafe {
                asm!(
                    concat!("ld1 {{", $list, "}}, [{at}], {step}"),
                    at = inout(reg) *at, step = in(reg) step,
                    out($a) a, out($b) b, out($c) c, out($d) d,
                    options(readonly, nostack, preserves_flags),
                );
            }
            [a, b, c, d]
        }
    )*};
}

load4! {
    load4: "v28.16b, v29.16b, v30.16b, v31.16b" "v28" "v29" "v30" "v31";
    load4_low: "v24.16b, v25.16b, v26.16b, v27.16b" "v24" "v25" "v26" "v27";
}
