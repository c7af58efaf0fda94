//! Sigmoid and tanh of 16-bit fixed-point numbers, as gemmlowp computes them and TFLite's recurrent layers use them.
//!
//! Numbers have a sign, integer bits and fraction bits, 16 in all; results have no integer bits. Exponentials of negative
//! numbers are a Taylor series in the last quarter and a product of powers; quotients are three Newton–Raphson steps.
//! Source: gemmlowp `fixedpoint.h`.

/// 1 / (1 + e^−x) of `x` with 3 integer bits.
#[inline]
pub fn sigmoid(x: i16) -> i16 {
    if x == 0 {
        return 1 << 14;
    }
    let upper = one_over_one_plus(exp_of_negative(negative(x), 3));
    if x > 0 { upper } else { i16::MAX - upper }
}

/// The hyperbolic tangent of `x` with `bits` integer bits, at most 6.
#[inline]
pub fn tanh(x: i16, bits: u32) -> i16 {
    if x == 0 {
        return 0;
    }
    // One integer bit more doubles the number.
    let upper = one_minus_over_one_plus(exp_of_negative(negative(x), bits + 1));
    if x < 0 { -upper } else { upper }
}

fn negative(x: i16) -> i16 {
    if x > 0 { -x } else { x }
}

/// Twice the high half of a product, half away from zero.
fn high_mul(a: i16, b: i16) -> i16 {
    let product = i32::from(a) * i32::from(b);
    let nudge = if product >= 0 { 1 << 14 } else { 1 - (1 << 14) };
    saturate((product + nudge) / (1 << 15))
}

fn saturate(x: i32) -> i16 {
    x.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// `x / 2^right`, half away from zero.
fn rounding_shift(x: i16, right: u32) -> i16 {
    crate::quant::rounding_shift(x.into(), right) as i16
}

/// A constant with 31 bits and a sign in 16 bits.
const fn narrow(x: i32) -> i16 {
    let half = if x < 0 { -(1 << 15) } else { 1 << 15 };
    ((x + half) / (1 << 16)) as i16
}

/// e^x for `x` of at most 0 with `bits` integer bits, at most 7.
fn exp_of_negative(x: i16, bits: u32) -> i16 {
    /// e^−2^k for k = −2..=4.
    const STEPS: [i16; 7] = [
        narrow(1_672_461_947),
        narrow(1_302_514_674),
        narrow(790_015_084),
        narrow(290_630_308),
        narrow(39_332_535),
        narrow(720_401),
        narrow(242),
    ];
    if x == 0 {
        return i16::MAX;
    }
    let fraction = 15 - bits;
    let quarter = 1i16 << (fraction - 2);
    let part = (x & (quarter - 1)) - quarter;
    let whole = i32::from(part) - i32::from(x);
    if bits > 5 && i32::from(x) < -(32 << fraction) {
        return 0;
    }
    let mut result = exp_near_zero(part << bits);
    // The powers whose bit a number of that many integer bits has.
    for (k, step) in (0..).zip(STEPS).take(bits as usize + 2) {
        if whole & (i32::from(quarter) << k) != 0 {
            result = high_mul(result, step);
        }
    }
    result
}

/// e^x for x in −1/4..0: a Taylor series of degree 4 around −1/8.
fn exp_near_zero(x: i16) -> i16 {
    const EXP_OF_MINUS_EIGHTH: i16 = narrow(1_895_147_668);
    const THIRD: i16 = narrow(715_827_883);
    let x = x + (1 << 12);
    let x2 = high_mul(x, x);
    let x3 = high_mul(x2, x);
    let x4 = high_mul(x2, x2);
    let tail = high_mul(rounding_shift(x4, 2) + x3, THIRD) + x2;
    EXP_OF_MINUS_EIGHTH.saturating_add(high_mul(EXP_OF_MINUS_EIGHTH, x + rounding_shift(tail, 1)))
}

/// 1 with 2 integer bits.
const ONE: i16 = 1 << 13;

/// (1 − x) / (1 + x) for x in 0..1.
fn one_minus_over_one_plus(x: i16) -> i16 {
    saturate(i32::from(two_over_one_plus(x) - ONE) << 2)
}

/// 1 / (1 + x) for x in 0..1.
fn one_over_one_plus(x: i16) -> i16 {
    saturate(i32::from(two_over_one_plus(x)) << 1)
}

/// 2 / (1 + x) for x in 0..1, with 2 integer bits.
fn two_over_one_plus(x: i16) -> i16 {
    /// 48/17 and −32/17 with 2 integer bits.
    const A: i16 = narrow(1_515_870_810);
    const B: i16 = narrow(-1_010_580_540);
    let half = ((i32::from(x) + i32::from(i16::MAX) + 1) / 2) as i16;
    let mut r = A + high_mul(half, B);
    for _ in 0..3 {
        let error = ONE - high_mul(half, r);
        r += saturate(i32::from(high_mul(r, error)) << 2);
    }
    r
}
