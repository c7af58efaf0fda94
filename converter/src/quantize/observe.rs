//! Runs the float model over samples and remembers what it makes of them. What becomes of that is `params`',
//! `equalize`'s and `search`'s.

use super::Calibration;
use super::histogram::Histogram;
use super::params::Range;
use crate::data::Sample;
use crate::error::{Error, Result};
use crate::import::InputShapes;
use crate::ir::{Graph, ValueId};
use crate::progress::Bar;
use crate::reference::Reference;
use std::collections::HashMap;

/// Of so many samples one is held out: trials are judged on it, and their ranges do not know it.
const HELD_OUT: usize = 4;

/// Of fewer samples none is held out: trials are judged on the first ones.
const FEW: usize = 16;

/// What was seen of every value that the float model can be asked for.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    values: HashMap<ValueId, Seen>,
    /// The same without the samples that are held out; empty where none is.
    apart: HashMap<ValueId, Seen>,
    samples: usize,
    /// Samples to judge by, and what the float network answers: a list of reals per output.
    pub(crate) answers: Vec<(Sample, Vec<Vec<f32>>)>,
}

/// What was seen of one value.
#[derive(Debug, Clone, Default)]
struct Seen {
    histogram: Histogram,
    channels: Vec<Channel>,
}

/// What was seen of one channel: an index of the last axis.
#[derive(Debug, Clone, Copy, Default)]
struct Channel {
    largest: f32,
    sum: f64,
    count: u64,
}

impl Seen {
    fn add(&mut self, values: &[f32], channels: usize) {
        self.histogram.add(values.iter().copied());
        self.channels.resize(channels, Channel::default());
        for pixel in values.chunks_exact(channels.max(1)) {
            for (channel, &v) in self.channels.iter_mut().zip(pixel).filter(|(_, v)| v.is_finite()) {
                channel.largest = channel.largest.max(v.abs());
                channel.sum += f64::from(v);
                channel.count += 1;
            }
        }
    }
}

impl Observations {
    /// The range of a value by the given method.
    pub fn range(&self, id: ValueId, method: Calibration) -> Option<Range> {
        method.range(&self.values.get(&id)?.histogram)
    }

    /// The values that were seen of one, in order, with how often each was.
    pub(super) fn bins(&self, id: ValueId) -> Option<Vec<(f32, u64)>> {
        Some(self.values.get(&id)?.histogram.bins().collect())
    }

    /// The mean of each channel of a value.
    pub fn channel_means(&self, id: ValueId) -> Option<Vec<f32>> {
        let mean = |c: &Channel| (c.sum / c.count.max(1) as f64) as f32;
        Some(self.values.get(&id)?.channels.iter().map(mean).collect())
    }

    /// The largest magnitude in each channel of a value.
    pub fn channel_peaks(&self, id: ValueId) -> Option<Vec<f32>> {
        Some(self.values.get(&id)?.channels.iter().map(|c| c.largest).collect())
    }

    /// What was seen of the samples that are not held out, and the samples that are.
    pub(super) fn apart(&self) -> Observations {
        if self.apart.is_empty() {
            return self.clone();
        }
        let values = self.apart.clone();
        Observations { values, apart: HashMap::new(), samples: self.samples, answers: self.answers.clone() }
    }

    fn see(&mut self, graph: &Graph, id: ValueId, value: &[f32], held_out: bool) {
        let channels = graph.shape(id).last().copied().unwrap_or(1);
        self.values.entry(id).or_default().add(value, channels);
        if !held_out {
            self.apart.entry(id).or_default().add(value, channels);
        }
    }
}

/// Runs every sample through the float model.
pub fn observe(
    graph: &Graph,
    bytes: &[u8],
    shapes: &InputShapes,
    samples: impl Iterator<Item = Result<Sample>>,
    bar: Bar,
) -> Result<Observations> {
    let mut seen = Observations::default();
    let computed = graph.nodes.iter().map(|n| n.output);
    let ids: Vec<ValueId> = graph.inputs.iter().copied().chain(computed).collect();
    let mut first = Vec::new();
    run(graph, bytes, shapes, &ids, bar.over(samples), |sample, values| {
        let held_out = is_held_out(seen.samples);
        for (id, value) in &values {
            seen.see(graph, *id, value, held_out);
        }
        seen.samples += 1;
        let answer = |id: &ValueId| values.iter().find(|v| v.0 == *id).map(|v| v.1.clone());
        let answers = || graph.outputs.iter().map(answer).collect::<Option<Vec<_>>>();
        if held_out {
            seen.answers.extend(answers().map(|a| (sample.clone(), a)));
        }
        if first.len() < FEW {
            first.extend(answers().map(|a| (sample, a)));
        }
    })?;
    if seen.samples < FEW {
        seen.answers = first;
        seen.apart.clear();
    }
    if seen.samples == 0 {
        return Err(Error::new("cannot calibrate")
            .cause("there is no sample")
            .remedy("give --calib a folder or file with samples"));
    }
    Ok(seen)
}

/// Whether a sample is held out, when there are enough of them.
fn is_held_out(index: usize) -> bool {
    index % HELD_OUT == HELD_OUT - 1
}

/// What would have been seen of a graph that differs from the observed one by divided channels only.
pub fn observe_divided(
    known: &Observations,
    graph: &Graph,
    bytes: &[u8],
    shapes: &InputShapes,
    samples: impl Iterator<Item = Result<Sample>>,
    bar: Bar,
) -> Result<Observations> {
    let divided = |v: usize| graph.values[v].origin.as_ref().is_some_and(|o| !o.divided.is_empty());
    let ids: Vec<ValueId> = (0..graph.values.len()).filter(|&v| divided(v)).map(ValueId).collect();
    let mut seen = known.clone();
    seen.values.retain(|id, _| !ids.contains(id));
    let (mut index, none) = (0, seen.apart.is_empty());
    seen.apart.retain(|id, _| !ids.contains(id));
    run(graph, bytes, shapes, &ids, bar.over(samples), |_, values| {
        let held_out = none || is_held_out(index);
        values.iter().for_each(|(id, value)| seen.see(graph, *id, value, held_out));
        index += 1;
    })?;
    Ok(seen)
}

/// Gives `to` each sample with those of the values that the float model can be asked for.
fn run(
    graph: &Graph,
    bytes: &[u8],
    shapes: &InputShapes,
    ids: &[ValueId],
    samples: impl Iterator<Item = Result<Sample>>,
    mut to: impl FnMut(Sample, Vec<(ValueId, Vec<f32>)>),
) -> Result<()> {
    let named = ids.iter().filter_map(|&id| Some((id, graph.reference_name(id)?.to_owned())));
    let (ids, names): (Vec<ValueId>, Vec<String>) = named.unzip();
    let reference = Reference::new(bytes, shapes, &names)?;
    for sample in samples {
        let sample = sample?;
        let tensors = reference.run_samples(graph, &sample.inputs())?;
        let values = ids.iter().zip(tensors).map(|(&id, tensor)| {
            let value = graph.value(id).from_reference(tensor.view()).ok_or_else(|| {
                Error::internal(format!("{} has another size in the reference", graph.value(id).name))
            })?;
            Ok((id, value.into_iter().collect()))
        });
        let values = values.collect::<Result<_>>()?;
        to(sample, values);
    }
    Ok(())
}
