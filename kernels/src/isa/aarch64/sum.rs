//! Element-wise sums, sixteen elements at a time.

use core::arch::aarch64::*;

use super::lanes::{Range, Scales, V};
use crate::packed::Profile;
use crate::packed::engine::{ExactSum, Sum};

/// Elements at a time.
const PART: usize = 16;

/// The sums of equally long slices.
#[target_feature(enable = "neon")]
pub(super) fn add(a: &[i8], b: &[i8], sum: &Sum, y: &mut [i8]) {
    match sum {
        Sum::Float { scales, offset, min, max } => {
            floats(a, b, *scales, *offset, &Range::new(0, *min, *max), y)
        }
        Sum::Exact(sum) => exact(a, b, sum, y),
    }
}

#[target_feature(enable = "neon")]
fn floats(a: &[i8], b: &[i8], scales: [f32; 2], offset: f32, range: &Range, y: &mut [i8]) {
    let ([one, two], offset) = (scales.map(|scale| vdupq_n_f32(scale)), vdupq_n_f32(offset));
    parts(a, b, y, |a, b| {
        let sum = |n: usize| {
            let (a, b) = (vcvtq_f32_s32(a[n]), vcvtq_f32_s32(b[n]));
            vcvtnq_s32_f32(vfmaq_f32(vfmaq_f32(offset, a, one), b, two))
        };
        range.wrapping([sum(0), sum(1), sum(2), sum(3)])
    });
}

#[target_feature(enable = "neon")]
fn exact(a: &[i8], b: &[i8], sum: &ExactSum, y: &mut [i8]) {
    let scale = |of| Scales::splat(of, sum.profile);
    let [one, two, both] = [scale(&sum.a), scale(&sum.b), scale(&sum.y)];
    let range = Range::new(sum.zeros[2], sum.min, sum.max);
    let (left, zeros) = (vdupq_n_s32(sum.left), [vdupq_n_s32(sum.zeros[0]), vdupq_n_s32(sum.zeros[1])]);
    let scaled = |by: &Scales, x: V| if sum.profile == Profile::Single { by.single(x) } else { by.double(x) };
    parts(a, b, y, |a, b| {
        let sum = |n: usize| {
            let a = scaled(&one, vshlq_s32(vsubq_s32(a[n], zeros[0]), left));
            let b = scaled(&two, vshlq_s32(vsubq_s32(b[n], zeros[1]), left));
            scaled(&both, vaddq_s32(a, b))
        };
        range.wrapping([sum(0), sum(1), sum(2), sum(3)])
    });
}

/// Element-wise results of four vectors of lanes at a time; what is left goes through vectors of its own.
#[inline]
#[target_feature(enable = "neon")]
fn parts(a: &[i8], b: &[i8], y: &mut [i8], f: impl Fn([V; 4], [V; 4]) -> int8x16_t) {
    let part = |a: &[i8; PART], b: &[i8; PART], y: &mut [i8; PART]| {
        // SAFETY: the arrays hold a vector of bytes.
        unsafe { vst1q_s8(y.as_mut_ptr(), f(lanes(vld1q_s8(a.as_ptr())), lanes(vld1q_s8(b.as_ptr())))) }
    };
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<PART>(), b.as_chunks::<PART>());
    let (y, y_rest) = y.as_chunks_mut::<PART>();
    for ((a, b), y) in a.iter().zip(b).zip(y) {
        part(a, b, y);
    }
    if !y_rest.is_empty() {
        let (mut a, mut b, mut y) = ([0; PART], [0; PART], [0; PART]);
        a[..a_rest.len()].copy_from_slice(a_rest);
        b[..b_rest.len()].copy_from_slice(b_rest);
        part(&a, &b, &mut y);
        y_rest.copy_from_slice(&y[..a_rest.len()]);
    }
}

/// Sixteen bytes as lanes.
#[inline]
#[target_feature(enable = "neon")]
fn lanes(x: int8x16_t) -> [V; 4] {
    let (low, high) = (vmovl_s8(vget_low_s8(x)), vmovl_high_s8(x));
    [vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)]
}
