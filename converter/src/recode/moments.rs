//! What a program makes of samples: mean and variance of every channel, and the outputs.

use crate::data::Sample;
use crate::encode::{Metadata, encode};
use crate::error::{Error, Result};
use crate::infer::{infer, sample_bytes};
use crate::plan::plan;
use crate::program::{Program, Tensor};
use crate::quantize::FAST;
use mote_runtime::{Hook, Model, Session, Step};

/// Samples to run programs on; perhaps none.
#[derive(Debug, Clone, Default)]
pub struct Runs(pub Vec<Sample>);

/// Mean and variance of the channels of each tensor, in its units from its zero point on.
#[derive(Debug, Clone, Default)]
pub struct Moments {
    tensors: Vec<Vec<Channel>>,
    given: usize,
}

/// Sums over the values of a channel.
#[derive(Debug, Clone, Copy, Default)]
struct Channel {
    count: f64,
    sum: f64,
    squares: f64,
}

/// A tensor's variance counts as this at least: what never changed in the samples may change elsewhere.
const LEAST: f64 = 0.01;

impl Moments {
    /// 0 without samples.
    pub(super) fn mean(&self, tensor: usize, channel: usize) -> f64 {
        self.channel(tensor, channel).map_or(0.0, |c| c.sum / c.count)
    }

    /// 1 without samples.
    pub(super) fn variance(&self, tensor: usize, channel: usize) -> f64 {
        let own = |c: Channel| (c.squares / c.count - (c.sum / c.count).powi(2)).max(LEAST);
        self.channel(tensor, channel).map_or(1.0, own)
    }

    fn channel(&self, tensor: usize, channel: usize) -> Option<Channel> {
        self.tensors.get(tensor)?.get(channel).copied().filter(|c| c.count > 0.0)
    }

    fn see(&mut self, tensor: usize, channels: usize, scale: f32, reals: impl Iterator<Item = f32>) {
        self.tensors.resize(self.tensors.len().max(tensor + 1), Vec::new());
        let sums = &mut self.tensors[tensor];
        sums.resize(channels, Channel::default());
        for (i, real) in reals.enumerate() {
            let (sums, value) = (&mut sums[i % channels], f64::from(real / scale));
            sums.count += 1.0;
            sums.sum += value;
            sums.squares += value * value;
        }
    }
}

impl Hook for Moments {
    fn after(&mut self, step: &Step<'_>) {
        let tensor = self.given + usize::from(step.index());
        let output = step.output();
        let info = output.info();
        self.see(tensor, info.shape.channels(), info.quant.scale, output.reals());
    }
}

/// The outputs of a program for some samples, one after the other.
pub(super) struct Outputs(Vec<Vec<f32>>);

impl Outputs {
    /// The power of the difference over that of these, the mean of all outputs.
    pub(super) fn noise(&self, others: &Self) -> f64 {
        let parts = self.0.iter().zip(&others.0).map(|(own, other)| {
            let power =
                |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
            let noise = power(&mut own.iter().zip(other).map(|(a, b)| a - b));
            if noise > 0.0 { noise / power(&mut own.iter().copied()) } else { 0.0 }
        });
        parts.sum::<f64>() / self.0.len().max(1) as f64
    }
}

impl Runs {
    /// Of the inputs of a program and of everything that it computes.
    pub fn moments(&self, program: &Program) -> Result<Moments> {
        let mut moments = Moments { tensors: Vec::new(), given: program.given() };
        self.each(program, &mut moments, |_| {})?;
        for sample in &self.0 {
            for (t, x) in sample.inputs().iter().enumerate() {
                let Tensor { shape, quant, .. } = &program.tensors[t];
                moments.see(t, shape.channels(), quant.scale, x.iter().copied());
            }
        }
        Ok(moments)
    }

    /// `None` without samples.
    pub(super) fn outputs(&self, program: &Program) -> Result<Option<Outputs>> {
        let mut all = vec![Vec::new(); program.outputs.len()];
        self.each(program, &mut (), |outputs| {
            all.iter_mut().zip(outputs).for_each(|(all, one)| all.extend_from_slice(one));
        })?;
        Ok((!self.0.is_empty()).then_some(Outputs(all)))
    }

    fn each(&self, program: &Program, hook: &mut impl Hook, mut to: impl FnMut(&[Vec<f32>])) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let bytes = encode(program, &plan(program, &FAST)?, &Metadata::default())?;
        let model = Model::new_checked(&bytes).map_err(|e| Error::internal(e.to_string()))?;
        let mut arena = vec![0; model.arena_bytes()];
        let mut session = Session::new(&model, &mut arena).map_err(|e| Error::internal(e.to_string()))?;
        for sample in &self.0 {
            infer(&mut session, &sample_bytes(&model, sample), hook)?;
            to(&session.outputs().map(|output| output.reals().collect()).collect::<Vec<_>>());
        }
        Ok(())
    }
}
