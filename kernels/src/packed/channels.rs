//! The constants of requantization, laid out for whole vectors.

use mote_format::Rounding;
use std::vec::Vec;

use super::engine::{Out, Rescale};
use crate::quant::{Channels, Output};

/// The constants of all channels of a layer, in the order in which a family's vectors hold them.
pub(super) struct Constants {
    output: Output,
    bias: Vec<i32>,
    mult: Vec<i32>,
    left: Vec<i32>,
    right: Vec<i32>,
    mask: Vec<i32>,
    half: Vec<i32>,
}

impl Constants {
    /// Constants in the given order of channels, `None` for lanes that hold none; `bias` is added to the layer's.
    /// `None` when a multiplier is one that vectors do not compute: *single* with an exponent above −2.
    pub(super) fn new(
        channels: &Channels<'_>,
        order: impl Iterator<Item = Option<usize>>,
        bias: impl Fn(usize) -> i32,
    ) -> Option<Self> {
        let output = channels.output;
        let mut all = Self {
            output,
            bias: Vec::new(),
            mult: Vec::new(),
            left: Vec::new(),
            right: Vec::new(),
            mask: Vec::new(),
            half: Vec::new(),
        };
        for channel in order {
            let of = |values: &[i32]| channel.map_or(0, |c| values[c]);
            let shift = channel.and_then(|c| channels.shift.get(c)).map_or(-2, |&s| i32::from(s));
            all.bias.push(channel.map_or(0, |c| channels.bias[c].wrapping_add(bias(c))));
            all.mult.push(of(channels.mult));
            let scale = rescale(output.round, of(channels.mult), shift)?;
            all.left.push(scale.left);
            all.right.push(scale.right);
            all.mask.push(scale.mask);
            all.half.push(scale.half);
        }
        Some(all)
    }

    /// From lane `from` on, for `channels` outputs that are `stride` apart.
    pub(super) fn out(&self, from: usize, channels: usize, stride: usize) -> Out<'_> {
        Out {
            round: self.output.round,
            bias: &self.bias[from..],
            mult: &self.mult[from..],
            left: &self.left[from..],
            right: &self.right[from..],
            mask: &self.mask[from..],
            half: &self.half[from..],
            zero: self.output.zero,
            min: self.output.min,
            max: self.output.max,
            channels,
            stride,
        }
    }
}

/// A scale as vectors compute with it; `None` when they do not: *single* with an exponent above −2.
pub(super) fn rescale(round: Rounding, mult: i32, shift: i32) -> Option<Rescale> {
    let (left, right) = match round {
        Rounding::Double => (shift.max(0), (-shift).max(0)),
        Rounding::Single if shift > -2 => return None,
        Rounding::Single => (0, -1 - shift),
        Rounding::Float => (0, 0),
    };
    let half = if right > 0 { 1i32.checked_shl(right as u32 - 1)? } else { 0 };
    (right <= 31).then_some(Rescale { mult, left, right, mask: ((1i64 << right) - 1) as i32, half })
}
