//! Sets of integers as an interval, and what the kernels' rounding makes of one. Every profile is monotone in the sum
//! as long as nothing wraps, so that bounds map to bounds; where something could wrap there is no answer.

use mote_format::{Rounding, Scale};
use mote_kernels::quant::{Output, double, single};

/// All integers from `low` to `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) low: i64,
    pub(super) high: i64,
}

impl Interval {
    /// Every int8.
    pub(super) const INT8: Self = Self { low: -128, high: 127 };

    pub(super) const fn new(low: i64, high: i64) -> Self {
        Self { low, high }
    }

    pub(super) const fn one(value: i64) -> Self {
        Self { low: value, high: value }
    }

    /// The value, where there is only one.
    pub(super) fn constant(self) -> Option<i64> {
        (self.low == self.high).then_some(self.low)
    }

    /// The smallest interval that holds both.
    pub(super) fn or(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// The smallest interval that holds all; that of int8 when there are none.
    pub(super) fn union(all: impl Iterator<Item = Self>) -> Self {
        all.reduce(Self::or).unwrap_or(Self::INT8)
    }

    /// Sums of a value of each.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { low: self.low + other.low, high: self.high + other.high }
    }

    /// Products of a value of each.
    pub(super) fn times(self, other: Self) -> Self {
        let corners =
            [self.low * other.low, self.low * other.high, self.high * other.low, self.high * other.high];
        Self::union(corners.into_iter().map(Self::one))
    }

    /// Its values held between two bounds.
    pub(super) fn clamp(self, min: i8, max: i8) -> Self {
        let held = |v: i64| v.max(min.into()).min(max.into());
        Self { low: held(self.low), high: held(self.high) }
    }

    /// What a function of int8 makes of it.
    pub(super) fn map(self, f: impl Fn(i8) -> i8) -> Self {
        let values = (-128..=127i8).filter(|&v| self.low <= v.into() && i64::from(v) <= self.high);
        Self::union(values.map(|v| Self::one(f(v).into())))
    }

    /// Its ends in 32 bits.
    pub(super) fn ends(self) -> Option<[i32; 2]> {
        Some([i32::try_from(self.low).ok()?, i32::try_from(self.high).ok()?])
    }

    /// Its values multiplied in an integer profile; `None` where a step of that could leave 32 bits.
    pub(super) fn scaled(self, round: Rounding, scale: Scale) -> Option<Self> {
        let [low, high] = self.ends()?;
        let shift = i32::from(scale.shift);
        let largest = i128::from(self.low.abs().max(self.high.abs()));
        let shifted = largest << shift.max(0);
        let result = (largest * i128::from(scale.mult)) >> (31 - shift).max(0);
        let f = match round {
            Rounding::Double if shifted <= i128::from(i32::MAX) => double,
            Rounding::Single if result < i128::from(i32::MAX) => single,
            _ => return None,
        };
        Some(Self::new(f(low, scale.mult, shift).into(), f(high, scale.mult, shift).into()))
    }

    /// Its values, sums of one channel, as int8.
    pub(super) fn requantized(self, output: &Output, scale: Scale) -> Self {
        let whole = Self::new(output.min.into(), output.max.into());
        let far = |scaled: Self| scaled.low.abs().max(scaled.high.abs()) > i64::from(i32::MAX) - 256;
        let safe = match output.round {
            Rounding::Float => true,
            round => self.scaled(round, scale).is_some_and(|scaled| !far(scaled)),
        };
        let Some(ends) = self.ends().filter(|_| safe) else { return whole };
        Self::union(ends.into_iter().map(|sum| Self::one(output.apply(sum, scale).into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mote_kernels::quant::scale_of;

    #[test]
    fn requantized_ends_are_those_of_every_value() {
        for round in [Rounding::Double, Rounding::Single, Rounding::Float] {
            for real in [0.000_31, 0.017, 0.5, 1.0, 3.7, 900.0] {
                let float = Scale { mult: (real as f32).to_bits() as i32, shift: 0 };
                let scale = if round == Rounding::Float { float } else { scale_of(real) };
                let output = Output { round, zero: -7, min: -100, max: 90 };
                for (low, high) in [(-300, 500), (-70_000, -60_000), (3, 3), (1_000, 4_000)] {
                    let each = (low..=high).map(|sum| Interval::one(output.apply(sum, scale).into()));
                    let found = Interval::new(low.into(), high.into()).requantized(&output, scale);
                    assert_eq!(found, Interval::union(each), "{round:?} {real} {low}..={high}");
                }
            }
        }
    }

    #[test]
    fn what_could_wrap_has_no_narrower_answer() {
        let output = Output { round: Rounding::Double, zero: 0, min: -128, max: 127 };
        let wide = Interval::new(1, i64::from(i32::MAX));
        assert_eq!(wide.requantized(&output, scale_of(2.0)), Interval::INT8);
        assert_eq!(Interval::new(0, 1 << 40).requantized(&output, scale_of(0.1)), Interval::INT8);
    }
}
