//! The constants of requantization, laid out for whole vectors, and the shortest way of rounding that has the bits of
//! a layer's profile.

use mote_format::Rounding;
use std::vec::Vec;

use super::engine::{Out, Rescale};
use crate::quant::{Channels, Output};

/// How vectors round. With P the 64-bit product of a sum and its mantissa:
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// *double* in general: shift left, doubling high product, rounding shift right.
    Double,
    /// *double* where no sum reaches 2^30 and exponents are −1 or less: d = `(2·P + 2^31) >> 32`, then
    /// `(d − (d < 0) + add) >> right`, which is half away from zero.
    Away,
    /// *double* where negative results are held at the zero point and exponents are −2 or less. Both roundings are
    /// half up then and make one: `(((P + 2^30) >> 32) + add) >> right`.
    Up,
    /// *single* with exponents of −2 or less: `((P >> 32) + add) >> right`.
    Single,
    /// *float*.
    Float,
}

/// The constants of all channels of a layer, in the order in which a family's vectors hold them.
pub(super) struct Constants {
    profile: Profile,
    output: Output,
    bias: Vec<i32>,
    mult: Vec<i32>,
    left: Vec<i32>,
    add: Vec<i32>,
    right: Vec<i32>,
}

impl Constants {
    /// Constants in the given order of channels, `None` for lanes that hold none; `bias` is added to the layer's, and
    /// `bound` is what the sum of a channel's products cannot exceed in magnitude. `None` when a multiplier is one that
    /// vectors do not compute: *single* with an exponent above −2.
    pub(super) fn new(
        channels: &Channels<'_>,
        order: impl Iterator<Item = Option<usize>>,
        bias: impl Fn(usize) -> i32,
        bound: impl Fn(usize) -> u64,
    ) -> Option<Self> {
        let output = channels.output;
        let profile = profile(channels, bound);
        let (bias_of, mut all) = (bias, Self::empty(profile, output));
        for channel in order {
            let mult = channel.map_or(0, |c| channels.mult[c]);
            let shift = channel.and_then(|c| channels.shift.get(c)).map_or(-2, |&s| i32::from(s));
            let scale = rescale(profile, mult, shift)?;
            all.bias.push(channel.map_or(0, |c| channels.bias[c].wrapping_add(bias_of(c))));
            all.mult.push(scale.mult);
            all.left.push(scale.left);
            all.add.push(scale.add);
            all.right.push(scale.right);
        }
        Some(all)
    }

    fn empty(profile: Profile, output: Output) -> Self {
        let none = Vec::new;
        Self { profile, output, bias: none(), mult: none(), left: none(), add: none(), right: none() }
    }

    /// From lane `from` on, for `channels` outputs that are `stride` apart.
    pub(super) fn out(&self, from: usize, channels: usize, stride: usize) -> Out<'_> {
        Out {
            profile: self.profile,
            bias: &self.bias[from..],
            mult: &self.mult[from..],
            left: &self.left[from..],
            add: &self.add[from..],
            right: &self.right[from..],
            zero: self.output.zero,
            min: self.output.min,
            max: self.output.max,
            channels,
            stride,
        }
    }
}

/// The shortest way that gives the bits of the layer's profile for all sums.
fn profile(channels: &Channels<'_>, bound: impl Fn(usize) -> u64) -> Profile {
    let output = channels.output;
    let exponents = |from: i8, to: i8| channels.shift.iter().all(|s| (from..=to).contains(s));
    let small = |c: usize| bound(c) + u64::from(channels.bias[c].unsigned_abs()) < 1 << 30;
    match output.round {
        Rounding::Float => Profile::Float,
        Rounding::Single => Profile::Single,
        Rounding::Double if channels.mult.iter().any(|&m| m < 0) => Profile::Double,
        Rounding::Double if i32::from(output.min) >= output.zero && exponents(-31, -2) => Profile::Up,
        Rounding::Double if exponents(-31, -1) && (0..channels.bias.len()).all(small) => Profile::Away,
        Rounding::Double => Profile::Double,
    }
}

/// A scale as vectors compute with it; `None` when they do not: *single* with an exponent above −2.
pub(super) fn rescale(profile: Profile, mult: i32, shift: i32) -> Option<Rescale> {
    let half = |right: i32| if right > 0 { 1i32 << (right - 1) } else { 0 };
    let (left, add, right) = match profile {
        Profile::Double => (shift.max(0), 0, (-shift).max(0)),
        Profile::Away => (0, half(-shift), -shift),
        Profile::Up => (0, half(-shift - 1), -shift - 1),
        Profile::Single if shift > -2 => return None,
        Profile::Single => (0, half(-1 - shift), -1 - shift),
        Profile::Float => (0, 0, 0),
    };
    (right <= 31).then_some(Rescale { mult, left, add, right })
}
