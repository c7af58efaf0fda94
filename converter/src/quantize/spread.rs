//! The values of each layer before and after they are rounded, in few bins, for people to look at.

use super::Observations;
use crate::program::Program;
use mote_format::{DType, Quant};

/// Bins from the smallest to the largest value.
const BINS: usize = 48;

/// How the values of a layer are spread.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// The tensor that holds them.
    pub layer: String,
    /// The smallest value seen.
    pub min: f32,
    /// The largest value seen.
    pub max: f32,
    /// The share of the float values in each of 48 equal parts from the smallest to the largest.
    pub before: Vec<f32>,
    /// The same of the values as they are stored; what lies outside counts at the ends.
    pub after: Vec<f32>,
    /// The share of the values that are outside the range of the layer by more than half a step.
    pub cut_off: f64,
}

/// The spread of every int8 value of the program that was seen.
pub fn spreads(program: &Program, seen: &Observations) -> Vec<Spread> {
    let int8 = program.tensors.iter().filter(|t| t.dtype == DType::I8);
    int8.filter_map(|t| spread(&t.name, seen.bins(t.value?)?, t.quant)).collect()
}

/// Of values with how often each was seen, in order.
fn spread(layer: &str, bins: Vec<(f32, u64)>, quant: Quant) -> Option<Spread> {
    let (min, max) = (bins.first()?.0, bins.last()?.0);
    let total = bins.iter().map(|b| b.1).sum::<u64>() as f32;
    let place = |v: f32| match max > min {
        true => ((v - min) / (max - min) * BINS as f32).clamp(0.0, BINS as f32 - 1.0) as usize,
        false => 0,
    };
    let (mut before, mut after, mut outside) = (vec![0.0; BINS], vec![0.0; BINS], 0);
    for &(value, count) in &bins {
        let whole = (value / quant.scale).round() + quant.zero as f32;
        let stored = (whole.clamp(-128.0, 127.0) - quant.zero as f32) * quant.scale;
        before[place(value)] += count as f32 / total;
        after[place(stored)] += count as f32 / total;
        outside += if (-128.0..=127.0).contains(&whole) { 0 } else { count };
    }
    let cut_off = f64::from(outside as f32 / total);
    Some(Spread { layer: layer.to_owned(), min, max, before, after, cut_off })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_piles_up_at_the_end_of_the_range() {
        let bins = vec![(0.0, 6), (10.0, 1), (100.0, 1)];
        let wide = spread("x", bins.clone(), Quant { scale: 0.5, zero: -128 }).expect("values");
        assert_eq!((wide.min, wide.max, wide.cut_off), (0.0, 100.0, 0.0));
        assert_eq!((wide.before[0], wide.before[4], wide.before[47]), (0.75, 0.125, 0.125));
        assert_eq!(wide.after, wide.before);
        let narrow = spread("x", bins, Quant { scale: 0.05, zero: -128 }).expect("values");
        assert_eq!(narrow.cut_off, 0.125);
        assert_eq!((narrow.after[4], narrow.after[6], narrow.after[47]), (0.125, 0.125, 0.0));
        assert!(spread("x", Vec::new(), Quant { scale: 1.0, zero: 0 }).is_none());
    }
}
