//! From exact 32-bit sums to int8: the three rounding profiles, each in one place. Vector versions in `isa/` must
//! give the bits of these functions.
//!
//! Sources: gemmlowp, "Efficient handling of offsets" and `fixedpoint.h` (doubling high multiply, rounding shift);
//! Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference".

use mote_format::{Quant, Rounding, Scale};

/// High half of twice the product, half up: gemmlowp's `SaturatingRoundingDoublingHighMul` for `b >= 0`.
#[inline(always)]
pub fn doubling_high_mul(a: i32, b: i32) -> i32 {
    if cfg!(mote_narrow) {
        let (high, low) = halves(a, b);
        return (high << 1).wrapping_add((((low >> 30) + 1) >> 1) as i32);
    }
    ((i64::from(a) * i64::from(b) + (1 << 30)) >> 31) as i32
}

/// The upper and lower half of a product, for processors that have no such multiplication.
#[inline(always)]
fn halves(a: i32, b: i32) -> (i32, u32) {
    let ((ah, al), (bh, bl)) = ((a >> 16, a as u32 & 0xffff), (b >> 16, b as u32 & 0xffff));
    let low = al * bl;
    let middle = (ah.wrapping_mul(bl as i32)).wrapping_add((low >> 16) as i32);
    let rest = (al as i32).wrapping_mul(bh).wrapping_add(middle & 0xffff);
    (
        ah.wrapping_mul(bh).wrapping_add(middle >> 16).wrapping_add(rest >> 16),
        low & 0xffff | (rest as u32) << 16,
    )
}

/// The upper half of a product.
#[inline(always)]
fn high(a: i32, b: i32) -> i32 {
    if cfg!(mote_narrow) { halves(a, b).0 } else { ((i64::from(a) * i64::from(b)) >> 32) as i32 }
}

/// `x / 2^right`, half away from zero. `right` is 0..=31.
#[inline(always)]
pub fn rounding_shift(x: i32, right: u32) -> i32 {
    let mask = (1u32 << right).wrapping_sub(1) as i32;
    let threshold = (mask >> 1) + i32::from(x < 0);
    (x >> right.min(31)) + i32::from((x & mask) > threshold)
}

/// Profile *double*: shift left, doubling high multiply, rounding shift right.
#[inline(always)]
pub fn double(acc: i32, mult: i32, shift: i32) -> i32 {
    let (left, right) = (shift.max(0) as u32, (-shift).max(0) as u32);
    rounding_shift(doubling_high_mul(acc.wrapping_shl(left), mult), right)
}

/// Profile *single*: one 64-bit product, shifted once, half up; truncated to 32 bits.
#[inline(always)]
pub fn single(acc: i32, mult: i32, shift: i32) -> i32 {
    if shift <= -2 {
        // The half that is added is a multiple of 2^32 here, so the low word cannot change the result.
        let right = (-1 - shift) as u32;
        return (high(acc, mult) + (1 << (right - 1))) >> right;
    }
    let product = i64::from(acc) * i64::from(mult);
    let right = (31 - shift) as u32;
    ((product + (1i64 << (right - 1))) >> right) as i32
}

/// Profile *float*: a float product held between the bounds, then rounded half to even. The bounds are those of
/// the result before the zero point is added, and at most 255 in magnitude.
#[inline(always)]
pub fn float(acc: i32, mult: f32, min: i32, max: i32) -> i32 {
    /// Adding and subtracting 1.5 · 2^23 rounds a small float to an integer in the current (nearest-even) mode.
    const MAGIC: f32 = 12_582_912.0;
    let product = (acc as f32 * mult).max(min as f32).min(max as f32);
    ((product + MAGIC) - MAGIC) as i32
}

/// What turns the sum of one channel into int8.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Output {
    /// The rounding profile.
    pub round: Rounding,
    /// Zero point of the output.
    pub zero: i32,
    /// Bounds of the output.
    pub min: i8,
    /// Upper bound.
    pub max: i8,
}

impl Output {
    /// Requantizes one sum. Sums outside the range that the converter proves give the same bits everywhere too.
    #[inline(always)]
    pub fn apply(&self, acc: i32, scale: Scale) -> i8 {
        let (min, max) = (i32::from(self.min), i32::from(self.max));
        let scaled = match self.round {
            Rounding::Double => double(acc, scale.mult, scale.shift.into()),
            Rounding::Single => single(acc, scale.mult, scale.shift.into()),
            Rounding::Float => {
                float(acc, f32::from_bits(scale.mult as u32), min - self.zero, max - self.zero)
            }
        };
        held(scaled.wrapping_add(self.zero), self.min, self.max)
    }
}

/// Requantization with a multiplier per channel.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Channels<'a> {
    /// Added to the sums first.
    pub bias: &'a [i32],
    /// Mantissas, or float bits.
    pub mult: &'a [i32],
    /// Exponents; empty in the float profile.
    pub shift: &'a [i8],
    /// The rest.
    pub output: Output,
}

impl<'a> Channels<'a> {
    /// The `len` channels from `from`.
    #[inline(always)]
    pub fn part(&self, from: usize, len: usize) -> Self {
        let end = from + len;
        let shift = self.shift.get(from..end).unwrap_or(&[]);
        Self { bias: &self.bias[from..end], mult: &self.mult[from..end], shift, output: self.output }
    }

    /// Whether a 32-bit way of rounding gives the same bits for every sum: the exponents are those of a reduction by
    /// a moderate factor, and in profile *double* the mantissas are normalised. What such a way drops or saturates
    /// then lies behind the bounds of int8.
    #[inline(never)]
    pub fn is_plain(&self) -> bool {
        // Normalised mantissas have 01 as their upper bits; exponents from -16 to -1 have 1111, and -1 has 1111 below.
        let (mut mults, mut upper, mut lower) = (0, !0, 0);
        let mut include = |mult: i32, shifts: u32| {
            mults |= mult;
            upper &= shifts;
            lower |= (shifts & 0x0f0f_0f0f) + 0x0101_0101;
        };
        let ((mult_fours, mult_rest), (shift_fours, shift_rest)) =
            (self.mult.as_chunks(), self.shift.as_chunks());
        for ([a, b, c, d], &shifts) in mult_fours.iter().zip(shift_fours) {
            let [a, b, c, d] = [a, b, c, d].map(|mult| mult ^ 1 << 30);
            include(a | b | c | d, u32::from_ne_bytes(shifts.map(|shift| shift as u8)));
        }
        for (&mult, &shift) in mult_rest.iter().zip(shift_rest) {
            include(mult ^ 1 << 30, u32::from_ne_bytes([shift as u8; 4]));
        }
        let moderate = upper & 0xf0f0_f0f0 == 0xf0f0_f0f0;
        match self.output.round {
            Rounding::Double => moderate && mults as u32 >> 30 == 0,
            Rounding::Single => moderate && mults >= 0 && lower & 0x1010_1010 == 0,
            Rounding::Float => false,
        }
    }

    /// Requantizes one sum per channel.
    #[inline(always)]
    pub fn apply(&self, acc: &[i32], y: &mut [i8]) {
        let (min, max) = (i32::from(self.output.min), i32::from(self.output.max));
        let zero = self.output.zero;
        match self.output.round {
            Rounding::Double => self.each(acc, self.shift, y, double),
            Rounding::Single => self.each(acc, self.shift, y, single),
            Rounding::Float => self.each(acc, &[0; 0], y, |acc, mult, _| {
                float(acc, f32::from_bits(mult as u32), min - zero, max - zero)
            }),
        }
    }

    /// One profile for all channels, so that the choice is made once. Exponents may be missing, then they are 0.
    #[inline(always)]
    fn each(&self, acc: &[i32], shift: &[i8], y: &mut [i8], scaled: impl Fn(i32, i32, i32) -> i32) {
        let (min, max) = (self.output.min, self.output.max);
        let sums = acc.iter().zip(self.bias).map(|(&acc, &bias)| acc.wrapping_add(bias));
        for (i, ((y, sum), &mult)) in y.iter_mut().zip(sums).zip(self.mult).enumerate() {
            let shift = shift.get(i).map_or(0, |&s| s.into());
            *y = held(scaled(sum, mult, shift).wrapping_add(self.output.zero), min, max);
        }
    }
}

/// How far the short way of rounding shifts by one scale, where it gives the same bits for every sum.
#[inline(always)]
pub fn plain_shift(scale: Scale, round: Rounding) -> Option<i32> {
    let right = -i32::from(scale.shift) - i32::from(round == Rounding::Single);
    let plain = round != Rounding::Float && (1..=20).contains(&right) && scale.mult >= 1 << 30;
    plain.then_some(right)
}

/// The short way of rounding of one channel that is plain ([`Channels::is_plain`]), for sums that have their bias.
#[derive(Debug, Clone, Copy)]
pub struct Plain {
    round: Rounding,
    mult: i32,
    /// The zero point and a half, before the shift.
    add: i32,
    right: i32,
    min: i8,
    max: i8,
}

impl Plain {
    /// Channel `n`, when it is plain; `all` says that every channel is.
    #[inline(always)]
    pub fn of(channels: &Channels<'_>, n: usize, all: bool) -> Option<Self> {
        let Output { round, zero, min, max } = channels.output;
        if !all && !channels.part(n, 1).is_plain() {
            return None;
        }
        let right = -i32::from(channels.shift[n]) - i32::from(round == Rounding::Single);
        Some(Self { round, mult: channels.mult[n], add: (2 * zero + 1) << (right - 1), right, min, max })
    }

    /// Requantizes a sum.
    #[inline(never)]
    pub fn apply(&self, sum: i32) -> i8 {
        let scaled = if self.round == Rounding::Double {
            let scaled = doubling_high_mul(sum, self.mult);
            scaled + (scaled >> 31)
        } else {
            high(sum, self.mult)
        };
        held(scaled.saturating_add(self.add) >> self.right, self.min, self.max)
    }
}

/// `x` held between two bounds. Unlike `clamp` it has no code for bounds in the wrong order.
#[inline(always)]
pub fn held(x: i32, min: i8, max: i8) -> i8 {
    x.max(min.into()).min(max.into()) as i8
}

/// A real value as int8: half away from zero, held inside the range. NaN becomes the zero point.
pub fn quantize(real: f32, quant: Quant) -> i8 {
    quantize_within(real, quant, -128, 127) as i8
}

/// A real value as int16, in the same way.
pub fn quantize16(real: f32, quant: Quant) -> i16 {
    quantize_within(real, quant, -32768, 32767) as i16
}

fn quantize_within(real: f32, quant: Quant, min: i32, max: i32) -> i32 {
    let scaled = real / quant.scale;
    let whole = scaled as i32;
    let fraction = scaled - whole as f32;
    let step = i32::from(fraction >= 0.5) - i32::from(fraction <= -0.5);
    whole.saturating_add(step).saturating_add(quant.zero).clamp(min, max)
}

/// The real value of an int8 or int16.
pub fn dequantize(q: impl Into<i32>, quant: Quant) -> f32 {
    (q.into() - quant.zero) as f32 * quant.scale
}

/// A positive real as a 31-bit mantissa and an exponent, `real ≈ mult · 2^(shift − 31)`: `frexp` in f64, the
/// mantissa rounded half away from zero. Zero and reals too small for the exponent give a zero multiplier, reals
/// too large the largest one.
pub fn scale_of(real: f64) -> Scale {
    if !(real > 0.0 && real.is_finite()) {
        return Scale { mult: 0, shift: 0 };
    }
    let bits = real.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1022;
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    let rounded = (mantissa + (1 << 21)) >> 22;
    let (mult, exponent) = if rounded == 1 << 31 { (1 << 30, exponent + 1) } else { (rounded, exponent) };
    match exponent {
        ..-31 => Scale { mult: 0, shift: 0 },
        31.. => Scale { mult: i32::MAX, shift: 30 },
        _ => Scale { mult: mult as i32, shift: exponent as i8 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_roundings() {
        let half = Scale { mult: 1 << 30, shift: 0 };
        assert_eq!([double(5, half.mult, 0), single(5, half.mult, 0), float(5, 0.5, -128, 127)], [3, 3, 2]);
        assert_eq!(
            [double(-5, half.mult, 0), single(-5, half.mult, 0), float(-5, 0.5, -128, 127)],
            [-2, -2, -2]
        );
        assert_eq!([double(-6, half.mult, -1), single(-6, half.mult, -1)], [-2, -1]);
        assert_eq!(rounding_shift(-3, 1), -2);
        assert_eq!(rounding_shift(i32::MIN, 31), -1);
    }

    #[test]
    fn products_by_halves() {
        let values =
            [0, 1, -1, 0x7fff, -0x8000, 0xffff, 0x1_0000, -0x1_0000, i32::MAX, i32::MIN, 0x5555_aaaa];
        for (a, b) in values.iter().flat_map(|&a| values.map(|b| (a, b))).filter(|&(_, b)| b >= 0) {
            let (high, low) = halves(a, b);
            assert_eq!(i64::from(high) << 32 | i64::from(low), i64::from(a) * i64::from(b), "{a} {b}");
        }
    }

    #[test]
    fn multipliers_are_close_to_their_reals() {
        for real in [1e-9, 0.0003, 0.5, 0.999_999_999_9, 1.0, 3.7, 1e8] {
            let s = scale_of(real);
            let back = f64::from(s.mult) * 2f64.powi(i32::from(s.shift) - 31);
            assert!((back - real).abs() <= real * 2f64.powi(-31), "{real} {s:?} {back}");
        }
        assert_eq!(scale_of(0.0).mult, 0);
        assert_eq!(scale_of(1e300), Scale { mult: i32::MAX, shift: 30 });
    }

    #[test]
    fn quantize_rounds_half_away() {
        let quant = Quant { scale: 0.5, zero: -3 };
        assert_eq!(
            [0.24, 0.25, -0.25, 1e9, -1e9, f32::NAN].map(|v| quantize(v, quant)),
            [-3, -2, -4, 127, -128, -3]
        );
        assert_eq!(quantize(0.499_999_97, Quant { scale: 1.0, zero: 0 }), 0);
    }
}
