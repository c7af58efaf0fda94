//! What a program makes of samples: mean and variance of every channel, and the outputs.

use crate::data::Sample;
use crate::error::Result;
use crate::infer::run_samples;
use crate::program::{Operand, Program, Tensor};
use mote_format::{Conv2d, Op};
use mote_runtime::{Hook, Step};
use ndarray::ArrayView2;

/// Samples to run programs on; perhaps none.
#[derive(Debug, Clone, Default)]
pub struct Runs(pub Vec<Sample>);

/// Mean and variance of the channels of each tensor, in its units from its zero point on.
#[derive(Debug, Clone, Default)]
pub struct Moments {
    tensors: Vec<Vec<Channel>>,
    /// Values of the sample that is running.
    values: Vec<Vec<f32>>,
    /// Of each step with a window or rows of weights, what some outputs meet, output after output.
    patches: Vec<Vec<f32>>,
    given: usize,
}

/// Sums over the values of a channel.
#[derive(Debug, Clone, Copy, Default)]
struct Channel {
    count: f64,
    sum: f64,
    squares: f64,
}

/// Outputs of a layer that are looked at in each sample.
const LOOKED: usize = 24;

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

    /// What some outputs of a step meet in their `len` weights, an output a row.
    pub(super) fn patches(&self, step: usize, len: usize) -> Option<ArrayView2<'_, f32>> {
        let all = self.patches.get(step)?;
        ArrayView2::from_shape((all.len() / len, len), all).ok()
    }

    /// Looks at the outputs of one sample.
    fn look(&mut self, program: &Program, sample: usize) {
        self.patches.resize(program.steps.len(), Vec::new());
        for (k, step) in program.steps.iter().enumerate() {
            let &[Operand::Arena(x)] = &step.inputs[..] else { continue };
            let (Some(values), shape) = (self.values.get(x), &program.tensors[x].shape) else { continue };
            let y = &program.output(k).shape;
            let positions = (y.elements() / y.channels()).min(LOOKED);
            match step.op {
                Op::FullyConnected(_) => {
                    let rows = values.chunks_exact(shape.channels()).take(positions);
                    rows.for_each(|row| self.patches[k].extend_from_slice(row));
                }
                Op::Conv2d(p) if p.groups == 1 => {
                    let (Some(x), Some(y)) = (shape.nhwc(), y.nhwc()) else { continue };
                    for i in 0..positions {
                        // Knuth's multiplicative hash: other places in each sample.
                        let hash = ((sample * LOOKED + i) as u32).wrapping_mul(2_654_435_769) >> 8;
                        let at = hash as usize % (y[1] * y[2]);
                        window(&p, values, x, [at / y[2], at % y[2]], &mut self.patches[k]);
                    }
                }
                _ => {}
            }
        }
    }

    fn channel(&self, tensor: usize, channel: usize) -> Option<Channel> {
        self.tensors.get(tensor)?.get(channel).copied().filter(|c| c.count > 0.0)
    }

    fn see(&mut self, tensor: usize, channels: usize, scale: f32, reals: impl Iterator<Item = f32>) {
        self.tensors.resize(self.tensors.len().max(tensor + 1), Vec::new());
        self.values.resize(self.tensors.len(), Vec::new());
        let values = &mut self.values[tensor];
        let sums = &mut self.tensors[tensor];
        sums.resize(channels, Channel::default());
        for (i, real) in reals.enumerate() {
            let (sums, value) = (&mut sums[i % channels], f64::from(real / scale));
            values.push(value as f32);
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

/// What one output of a convolution meets: 0 on the padding.
fn window(p: &Conv2d, values: &[f32], [_, h, w, c]: [usize; 4], [oy, ox]: [usize; 2], to: &mut Vec<f32>) {
    let at = |o: usize, stride: u8, tap: u16, dilation: u8, pad: u16, len: usize| {
        let from =
            (o * usize::from(stride) + usize::from(tap) * usize::from(dilation)).checked_sub(pad.into());
        from.filter(|&i| i < len)
    };
    for (ky, kx) in (0..p.kh).flat_map(|ky| (0..p.kw).map(move |kx| (ky, kx))) {
        let y = at(oy, p.stride.h, ky, p.dilation.h, p.pads.top, h);
        let x = at(ox, p.stride.w, kx, p.dilation.w, p.pads.left, w);
        match y.zip(x).and_then(|(y, x)| values.get((y * w + x) * c..(y * w + x + 1) * c)) {
            Some(pixel) => to.extend_from_slice(pixel),
            None => to.resize(to.len() + c, 0.0),
        }
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
        let mut moments = Moments { given: program.given(), ..Moments::default() };
        run_samples(program, &self.0, &mut moments, |moments, i, _| {
            for (t, x) in self.0[i].inputs().iter().enumerate() {
                let Tensor { shape, quant, .. } = &program.tensors[t];
                moments.see(t, shape.channels(), quant.scale, x.iter().copied());
            }
            moments.look(program, i);
            moments.values.iter_mut().for_each(Vec::clear);
        })?;
        Ok(moments)
    }

    /// `None` without samples.
    pub(super) fn outputs(&self, program: &Program) -> Result<Option<Outputs>> {
        let mut all = vec![Vec::new(); program.outputs.len()];
        run_samples(program, &self.0, &mut (), |(), _, outputs| {
            all.iter_mut().zip(outputs).for_each(|(all, (one, _))| all.extend(one));
        })?;
        Ok((!self.0.is_empty()).then_some(Outputs(all)))
    }
}
