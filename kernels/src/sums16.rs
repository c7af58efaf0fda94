//! Int16 activations: exact sums of their products with int8 weights, and how these become int16. Not the micro-kernel
//! that multiplies.
//!
//! Source: TFLite's specification of 16-bit quantization with 8-bit weights; its reference multiplies sums of 64 bits by
//! 15 bits of the multiplier, and those of dense layers as floats.

use mote_format::{Requant16, Rounding};

use crate::quant::double;
use crate::view::{Io, Word};

/// Multipliers of the channels, by profile.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Scales<'a> {
    Double(&'a [i32]),
    Single(&'a [i16]),
    /// `f64`.
    Float(&'a [[u8; 8]]),
}

/// What turns the 64-bit sums of a layer into int16.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Sums16<'a> {
    /// A word a channel, or two.
    bias: &'a [i32],
    wide: bool,
    scales: Scales<'a>,
    shift: &'a [i8],
    min: i16,
    max: i16,
}

impl<'a> Sums16<'a> {
    /// Those of the step's output.
    #[inline(always)]
    pub fn of(io: &Io<'a>, bias: &'a [i32], requant: &Requant16) -> Self {
        let scales = match requant.round {
            Rounding::Double => Scales::Double(io.i32s(requant.mult)),
            Rounding::Single => Scales::Single(io.i16s(requant.mult)),
            Rounding::Float => Scales::Float(io.bytes(requant.mult).as_chunks().0),
        };
        let wide = bias.len() > io.y.shape.channels();
        Self { bias, wide, scales, shift: io.i8s(requant.shift), min: requant.min, max: requant.max }
    }

    /// The output of channel `n` for the sum of its products, in an integer profile.
    #[inline(always)]
    pub fn apply(&self, n: usize, sum: i64) -> Word {
        let sum = sum.wrapping_add(self.bias(n));
        self.clamp(match self.scales {
            Scales::Double(mult) => double(sum as i32, mult[n], self.shift[n].into()),
            Scales::Single(mult) => single16(sum, mult[n], self.shift[n].into()),
            Scales::Float(_) => 0,
        })
    }

    /// The same in any profile: what only dense layers need, since the floats take room where there is no unit for them.
    #[inline(always)]
    pub fn apply_any(&self, n: usize, sum: i64) -> Word {
        match self.scales {
            Scales::Float(mult) => {
                self.clamp(float64(sum.wrapping_add(self.bias(n)), f64::from_le_bytes(mult[n])))
            }
            _ => self.apply(n, sum),
        }
    }

    #[inline(always)]
    fn bias(&self, n: usize) -> i64 {
        if self.wide {
            i64::from(self.bias[2 * n + 1]) << 32 | i64::from(self.bias[2 * n] as u32)
        } else {
            self.bias[n].into()
        }
    }

    #[inline(always)]
    fn clamp(&self, scaled: i32) -> Word {
        word(scaled.clamp(self.min.into(), self.max.into()))
    }
}

/// Profile *single* on 64-bit sums: one product, shifted once, half up; truncated to 32 bits.
#[inline(always)]
pub fn single16(sum: i64, mult: i16, shift: i32) -> i32 {
    let right = (15 - shift) as u32;
    (sum.wrapping_mul(mult.into()).wrapping_add(1 << (right - 1)) >> right) as i32
}

/// Profile *float* on 64-bit sums: a product of 64-bit floats, half away from zero, held inside 32 bits.
#[inline(always)]
pub fn float64(sum: i64, mult: f64) -> i32 {
    let product = sum as f64 * mult;
    let whole = product as i32;
    let fraction = product - f64::from(whole);
    whole.saturating_add(i32::from(fraction >= 0.5) - i32::from(fraction <= -0.5))
}

/// The value of a word.
#[inline(always)]
pub fn value(word: Word) -> i32 {
    i16::from_le_bytes(word).into()
}

/// A value that fits, as a word.
#[inline(always)]
pub fn word(value: i32) -> Word {
    (value as i16).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_roundings() {
        assert_eq!(
            [single16(5, 1 << 14, 0), single16(-5, 1 << 14, 0), single16(1 << 46, 1 << 14, -31)],
            [3, -2, 1 << 14]
        );
        assert_eq!(
            [float64(5, 0.5), float64(-5, 0.5), float64(5, 0.499), float64(1 << 46, 1e9)],
            [3, -3, 2, i32::MAX]
        );
    }

    /// Exact in a wider integer.
    #[test]
    fn single_is_the_rounded_product() {
        let sums = [0, 1, -1, 12_345, -99_999, (1 << 40) + 3, -(1 << 46), i64::from(i32::MIN)];
        for (sum, mult, shift) in sums
            .into_iter()
            .flat_map(|s| [0i16, 1, 16_384, 20_000, 32_767].map(|m| (s, m)))
            .flat_map(|(s, m)| [-31, -20, -5, 0, 7].map(|t| (s, m, t)))
        {
            let unit = 1i128 << (15 - shift);
            let exact = (2 * i128::from(sum) * i128::from(mult) + unit).div_euclid(2 * unit);
            assert_eq!(single16(sum, mult, shift), exact as i32, "{sum} {mult} {shift}");
        }
    }
}
