//! Which samples the network sees, and in which order: a split by seed, an order per epoch, batches of arrays.
//!
//! Reading samples is `data`; changing them is `augment.rs`.

use super::augment::Augment;
use crate::data::{Sample, Samples};
use crate::error::{Error, Result};
use crate::ir::Value;
use crate::progress::warn;
use ndarray::{ArrayD, Axis};
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// Samples, and after them others of which only teachers can say what they are.
#[derive(Debug, Clone, Copy)]
pub struct Pool<'a> {
    /// Those that a network is judged by as well.
    pub samples: &'a Samples,
    /// Their labels, if they have any, are not looked at.
    pub unlabelled: Option<&'a Samples>,
}

impl Pool<'_> {
    /// How many there are.
    pub fn available(&self) -> usize {
        self.samples.available() + self.unlabelled.map_or(0, Samples::available)
    }

    /// Reads one.
    pub(super) fn at(&self, index: usize) -> Result<Sample> {
        match self.unlabelled {
            Some(others) if index >= self.samples.available() => {
                Ok(Sample { label: None, ..others.at(index - self.samples.available())? })
            }
            _ => self.samples.at(index),
        }
    }

    /// Whether samples that cannot be read are to be left out.
    fn skips(&self) -> bool {
        self.samples.skips() || self.unlabelled.is_some_and(Samples::skips)
    }
}

/// Indices of samples to learn from and to judge by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// To learn from.
    pub train: Vec<usize>,
    /// To judge by.
    pub validation: Vec<usize>,
}

/// Splits samples by a seed; `share` of those with labels, at least one if it is above 0, are for validation.
pub fn split(pool: &Pool<'_>, share: f64, seed: u64) -> Split {
    let Split { mut train, validation } = divided(pool.samples.available(), share, seed);
    train.extend(pool.samples.available()..pool.available());
    Split { train, validation }
}

fn divided(count: usize, share: f64, seed: u64) -> Split {
    let mut all: Vec<usize> = (0..count).collect();
    all.shuffle(&mut chance(seed, &[0]));
    let held = if share > 0.0 { ((count as f64 * share).round() as usize).clamp(1, count.max(1)) } else { 0 };
    let train = all.split_off(held.min(all.len()));
    all.sort_unstable();
    Split { train, validation: all }
}

impl Split {
    /// Names the samples that cannot be read and leaves them out, where that is wanted.
    pub fn readable(self, samples: &Pool<'_>) -> Self {
        if !samples.skips() {
            return self;
        }
        let total = self.train.len() + self.validation.len();
        let read = |index: &usize| match samples.at(*index) {
            Err(e) => {
                warn(&format!("left out {}: {}", e.at.unwrap_or_default(), e.cause));
                false
            }
            Ok(_) => true,
        };
        let [train, validation] =
            [self.train, self.validation].map(|all| all.into_iter().filter(read).collect::<Vec<_>>());
        let left = total - train.len() - validation.len();
        if left > 0 {
            warn(&format!("left out {left} of {total} samples"));
        }
        Split { train, validation }
    }
}

/// What is learnt where nothing is known of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pretext {
    /// By how many quarters an image is turned (Gidaris et al., Unsupervised Representation Learning by Predicting Image Rotations,
    /// 2018).
    Rotation,
}

impl Pretext {
    /// Between how many classes it asks to tell.
    pub const CLASSES: usize = 4;

    /// Changes a sample; gives its class.
    fn apply(self, x: &mut ArrayD<f32>, random: &mut Xoshiro256PlusPlus) -> Result<usize> {
        let (Pretext::Rotation, turns) = (self, random.random_range(0..Self::CLASSES));
        if x.ndim() != 3 || x.shape()[0] != x.shape()[1] {
            return Err(Error::new("a sample cannot be turned")
                .cause(format!("it has the shape {:?}; a square image is needed", x.shape()))
                .remedy("give a network that takes square images, or leave out --pretext"));
        }
        for _ in 0..turns {
            let mut turned = x.view();
            turned.swap_axes(0, 1);
            turned.invert_axis(Axis(0));
            *x = turned.as_standard_layout().into_owned();
        }
        Ok(turns)
    }
}

/// A generator for one purpose: the same for the same seed and numbers, on every machine.
pub(super) fn chance(seed: u64, purpose: &[u64]) -> Xoshiro256PlusPlus {
    // Each number goes through the generator's own seeding, which spreads neighbouring ones.
    let mix = |state: u64, &number: &u64| Xoshiro256PlusPlus::seed_from_u64(state ^ number).random::<u64>();
    Xoshiro256PlusPlus::seed_from_u64(purpose.iter().fold(seed, mix))
}

/// The order of an epoch. `balanced` draws each class as often as any other; samples without labels stay as they are.
pub(super) fn order(
    indices: &[usize],
    labels: Option<&[usize]>,
    balanced: bool,
    seed: u64,
    epoch: usize,
) -> Vec<usize> {
    let mut random = chance(seed, &[1, epoch as u64]);
    let mut order = indices.to_vec();
    if let Some(labels) = labels.filter(|_| balanced) {
        let classes = labels.iter().max().map_or(0, |m| m + 1);
        let mut members = vec![Vec::new(); classes];
        let (known, unknown): (Vec<usize>, Vec<usize>) = order.iter().partition(|&&i| i < labels.len());
        known.iter().for_each(|&i| members[labels[i]].push(i));
        members.retain(|m| !m.is_empty());
        order = (0..known.len())
            .map(|i| {
                let class = &members[i % members.len()];
                class[random.random_range(0..class.len())]
            })
            .collect();
        order.extend(unknown);
    }
    order.shuffle(&mut random);
    order
}

/// Samples side by side.
#[derive(Debug)]
pub(super) struct Batch {
    /// Where they are in the data.
    pub(super) indices: Vec<usize>,
    samples: Vec<ArrayD<f32>>,
    /// Probabilities of the classes, where a sample has a label; zeros, of which no loss comes, where it has none.
    pub(super) targets: Option<Vec<Vec<f32>>>,
}

impl Batch {
    /// Reads samples of so many classes and changes them by chance; `random` gives the generator of each.
    pub(super) fn read(
        samples: &Pool<'_>,
        indices: &[usize],
        classes: usize,
        (augment, pretext): (&Augment, Option<Pretext>),
        random: impl Fn(usize) -> Xoshiro256PlusPlus,
    ) -> Result<Self> {
        let mut batch = Batch { indices: indices.to_vec(), samples: Vec::new(), targets: None };
        let mut targets = vec![vec![0.0; classes]; indices.len()];
        let mut told = false;
        for (&index, target) in indices.iter().zip(&mut targets) {
            let Sample { mut x, mut label, .. } = samples.at(index)?;
            let mut random = random(index);
            if !augment.is_none() {
                augment.apply(&mut x, &mut random);
            }
            if let Some(pretext) = pretext {
                label = Some(pretext.apply(&mut x, &mut random)?);
            }
            batch.samples.push(x);
            let Some(label) = label else { continue };
            told = true;
            *target.get_mut(label).ok_or_else(|| {
                Error::new("labels and network do not go together")
                    .at(format!("sample {index}"))
                    .cause(format!("its label is {label}, the network tells {classes} classes"))
                    .remedy("count classes from 0, and give the network an output for each")
            })? = 1.0;
        }
        batch.targets = told.then_some(targets);
        Ok(batch)
    }

    /// How many samples.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    /// Mixes each sample with the one after it, of which `share` goes in; and their targets likewise.
    pub(super) fn mix(&mut self, share: f32) {
        if share == 0.0 {
            return;
        }
        let count = self.samples.len();
        let blend = |x: f32, next: f32| x + share * (next - x);
        let samples = self.samples.clone();
        for (i, sample) in self.samples.iter_mut().enumerate() {
            sample.zip_mut_with(&samples[(i + 1) % count], |x, &next| *x = blend(*x, next));
        }
        if let Some(targets) = &mut self.targets {
            let before = targets.clone();
            for (i, target) in targets.iter_mut().enumerate() {
                target.iter_mut().zip(&before[(i + 1) % count]).for_each(|(x, &next)| *x = blend(*x, next));
            }
        }
    }

    /// The same samples as batches of their own, as alike in size as they can be.
    pub(super) fn parts(self, count: usize) -> Vec<Batch> {
        let size = self.len().div_ceil(count).max(1);
        let mut targets = self.targets.map(|t| t.into_iter());
        let mut samples = self.samples.into_iter();
        let part = |indices: &[usize]| Batch {
            indices: indices.to_vec(),
            samples: samples.by_ref().take(indices.len()).collect(),
            targets: targets.as_mut().map(|t| t.take(indices.len()).collect()),
        };
        self.indices.chunks(size).map(part).collect()
    }

    /// The samples in the layout in which a network's file has its input.
    pub(super) fn input(&self, input: &Value) -> Result<Vec<f32>> {
        let mut all = Vec::new();
        for x in &self.samples {
            let x = input.to_reference(x.view()).ok_or_else(|| {
                Error::new("the networks do not have the same input")
                    .at(format!("input \"{}\"", input.name))
                    .cause(format!("it is {:?}, a sample {:?}", input.shape, x.shape()))
                    .remedy("teacher and student must take samples of one shape")
            })?;
            all.extend(x.iter());
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_a_partition_and_follows_from_the_seed() {
        let split = |seed| divided(100, 0.2, seed);
        assert_eq!(split(1), split(1));
        assert_ne!(split(1), split(2));
        let mut all = [split(1).train, split(1).validation].concat();
        all.sort_unstable();
        assert_eq!((split(1).validation.len(), all), (20, (0..100).collect()));
        assert!(divided(3, 0.0, 1).validation.is_empty());
    }

    #[test]
    fn a_quarter_turn_is_told_and_four_are_none() {
        let ramp = ArrayD::from_shape_fn(vec![3, 3, 1], |i| (3 * i[0] + i[1]) as f32);
        for seed in 0..20 {
            let mut x = ramp.clone();
            let turns = Pretext::Rotation.apply(&mut x, &mut chance(seed, &[])).unwrap();
            let corner = [0.0, 2.0, 8.0, 6.0][turns];
            assert_eq!(x[[0, 0, 0]], corner, "{turns}");
        }
        let mut wide = ArrayD::zeros(vec![2, 3, 1]);
        assert!(Pretext::Rotation.apply(&mut wide, &mut chance(0, &[])).is_err());
    }

    #[test]
    fn a_balanced_order_draws_rare_classes_as_often() {
        let labels: Vec<usize> = (0..100).map(|i| usize::from(i % 20 == 0)).collect();
        let all: Vec<usize> = (0..100).collect();
        let rare =
            |balanced| order(&all, Some(&labels), balanced, 3, 0).iter().filter(|&&i| labels[i] == 1).count();
        assert_eq!((rare(false), rare(true)), (5, 50));
        assert_ne!(order(&all, None, false, 3, 0), order(&all, None, false, 3, 1));
    }
}
