//! Which steps run in lockstep. A program is cut into runs of steps; a run needs a number of bytes that does not depend
//! on how the others are cut, since what is alive at its ends is whole. So the best cut is found step by step.

use super::lockstep::Lockstep;
use super::{Request, scratch_lengths};
use crate::program::Program;

/// A run of steps that ends behind some step.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) start: usize,
    /// Bytes that it needs.
    pub(super) bytes: usize,
    /// `None` for a single step that runs whole.
    pub(super) lockstep: Option<Lockstep>,
}

impl Segment {
    /// Calls of kernels beyond one a step.
    fn cost(&self) -> usize {
        self.lockstep.as_ref().map_or(0, |l| l.calls.len())
    }
}

/// All runs that may be chosen, by the step behind which they end.
pub(super) struct Segments(Vec<Vec<Segment>>);

impl Segments {
    /// `alone` says what each step needs when it runs by itself.
    pub(super) fn new(program: &Program, request: &Request, alone: impl Fn(usize) -> usize) -> Self {
        let (n, lives, scratch) = (program.steps.len(), program.lives(), scratch_lengths(program));
        let mut ends: Vec<Vec<Segment>> = (0..n)
            .map(|k| {
                let whole = Segment { start: k, bytes: alone(k), lockstep: None };
                // An input that is fed is read in lockstep only.
                let reads_fed = request.rows && lives[0].1 > k;
                if reads_fed { Vec::new() } else { vec![whole] }
            })
            .collect();
        // Whoever keeps more than this cannot do better than steps that run by themselves.
        let ceiling = if request.rows { usize::MAX } else { (0..n).map(&alone).max().unwrap_or(0) };
        for start in 0..n {
            let fed = request.rows && start == 0;
            if request.rows && start > 0 && lives[0].1 > start {
                continue;
            }
            for end in start + if fed { 1 } else { 2 }..=n {
                if fed && lives[0].1 > end {
                    continue;
                }
                if program.steps[end - 1].op.row_window().is_none() {
                    break;
                }
                let Some(lockstep) = Lockstep::new(program, start..end, fed) else { break };
                if lockstep.kept_bytes(program) > ceiling {
                    break;
                }
                let alive = |t: usize| {
                    let state = t >= program.inputs && t < program.given();
                    // The next value of a state lies on its bytes.
                    let next = program.states.iter().any(|s| s.next == t);
                    state || (!next && lives[t].0 <= end && lives[t].1 > start)
                };
                let tensors: usize = (0..program.tensors.len())
                    .filter(|&t| alive(t))
                    .map(|t| lockstep.bytes(program, t))
                    .sum();
                let scratch = scratch[start..end].iter().max().copied().unwrap_or(0);
                ends[end - 1].push(Segment { start, bytes: tensors + scratch, lockstep: Some(lockstep) });
            }
        }
        Self(ends)
    }

    /// The step that needs the most bytes whichever way the program is cut, and how many.
    pub(super) fn peak(&self) -> (usize, usize) {
        let around = |k: usize| {
            let ends = self.0.iter().enumerate().skip(k);
            let over = ends.flat_map(|(_, ends)| ends.iter().filter(|s| s.start <= k).map(|s| s.bytes));
            over.min().unwrap_or(0)
        };
        (0..self.0.len())
            .map(|k| (k, around(k)))
            .max_by_key(|&(k, bytes)| (bytes, std::cmp::Reverse(k)))
            .unwrap_or((0, 0))
    }

    /// The fewest bytes that a cut needs; `None` when there is no cut.
    pub(super) fn least(&self) -> Option<usize> {
        self.best(usize::MAX, |most, segment| most.max(segment.bytes)).map(|(bytes, _)| bytes)
    }

    /// The cut of the fewest calls among those that need at most `limit` bytes, and how many it needs.
    pub(super) fn fastest(&self, limit: usize) -> Option<(usize, Vec<Lockstep>)> {
        let (_, cut) = self.best(limit, |calls, segment| calls + segment.cost())?;
        let needed = cut.iter().map(|segment| segment.bytes).max().unwrap_or(0);
        Some((needed, cut.into_iter().filter_map(|segment| segment.lockstep.clone()).collect()))
    }

    /// The cut whose segments, each of at most `limit` bytes, have the least sum, in the sense of `add`.
    fn best(&self, limit: usize, add: impl Fn(usize, &Segment) -> usize) -> Option<(usize, Vec<&Segment>)> {
        let mut best: Vec<Option<(usize, Option<&Segment>)>> = vec![Some((0, None))];
        for ends in &self.0 {
            let sums = ends.iter().filter(|s| s.bytes <= limit);
            let sums = sums.filter_map(|s| Some((add(best[s.start]?.0, s), Some(s))));
            best.push(sums.min_by_key(|(sum, _)| *sum));
        }
        let (sum, mut last) = (*best.last()?)?;
        let mut cut = Vec::new();
        while let Some(segment) = last {
            cut.push(segment);
            last = best[segment.start]?.1;
        }
        cut.reverse();
        Some((sum, cut))
    }
}
