//! How close the outputs of a program come to the float network's, sample by sample, and when one program is better than
//! another by more than the spread among them. Which programs are compared is `search`'s.

use crate::data::Sample;
use crate::error::Result;
use crate::infer::run_samples;
use crate::program::Program;

/// What an improvement must be worth at least, in dB.
const WORTH_DB: f64 = 0.1;

/// How many standard errors the mean gain must lie above zero.
const CERTAIN: f64 = 1.0;

/// No distance counts for more; outputs without any error have it.
const MOST_DB: f64 = 100.0;

/// Outputs of more values are no classes.
const MOST_CLASSES: usize = 1000;

/// What a program is worth on some samples.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judgement {
    /// Signal to noise ratio of each sample in dB, the mean of its outputs.
    samples_db: Vec<f64>,
    /// Whether the largest value of each sample's first output is the right one.
    right: Vec<bool>,
}

impl Judgement {
    /// Takes a sample in: the outputs with the scales that they are rounded to, and what the float network answers. A class
    /// is right when it is `label`, or without one when it is the float network's.
    pub(crate) fn add(&mut self, outputs: &[(Vec<f32>, f32)], floats: &[Vec<f32>], label: Option<usize>) {
        let each = outputs.iter().zip(floats).map(|((reals, scale), floats)| sqnr_db(floats, reals, *scale));
        self.samples_db.push(mean(&each.collect::<Vec<_>>()));
        if let (Some((reals, _)), Some(floats)) = (outputs.first(), floats.first())
            && (2..=MOST_CLASSES).contains(&floats.len())
        {
            self.right.push(largest(reals) == label.unwrap_or_else(|| largest(floats)));
        }
    }

    /// Mean of the samples.
    pub(crate) fn sqnr_db(&self) -> f64 {
        mean(&self.samples_db)
    }

    /// The share of samples whose class is right, if outputs may be classes.
    pub(crate) fn share_right(&self) -> Option<f64> {
        let right = self.right.iter().filter(|a| **a).count();
        (!self.right.is_empty()).then(|| right as f64 / self.right.len() as f64)
    }

    /// Whether this is clearly better than `other` on the same samples: the gains of single samples lie around a
    /// mean that is worth it and certain, and no more samples change their class.
    pub(crate) fn beats(&self, other: &Judgement) -> bool {
        let gains: Vec<f64> = self.samples_db.iter().zip(&other.samples_db).map(|(a, b)| a - b).collect();
        let (gain, n) = (mean(&gains), gains.len() as f64);
        let variance = gains.iter().map(|g| (g - gain).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let certain = gain > WORTH_DB.max(CERTAIN * (variance / n).sqrt());
        certain && self.share_right() >= other.share_right()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Runs a program on samples whose answers are known.
pub(crate) fn judge(program: &Program, answers: &[(Sample, Vec<Vec<f32>>)]) -> Result<Judgement> {
    let mut found = Judgement::default();
    let samples = answers.iter().map(|(sample, _)| sample);
    run_samples(program, samples, &mut (), |_, i, outputs| found.add(&outputs, &answers[i].1, None))?;
    Ok(found)
}

/// Signal to noise ratio of one output. No error counts as less than what rounding to its scale costs: a sample that is met
/// by luck would outweigh all others.
fn sqnr_db(floats: &[f32], reals: &[f32], scale: f32) -> f64 {
    let rounding = f64::from(scale).powi(2) / 12.0;
    let (mut signal, mut noise) = (0.0, 0.0);
    for (&float, &real) in floats.iter().zip(reals).filter(|(float, _)| float.is_finite()) {
        signal += f64::from(float).powi(2) + rounding;
        noise += f64::from(float - real).powi(2) + rounding;
    }
    if noise > 0.0 { (10.0 * (signal / noise).log10()).min(MOST_DB) } else { MOST_DB }
}

/// Where the largest value is, the first of several.
fn largest(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(samples_db: &[f64], right: &[bool]) -> Judgement {
        Judgement { samples_db: samples_db.to_vec(), right: right.to_vec() }
    }

    #[test]
    fn only_a_certain_gain_is_one() {
        let plain = judged(&[30.0, 31.0, 29.0, 30.0], &[]);
        assert!(judged(&[30.5, 31.6, 29.4, 30.5], &[]).beats(&plain));
        assert!(!judged(&[30.05, 31.05, 29.05, 30.05], &[]).beats(&plain), "too little");
        assert!(!judged(&[38.0, 30.0, 27.0, 29.5], &[]).beats(&plain), "one sample by luck");
        assert!(!plain.beats(&plain));
    }

    #[test]
    fn a_way_that_changes_classes_is_none() {
        let plain = judged(&[30.0, 30.0], &[true, true]);
        assert!(!judged(&[35.0, 35.1], &[true, false]).beats(&plain));
        assert!(judged(&[35.0, 35.1], &[true, true]).beats(&plain));
    }

    #[test]
    fn ratios_by_hand() {
        assert!((sqnr_db(&[1.0, -1.0], &[0.9, -0.9], 0.0) - 20.0).abs() < 1e-4);
        assert!(sqnr_db(&[1.0], &[1.0], 0.1).is_finite() && sqnr_db(&[f32::NAN], &[1.0], 0.1) == MOST_DB);
        assert_eq!((largest(&[1.0, 3.0, 3.0]), largest(&[])), (1, 0));
    }
}
