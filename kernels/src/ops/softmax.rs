//! Softmax over the last dimension in gemmlowp's fixed point, as TFLite's int8 reference computes it: differences
//! to the largest value with 5 integer bits, their exponentials with none, the sum with 12, its reciprocal by
//! three Newton–Raphson steps. Source: gemmlowp `fixedpoint.h`.

use mote_format::{Shape, Softmax};

use crate::isa::Isa;
use crate::quant::{self, double, rounding_shift};
use crate::view::Io;

pub(crate) fn scratch(_: &Softmax, _: &Shape, _: &Shape) -> usize {
    0
}

#[inline(always)]
pub(crate) fn naive(p: &Softmax, mut io: Io<'_>) {
    let length = io.x[0].shape.channels();
    for (x, y) in io.x[0].i8s().chunks_exact(length).zip(io.y.i8s().chunks_exact_mut(length)) {
        row(p, x, y);
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Softmax, io: Io<'_>) {
    naive(p, io);
}

/// Not inlined, like the rest: a row is short, and should not take much code.
#[inline(never)]
fn doubling_high_mul(a: i32, b: i32) -> i32 {
    quant::doubling_high_mul(a, b)
}

/// The exponential of a difference, with 31 fraction bits; `None` below `diff_min`.
#[inline(never)]
fn weight(p: &Softmax, x: i8, max: i32) -> Option<i32> {
    let diff = i32::from(x) - max;
    (diff >= p.diff_min).then(|| exp_of_negative(double(diff, p.scale.mult, p.scale.shift.into())))
}

fn row(p: &Softmax, x: &[i8], y: &mut [i8]) {
    let max = i32::from(x.iter().copied().max().unwrap_or(0));
    // 4,096 equal values fill the 12 integer bits; with more, every result rounds to zero all the same.
    let weights = x.iter().filter_map(|&x| weight(p, x, max));
    let sum = weights.fold(0i32, |sum, w| sum.saturating_add(rounding_shift(w, 12)));
    let headroom = sum.leading_zeros();
    let fraction = ((sum as u32).wrapping_shl(headroom)).wrapping_sub(1 << 31) as i32;
    let reciprocal = one_over_one_plus(fraction);
    let shift = (12 + 31 - 8u32).saturating_sub(headroom);
    for (&x, y) in x.iter().zip(y) {
        let q = weight(p, x, max).map_or(0, |w| unit(doubling_high_mul(reciprocal, w), shift));
        *y = (q - 128).clamp(-128, 127) as i8;
    }
}

/// `x / 2^right`, half away from zero, for any shift; `x` is not negative, so that shifts above 31 leave nothing.
#[inline(always)]
fn unit(x: i32, right: u32) -> i32 {
    if right > 31 { 0 } else { rounding_shift(x, right) }
}

/// e^x for x in −32..=0; `x` with 26 fraction bits, the result with 31.
fn exp_of_negative(x: i32) -> i32 {
    /// e^−2^k for k = −2..=4, with 31 fraction bits.
    const STEPS: [i32; 7] =
        [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242];
    const QUARTER: i32 = 1 << 24;
    if x == 0 {
        return i32::MAX;
    }
    let part = (x & (QUARTER - 1)) - QUARTER;
    let whole = part.wrapping_sub(x);
    let mut result = exp_near_zero(part << 5);
    for (k, step) in STEPS.into_iter().enumerate() {
        if whole & (QUARTER << k) != 0 {
            result = doubling_high_mul(result, step);
        }
    }
    result
}

/// e^x for x in −1/4..0, both with 31 fraction bits: a Taylor series of degree 4 around −1/8.
fn exp_near_zero(x: i32) -> i32 {
    const EXP_OF_MINUS_EIGHTH: i32 = 1_895_147_668;
    const THIRD: i32 = 715_827_883;
    let x = x + (1 << 28);
    let x2 = doubling_high_mul(x, x);
    let x3 = doubling_high_mul(x2, x);
    let x4 = doubling_high_mul(x2, x2);
    let tail = doubling_high_mul(rounding_shift(x4, 2) + x3, THIRD) + x2;
    EXP_OF_MINUS_EIGHTH + doubling_high_mul(EXP_OF_MINUS_EIGHTH, x + rounding_shift(tail, 1))
}

/// 1 / (1 + x) for x in 0..1, both with 31 fraction bits.
pub(super) fn one_over_one_plus(x: i32) -> i32 {
    /// 48/17, −32/17 and 1 with 29 fraction bits.
    const A: i32 = 1_515_870_810;
    const B: i32 = -1_010_580_540;
    const ONE: i32 = 1 << 29;
    let half = (i64::from(x) + i64::from(i32::MAX) + 1).div_euclid(2) as i32;
    let mut r = A.wrapping_add(doubling_high_mul(half, B));
    for _ in 0..3 {
        let error = ONE.wrapping_sub(doubling_high_mul(half, r));
        r = r.wrapping_add(doubling_high_mul(r, error).saturating_mul(4));
    }
    r.saturating_mul(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mote_format::Scale;

    #[test]
    fn close_to_the_real_softmax() {
        let (scale, mut y) = (0.1f64, [0i8; 6]);
        let x = [-128i8, 3, 10, 12, 127, 100];
        let p = Softmax { scale: scale_for(scale), diff_min: -255 };
        row(&p, &x, &mut y);
        let exps = x.map(|v| f64::from(v) * scale).map(|v| v.exp_approx());
        let sum: f64 = exps.iter().sum();
        for (y, e) in y.iter().zip(exps) {
            let expected = e / sum * 256.0 - 128.0;
            assert!((f64::from(*y) - expected.min(127.0)).abs() <= 1.0, "{y} {expected}");
        }
    }

    fn scale_for(scale: f64) -> Scale {
        crate::quant::scale_of(scale * f64::from(1 << 26))
    }

    trait ExpApprox {
        fn exp_approx(self) -> f64;
    }

    impl ExpApprox for f64 {
        /// `core` has no `exp`: (1 + x / 2^20)^(2^20).
        fn exp_approx(self) -> f64 {
            (0..20).fold(1.0 + self / f64::from(1 << 20), |v, _| v * v)
        }
    }
}
