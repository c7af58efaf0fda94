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

    /// The outputs of the channels from `n` on for the sums of their products, in an integer profile. A function of its own,
    /// so that a microcontroller keeps all it needs in registers.
    #[inline(never)]
    pub fn apply(&self, n: usize, sums: &[i64], y: &mut [Word]) {
        match self.scales {
            Scales::Double(mult) => {
                let scales = mult[n..].iter().zip(&self.shift[n..]);
                self.each(n, sums, scales, y, |sum, (&m, &s)| double(sum as i32, m, s.into()));
            }
            Scales::Single(mult) => {
                let scales = mult[n..].iter().zip(&self.shift[n..]);
                self.each(n, sums, scales, y, |sum, (&m, &s)| single16(sum, m, s.into()));
            }
            Scales::Float(_) => {}
        }
    }

    /// The same in any profile: what only dense layers need, since the floats take room where there is no unit for them.
    pub fn apply_any(&self, n: usize, sums: &[i64], y: &mut [Word]) {
        match self.scales {
            Scales::Float(mult) => {
                self.each(n, sums, mult[n..].iter(), y, |sum, &m| float64(sum, f64::from_le_bytes(m)));
            }
            _ => self.apply(n, sums, y),
        }
    }

    #[inline(always)]
    fn each<T>(
        &self,
        n: usize,
        sums: &[i64],
        scales: impl Iterator<Item = T>,
        y: &mut [Word],
        scaled: impl Fn(i64, T) -> i32,
    ) {
        let (min, max) = (i32::from(self.min), i32::from(self.max));
        for (i, ((&sum, scale), y)) in sums.iter().zip(scales).zip(y).enumerate() {
            *y = word(scaled(sum.wrapping_add(self.bias(n + i)), scale).max(min).min(max));
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
}

/// Profile *single* on 64-bit sums: one product, shifted once, half up; truncated to 32 bits.
#[inline(always)]
pub fn single16(sum: i64, mult: i16, shift: i32) -> i32 {
    // A shift by a constant is cheap where 64 bits are two words: all but the last bit first, then the half.
    ((sum.wrapping_mul(mult.into()) >> (14 - shift) as u32).wrapping_add(1) >> 1) as i32
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
