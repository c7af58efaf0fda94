//! The constants of requantization, laid out for whole vectors, and the shortest way of rounding that has the bits of
//! a layer's profile. `fused` proves the one that is shortest of all.

use core::ops::Range;

use mote_format::Rounding;
use std::vec::Vec;

use super::engine::{Engine, Out, Rescale};
use super::fused::{Fused, fit};
use crate::quant::{Channels, Output};

/// How vectors round. With P the 64-bit product of a sum and its mantissa:
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Any profile, where this is proven equal: `sum · mult + add` in floats, rounded once, then half to even. The zero
    /// point is part of what is added.
    Fused,
    /// The same with `left` added to negative sums instead.
    FusedSigned,
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
    output: Output,
    bias: Vec<i32>,
    mult: Vec<i32>,
    left: Vec<i32>,
    add: Vec<i32>,
    right: Vec<i32>,
    /// Of each block.
    profiles: Vec<Profile>,
    /// Scales of [`Profile::Fused`] and what it adds to negative sums and to others, as bits of floats.
    floats: [Vec<i32>; 3],
}

impl Constants {
    /// Constants in the given order of channels, `None` for lanes that hold none; `blocks` of lanes, one behind the other,
    /// are rounded alike. `bias` is added to the layer's, and `bound` is what the sum of a channel's products cannot exceed
    /// in magnitude. `None` when a multiplier is one that vectors do not compute: *single* with an exponent above −2.
    pub(super) fn new(
        engine: &dyn Engine,
        channels: &Channels<'_>,
        order: &[Option<usize>],
        blocks: impl Iterator<Item = Range<usize>>,
        (bias, bound): (impl Fn(usize) -> i32, impl Fn(usize) -> u64),
    ) -> Option<Self> {
        let output = channels.output;
        let profile = profile(channels, &bound);
        let scale = |c: usize| (channels.mult[c], channels.shift.get(c).map_or(-2, |&s| i32::from(s)));
        let mut all = Self::empty(output);
        for &channel in order {
            let (mult, shift) = channel.map_or((0, -2), scale);
            let scale = rescale(profile, mult, shift)?;
            all.bias.push(channel.map_or(0, |c| channels.bias[c].wrapping_add(bias(c))));
            all.mult.push(scale.mult);
            all.left.push(scale.left);
            all.add.push(scale.add);
            all.right.push(scale.right);
        }
        let fused = |channel: &Option<usize>| {
            channel.map_or(Some(Fused::default()), |c| {
                fit(&output, scale(c), (channels.bias[c].into(), bound(c)))
            })
        };
        for block in blocks {
            let order = &order[block];
            // One channel without a form takes it from its block.
            let forms: Option<Vec<Fused>> =
                if engine.fuses() { order.iter().map(fused).collect() } else { None };
            let signed = forms.iter().flatten().any(|form| form.offsets[0] != form.offsets[1]);
            all.profiles.push(match forms {
                None => profile,
                Some(_) if signed => Profile::FusedSigned,
                Some(_) => Profile::Fused,
            });
            for form in forms.unwrap_or_else(|| std::vec![Fused::default(); order.len()]) {
                let [negative, other] = form.offsets;
                for (floats, value) in all.floats.iter_mut().zip([form.scale, negative, other]) {
                    floats.push(value.to_bits() as i32);
                }
            }
        }
        Some(all)
    }

    fn empty(output: Output) -> Self {
        let (none, floats) = (Vec::new, Default::default());
        let (profiles, bias, mult) = (Vec::new(), none(), none());
        Self { output, bias, mult, left: none(), add: none(), right: none(), profiles, floats }
    }

    /// From lane `from` on, where a block starts, for `channels` outputs.
    pub(super) fn out(&self, block: usize, from: usize, channels: usize) -> Out<'_> {
        let profile = self.profiles[block];
        let Output { zero, min, max, .. } = self.output;
        let (bias, right) = (&self.bias[from..], &self.right[from..]);
        if matches!(profile, Profile::Fused | Profile::FusedSigned) {
            let [mult, left, add] = self.floats.each_ref().map(|v| &v[from..]);
            return Out { profile, bias, mult, left, add, right, zero: 0, min, max, channels };
        }
        let [mult, left, add] = [&self.mult, &self.left, &self.add].map(|v| &v[from..]);
        Out { profile, bias, mult, left, add, right, zero, min, max, channels }
    }
}

/// The shortest way that gives the bits of the layer's profile for all sums.
fn profile(channels: &Channels<'_>, bound: &impl Fn(usize) -> u64) -> Profile {
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
        Profile::Float | Profile::Fused | Profile::FusedSigned => (0, 0, 0),
    };
    (right <= 31).then_some(Rescale { mult, left, add, right })
}
