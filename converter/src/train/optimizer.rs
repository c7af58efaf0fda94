//! How parameters change after each batch: AdamW with clipped gradients, and the schedule of its rate.

use super::net::{Parameter, Role, numbers};
use crate::error::{Error, Result};
use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer as _};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// How the learning rate goes down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Along half a cosine to 0 (Loshchilov and Hutter, SGDR, 2017), after a twentieth of all steps in which it rises from 0.
    Cosine,
    /// To a tenth after each third of the steps.
    Step,
}

impl Schedule {
    /// The share of the full rate at a step of so many.
    fn factor(self, step: usize, of: usize) -> f64 {
        let done = step as f64 / of.max(1) as f64;
        match self {
            Schedule::Constant => 1.0,
            Schedule::Cosine => {
                const WARM: f64 = 0.05;
                let warm = ((step + 1) as f64 / (WARM * of as f64).max(1.0)).min(1.0);
                warm * 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
            }
            Schedule::Step => 0.1f64.powi((done * 3.0).floor().min(2.0) as i32),
        }
    }
}

/// Rate, decay and limits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// The highest learning rate.
    pub rate: f64,
    /// How it goes down.
    pub schedule: Schedule,
    /// Decay of weights: the share that they lose in each step, times the rate.
    pub decay: f32,
    /// The largest length of the gradient of all parameters together.
    pub clip: f32,
}

impl Default for Method {
    fn default() -> Self {
        Method { rate: 2e-3, schedule: Schedule::Cosine, decay: 1e-2, clip: 5.0 }
    }
}

/// AdamW (Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019) over all parameters of a network.
pub(super) struct Optimizer {
    method: Method,
    decaying: AdamW,
    plain: AdamW,
    pub(super) states: Vec<Option<AdamWState<1>>>,
}

impl Optimizer {
    pub(super) fn new(method: Method, parameters: usize) -> Self {
        let adam = |decay: f32| AdamWConfig::new().with_weight_decay(decay).with_epsilon(1e-8).build();
        let states = (0..parameters).map(|_| None).collect();
        Optimizer { method, decaying: adam(method.decay), plain: adam(0.0), states }
    }

    /// The learning rate at a step of so many.
    pub(super) fn rate(&self, step: usize, of: usize) -> f64 {
        self.method.rate * self.method.schedule.factor(step, of)
    }

    /// Changes the parameters by one step. Gives the length of the whole gradient, before it was clipped.
    pub(super) fn step(
        &mut self,
        parameters: &mut [Parameter],
        gradients: Vec<Option<Tensor<1>>>,
        rate: f64,
    ) -> Result<f32> {
        let mut square = 0.0;
        for gradient in gradients.iter().flatten() {
            square += numbers(gradient.clone().square().sum())?[0];
        }
        let length = square.sqrt();
        let factor = if length > self.method.clip { self.method.clip / length } else { 1.0 };
        for ((parameter, gradient), state) in parameters.iter_mut().zip(gradients).zip(&mut self.states) {
            let Some(gradient) = gradient else { continue };
            let adam = if parameter.role == Role::Weight { &self.decaying } else { &self.plain };
            let gradient = if factor < 1.0 { gradient.mul_scalar(factor) } else { gradient };
            (parameter.data, *state) = adam.step(rate, parameter.data.clone(), gradient, state.take());
        }
        Ok(length)
    }
}

/// The moments of one parameter, as numbers.
pub(super) struct Moments {
    pub(super) time: usize,
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
}

impl Moments {
    pub(super) fn of(state: &AdamWState<1>) -> Result<Self> {
        let of = |t: &Tensor<1>| numbers(t.clone());
        let momentum = &state.momentum;
        Ok(Moments { time: momentum.time, first: of(&momentum.moment_1)?, second: of(&momentum.moment_2)? })
    }

    pub(super) fn state(self, device: &Device) -> Result<AdamWState<1>> {
        if self.first.len() != self.second.len() {
            return Err(Error::internal("moments of different lengths"));
        }
        let tensor = |numbers: Vec<f32>| {
            let count = numbers.len();
            Tensor::from_data(TensorData::new(numbers, [count]), device)
        };
        Ok(AdamWState::new(AdaptiveMomentumState::new(self.time, tensor(self.first), tensor(self.second))))
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn rates_rise_and_fall_as_they_say() {
        let at = |schedule: Schedule, step| schedule.factor(step, 100);
        assert_eq!([0, 50, 99].map(|s| at(Schedule::Constant, s)), [1.0; 3]);
        assert!((at(Schedule::Cosine, 0) - 0.2).abs() < 1e-9 && at(Schedule::Cosine, 99) < 1e-3);
        assert!((at(Schedule::Cosine, 50) - 0.5).abs() < 1e-9);
        for (step, wanted) in [(0, 1.0), (33, 1.0), (34, 0.1), (67, 0.01), (99, 0.01)] {
            assert!((at(Schedule::Step, step) - wanted).abs() < 1e-9, "{step}");
        }
    }
}
