//! The largest student that fits: narrowed, planned and encoded as it would be deployed, and measured.

use super::student::narrowed;
use crate::data::Sample;
use crate::encode::{Metadata, encode};
use crate::error::{Error, Result};
use crate::export;
use crate::import::{self, InputShapes};
use crate::ir::Graph;
use crate::passes;
use crate::plan::{Request, plan};
use crate::progress::Progress;
use crate::quantize::{self, Activations, Calibration, Params};
use mote_runtime::Model;
use serde::Serialize;

/// Widths are tried in steps of one part in so many.
const STEPS: usize = 64;

/// What a student may take; nothing is said where it is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    flash: Option<f64>,
    ram: Option<f64>,
    mmac: Option<f64>,
}

/// What a student takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Costs {
    /// Share of the teacher's channels.
    pub width: f64,
    /// Bytes of the model.
    pub flash: usize,
    /// Bytes of the arena.
    pub ram: usize,
    /// Multiply-accumulates.
    pub macs: u64,
}

impl Budget {
    /// Reads a list such as `flash=128k,ram=32k,mmac=8`; k is 1024.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |part: &str| {
            Error::new("cannot read the budget")
                .at(format!("--fit {part}"))
                .cause("it is not a positive number of bytes or of millions of multiply-accumulates")
                .remedy("write it like flash=128k,ram=32k,mmac=8; each part may be left out")
        };
        let mut budget = Budget::default();
        for part in text.split(',') {
            let (name, amount) = part.split_once('=').ok_or_else(|| refuse(part))?;
            let (digits, unit) = match amount.trim().strip_suffix(['k', 'K']) {
                Some(digits) if name != "mmac" => (digits, 1024.0),
                _ => (amount.trim(), 1.0),
            };
            let amount = digits.parse::<f64>().ok().map(|n| n * unit).filter(|n| n.is_finite() && *n > 0.0);
            let place = match name.trim() {
                "flash" => &mut budget.flash,
                "ram" => &mut budget.ram,
                "mmac" => &mut budget.mmac,
                _ => return Err(refuse(part)),
            };
            *place = Some(amount.ok_or_else(|| refuse(part))?);
        }
        Ok(budget)
    }

    fn holds(&self, costs: &Costs) -> bool {
        let within = |most: Option<f64>, has: f64| most.is_none_or(|most| has <= most);
        within(self.flash, costs.flash as f64)
            && within(self.ram, costs.ram as f64)
            && within(self.mmac, costs.macs as f64 / 1e6)
    }
}

/// The widest student of a teacher that fits a budget, by bisection: a narrower network is taken never to need more.
pub fn fit(teacher: &Graph, budget: &Budget, samples: &[Sample], seed: u64) -> Result<(Graph, Costs)> {
    let at = |steps: usize| -> Result<(Graph, Costs)> {
        let width = steps as f64 / STEPS as f64;
        let student = narrowed(teacher, width, 4, seed)?;
        let costs = costs(&student, width, samples)?;
        Ok((student, costs))
    };
    let (mut fits, mut least) = (None, None);
    let (mut low, mut high) = (1, STEPS + 1);
    while low < high {
        let middle = (low + high) / 2;
        let (student, costs) = at(middle)?;
        if budget.holds(&costs) {
            low = middle + 1;
            fits = Some((student, costs));
        } else {
            high = middle;
            least = Some(costs);
        }
    }
    fits.ok_or_else(|| {
        let has = least.map_or(String::new(), |c| {
            format!(
                "at width {:.3}: flash {}, ram {}, {:.3} million multiply-accumulates",
                c.width,
                c.flash,
                c.ram,
                c.macs as f64 / 1e6
            )
        });
        Error::new("no student fits the budget")
            .cause(has)
            .remedy("allow more, begin with a smaller teacher, or give --student a network of another shape")
    })
}

/// A network in the form that is deployed, and the scales of its values as samples give them.
pub(super) fn deployed(
    graph: &Graph,
    samples: impl Iterator<Item = Result<Sample>>,
    method: Calibration,
    show: Progress,
) -> Result<(Graph, Params)> {
    let bytes = export::onnx(graph)?;
    let shapes = InputShapes::default();
    let mut deployed = import::onnx(&bytes, &shapes)?;
    passes::run(&mut deployed)?;
    let count = samples.size_hint().1.unwrap_or(0);
    let seen = quantize::observe(&deployed, &bytes, &shapes, samples, show.bar("calibrating", count))?;
    let params = quantize::assign(&deployed, &seen, method, Activations::Int8)?;
    Ok((deployed, params))
}

/// What a network takes once it is int8. Scales do not matter for that; a few samples give some.
fn costs(student: &Graph, width: f64, samples: &[Sample]) -> Result<Costs> {
    let samples = samples.iter().cloned().map(Ok);
    let (graph, params) = deployed(student, samples, Calibration::MinMax, Progress::Hidden)?;
    let program = quantize::lower(&graph, &params, None)?;
    let bytes = encode(&program, &plan(&program, &Request::default())?, &Metadata::default())?;
    let model = Model::new_checked(&bytes).map_err(|e| Error::internal(e.to_string()))?;
    Ok(Costs { width, flash: bytes.len(), ram: model.arena_bytes(), macs: graph.macs() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_and_kept() {
        let budget = Budget::parse("flash=2k,mmac=0.5").unwrap();
        let costs = Costs { width: 1.0, flash: 2048, ram: usize::MAX, macs: 500_000 };
        assert!(budget.holds(&costs) && !budget.holds(&Costs { flash: 2049, ..costs }));
        assert!(!budget.holds(&Costs { macs: 500_001, ..costs }));
        for bad in ["", "flash", "flash=x", "rom=1k", "ram=-1", "mmac=1k", "ram=inf"] {
            assert!(Budget::parse(bad).is_err(), "{bad}");
        }
    }
}
