//! Runs the float model over samples and remembers the range of every value. What becomes of the ranges is `params`'.

use super::Calibration;
use super::histogram::Histogram;
use super::params::Range;
use crate::data::Sample;
use crate::error::{Error, Result};
use crate::ir::{Graph, ValueId};
use crate::progress::Bar;
use crate::reference::Reference;
use std::collections::HashMap;

/// What was seen of every value that the float model can be asked for.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    histograms: HashMap<ValueId, Histogram>,
    samples: usize,
}

impl Observations {
    /// The range of a value by the given method.
    pub fn range(&self, id: ValueId, method: Calibration) -> Option<Range> {
        let histogram = self.histograms.get(&id)?;
        let (min, max) = match method {
            Calibration::MinMax => histogram.extremes()?,
            Calibration::Percentile(fraction) => histogram.bounds(fraction)?,
        };
        Some(Range { min, max })
    }
}

/// The values that can be observed, with the names by which the reference knows them.
fn taps(graph: &Graph) -> Vec<(ValueId, String)> {
    let computed = graph.nodes.iter().map(|n| n.output);
    let ids = graph.inputs.iter().copied().chain(computed);
    ids.filter_map(|id| Some((id, graph.reference_name(id)?.to_owned()))).collect()
}

/// Runs every sample through the float model.
pub fn observe(
    graph: &Graph,
    bytes: &[u8],
    shapes: &crate::import::InputShapes,
    samples: impl Iterator<Item = Result<Sample>>,
    bar: Bar,
) -> Result<Observations> {
    let taps = taps(graph);
    let names: Vec<String> = taps.iter().map(|t| t.1.clone()).collect();
    let reference = Reference::new(bytes, shapes, &names)?;
    let mut seen = Observations::default();
    for sample in bar.over(samples) {
        let tensors = reference.run_samples(graph, &sample?.inputs())?;
        for (&(id, _), tensor) in taps.iter().zip(tensors) {
            let value = graph.value(id).from_reference(tensor.view());
            let value = value.ok_or_else(|| {
                Error::internal(format!("{} has another size in the reference", graph.value(id).name))
            })?;
            seen.histograms.entry(id).or_default().add(value);
        }
        seen.samples += 1;
    }
    if seen.samples == 0 {
        return Err(Error::new("cannot calibrate")
            .cause("there is no sample")
            .remedy("give --calib a folder or file with samples"));
    }
    Ok(seen)
}
