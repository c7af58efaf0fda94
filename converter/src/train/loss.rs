//! How far a network's answers are from right: from the labels, and from what teachers say.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// What the scores of the network mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Objective {
    /// One class of several is right: cross-entropy after a softmax.
    OneClass,
    /// Each class may be right or not: binary cross-entropy after a sigmoid.
    ManyClasses,
}

/// What is added to the labels' word by teachers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Teaching {
    /// Softens both answers before they are compared (Hinton et al., Distilling the Knowledge in a Neural Network, 2015).
    pub temperature: f32,
    /// Share of the teachers' word in the loss; the rest is the labels'.
    pub share: f32,
    /// Weight of the squared distance between hinted layers of student and teacher, beside both.
    pub hint: f32,
}

impl Default for Teaching {
    fn default() -> Self {
        Teaching { temperature: 4.0, share: 0.7, hint: 1.0 }
    }
}

/// The loss of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// What the scores mean.
    pub objective: Objective,
    /// Probability that is spread evenly over all classes (label smoothing, Szegedy et al., 2016).
    pub smoothing: f32,
    /// Exponent by which easy samples count less (focal loss, Lin et al., 2017); 0 for none.
    pub focal: f32,
    /// Weight of each class; all 1 when empty.
    pub class_weights: Vec<f32>,
}

impl Default for Loss {
    fn default() -> Self {
        Loss { objective: Objective::OneClass, smoothing: 0.0, focal: 0.0, class_weights: Vec::new() }
    }
}

impl Loss {
    /// Mean loss of the scores `[batch, classes]` before softmax or sigmoid, against probabilities of the same shape.
    pub(super) fn of(&self, scores: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let [batch, classes] = scores.dims();
        let targets = match self.objective {
            Objective::OneClass if self.smoothing > 0.0 => {
                // A sample without a label has no probabilities to spread.
                let known = targets.clone().sum_dim(1).mul_scalar(self.smoothing / classes as f32);
                targets.mul_scalar(1.0 - self.smoothing) + known
            }
            _ => targets,
        };
        let mut each = match self.objective {
            Objective::OneClass => {
                let logs = log_softmax(scores, 1);
                let lost = (targets.clone() * logs.clone()).neg();
                if self.focal == 0.0 {
                    lost
                } else {
                    lost * logs.exp().neg().add_scalar(1.0).powf_scalar(self.focal)
                }
            }
            Objective::ManyClasses => {
                let soft = scores.clone().abs().neg().exp().log1p();
                let lost = scores.clone().clamp_min(0.0) - scores.clone() * targets.clone() + soft;
                if self.focal == 0.0 {
                    lost
                } else {
                    let p = activation::sigmoid(scores);
                    let missed = (p - targets.clone()).abs();
                    lost * missed.powf_scalar(self.focal)
                }
            }
        };
        if !self.class_weights.is_empty() {
            let weights = Tensor::<1>::from_floats(self.class_weights.as_slice(), &each.device());
            each = each * weights.unsqueeze();
        }
        each.sum().div_scalar(batch as f32)
    }
}

impl Teaching {
    /// Probabilities after the scores have been divided by the temperature.
    pub(super) fn softened(&self, scores: Tensor<2>) -> Tensor<2> {
        softmax(scores.div_scalar(self.temperature), 1)
    }

    /// `T² · KL(said ‖ student)`: what the student still has to learn from softened probabilities.
    pub(super) fn of(&self, student: Tensor<2>, said: Tensor<2>) -> Tensor<1> {
        let batch = student.dims()[0] as f32;
        let heard = log_softmax(student.div_scalar(self.temperature), 1);
        let apart = said.clone() * (said.clamp_min(1e-12).log() - heard);
        apart.sum().mul_scalar(self.temperature * self.temperature / batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn value(t: Tensor<1>) -> f32 {
        t.into_scalar::<f32>()
    }

    fn scores() -> Tensor<2> {
        Tensor::from_floats([[2.0, 1.0, 0.0], [0.5, 0.5, 3.0]], &Device::flex())
    }

    #[test]
    fn cross_entropy_is_that_of_the_definition() {
        let targets = Tensor::<2>::from_floats([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], &Device::flex());
        let by_hand = |s: [f32; 3], right: usize| {
            let sum: f32 = s.iter().map(|v| v.exp()).sum();
            -(s[right].exp() / sum).ln()
        };
        let wanted = (by_hand([2.0, 1.0, 0.0], 0) + by_hand([0.5, 0.5, 3.0], 2)) / 2.0;
        assert!((value(Loss::default().of(scores(), targets.clone())) - wanted).abs() < 1e-6);

        let weighted = Loss { class_weights: vec![2.0, 1.0, 1.0], ..Loss::default() };
        let more = by_hand([2.0, 1.0, 0.0], 0) / 2.0;
        assert!((value(weighted.of(scores(), targets.clone())) - wanted - more).abs() < 1e-6);

        let focal = Loss { focal: 2.0, ..Loss::default() };
        assert!(value(focal.of(scores(), targets)) < wanted);
    }

    #[test]
    fn binary_cross_entropy_survives_large_scores() {
        let loss = Loss { objective: Objective::ManyClasses, ..Loss::default() };
        let at = |score: f32, target: f32| {
            let [s, t] = [score, target].map(|v| Tensor::<2>::from_floats([[v]], &Device::flex()));
            value(loss.of(s, t))
        };
        assert!((at(0.0, 1.0) - 2f32.ln()).abs() < 1e-6);
        assert!((at(100.0, 0.0) - 100.0).abs() < 1e-4 && at(100.0, 1.0) < 1e-6);
    }

    #[test]
    fn a_student_that_agrees_has_nothing_to_learn() {
        let teaching = Teaching::default();
        let at = |teacher: Tensor<2>| value(teaching.of(scores(), teaching.softened(teacher)));
        assert!(at(scores().add_scalar(7.0)).abs() < 1e-5);
        assert!(at(scores().neg()) > 0.1);
    }
}
