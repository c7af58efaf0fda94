//! Where each buffer lies in the arena. Buffers that are needed at the same time lie apart; element-wise steps write
//! on their input where it dies with them. What a step needs is the kernels' and the program's to say.

use crate::error::{Error, Result};
use crate::program::{Operand, Program};
use mote_kernels::table::scratch;

/// Offsets are multiples of this many bytes, so that word loads are aligned on every core.
const ALIGN: usize = 4;

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

/// A run of bytes that is needed from one time to another.
#[derive(Debug, Clone, Copy)]
struct Buffer {
    bytes: usize,
    first: usize,
    last: usize,
}

/// First fit, the largest buffers first.
pub fn plan(program: &Program) -> Result<Plan> {
    let lives = program.lives();
    let owner = in_place(program, &lives);
    let mut buffers: Vec<Buffer> = program
        .tensors
        .iter()
        .zip(&lives)
        .map(|(t, &(first, last))| Buffer { bytes: t.bytes(), first, last })
        .collect();
    for t in 0..owner.len() {
        buffers[owner[t]].last = buffers[owner[t]].last.max(lives[t].1);
    }
    let mut wanted: Vec<usize> = (0..owner.len()).filter(|&t| owner[t] == t).collect();
    let lengths = scratch_lengths(program);
    for (k, &bytes) in lengths.iter().enumerate() {
        buffers.push(Buffer { bytes, first: k + 1, last: k + 1 });
        wanted.push(owner.len() + k);
    }
    let offsets = place(&buffers, &wanted);
    let end = |i: usize| offsets[i] + buffers[i].bytes;
    let arena = wanted.iter().map(|&i| end(i)).max().unwrap_or(0);
    if arena > i32::MAX as usize {
        return Err(Error::new("cannot convert the model")
            .cause(format!("it needs {arena} bytes of RAM, more than a model may ask for"))
            .remedy("export the model with a smaller input"));
    }
    Ok(Plan {
        tensors: owner.iter().map(|&o| offsets[o]).collect(),
        scratch: lengths
            .iter()
            .enumerate()
            .map(|(k, &n)| (if n == 0 { 0 } else { offsets[owner.len() + k] }, n))
            .collect(),
        arena,
        lower_bound: lower_bound(&buffers, &wanted),
    })
}

/// For each tensor the one whose bytes it takes over, itself where there is none.
fn in_place(program: &Program, lives: &[(usize, usize)]) -> Vec<usize> {
    let mut owner: Vec<usize> = (0..program.tensors.len()).collect();
    for (k, step) in program.steps.iter().enumerate().filter(|(_, s)| s.op.in_place()) {
        let y = program.inputs + k;
        let dying = step.inputs.iter().find_map(|input| match *input {
            Operand::Arena(x)
                if lives[x].1 == k + 1 && program.tensors[x].bytes() == program.tensors[y].bytes() =>
            {
                Some(x)
            }
            _ => None,
        });
        if let Some(x) = dying {
            owner[y] = owner[x];
        }
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

/// An offset for each wanted buffer: the lowest that is free while it is needed.
fn place(buffers: &[Buffer], wanted: &[usize]) -> Vec<usize> {
    let mut order = wanted.to_vec();
    order.sort_by_key(|&i| (std::cmp::Reverse(buffers[i].bytes), buffers[i].first, i));
    let mut offsets = vec![0; buffers.len()];
    let mut placed: Vec<usize> = Vec::new();
    for i in order {
        let me = buffers[i];
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|&&j| me.first <= buffers[j].last && buffers[j].first <= me.last)
            .map(|&j| (offsets[j], offsets[j] + buffers[j].bytes))
            .collect();
        taken.sort_unstable();
        let mut at = 0;
        for (start, end) in taken {
            if at + me.bytes <= start {
                break;
            }
            at = at.max(end.next_multiple_of(ALIGN));
        }
        offsets[i] = at;
        placed.push(i);
    }
    offsets
}

fn lower_bound(buffers: &[Buffer], wanted: &[usize]) -> usize {
    let times = wanted.iter().map(|&i| buffers[i].first);
    let live = |t: usize| {
        wanted
            .iter()
            .filter(|&&i| buffers[i].first <= t && t <= buffers[i].last)
            .map(|&i| buffers[i].bytes)
            .sum()
    };
    times.map(live).max().unwrap_or(0)
}
