//! Backward: which channels matter. A channel is *needed* when some needed channel of another tensor, or an output of
//! the network, depends on its value. It is *kept* when it is needed, or when the shape of an operator ties it to one
//! that is: both inputs of a sum have the same channels.
//!
//! A channel that is kept without need may hold anything inside its interval, and so may whatever is computed from it.

use super::flow::{Flow, reads, repeats};
use super::interval::Interval;
use crate::program::Program;

/// What stays of a program.
pub(super) struct Keep {
    /// Per arena tensor and channel: whether its value matters.
    pub(super) needed: Vec<Vec<bool>>,
    /// Per arena tensor and channel: whether it stays.
    pub(super) kept: Vec<Vec<bool>>,
}

impl Keep {
    /// Looks at the steps from the last to the first, then at what ties channels together.
    pub(super) fn of(program: &Program, flows: &[Flow], ranges: &[Vec<Interval>]) -> Self {
        let needed = needed(program, flows, ranges);
        let mut roots = needed.clone();
        roots[..program.given()].iter_mut().for_each(|channels| channels.fill(true));
        let mut live: Vec<bool> =
            (0..program.steps.len()).map(|k| needed[program.given() + k].contains(&true)).collect();
        // A step that stays wants at least one channel of each input, whose step then stays as well.
        loop {
            let kept = tie(program, flows, &live, &roots);
            let mut settled = true;
            for k in (0..program.steps.len()).rev() {
                if kept[program.given() + k].contains(&true) && !live[k] {
                    live[k] = true;
                    settled = false;
                }
                for (i, x) in reads(&program.steps[k]).filter(|_| live[k]) {
                    if !kept[x].contains(&true) && !may_vanish(&flows[k], i) {
                        roots[x][0] = true;
                        settled = false;
                    }
                }
            }
            if settled {
                return Self { needed, kept };
            }
        }
    }

    /// Whether step `k` stays.
    pub(super) fn live(&self, program: &Program, k: usize) -> bool {
        self.kept[program.given() + k].contains(&true)
    }

    /// The channels of tensor `t` that stay.
    pub(super) fn channels(&self, t: usize) -> Vec<usize> {
        (0..self.kept[t].len()).filter(|&c| self.kept[t][c]).collect()
    }
}

/// Whether a step can do without any channel of input `i`: others give channels to its output as well.
fn may_vanish(flow: &Flow, i: usize) -> bool {
    matches!(flow, Flow::Each(sources, None) if sources.len() > 1 && sources[i].iter().any(Option::is_none))
}

/// The channels whose values matter. An output channel of one value depends on nothing.
fn needed(program: &Program, flows: &[Flow], ranges: &[Vec<Interval>]) -> Vec<Vec<bool>> {
    let mut needed: Vec<Vec<bool>> = ranges.iter().map(|r| vec![false; r.len()]).collect();
    program.lasting().for_each(|t| needed[t].fill(true));
    for (k, step) in program.steps.iter().enumerate().rev() {
        let y = program.given() + k;
        let varies = |o: usize| needed[y][o] && ranges[y][o].constant().is_none();
        let wanted: Vec<usize> = (0..needed[y].len()).filter(|&o| varies(o)).collect();
        for (i, x) in reads(step) {
            match &flows[k] {
                Flow::Whole => {
                    if needed[y].contains(&true) {
                        needed[x].fill(true);
                    }
                }
                Flow::Mix(layer) => {
                    for c in (0..layer.inputs).filter(|&c| !needed[x][c]).collect::<Vec<_>>() {
                        needed[x][c] = wanted.iter().any(|&o| layer.depends(o, c, ranges[x][c]));
                    }
                }
                Flow::Each(sources, _) => {
                    wanted.iter().filter_map(|&o| sources[i][o]).for_each(|c| needed[x][c] = true);
                }
            }
        }
    }
    needed
}

/// All channels that are tied to a root.
fn tie(program: &Program, flows: &[Flow], live: &[bool], roots: &[Vec<bool>]) -> Vec<Vec<bool>> {
    let starts: Vec<usize> = roots
        .iter()
        .scan(0, |at, r| {
            *at += r.len();
            Some(*at - r.len())
        })
        .collect();
    let mut ties = Ties((0..roots.iter().map(Vec::len).sum()).collect());
    let mut whole = vec![false; roots.len()];
    for (k, step) in program.steps.iter().enumerate().filter(|&(k, _)| live[k]) {
        let y = program.given() + k;
        match &flows[k] {
            Flow::Mix(_) => {}
            Flow::Whole => {
                whole[y] = true;
                reads(step).for_each(|(_, x)| whole[x] = true);
            }
            Flow::Each(sources, _) => {
                for (i, x) in reads(step) {
                    if repeats(program, k, i) {
                        whole[x] = true;
                        continue;
                    }
                    for (o, c) in sources[i].iter().enumerate() {
                        if let Some(c) = c {
                            ties.join(starts[x] + c, starts[y] + o);
                        }
                    }
                }
            }
        }
    }
    let mut kept = vec![false; ties.0.len()];
    for (t, channels) in roots.iter().enumerate() {
        for (c, &root) in channels.iter().enumerate() {
            if root || whole[t] {
                kept[ties.find(starts[t] + c)] = true;
            }
        }
    }
    let mut of = |t: usize| (0..roots[t].len()).map(|c| kept[ties.find(starts[t] + c)]).collect();
    (0..roots.len()).map(&mut of).collect()
}

/// Disjoint sets, each named by one of its members.
struct Ties(Vec<usize>);

impl Ties {
    fn find(&mut self, mut i: usize) -> usize {
        while self.0[i] != i {
            self.0[i] = self.0[self.0[i]];
            i = self.0[i];
        }
        i
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b)] = a.min(b);
    }
}
