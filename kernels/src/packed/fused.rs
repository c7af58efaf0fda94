//! Requantization as one fused multiply-add of floats, where that is proven to give the bits of a channel's profile.
//!
//! Both are steps that rise with the sum. They are the same for all sums that a channel can have if they are the same at
//! both ends and on both sides of every step, which are at most 255; so no more than that is compared.

use mote_format::{Rounding, Scale};
use std::vec::Vec;

use crate::quant::Output;

/// `sum · scale + offset` in floats, rounded once, then to the nearest integer, half to even.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fused {
    pub(super) scale: f32,
    /// Added to negative sums and to others; the zero point is in them.
    pub(super) offsets: [f32; 2],
}

/// Neighbouring floats that are tried on both sides of a scale.
const NEIGHBOURS: i32 = 6;

/// What pins may contradict each other by for a scale, so that a neighbour may do.
const RESCUE: f64 = 2e-5;

/// A sum and its output.
type Pin = (i32, i32);

/// The form for a channel whose sums lie within `bound` of its bias, if there is one.
pub(super) fn fit(output: &Output, (mult, shift): (i32, i32), (bias, bound): (i64, u64)) -> Option<Fused> {
    let real = match output.round {
        Rounding::Float => f64::from(f32::from_bits(mult as u32)),
        _ => f64::from(mult) * 2f64.powi(shift - 31),
    };
    // Larger scales may leave the integers, where steps need not rise.
    if !(0.0..0.5).contains(&real) || shift > 0 {
        return None;
    }
    let bound = i64::try_from(bound).ok()?;
    let (low, high) = (i32::try_from(bias - bound).ok()?, i32::try_from(bias + bound).ok()?);
    let pins = pins(output, Scale { mult, shift: shift as i8 }, real, (low, high))?;
    let near = |k: i32| f32::from_bits(((real as f32).to_bits() as i32 + k).max(0) as u32);
    [false, true].into_iter().find_map(|signed| {
        // Pins that contradict each other by so much do so for all neighbours.
        middle(output, &pins, near(0), signed)?;
        let mut scales = (0..=NEIGHBOURS).flat_map(|k| [near(k), near(-k)]).skip(1);
        scales.find_map(|scale| {
            let fused = middle(output, &pins, scale, signed)?;
            equal(output, &pins, &fused).then_some(fused)
        })
    })
}

/// The ends, both sides of zero, and both sides of every step.
fn pins(output: &Output, scale: Scale, real: f64, (low, high): (i32, i32)) -> Option<Vec<Pin>> {
    let y = |sum: i32| i32::from(output.apply(sum, scale));
    let mut pins = std::vec![(low, y(low)), (high, y(high))];
    if low < 0 && high >= 0 {
        pins.extend([(-1, y(-1)), (0, y(0))]);
    }
    for value in y(low) + 1..=y(high) {
        let guess = (f64::from(value - output.zero) - 0.5) / real;
        let mut sum = (guess.ceil() as i32).clamp(low + 1, high);
        // A profile differs from the real product by little.
        let mut left = 64;
        while left > 0 && sum > low + 1 && y(sum - 1) >= value {
            (sum, left) = (sum - 1, left - 1);
        }
        while left > 0 && sum < high && y(sum) < value {
            (sum, left) = (sum + 1, left - 1);
        }
        if left == 0 {
            return None;
        }
        pins.extend([(sum - 1, y(sum - 1)), (sum, y(sum))]);
    }
    Some(pins)
}

/// The offsets that are farthest from what the pins exclude; `None` where pins contradict each other beyond rescue.
fn middle(output: &Output, pins: &[Pin], scale: f32, signed: bool) -> Option<Fused> {
    let mut ranges = [(f64::NEG_INFINITY, f64::INFINITY); 2];
    for &(sum, y) in pins {
        let (low, high) = &mut ranges[usize::from(signed && sum >= 0)];
        let rest = f64::from(y) - f64::from(sum as f32) * f64::from(scale);
        if y > output.min.into() {
            *low = low.max(rest - 0.5);
        }
        if y < output.max.into() {
            *high = high.min(rest + 0.5);
        }
        if *low > *high + RESCUE {
            return None;
        }
    }
    let offsets = ranges.map(|(low, high)| {
        let (low, high) = (low.max(high.min(1e6) - 1.0), high.min(low.max(-1e6) + 1.0));
        ((low + high) / 2.0) as f32
    });
    Some(Fused { scale, offsets: if signed { offsets } else { [offsets[0]; 2] } })
}

/// Whether all pins have their outputs.
fn equal(output: &Output, pins: &[Pin], fused: &Fused) -> bool {
    let (min, max) = (i32::from(output.min), i32::from(output.max));
    pins.iter().all(|&(sum, y)| {
        let product = (sum as f32).mul_add(fused.scale, fused.offsets[usize::from(sum >= 0)]);
        nearest(product).clamp(min, max) == y
    })
}

/// The nearest integer of a moderate number, half to even.
pub(super) fn nearest(x: f32) -> i32 {
    const MAGIC: f32 = 12_582_912.0;
    ((x.clamp(-1e6, 1e6) + MAGIC) - MAGIC) as i32
}
