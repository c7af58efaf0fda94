//! Where each buffer lies in the arena. Buffers that are needed at the same time lie apart; element-wise steps write
//! on their input where it dies with them, and steps that go row by row may run into an input that dies under them.
//! What a step needs is the kernels' and the program's to say; how buffers are packed is `place`'s.

mod place;

use crate::error::{Error, Result};
use crate::program::{Operand, Program};
use mote_format::Image;
use mote_kernels::table::scratch;
use place::{Buffer, Layout, Pair, Places};

/// Places for everything that a program needs in RAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Offset of each tensor.
    pub tensors: Vec<usize>,
    /// Offset and length of each step's scratch buffer.
    pub scratch: Vec<(usize, usize)>,
    /// Bytes of the whole arena.
    pub arena: usize,
    /// The most bytes that are needed at one time: no plan is smaller.
    pub lower_bound: usize,
}

/// Gives every buffer of a program its place.
pub fn plan(program: &Program) -> Result<Plan> {
    let owner = in_place(program);
    let scratch = scratch_lengths(program);
    let mut layout = layout(program, &owner, &scratch);
    let lower_bound = layout.lower_bound();
    let places = spread(&mut layout);
    if places.arena > i32::MAX as usize {
        return Err(Error::new("cannot convert the model")
            .cause(format!("it needs {} bytes of RAM, more than a model may ask for", places.arena))
            .remedy("export the model with a smaller input"));
    }
    let scratch = scratch.iter().enumerate();
    Ok(Plan {
        tensors: owner.iter().map(|&o| places.offsets[o]).collect(),
        scratch: scratch.map(|(k, &n)| (places.offsets[owner.len() + k], n)).collect(),
        arena: places.arena,
        lower_bound,
    })
}

/// The places of the smallest arena found; then, without making it larger, steps that need not go row by row are taken
/// apart, those of the most rows first.
fn spread(layout: &mut Layout) -> Places {
    let mut places = layout.places(0);
    let mut pairs = layout.pairs.clone();
    pairs.sort_by_key(|p| std::cmp::Reverse(layout.buffers[p.y].bytes));
    for pair in pairs {
        let kept = layout.pairs.clone();
        layout.pairs.retain(|p| *p != pair);
        let apart = (layout.lower_bound() <= places.arena).then(|| layout.places(places.arena));
        match apart.filter(|apart| apart.arena <= places.arena) {
            Some(apart) => places = apart,
            None => layout.pairs = kept,
        }
    }
    places
}

/// One buffer a tensor, empty where another owns its bytes, then one a step for scratch.
fn layout(program: &Program, owner: &[usize], scratch: &[usize]) -> Layout {
    let lives = program.lives();
    let buffer = |t: usize| {
        let last =
            (0..owner.len()).filter(|&u| owner[u] == t).map(|u| lives[u].1).max().unwrap_or(lives[t].1);
        let bytes = if owner[t] == t { program.tensors[t].bytes() } else { 0 };
        Buffer { bytes, first: lives[t].0, last }
    };
    let scratch = scratch.iter().enumerate();
    let scratch = scratch.map(|(k, &bytes)| Buffer { bytes, first: k + 1, last: k + 1 });
    let buffers: Vec<Buffer> = (0..owner.len()).map(buffer).chain(scratch).collect();
    let pairs = (0..program.steps.len()).filter_map(|k| pair(program, owner, &buffers, k)).collect();
    Layout { buffers, pairs }
}

/// The input of step `k` that may die row by row under its output.
fn pair(program: &Program, owner: &[usize], buffers: &[Buffer], k: usize) -> Option<Pair> {
    let step = &program.steps[k];
    let (y, &[Operand::Arena(x)]) = (program.given() + k, &step.inputs[..]) else { return None };
    if owner[y] != y || buffers[owner[x]].last != k + 1 {
        return None;
    }
    let image = |t: usize| Image::of(&program.tensors[t].shape, program.tensors[t].dtype.size());
    let (window, x_image, y_image) = (step.op.row_window()?, image(x)?, image(y)?);
    let (downwards, upwards) = (window.downwards(x_image, y_image), window.upwards(x_image, y_image));
    Some(Pair { y, x: owner[x], downwards, upwards })
}

/// Whether a tensor keeps its bytes from one inference to the next.
fn is_state(program: &Program, t: usize) -> bool {
    (program.inputs..program.given()).contains(&t)
}

/// For each tensor the one whose bytes it takes over, itself where there is none. A state's bytes are taken over by its
/// next value, and by nothing else.
fn in_place(program: &Program) -> Vec<usize> {
    let lives = program.lives();
    let mut owner: Vec<usize> = (0..program.tensors.len()).collect();
    for (k, step) in program.steps.iter().enumerate().filter(|(_, s)| s.op.in_place()) {
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
