//! The rounding profiles against their definitions in 128-bit integers and 64-bit floats.

use mote_format::{Quant, Rounding, Scale};
use mote_kernels::quant::{
    Channels, Output, dequantize, double, doubling_high_mul, float, quantize, rounding_shift, scale_of,
    single,
};
use proptest::prelude::*;

/// `x / 2^right`, half away from zero.
fn half_away(x: i128, right: u32) -> i128 {
    let half = (1i128 << right) >> 1;
    if x < 0 { -((-x + half) >> right) } else { (x + half) >> right }
}

/// gemmlowp's `SaturatingRoundingDoublingHighMul` as it is written there: a nudge by the sign, then a division that
/// cuts towards zero.
fn gemmlowp_high_mul(a: i32, b: i32) -> i32 {
    let product = i128::from(a) * i128::from(b);
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    ((product + nudge) / (1 << 31)).min(i128::from(i32::MAX)) as i32
}

/// gemmlowp's `MultiplyByQuantizedMultiplier`, as in TFLite's reference.
fn gemmlowp_double(acc: i32, mult: i32, shift: i32) -> i32 {
    let widened = (i128::from(acc) << shift.max(0)) as i32;
    half_away(gemmlowp_high_mul(widened, mult).into(), (-shift).max(0) as u32) as i32
}

/// floor(acc · mult / 2^(31 − shift) + 1/2), its low 32 bits.
fn exact_single(acc: i32, mult: i32, shift: i32) -> i32 {
    let right = (31 - shift) as u32;
    let product = i128::from(acc) * i128::from(mult);
    (2 * product + (1i128 << right)).div_euclid(1i128 << (right + 1)) as i32
}

/// Any sum, the bounds and the neighbourhood of powers of two more often.
fn sums() -> impl Strategy<Value = i32> {
    let near = (0..32u32, -2..3i32).prop_map(|(k, d)| (1i32.wrapping_shl(k)).wrapping_add(d));
    prop_oneof![any::<i32>(), near.clone(), near.prop_map(i32::wrapping_neg), -100_000..100_000]
}

fn mantissas() -> impl Strategy<Value = i32> {
    prop_oneof![(1 << 30)..=i32::MAX, 0..=i32::MAX, Just(1 << 30), Just(i32::MAX), Just(0), Just(1)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn double_is_gemmlowps(acc in sums(), mult in mantissas(), shift in -31..=30i32) {
        prop_assert_eq!(double(acc, mult, shift), gemmlowp_double(acc, mult, shift));
    }

    #[test]
    fn high_mul_is_gemmlowps(a in sums(), b in sums()) {
        prop_assume!(a != i32::MIN || b != i32::MIN);
        prop_assert_eq!(doubling_high_mul(a, b), gemmlowp_high_mul(a, b));
    }

    #[test]
    fn shifts_round_half_away(x in sums(), right in 0..32u32) {
        prop_assert_eq!(i128::from(rounding_shift(x, right)), half_away(x.into(), right));
    }

    #[test]
    fn single_is_one_rounding(acc in sums(), mult in mantissas(), shift in -31..=30i32) {
        prop_assert_eq!(single(acc, mult, shift), exact_single(acc, mult, shift));
    }

    #[test]
    fn float_rounds_to_even(acc in sums(), bits in any::<u32>(), plain in 0.0..2.0f32, low in -255..=0i32, high in 0..=255i32) {
        for mult in [f32::from_bits(bits), plain, plain / 1024.0, 0.5, 1.0] {
            if !mult.is_finite() {
                continue;
            }
            let exact = (acc as f32 * mult).round_ties_even().clamp(low as f32, high as f32) as i32;
            prop_assert_eq!(float(acc, mult, low, high), exact, "{} * {}", acc, mult);
        }
    }

    /// The result is within half a step (one step for the profiles of two roundings) of the real product.
    #[test]
    fn profiles_are_close_to_the_real_product(acc in -(1 << 24)..(1 << 24), real in 1e-7..1e-4f64) {
        let exact = f64::from(acc) * real;
        let Scale { mult, shift } = scale_of(real);
        for (result, bound) in [
            (double(acc, mult, shift.into()), 1.0),
            (single(acc, mult, shift.into()), 0.5001),
            (float(acc, real as f32, -2000, 2000), 0.5003),
        ] {
            prop_assert!((f64::from(result) - exact).abs() <= bound, "{} is not {}", result, exact);
        }
    }

    #[test]
    fn outputs_stay_in_their_bounds(acc in any::<i32>(), mult in mantissas(), shift in -31..=30i8, zero in -128..=127i32, a in any::<i8>(), b in any::<i8>()) {
        let (min, max) = (a.min(b), a.max(b));
        for (round, scale) in [
            (Rounding::Double, Scale { mult, shift }),
            (Rounding::Single, Scale { mult, shift }),
            (Rounding::Float, Scale { mult: (mult as f32 * 1e-12).to_bits() as i32, shift: 0 }),
        ] {
            let output = Output { round, zero, min, max };
            prop_assert!((min..=max).contains(&output.apply(acc, scale)));
            prop_assert_eq!(output.apply(0, scale), (zero as i8).clamp(min, max), "a sum of 0 is the zero point");
        }
    }

    #[test]
    fn multipliers_are_frexp(mantissa in 1.0..2.0f64, exponent in -40..40i32) {
        let real = mantissa * 2f64.powi(exponent);
        let (mut mult, mut shift) = ((mantissa / 2.0 * 2f64.powi(31)).round() as i64, exponent + 1);
        if mult == 1 << 31 {
            (mult, shift) = (1 << 30, shift + 1);
        }
        let expected = match shift {
            ..-31 => Scale { mult: 0, shift: 0 },
            31.. => Scale { mult: i32::MAX, shift: 30 },
            _ => Scale { mult: mult as i32, shift: shift as i8 },
        };
        prop_assert_eq!(scale_of(real), expected);
    }

    #[test]
    fn quantize_divides_and_rounds_half_away(real in prop_oneof![-300.0..300.0f32, any::<f32>()], scale in 1e-3..10.0f32, zero in -128..=127i32) {
        let quant = Quant { scale, zero };
        let expected = if real.is_nan() { zero } else {
            (f64::from(real / scale).round() + f64::from(zero)).clamp(-128.0, 127.0) as i32
        };
        prop_assert_eq!(i32::from(quantize(real, quant)), expected);
    }
}

#[test]
fn int8_survives_the_way_to_reals_and_back() {
    for scale in [0.003, 1.0, 7.5] {
        for zero in [-128, -3, 0, 127] {
            let quant = Quant { scale, zero };
            assert!((-128..=127).all(|q| quantize(dequantize(q, quant), quant) == q));
        }
    }
}

/// Each channel has its own bias and multiplier, and parts keep them together.
#[test]
fn channels_in_parts() {
    let (bias, mult, shift) = ([1, -2, i32::MAX], [1 << 30, i32::MAX, 1 << 30], [1i8, 0, -3]);
    let output = Output { round: Rounding::Double, zero: 0, min: -128, max: 127 };
    let channels = Channels { bias: &bias, mult: &mult, shift: &shift, output };
    let mut y = [0i8; 3];
    channels.apply(&[10, 50, 1], &mut y);
    // (10 + 1) · 1, (50 − 2) · almost 1, and a sum that wraps to −2^31.
    assert_eq!(y, [11, 48, -128]);
    for i in 0..3 {
        let mut one = [0i8];
        channels.part(i, 1).apply(&[[10, 50, 1][i]], &mut one);
        assert_eq!(one[0], y[i]);
    }
}
