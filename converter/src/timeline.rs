//! Which bytes of the arena hold what at which time, read from a model: for the chart of `mote inspect` and the page that
//! `--html` writes. Where buffers go is the planner's to decide.

mod html;

pub(crate) use html::{STYLE, escape};

use mote_format::{Bands, StepInfo, TensorInfo};
use mote_runtime::Model;
use std::ops::Range;

/// What a span of bytes is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// An input of the model.
    Input,
    /// A value that goes from one inference to the next.
    State,
    /// What a step writes.
    Output,
    /// A step's scratch.
    Scratch,
}

/// Bytes that hold one thing for some time.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// What for.
    pub usage: Use,
    /// The tensor, or the step whose scratch it is.
    pub name: String,
    /// What else is to be said of it.
    pub note: String,
    /// Where in the arena.
    pub bytes: Range<usize>,
    /// From the first time to the last, included.
    pub times: (usize, usize),
    /// The tensor's index.
    pub tensor: Option<u16>,
}

/// A model's memory over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// Bytes of the whole arena.
    pub arena: usize,
    /// The regions of the arena and their names; one without a name when it is in one piece.
    pub regions: Vec<(String, Range<usize>)>,
    /// The outputs' names and operators of the steps.
    pub steps: Vec<(String, &'static str)>,
    /// Inputs, states and outputs in order, each followed by its step's scratch.
    pub spans: Vec<Span>,
}

impl Timeline {
    /// Looks at a model.
    pub fn new(model: &Model<'_>) -> Self {
        let format = model.format();
        let name = |t: &TensorInfo| format.tensor_name(t).to_owned();
        let given = format.tensors().min(format.inputs() + format.states().count() as u16);
        let end = usize::from(format.steps_len()) + 1;
        let mut spans = Vec::new();
        for id in 0..given {
            let Some(t) = format.tensor(id) else { continue };
            let usage = if id < format.inputs() { Use::Input } else { Use::State };
            let last = if usage == Use::State { end } else { t.last.into() };
            spans.push(Span { times: (0, last), ..span(usage, id, name(&t), &t) });
        }
        let mut steps = Vec::new();
        let mut groups = format.groups().peekable();
        for step in format.steps() {
            let Some(y) = format.tensor(step.output) else { continue };
            steps.push((name(&y), step.op.name()));
            let mut out = span(Use::Output, step.output, name(&y), &y);
            out.note = over(model, &step, &y).unwrap_or(out.note);
            spans.push(out);
            while groups.next_if(|g| g.first + u16::from(g.steps) <= step.index).is_some() {}
            let now = usize::from(step.index) + 1;
            let times = match groups.peek() {
                Some(g) if g.first <= step.index => {
                    (usize::from(g.first) + 1, usize::from(g.first) + usize::from(g.steps))
                }
                _ => (now, now),
            };
            if step.scratch_len > 0 {
                let bytes = step.scratch_at as usize..(step.scratch_at + step.scratch_len) as usize;
                spans.push(Span {
                    usage: Use::Scratch,
                    name: name(&y),
                    note: String::new(),
                    bytes,
                    times,
                    tensor: None,
                });
            }
        }
        let mut names = format.named_regions().map(|region| region.name.to_owned());
        let regions = format.regions().map(|region| (names.next().unwrap_or_default(), region)).collect();
        Self { arena: model.arena_bytes(), regions, steps, spans }
    }

    /// What holds bytes at a time.
    pub fn at(&self, time: usize) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(move |s| s.times.0 <= time && time <= s.times.1)
    }

    /// Bytes that hold something at a time.
    pub fn used(&self, time: usize) -> usize {
        let mut ranges: Vec<_> = self.at(time).map(|s| s.bytes.clone()).collect();
        ranges.sort_by_key(|r| r.start);
        let mut end = 0;
        ranges.iter().fold(0, |used, r| {
            let new = r.end.saturating_sub(end.max(r.start));
            end = end.max(r.end);
            used + new
        })
    }

    /// Bytes that hold something at the time when most do: an arena of the same steps cannot be smaller.
    pub fn most_used(&self) -> usize {
        (0..=self.steps.len() + 1).map(|time| self.used(time)).max().unwrap_or(0)
    }
}

fn span(usage: Use, id: u16, name: String, t: &TensorInfo) -> Span {
    let height = t.image().map_or(0, |image| image.height);
    let note = if t.kept > 0 { format!("keeps {} of {height} rows", t.kept) } else { String::new() };
    let times = (t.first.into(), t.last.into());
    Span { usage, name, note, bytes: t.range(), times, tensor: Some(id) }
}

/// How a step writes over its input, where it does.
fn over(model: &Model<'_>, step: &StepInfo<'_>, y: &TensorInfo) -> Option<String> {
    let format = model.format();
    let inputs = step.inputs.iter().filter_map(|id| format.tensor(id));
    let mut on =
        inputs.filter(|x| !x.constant && x.range().start < y.range().end && y.range().start < x.range().end);
    let x = on.next()?;
    let name = format.tensor_name(&x);
    Some(match Bands::new(&step.op, &x, y) {
        Some(bands) => format!("written over {name} row by row, in {} calls", bands.count()),
        None => format!("written in place of {name}"),
    })
}
