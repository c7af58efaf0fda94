//! 1/√x in fixed point, in the steps of TFLite's `GetInvSqrtQuantizedMultiplierExp` on gemmlowp's numbers.

use mote_format::Scale;

use crate::quant::{doubling_high_mul, rounding_shift};

/// The multiplier that is closest to 1/√x; 1 for x below 2.
pub fn inverse_sqrt(x: i32) -> Scale {
    /// 1 and 3/2 with 28 fraction bits; 1/√2 with 31.
    const ONE: i32 = 1 << 28;
    const HALF_THREE: i32 = ONE + ONE / 2;
    const HALF_SQRT_2: i32 = 1_518_500_250;
    if x <= 1 {
        return Scale { mult: i32::MAX, shift: 0 };
    }
    // x · 4^pairs lies between 2^27 and 2^29; a quarter of it, from 1/8 to 1/2, has 28 fraction bits.
    let (mut x, mut shift) = (x, 11);
    while x >= 1 << 29 {
        (x, shift) = (x / 4, shift + 1);
    }
    let pairs = (x.leading_zeros() - 1) / 2 - 1;
    let (x, shift) = ((x << (2 * pairs)) >> 1, shift - pairs as i32);
    let half = rounding_shift(x, 1);
    // Products of numbers with 28 fraction bits lose three of them, which are shifted in again.
    let mut root = ONE;
    for _ in 0..5 {
        let cube = widen(doubling_high_mul(doubling_high_mul(root, root), root), 6);
        let next = doubling_high_mul(HALF_THREE, root) - doubling_high_mul(half, cube);
        root = widen(next, 3);
    }
    let root = doubling_high_mul(root, HALF_SQRT_2);
    // A right shift below zero is a left shift of the result.
    Scale { mult: root.wrapping_shl((-shift).max(0) as u32), shift: -shift.max(0) as i8 }
}

/// `x · 2^left`, held inside 32 bits.
fn widen(x: i32, left: u32) -> i32 {
    (i64::from(x) << left).clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_to_the_real_inverse_root() {
        for x in (2..5000).chain([65_025, 1 << 20, (1 << 29) - 1, 1 << 29, i32::MAX]) {
            let scale = inverse_sqrt(x);
            // 2^(shift − 31), by the exponent's bits.
            let unit = f64::from_bits((1023 + i64::from(scale.shift) - 31).unsigned_abs() << 52);
            let root = f64::from(scale.mult) * unit;
            let square = root * root * f64::from(x);
            assert!((square - 1.0).abs() < 1e-4, "{x}: {square}");
        }
    }
}
