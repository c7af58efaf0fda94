//! Quantizes in several ways, judges each by samples that its ranges do not know, and keeps the one whose outputs are closest
//! to the float network's. It leaves plain min-max ranges only for what is certainly better. What was tried is told.
//! How close outputs are is `judge`'s.

use super::judge::{Judgement, judge};
use super::{Activations, Calibration, Observations, assign, equalize, lower};
use crate::error::Result;
use crate::ir::Graph;
use crate::program::Program;
use serde::Serialize;

/// One way to quantize, and how close its outputs came on the calibration samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// What it does.
    pub settings: String,
    /// Signal to quantization noise ratio of the outputs, in dB; the mean of all samples and outputs.
    pub sqnr_db: f64,
    /// The share of samples whose largest output is the float network's; null where there is one output value only, or
    /// more than a thousand.
    pub agreement: Option<f64>,
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
    let apart = seen.apart();
    let naive = lower(graph, &assign(graph, &apart, Calibration::MinMax, activations)?, None)?;
    let mut tried = Tried { trials: Vec::new(), taken: 0, best: judge(&naive, &apart.answers)?, activations };
    tried.note("min-max ranges".into(), &tried.best.clone());
    let equalized = equalize(graph, seen);
    let other = equalized.map(|g| observed(&g).map(|seen| (g, seen.apart(), seen))).transpose()?;
    let mut best = (graph, seen, &apart, Calibration::MinMax, false);
    let ways = [Some((graph, seen, &apart)), other.as_ref().map(|(graph, apart, seen)| (graph, seen, apart))];
    // 65536 steps have nothing to gain from a narrower range.
    let methods = match activations {
        Activations::Int8 => &[Calibration::MinMax, Calibration::Auto][..],
        Activations::Int16 => &[Calibration::MinMax],
    };
    // With corrected biases, which would hide what the other two are worth.
    for (graph, seen, apart) in ways.into_iter().flatten() {
        for &method in methods {
            if tried.offer(graph, apart, method, true)? {
                best = (graph, seen, apart, method, true);
            }
        }
    }
    let (graph, seen, apart, method, mut correct) = best;
    if correct && tried.offer(graph, apart, method, false)? {
        correct = false;
    }
    // The ranges of what is taken know all samples.
    let params = assign(graph, seen, method, activations)?;
    let program = lower(graph, &params, correct.then_some(seen))?;
    let naive = (tried.taken > 0).then_some(naive);
    Ok(Quantized { graph: graph.clone(), program, naive, trials: tried.trials, taken: tried.taken })
}

/// What was tried so far.
struct Tried {
    trials: Vec<Trial>,
    taken: usize,
    best: Judgement,
    activations: Activations,
}

impl Tried {
    /// Tries one more way; whether it is better than what was best.
    fn offer(
        &mut self,
        graph: &Graph,
        seen: &Observations,
        method: Calibration,
        correct: bool,
    ) -> Result<bool> {
        let params = assign(graph, seen, method, self.activations)?;
        // A layer that cannot be held this way is no reason to refuse the network.
        let Ok(program) = lower(graph, &params, correct.then_some(seen)) else { return Ok(false) };
        let found = judge(&program, &seen.answers)?;
        let better = found.beats(&self.best);
        self.note(settings(graph, method, correct), &found);
        if better {
            self.taken = self.trials.len() - 1;
            self.best = found;
        }
        Ok(better)
    }

    fn note(&mut self, settings: String, found: &Judgement) {
        self.trials.push(Trial { settings, sqnr_db: found.sqnr_db(), agreement: found.share_right() });
    }
}

fn settings(graph: &Graph, method: Calibration, correct: bool) -> String {
    let divided = |v: &crate::ir::Value| v.origin.as_ref().is_some_and(|o| !o.divided.is_empty());
    let ranges = if method == Calibration::Auto { "ranges by tensor" } else { "min-max ranges" };
    let equalized = if graph.values.iter().any(divided) { ", channels equalized" } else { "" };
    format!("{ranges}{equalized}{}", if correct { ", biases corrected" } else { "" })
}
