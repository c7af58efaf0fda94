//! Runs of steps that make a few rows of each in turn: the order of their calls, and the rows that each image between
//! them must keep. The deepest step that can make a row makes it, so that nothing is made before it is needed; whole rows
//! are passed on, so that nothing is computed twice.

use crate::program::{Operand, Program};
use mote_format::{Call, Image, MAX_CALL_ROWS, MAX_GROUP, RowWindow};
use std::ops::Range;

/// The most rows that a tensor keeps, unless it keeps all.
const MOST_KEPT: usize = 255;

/// Steps in lockstep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lockstep {
    /// The steps.
    pub steps: Range<usize>,
    /// Calls of their kernels.
    pub calls: Vec<Call>,
    /// Tensors of which some rows only are kept, and how many.
    pub kept: Vec<(usize, usize)>,
}

/// One step as the schedule sees it.
struct Line {
    window: RowWindow,
    height: usize,
    made: usize,
    inputs: Vec<Source>,
    /// Whether its rows are read by these steps alone.
    inner: bool,
}

/// What a step reads.
struct Source {
    height: usize,
    /// The step that makes it, counted from the first; `None` for what is there.
    line: Option<usize>,
    /// Whether it is the input that is fed by rows.
    fed: bool,
}

impl Lockstep {
    /// The schedule of these steps, the model's input being `fed` by rows or there as a whole; `None` when one of them
    /// does not go row by row.
    pub fn new(program: &Program, steps: Range<usize>, fed: bool) -> Option<Self> {
        let lives = program.lives();
        let lines = steps.clone().map(|k| line(program, &steps, &lives, k, fed));
        let mut schedule = Schedule {
            lines: lines.collect::<Option<Vec<_>>>().filter(|lines| lines.len() <= MAX_GROUP)?,
            needed: vec![1; steps.len()],
            fed: (0, 0),
            calls: Vec::new(),
        };
        let mut deepest = schedule.lines.len().checked_sub(1)?;
        let mut left: usize = schedule.lines.iter().map(|line| line.height).sum();
        while left > 0 {
            deepest = schedule.next(deepest)?;
            schedule.make(deepest);
            left -= 1;
        }
        let kept: Vec<(usize, usize)> = schedule.kept(program, &steps);
        Some(Self { calls: schedule.merged(), steps, kept })
    }

    /// Bytes of the tensors of which some rows only are kept. More steps never need fewer.
    pub(super) fn kept_bytes(&self, program: &Program) -> usize {
        self.kept.iter().map(|&(t, _)| self.bytes(program, t)).sum()
    }

    /// Bytes that a tensor takes while these steps run.
    pub fn bytes(&self, program: &Program, t: usize) -> usize {
        let kept = self.kept.iter().find(|k| k.0 == t).and_then(|k| Some(k.1 * image(program, t)?.row));
        kept.unwrap_or_else(|| program.tensors[t].bytes())
    }
}

/// A tensor as rows.
pub(super) fn image(program: &Program, t: usize) -> Option<Image> {
    let tensor = &program.tensors[t];
    Image::of(&tensor.shape, tensor.dtype.size())
}

fn line(
    program: &Program,
    steps: &Range<usize>,
    lives: &[(usize, usize)],
    k: usize,
    fed: bool,
) -> Option<Line> {
    let (step, y) = (&program.steps[k], program.given() + k);
    let source = |input: &Operand| {
        Some(match *input {
            Operand::Arena(t) => Source {
                height: image(program, t)?.height,
                line: t.checked_sub(program.given() + steps.start),
                fed: fed && t == 0,
            },
            Operand::Constant(c) => {
                let &[1, height, _, _] = &program.writer.constants[c].dims[..] else { return None };
                Source { height: height as usize, line: None, fed: false }
            }
        })
    };
    let height = image(program, y)?.height;
    (height <= usize::from(u16::MAX)).then_some(())?;
    Some(Line {
        window: step.op.row_window()?,
        height,
        made: 0,
        inputs: step.inputs.iter().map(source).collect::<Option<_>>()?,
        inner: lives[y].1 <= steps.end,
    })
}

struct Schedule {
    lines: Vec<Line>,
    /// Rows that each line must keep.
    needed: Vec<usize>,
    /// Rows of the input that have come, and rows that must be kept of it.
    fed: (usize, usize),
    /// Calls of one row, each with the rows of the input that had come before it.
    calls: Vec<(usize, usize)>,
}

impl Schedule {
    /// The deepest line that can make a row, after `last` has made one: a reader of it, or no deeper than it.
    fn next(&self, last: usize) -> Option<usize> {
        let reads = |j: &usize| self.lines[*j].inputs.iter().any(|x| x.line == Some(last));
        let readers = (last + 1..self.lines.len()).rev().filter(reads);
        readers.chain((0..=last).rev()).find(|&j| self.can(j))
    }

    /// Whether line `j` can make its next row.
    fn can(&self, j: usize) -> bool {
        let line = &self.lines[j];
        let ready = |x: &Source| {
            let reads = line.window.reads(&(line.made..line.made + 1), x.height);
            x.line.is_none_or(|from| reads.end <= self.lines[from].made)
        };
        line.made < line.height && line.inputs.iter().all(ready)
    }

    fn make(&mut self, j: usize) {
        let line = &self.lines[j];
        for x in &line.inputs {
            let reads = line.window.reads(&(line.made..line.made + 1), x.height);
            if let Some(from) = x.line {
                self.needed[from] = self.needed[from].max(self.lines[from].made - reads.start);
            }
            if x.fed {
                self.fed.0 = self.fed.0.max(reads.end);
                self.fed.1 = self.fed.1.max(self.fed.0 - reads.start);
            }
        }
        self.lines[j].made += 1;
        self.calls.push((j, self.fed.0));
    }

    /// Rows that each tensor keeps, where it is not all.
    fn kept(&self, program: &Program, steps: &Range<usize>) -> Vec<(usize, usize)> {
        let inner = self.lines.iter().enumerate().filter(|(_, line)| line.inner);
        let mut kept: Vec<_> =
            inner.map(|(j, line)| (program.given() + steps.start + j, self.needed[j], line.height)).collect();
        if self.fed.1 > 0 {
            let height = image(program, 0).map_or(0, |image| image.height);
            kept.insert(0, (0, self.fed.1, height));
        }
        let some = kept.into_iter().filter(|&(_, rows, height)| rows < height.min(MOST_KEPT + 1));
        some.map(|(t, rows, _)| (t, rows)).collect()
    }

    /// The calls, a step's rows in a row made by one where it keeps as many.
    fn merged(&self) -> Vec<Call> {
        let mut calls: Vec<(Call, usize)> = Vec::new();
        for &(step, fed) in &self.calls {
            let room = if self.lines[step].inner { self.needed[step] } else { MAX_CALL_ROWS };
            match calls.last_mut() {
                Some((call, before))
                    if call.step == step && *before == fed && call.rows < room.min(MAX_CALL_ROWS) =>
                {
                    call.rows += 1;
                }
                _ => calls.push((Call { step, rows: 1 }, fed)),
            }
        }
        calls.into_iter().map(|(call, _)| call).collect()
    }
}
