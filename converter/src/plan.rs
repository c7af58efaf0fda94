//! Where each buffer lies in the arena. Buffers that are needed at the same time lie apart; element-wise steps write
//! on their input where it dies with them. What a step needs is the kernels' and the program's to say.
//!
//! First fit gives a place to one buffer after the other; its result depends on their order. Several orders are tried,
//! then exchanges in the best one, until the lower bound is met or the tries are used up. The same program gives the
//! same plan.

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

/// Gives every buffer of a program its place.
pub fn plan(program: &Program) -> Result<Plan> {
    let lives = program.lives();
    let owner = in_place(program, &lives);
    let mut buffers: Vec<Buffer> = program
        .tensors
        .iter()
        .zip(&lives)
        .map(|(t, &(first, last))| Buffer { bytes: t.bytes(), first, last })
        .collect();
    for t in program.inputs..program.given() {
        buffers[t].last = program.steps.len() + 1;
    }
    for t in 0..owner.len() {
        buffers[owner[t]].last = buffers[owner[t]].last.max(lives[t].1);
    }
    let mut wanted: Vec<usize> = (0..owner.len()).filter(|&t| owner[t] == t).collect();
    let lengths = scratch_lengths(program);
    for (k, &bytes) in lengths.iter().enumerate() {
        buffers.push(Buffer { bytes, first: k + 1, last: k + 1 });
        wanted.push(owner.len() + k);
    }
    let lower_bound = lower_bound(&buffers, &wanted);
    let (offsets, arena) = search(&buffers, &wanted, lower_bound);
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
        lower_bound,
    })
}

/// For each tensor the one whose bytes it takes over, itself where there is none. A state's bytes are taken over by its
/// next value, and by nothing else.
fn in_place(program: &Program, lives: &[(usize, usize)]) -> Vec<usize> {
    let mut owner: Vec<usize> = (0..program.tensors.len()).collect();
    for (k, step) in program.steps.iter().enumerate().filter(|(_, s)| s.op.in_place()) {
        let y = program.given() + k;
        let state = |x: usize| (program.inputs..program.given()).contains(&x);
        let dying = step.inputs.iter().find_map(|input| match *input {
            Operand::Arena(x)
                if lives[x].1 == k + 1
                    && !state(owner[x])
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

/// Orders that are tried beyond the fixed ones.
const TRIES: usize = 3000;

/// The best places found, and the bytes that they span.
fn search(buffers: &[Buffer], wanted: &[usize], lower_bound: usize) -> (Vec<usize>, usize) {
    use std::cmp::Reverse;
    let life = |i: usize| buffers[i].last - buffers[i].first + 1;
    let bytes = |i: usize| Reverse(buffers[i].bytes);
    let orders = [
        sorted(wanted, |i| (bytes(i), buffers[i].first)),
        sorted(wanted, |i| (Reverse(buffers[i].bytes * life(i)), buffers[i].first)),
        sorted(wanted, |i| (Reverse(life(i)), bytes(i))),
        sorted(wanted, |i| buffers[i].first),
    ];
    let tried = orders.into_iter().map(|order| (place(buffers, &order), order));
    let Some((mut best, mut order)) = tried.min_by_key(|(placed, _)| placed.1) else {
        return (Vec::new(), 0);
    };
    // Exchanges two buffers of the order, chosen by a linear congruential generator (Knuth's MMIX), and keeps what is
    // no worse.
    let mut state = 1u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for _ in 0..TRIES {
        if best.1 <= lower_bound.next_multiple_of(ALIGN) || order.len() < 2 {
            break;
        }
        let (i, j) = (below(order.len()), below(order.len()));
        order.swap(i, j);
        let placed = place(buffers, &order);
        if placed.1 <= best.1 {
            best = placed;
        } else {
            order.swap(i, j);
        }
    }
    best
}

/// By a key, equals as they are.
fn sorted<K: Ord>(wanted: &[usize], key: impl Fn(usize) -> K) -> Vec<usize> {
    let mut order = wanted.to_vec();
    order.sort_by_key(|&i| key(i));
    order
}

/// An offset for each buffer of `order`, in turn the lowest that is free while it is needed; and the bytes spanned.
fn place(buffers: &[Buffer], order: &[usize]) -> (Vec<usize>, usize) {
    let mut offsets = vec![0; buffers.len()];
    let mut placed: Vec<usize> = Vec::new();
    for &i in order {
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
    let end = placed.iter().map(|&i| offsets[i] + buffers[i].bytes).max();
    (offsets, end.unwrap_or(0))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(bytes: usize, first: usize, last: usize) -> Buffer {
        Buffer { bytes, first, last }
    }

    #[test]
    fn live_buffers_never_overlap_and_the_bound_is_met() {
        // Largest first puts the middle one where it separates the others.
        let buffers =
            [buffer(40, 0, 1), buffer(20, 1, 2), buffer(32, 2, 3), buffer(36, 3, 4), buffer(24, 0, 4)];
        let wanted: Vec<usize> = (0..buffers.len()).collect();
        let bound = lower_bound(&buffers, &wanted);
        let (offsets, arena) = search(&buffers, &wanted, bound);
        assert_eq!((bound, arena), (92, 92));
        for (i, a) in buffers.iter().enumerate() {
            for (j, b) in buffers.iter().enumerate().skip(i + 1) {
                let together = a.first <= b.last && b.first <= a.last;
                let apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                assert!(!together || apart, "{i} {j} {offsets:?}");
            }
        }
    }

    #[test]
    fn nothing_needs_nothing() {
        assert_eq!(search(&[], &[], 0), (Vec::new(), 0));
    }
}
