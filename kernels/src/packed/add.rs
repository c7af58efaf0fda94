//! Element-wise sums of tensors of one shape.

use mote_format::{Add, Rounding, Scale};

use super::channels::rescale;
use super::engine::{Engine, Sum};
use super::threads::Threads;
use crate::view::Io;

/// Elements that one thread takes at a time.
const PART: usize = 32 * 1024;

/// A sum that is ready to run.
pub(super) struct AddLayer {
    engine: &'static dyn Engine,
    sum: Sum,
}

impl AddLayer {
    /// `None` when an input repeats along a dimension, or a scale is not one that vectors compute.
    pub(super) fn new(engine: &'static dyn Engine, p: &Add, io: &Io<'_>) -> Option<Self> {
        let [a, b] = io.x else { return None };
        if a.shape != io.y.shape || b.shape != io.y.shape {
            return None;
        }
        let round = if p.round == Rounding::Single { Rounding::Single } else { Rounding::Double };
        let scale = |s: Scale| rescale(round, s.mult, s.shift.into());
        let sum = Sum {
            round,
            left: p.left.into(),
            zeros: [a.quant.zero, b.quant.zero, io.y.quant.zero],
            a: scale(p.a)?,
            b: scale(p.b)?,
            y: scale(p.y)?,
            min: p.min,
            max: p.max,
        };
        Some(Self { engine, sum })
    }

    /// The sums.
    pub(super) fn run(&self, a: &[i8], b: &[i8], y: &mut [i8], threads: &Threads) {
        threads.for_each(y, PART, |i, y| {
            let range = i * PART..i * PART + y.len();
            self.engine.add(&a[range.clone()], &b[range], &self.sum, y);
        });
    }
}
