//! What a classifier takes for what: the confusion matrix, and what follows from it for each class.

use serde::Serialize;

/// How the samples of one class fare, and the answers that name it; fractions of 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassAccuracy {
    /// How many samples are of this class.
    pub samples: u64,
    /// Of the answers that name it, those that are right; null when none does.
    pub precision: Option<f64>,
    /// Of its samples, those that are recognised; null when there is none.
    pub recall: Option<f64>,
    /// The harmonic mean of both; null when there are neither samples nor answers.
    pub f1: Option<f64>,
}

/// Outputs of more values are no classes that anyone would tell apart in a matrix.
const MOST_CLASSES: usize = 1000;

/// Counts answers. A row is the class that a sample is of, a column the class that it is taken for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Confusion(pub(super) Vec<Vec<u64>>);

impl Confusion {
    /// Counts one answer among `classes`, unless these are too many.
    pub(super) fn add(&mut self, classes: usize, label: usize, answer: usize) {
        if classes > MOST_CLASSES {
            return;
        }
        if self.0.is_empty() {
            self.0 = vec![vec![0; classes]; classes];
        }
        self.0[label][answer] += 1;
    }

    /// What follows for each class.
    pub(super) fn classes(&self) -> Vec<ClassAccuracy> {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let class = |c: usize| {
            let right = self.0[c][c];
            let samples: u64 = self.0[c].iter().sum();
            let answers: u64 = self.0.iter().map(|row| row[c]).sum();
            let (precision, recall) = (share(right, answers), share(right, samples));
            ClassAccuracy { samples, precision, recall, f1: share(2 * right, samples + answers) }
        };
        (0..self.0.len()).map(class).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_matrix_by_hand() {
        let mut confusion = Confusion::default();
        for (label, answer, times) in [(0, 0, 3), (0, 1, 1), (1, 0, 2), (1, 1, 2)] {
            (0..times).for_each(|_| confusion.add(3, label, answer));
        }
        let [a, b, c] = &confusion.classes()[..] else { panic!() };
        assert_eq!((a.samples, a.precision, a.recall, a.f1), (4, Some(0.6), Some(0.75), Some(6.0 / 9.0)));
        assert_eq!(
            (b.samples, b.precision, b.recall, b.f1),
            (4, Some(2.0 / 3.0), Some(0.5), Some(4.0 / 7.0))
        );
        let mut large = Confusion::default();
        large.add(1 << 20, 5, 6);
        assert!(large.classes().is_empty());
        assert_eq!((c.samples, c.precision, c.recall, c.f1), (0, None, None, None));
    }
}
