//! Element-wise sums of tensors of one shape. There are 65,536 pairs of bytes: where one sum of products in floats has
//! the operator's result for all of them, vectors compute that.

use mote_format::{Add, Rounding, Scale};

use super::channels::{Profile, rescale};
use super::engine::{Engine, ExactSum, Sum};
use super::fused::nearest;
use super::threads::Threads;
use crate::quant::{double, single};
use crate::view::Io;

/// Elements that one thread takes at a time.
const PART: usize = 32 * 1024;

/// Multiply-accumulate operations of a convolution that take as long as an element.
const WORK: usize = 20;

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
        let zeros = [a.quant.zero, b.quant.zero, io.y.quant.zero];
        let sum = floats(p, zeros).or_else(|| exact(p, zeros))?;
        Some(Self { engine, sum })
    }

    /// The sums.
    pub(super) fn run(&self, a: &[i8], b: &[i8], y: &mut [i8], threads: &Threads) {
        let work = y.len() * WORK;
        threads.for_each(y, PART, work, |i, y| {
            let range = i * PART..i * PART + y.len();
            self.engine.add(&a[range.clone()], &b[range], &self.sum, y);
        });
    }
}

/// The sum in integers.
fn exact(p: &Add, zeros: [i32; 3]) -> Option<Sum> {
    let profile = if p.round == Rounding::Single { Profile::Single } else { Profile::Double };
    let scale = |s: Scale| rescale(profile, s.mult, s.shift.into());
    let (a, b, y) = (scale(p.a)?, scale(p.b)?, scale(p.y)?);
    Some(Sum::Exact(ExactSum { profile, left: p.left.into(), zeros, a, b, y, min: p.min, max: p.max }))
}

/// The sum in floats, where every pair of bytes gives the operator's result.
fn floats(p: &Add, [za, zb, zy]: [i32; 3]) -> Option<Sum> {
    let scaled = if p.round == Rounding::Single { single } else { double };
    let (min, max) = (i32::from(p.min), i32::from(p.max));
    let real = |s: Scale| f64::from(s.mult) * 2f64.powi(i32::from(s.shift) - 31);
    let scales = [p.a, p.b].map(|s| (real(s) * 2f64.powi(p.left.into()) * real(p.y)) as f32);
    if !scales.iter().all(|s| (0.0..1e3).contains(s)) {
        return None;
    }
    let all = || i8::MIN..=i8::MAX;
    let widened =
        |v: i8, zero: i32, s: Scale| scaled((i32::from(v) - zero) << p.left, s.mult, s.shift.into());
    let table = |zero: i32, s: Scale| all().map(move |v| widened(v, zero, s));
    // The operator's result for each pair.
    let mut results = std::vec::Vec::with_capacity(1 << 16);
    for a in table(za, p.a) {
        for b in table(zb, p.b) {
            let y = scaled(a.wrapping_add(b), p.y.mult, p.y.shift.into());
            results.push(y.wrapping_add(zy).clamp(min, max));
        }
    }
    // Each result says where the offset must lie; the middle of that is farthest from all borders.
    let pairs = || all().flat_map(|a| all().map(move |b| (a, b))).zip(&results);
    let [one, two] = scales.map(f64::from);
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    for ((a, b), &y) in pairs() {
        let product = f64::from(a) * one + f64::from(b) * two;
        let result = f64::from(y);
        low = if y > min { low.max(result - 0.5 - product) } else { low };
        high = if y < max { high.min(result + 0.5 - product) } else { high };
    }
    let offset = (low.max(-1e6) + high.min(1e6)) as f32 / 2.0;
    let equal = |((a, b), &y): ((i8, i8), &i32)| {
        let sum = f32::from(b).mul_add(scales[1], f32::from(a).mul_add(scales[0], offset));
        nearest(sum).clamp(min, max) == y
    };
    (low < high && pairs().all(equal)).then_some(Sum::Float { scales, offset, min: p.min, max: p.max })
}
