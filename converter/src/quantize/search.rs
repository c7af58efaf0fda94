//! Quantizes in several ways, runs each on calibration samples, and keeps the one whose outputs are closest to the float
//! network's. What was tried is told.

use super::{Activations, Calibration, Observations, assign, equalize, lower};
use crate::encode::{Metadata, encode};
use crate::error::{Error, Result};
use crate::infer::{infer, sample_bytes};
use crate::ir::Graph;
use crate::plan::{Request, plan};
use crate::program::Program;
use mote_runtime::{Model, Session};
use serde::Serialize;

/// What an improvement must be worth at least, in dB: less is chance.
const WORTH_DB: f64 = 0.05;

/// No distance counts for more; outputs without any error have it.
const MOST_DB: f64 = 100.0;

/// A plan that is soon made.
pub(crate) const FAST: Request = Request { ram: Some(i32::MAX as usize), rows: false, regions: Vec::new() };

/// One way to quantize, and how close its outputs came on the calibration samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// What it does.
    pub settings: String,
    /// Signal to quantization noise ratio of the outputs, in dB; the mean of all outputs.
    pub sqnr_db: f64,
}

/// A quantized network.
#[derive(Debug, Clone)]
pub struct Quantized {
    /// The float graph, with equalized channels where that helps.
    pub graph: Graph,
    /// Its program.
    pub program: Program,
    /// What min-max ranges alone give, where that is another program.
    pub naive: Option<Program>,
    /// What was tried, in order; empty where nothing was to be chosen.
    pub trials: Vec<Trial>,
    /// Which of them was taken.
    pub taken: usize,
}

/// Quantizes; with [`Calibration::Auto`] in the best of several ways. `observed` gives the observations of an equalized
/// graph.
pub fn search(
    graph: &Graph,
    seen: &Observations,
    method: Calibration,
    activations: Activations,
    observed: impl FnOnce(&Graph) -> Result<Observations>,
) -> Result<Quantized> {
    let whole =
        |program| Quantized { graph: graph.clone(), program, naive: None, trials: Vec::new(), taken: 0 };
    if method != Calibration::Auto || seen.answers.is_empty() || !graph.given.tensors.is_empty() {
        return Ok(whole(lower(graph, &assign(graph, seen, method, activations)?, None)?));
    }
    let naive = lower(graph, &assign(graph, seen, Calibration::MinMax, activations)?, None)?;
    let mut found = whole(naive.clone());
    found.trials.push(Trial { settings: "min-max ranges".into(), sqnr_db: closeness(&naive, seen)? });
    let equalized = equalize(graph, seen);
    let other = equalized.map(|g| observed(&g).map(|seen| (g, seen))).transpose()?;
    let mut best = (graph, seen, Calibration::MinMax);
    let ways = [Some((graph, seen)), other.as_ref().map(|(graph, seen)| (graph, seen))];
    // 65536 steps have nothing to gain from a narrower range.
    let methods = match activations {
        Activations::Int8 => &[Calibration::MinMax, Calibration::Auto][..],
        Activations::Int16 => &[Calibration::MinMax],
    };
    // With corrected biases, which would hide what the other two are worth.
    for (graph, seen) in ways.into_iter().flatten() {
        for &method in methods {
            if found.offer(graph, seen, (method, activations), true)? {
                best = (graph, seen, method);
            }
        }
    }
    let (graph, seen, method) = best;
    found.offer(graph, seen, (method, activations), false)?;
    found.naive = (found.taken > 0).then_some(naive);
    Ok(found)
}

impl Quantized {
    /// Tries one more way, and takes it when it is better than what is there.
    fn offer(
        &mut self,
        graph: &Graph,
        seen: &Observations,
        (method, activations): (Calibration, Activations),
        correct: bool,
    ) -> Result<bool> {
        let params = assign(graph, seen, method, activations)?;
        // A layer that cannot be held this way is no reason to refuse the network.
        let Ok(program) = lower(graph, &params, correct.then_some(seen)) else { return Ok(false) };
        let sqnr_db = closeness(&program, seen)?;
        let better = sqnr_db > self.trials[self.taken].sqnr_db + WORTH_DB;
        self.trials.push(Trial { settings: settings(graph, method, correct), sqnr_db });
        if better {
            self.taken = self.trials.len() - 1;
            (self.graph, self.program) = (graph.clone(), program);
        }
        Ok(better)
    }
}

fn settings(graph: &Graph, method: Calibration, correct: bool) -> String {
    let divided = |v: &crate::ir::Value| v.origin.as_ref().is_some_and(|o| !o.divided.is_empty());
    let ranges = if method == Calibration::Auto { "ranges by tensor" } else { "min-max ranges" };
    let equalized = if graph.values.iter().any(divided) { ", channels equalized" } else { "" };
    format!("{ranges}{equalized}{}", if correct { ", biases corrected" } else { "" })
}

/// Signal to noise ratio of a program's outputs on the samples whose answers are known.
fn closeness(program: &Program, seen: &Observations) -> Result<f64> {
    let bytes = encode(program, &plan(program, &FAST)?, &Metadata::default())?;
    let model = Model::new_checked(&bytes).map_err(|e| Error::internal(e.to_string()))?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).map_err(|e| Error::internal(e.to_string()))?;
    let mut sums = vec![[0f64; 2]; program.outputs.len()];
    for (sample, floats) in &seen.answers {
        infer(&mut session, &sample_bytes(&model, sample), &mut ())?;
        for ((output, floats), [signal, noise]) in session.outputs().zip(floats).zip(&mut sums) {
            for (real, &float) in output.reals().zip(floats).filter(|(_, float)| float.is_finite()) {
                *signal += f64::from(float).powi(2);
                *noise += f64::from(float - real).powi(2);
            }
        }
    }
    let db = |&[signal, noise]: &[f64; 2]| {
        if noise > 0.0 { (10.0 * (signal / noise).log10()).clamp(-MOST_DB, MOST_DB) } else { MOST_DB }
    };
    Ok(sums.iter().map(db).sum::<f64>() / sums.len().max(1) as f64)
}
