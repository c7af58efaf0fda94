//! Depthwise sums on NEON: sixteen channels of a tap are multiplied to 16 bits, where several taps are summed before
//! they are widened to 32.

use core::arch::aarch64::*;
use core::arch::asm;

use super::lanes::{Range, Scales, by_profile, store};
use super::{BLOCK, LANES};
use crate::packed::engine::{Depthwise, Out, Place};

/// The taps of a window of three by three, whose weights stay in registers.
const NINE: usize = 9;

/// How many taps in a row 16 bits can sum up for all channels of a block, whatever the activations are: these are −128 at
/// most, so the magnitudes of the weights may sum up to 255.
pub(super) fn way(w: &[i8]) -> u8 {
    let fits = |taps: &usize| {
        let sum = |group: &[i8], c: usize| -> u32 {
            group.chunks_exact(BLOCK).map(|tap| u32::from(tap[c].unsigned_abs())).sum()
        };
        w.chunks(taps * BLOCK).all(|group| (0..BLOCK).all(|c| sum(group, c) <= 255))
    };
    [9, 5, 3, 2].into_iter().find(fits).unwrap_or(1) as u8
}

/// Requantized sums.
///
/// # Safety
/// NEON, and what [`Engine::depthwise`](crate::packed::engine::Engine::depthwise) asserts.
#[target_feature(enable = "neon")]
pub(super) unsafe fn depthwise(d: &Depthwise<'_>, out: &Out<'_>, y: &mut [i8]) {
    // SAFETY: the caller's promise.
    unsafe {
        match (d.taps.len(), d.way) {
            (NINE, 9) => by_profile!(out, windows, 9; d, out, y),
            (NINE, 5) => by_profile!(out, windows, 5; d, out, y),
            (NINE, 3) => by_profile!(out, windows, 3; d, out, y),
            (NINE, 2) => by_profile!(out, windows, 2; d, out, y),
            (NINE, _) => by_profile!(out, windows, 1; d, out, y),
            _ => by_profile!(out, any; d, out, y),
        }
    }
}

/// Sums of sixteen channels, and the products that wait in 16 bits to be added to them.
struct Sums {
    sums: [int32x4_t; 4],
    products: [int16x8_t; 2],
}

impl Sums {
    /// The products of the first tap of a group. By instructions, since the compiler keeps halves of `w` and would take
    /// halves of `x`.
    #[inline]
    #[target_feature(enable = "neon")]
    fn first(&mut self, x: int8x16_t, w: int8x16_t) {
        let (low, high);
        // SAFETY: registers only.
        unsafe {
            asm!(
                "smull {low:v}.8h, {x:v}.8b, {w:v}.8b",
                "smull2 {high:v}.8h, {x:v}.16b, {w:v}.16b",
                low = out(vreg) low, high = lateout(vreg) high, x = in(vreg) x, w = in(vreg) w,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        self.products = [low, high];
    }

    /// Those of a further one.
    #[inline]
    #[target_feature(enable = "neon")]
    fn more(&mut self, x: int8x16_t, w: int8x16_t) {
        let [low, high] = &mut self.products;
        // SAFETY: registers only.
        unsafe {
            asm!(
                "smlal {low:v}.8h, {x:v}.8b, {w:v}.8b",
                "smlal2 {high:v}.8h, {x:v}.16b, {w:v}.16b",
                low = inout(vreg) *low, high = inout(vreg) *high, x = in(vreg) x, w = in(vreg) w,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
    }

    /// The end of a group.
    #[inline]
    #[target_feature(enable = "neon")]
    fn widen(&mut self) {
        let ([low, high], [a, b, c, d]) = (self.products, self.sums);
        self.sums = [
            vaddw_s16(a, vget_low_s16(low)),
            vaddw_high_s16(b, low),
            vaddw_s16(c, vget_low_s16(high)),
            vaddw_high_s16(d, high),
        ];
    }
}

/// Windows of three by three, `GROUP` taps summed in 16 bits.
///
/// # Safety
/// As [`depthwise`]; there are nine taps.
#[target_feature(enable = "neon")]
unsafe fn windows<const PROFILE: u8, const GROUP: usize>(d: &Depthwise<'_>, out: &Out<'_>, y: &mut [i8]) {
    // SAFETY: weights, taps and their values are there.
    unsafe {
        let w: [int8x16_t; NINE] = core::array::from_fn(|tap| vld1q_s8(d.w.as_ptr().add(tap * BLOCK)));
        let taps: [usize; NINE] = core::array::from_fn(|tap| *d.taps.get_unchecked(tap));
        all::<PROFILE>(d, out, y, |x, sums| {
            for tap in 0..NINE {
                let x = vld1q_s8(x.add(taps[tap]));
                if tap % GROUP == 0 {
                    sums.first(x, w[tap]);
                } else {
                    sums.more(x, w[tap]);
                }
                if tap % GROUP == GROUP - 1 || tap == NINE - 1 {
                    sums.widen();
                }
            }
        });
    }
}

/// Windows of any taps.
///
/// # Safety
/// As [`depthwise`].
#[target_feature(enable = "neon")]
unsafe fn any<const PROFILE: u8>(d: &Depthwise<'_>, out: &Out<'_>, y: &mut [i8]) {
    // SAFETY: weights, taps and their values are there.
    unsafe {
        all::<PROFILE>(d, out, y, |x, sums| {
            let mut w = d.w.as_ptr();
            for group in d.taps.chunks(d.way.into()) {
                for (i, &tap) in group.iter().enumerate() {
                    let x = vld1q_s8(x.add(tap));
                    if i == 0 {
                        sums.first(x, vld1q_s8(w));
                    } else {
                        sums.more(x, vld1q_s8(w));
                    }
                    w = w.add(BLOCK);
                }
                sums.widen();
            }
        });
    }
}

/// The outputs of all windows, whose products `sum` adds up.
///
/// # Safety
/// Constants and outputs are there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn all<const PROFILE: u8>(
    d: &Depthwise<'_>,
    out: &Out<'_>,
    y: &mut [i8],
    sum: impl Fn(*const i8, &mut Sums),
) {
    let range = Range::new(out.zero, out.min, out.max);
    // SAFETY: the caller's promise.
    unsafe {
        let [s0, s1, s2, s3] = &[
            Scales::at(out, 0),
            Scales::at(out, LANES),
            Scales::at(out, 2 * LANES),
            Scales::at(out, 3 * LANES),
        ];
        let fast = out.channels == BLOCK && range.rectifies::<PROFILE>();
        let scales = [s0, s1, s2, s3];
        let y = y.as_mut_ptr();
        let sums = |place: &Place| {
            let mut sums = Sums { sums: scales.map(|s| s.bias), products: [vdupq_n_s16(0); 2] };
            sum(d.x.as_ptr().add(place.from as usize).cast(), &mut sums);
            (sums.sums, y.add(place.to as usize))
        };
        if fast {
            for (sums, to) in d.places.iter().map(sums) {
                store(to, range.rectify::<PROFILE>(sums, scales), BLOCK);
            }
        } else {
            for (sums, to) in d.places.iter().map(sums) {
                store(to, range.requantize::<PROFILE>(sums, scales), out.channels);
            }
        }
    }
}
