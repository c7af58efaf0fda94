//! Where each buffer lies in the arena. Buffers that are needed at the same time lie apart; element-wise steps write
//! on their input where it dies with them, steps that go row by row may run into an input that dies under them, and
//! steps in lockstep keep some rows only of what lies between them (`lockstep`, chosen by `segments`). What a step needs is the kernels' and the program's to say; how buffers are packed is `place`'s.

mod lockstep;
mod place;
mod regions;
mod segments;
mod split;
mod traffic;

use crate::error::{Error, Result};
use crate::program::{Operand, Program};
use lockstep::image;
use mote_kernels::table::scratch;
use place::{Buffer, Layout, Pair, Places};
use segments::Segments;

pub use lockstep::Lockstep;
pub use regions::{Region, Used};

/// What is asked of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Bytes that the arena may have: the fastest plan that fits is chosen. Without it, the smallest is.
    pub ram: Option<usize>,
    /// Whether the input is fed row by row.
    pub rows: bool,
    /// Pieces that the RAM consists of, when it is not one: the plan of the cheapest traffic is chosen, and
    /// [`Self::ram`] says nothing.
    pub regions: Vec<Region>,
}

impl Request {
    /// A plan that is soon made, for programs that only this machine runs.
    pub(crate) const FAST: Self = Self { ram: Some(i32::MAX as usize), rows: false, regions: Vec::new() };
}

/// Places for everything that a program needs in RAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Offset of each tensor.
    pub tensors: Vec<usize>,
    /// Offset and length of each step's scratch buffer.
    pub scratch: Vec<(usize, usize)>,
    /// Steps that run in lockstep.
    pub groups: Vec<Lockstep>,
    /// Bytes of the whole arena.
    pub arena: usize,
    /// The most bytes that are needed at one time, whichever steps run in lockstep: no plan is smaller.
    pub lower_bound: usize,
    /// The regions of the arena, when these were asked for.
    pub regions: Vec<Used>,
    /// With regions: no split of the buffers of these steps among them costs less.
    pub cost_bound: u64,
}

/// Gives every buffer of a program its place.
///
/// Which steps run in lockstep is chosen for the smallest arena and, among cuts that reach it, for the fewest calls of
/// kernels; with a limit, for the fewest calls that fit it. Steps then go row by row over their input only where the
/// arena would be larger otherwise.
pub fn plan(program: &Program, request: &Request) -> Result<Plan> {
    let search = Search::new(program, request)?;
    if !request.regions.is_empty() {
        return regions::plan(&search, &request.regions);
    }
    let least = search.least;
    let ram = request.ram.unwrap_or(i32::MAX as usize);
    let mut limit = request.ram.unwrap_or(least).max(least);
    let (cut, places) = loop {
        let groups = search.segments.fastest(limit).map_or_else(Vec::new, |(_, groups)| groups);
        let mut cut = Cut::new(program, &search.scratch, groups);
        let places = spread(&mut cut.layout, request.ram.unwrap_or(0));
        let over = places.arena.saturating_sub(ram);
        if over == 0 || limit == least {
            break (cut, places);
        }
        // Packing wastes some bytes: a cut that needs fewer leaves room for them.
        limit = limit.saturating_sub(over).max(least);
    };
    if places.arena > ram {
        let (step, bytes) = search.segments.peak();
        let (name, arena) = (&program.output(step).name, places.arena);
        return refuse(
            format!("layer \"{name}\" alone needs {bytes} bytes, the whole {arena}, but {ram} are allowed"),
            &format!("allow {arena} bytes, or export the model with a smaller input"),
        );
    }
    let mut plan = search.finish(cut, &places.offsets);
    plan.arena = places.arena;
    Ok(plan)
}

fn refuse<T>(cause: String, remedy: &str) -> Result<T> {
    Err(Error::new("cannot plan the memory of the model").cause(cause).remedy(remedy))
}

/// What is known of a program before its buffers have places.
struct Search<'a> {
    program: &'a Program,
    /// Bytes of scratch per step.
    scratch: Vec<usize>,
    segments: Segments,
    /// The fewest bytes that a plan needs at one time.
    least: usize,
}

impl<'a> Search<'a> {
    fn new(program: &'a Program, request: &Request) -> Result<Self> {
        let scratch = scratch_lengths(program);
        let plain = layout(program, &in_place(program, &[]), &scratch, &[]);
        let segments = Segments::new(program, request, |k| plain.needed_at(k + 1));
        match segments.least() {
            Some(least) => Ok(Self { program, scratch, segments, least }),
            None => refuse(
                "its input cannot be fed by rows: not all that read it go row by row".into(),
                "leave out --rows: the whole input is then in the arena",
            ),
        }
    }

    /// The plan of a cut whose buffers have these offsets; how large the arena is remains to be said.
    fn finish(&self, cut: Cut, offsets: &[usize]) -> Plan {
        let tensors = self.program.tensors.len();
        let scratch = self.scratch.iter().enumerate();
        Plan {
            tensors: (0..tensors).map(|t| offsets[cut.buffer(t)]).collect(),
            scratch: scratch
                .map(|(k, &n)| (if n == 0 { 0 } else { offsets[cut.buffer(tensors + k)] }, n))
                .collect(),
            groups: cut.groups,
            arena: 0,
            lower_bound: self.least,
            regions: Vec::new(),
            cost_bound: 0,
        }
    }
}

/// A choice of steps that run in lockstep, and the buffers that come of it.
struct Cut {
    groups: Vec<Lockstep>,
    /// For each tensor the one whose bytes it takes over.
    owner: Vec<usize>,
    layout: Layout,
}

impl Cut {
    fn new(program: &Program, scratch: &[usize], groups: Vec<Lockstep>) -> Self {
        let owner = in_place(program, &groups);
        let layout = layout(program, &owner, scratch, &groups);
        Self { groups, owner, layout }
    }

    /// The buffer of a tensor or, behind all tensors, of a step's scratch.
    fn buffer(&self, i: usize) -> usize {
        let tensors = self.owner.len();
        self.owner.get(i).copied().unwrap_or_else(|| scratch_of(&self.groups, tensors, i - tensors))
    }
}

/// The places of the smallest arena found, or of one of at most `enough` bytes; then, without making it larger than that,
/// steps that need not go row by row are taken apart, those of the most bytes first.
fn spread(layout: &mut Layout, enough: usize) -> Places {
    let mut places = layout.places(enough);
    let most = places.arena.max(enough);
    let mut pairs = layout.pairs.clone();
    pairs.sort_by_key(|p| std::cmp::Reverse(layout.buffers[p.y].bytes));
    for pair in pairs {
        let kept = layout.pairs.clone();
        layout.pairs.retain(|p| *p != pair);
        let apart = (layout.lower_bound() <= most).then(|| layout.places(most));
        match apart.filter(|apart| apart.arena <= most) {
            Some(apart) => places = apart,
            None => layout.pairs = kept,
        }
    }
    places
}

/// The group that a step belongs to.
fn group_of(groups: &[Lockstep], k: usize) -> Option<&Lockstep> {
    groups.iter().find(|g| g.steps.contains(&k))
}

/// The buffer that is the scratch of step `k`; steps in lockstep use one after the other.
fn scratch_of(groups: &[Lockstep], tensors: usize, k: usize) -> usize {
    tensors + group_of(groups, k).map_or(k, |g| g.steps.start)
}

/// One buffer a tensor, empty where another owns its bytes, then one a step for scratch. All that steps in lockstep read
/// and write is needed from the first of them to the last.
fn layout(program: &Program, owner: &[usize], scratch: &[usize], groups: &[Lockstep]) -> Layout {
    let mut lives = program.lives();
    for (t, life) in lives.iter_mut().enumerate() {
        if let Some(group) = t.checked_sub(program.given()).and_then(|k| group_of(groups, k)) {
            *life = (group.steps.start + 1, life.1.max(group.steps.end));
        }
        if let Some(group) = life.1.checked_sub(1).and_then(|k| group_of(groups, k)) {
            life.1 = group.steps.end;
        }
    }
    let bytes = |t: usize| {
        let kept = groups.iter().find(|g| g.kept.iter().any(|k| k.0 == t));
        kept.map_or(program.tensors[t].bytes(), |g| g.bytes(program, t))
    };
    let buffer = |t: usize| {
        let held = (0..owner.len()).filter(|&u| owner[u] == t).map(|u| lives[u].1).max();
        let last = if is_state(program, t) { program.steps.len() + 1 } else { held.unwrap_or(lives[t].1) };
        Buffer { bytes: if owner[t] == t { bytes(t) } else { 0 }, first: lives[t].0, last }
    };
    let scratch = scratch.iter().enumerate().map(|(k, &bytes)| match group_of(groups, k) {
        None => Buffer { bytes, first: k + 1, last: k + 1 },
        Some(g) => {
            let most = scratch[g.steps.clone()].iter().max().copied().unwrap_or(0);
            let bytes = if k == g.steps.start { most } else { 0 };
            Buffer { bytes, first: g.steps.start + 1, last: g.steps.end }
        }
    });
    let buffers: Vec<Buffer> = (0..owner.len()).map(buffer).chain(scratch).collect();
    let alone = (0..program.steps.len()).filter(|&k| group_of(groups, k).is_none());
    let pairs = alone.filter_map(|k| pair(program, owner, &buffers, k)).collect();
    Layout { buffers, pairs }
}

/// The input of step `k` that may die row by row under its output.
fn pair(program: &Program, owner: &[usize], buffers: &[Buffer], k: usize) -> Option<Pair> {
    let step = &program.steps[k];
    let (y, &[Operand::Arena(x)]) = (program.given() + k, &step.inputs[..]) else { return None };
    if owner[y] != y || buffers[owner[x]].last != k + 1 {
        return None;
    }
    let (window, x_image, y_image) = (step.op.row_window()?, image(program, x)?, image(program, y)?);
    let (downwards, upwards) = (window.downwards(x_image, y_image), window.upwards(x_image, y_image));
    Some(Pair { y, x: owner[x], downwards, upwards })
}

/// Whether a tensor keeps its bytes from one inference to the next.
fn is_state(program: &Program, t: usize) -> bool {
    (program.inputs..program.given()).contains(&t)
}

/// For each tensor the one whose bytes it takes over, itself where there is none. A state's bytes are taken over by its
/// next value, and by nothing else.
fn in_place(program: &Program, groups: &[Lockstep]) -> Vec<usize> {
    let lives = program.lives();
    let mut owner: Vec<usize> = (0..program.tensors.len()).collect();
    let alone = |k: usize| group_of(groups, k).is_none();
    for (k, step) in program.steps.iter().enumerate().filter(|(k, s)| s.op.in_place() && alone(*k)) {
        let y = program.given() + k;
        let dying = step.inputs.iter().find_map(|input| match *input {
            Operand::Arena(x)
                if lives[x].1 == k + 1
                    && !is_state(program, owner[x])
                    && program.tensors[x].bytes() == program.tensors[y].bytes() =>
            {
                Some(x)
            }
            _ => None,
        });
        if let Some(x) = dying {
            owner[y] = owner[x];
        }
    }
    for (i, state) in program.states.iter().enumerate() {
        owner[state.next] = program.inputs + i;
    }
    owner
}

/// Bytes of scratch per step.
fn scratch_lengths(program: &Program) -> Vec<usize> {
    let steps = program.steps.iter().enumerate();
    steps
        .map(|(k, step)| {
            let x = step.inputs.iter().find_map(|i| match *i {
                Operand::Arena(t) => Some(program.tensors[t].shape),
                Operand::Constant(_) => None,
            });
            x.map_or(0, |x| scratch(&step.op, &x, &program.output(k).shape))
        })
        .collect()
}
