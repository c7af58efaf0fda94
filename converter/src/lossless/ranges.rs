//! Forward: the interval of every channel of every tensor, for any input at all. Each operator's bounds go through the
//! kernels' own arithmetic; operators that are not known here may give anything.

use super::interval::Interval;
use super::layer::Layer;
use crate::error::{Error, Result};
use crate::program::{Operand, Program, Step};
use mote_format::{Add, DType, Op, SumPool2d};
use mote_kernels::quant::Output;

/// The intervals of the channels of each arena tensor. A layer whose sums can leave 32 bits is an error.
pub(super) fn ranges(program: &Program) -> Result<Vec<Vec<Interval>>> {
    let whole = |t: usize| vec![Interval::INT8; program.tensors[t].shape.channels()];
    let mut all: Vec<Vec<Interval>> = (0..program.given()).map(whole).collect();
    for (k, step) in program.steps.iter().enumerate() {
        let y = program.given() + k;
        let found = match Layer::of(program, step, y) {
            Some(layer) => Some(sums(program, &layer, step, y, &all)?),
            None => Facts { program, step, y, all: &all }.intervals(),
        };
        all.push(found.unwrap_or_else(|| whole(y)));
    }
    Ok(all)
}

/// The outputs of a layer with weights.
fn sums(
    program: &Program,
    layer: &Layer,
    step: &Step,
    y: usize,
    all: &[Vec<Interval>],
) -> Result<Vec<Interval>> {
    let Operand::Arena(x) = step.inputs[0] else { return Err(Error::internal("a layer over a constant")) };
    let one = |o: usize| {
        let sums = layer.sums(o, &all[x]);
        if sums.ends().is_none() {
            return Err(Error::new("cannot convert a layer")
                .at(format!("\"{}\" ({}), output channel {o}", program.tensors[y].name, step.op.name()))
                .cause(format!(
                    "its sums run from {} to {}, beyond the 32 bits of an accumulator",
                    sums.low, sums.high
                ))
                .remedy("split the layer, or look for a bias that is far larger than its weights"));
        }
        Ok(layer.apply(o, sums))
    };
    (0..layer.outputs).map(one).collect()
}

/// What is known when the output of a step is looked at.
struct Facts<'a> {
    program: &'a Program,
    step: &'a Step,
    y: usize,
    all: &'a [Vec<Interval>],
}

impl Facts<'_> {
    /// The intervals of the output; `None` where nothing is known.
    fn intervals(&self) -> Option<Vec<Interval>> {
        let y = &self.program.tensors[self.y];
        if y.dtype != DType::I8 {
            return None;
        }
        let each = |f: &dyn Fn(Interval) -> Interval| Some(self.x(0)?.into_iter().map(f).collect());
        match self.step.op {
            Op::MaxPool2d(p) => each(&|x| x.clamp(p.min, p.max)),
            // Sums of fewer taps than this cannot wrap.
            Op::AvgPool2d(p) if u32::from(p.kh) * u32::from(p.kw) < 1 << 23 => {
                each(&|x| x.clamp(p.min, p.max))
            }
            Op::Clamp(p) => each(&|x| x.clamp(p.min, p.max)),
            // A mixture of values rounds to none beyond them.
            Op::Resize(_) => self.x(0),
            Op::SumPool2d(p) => each(&|x| self.sum_pool(&p, x)),
            Op::Requantize(p) => {
                let output = Output { round: p.round, zero: y.quant.zero, min: p.min, max: p.max };
                let zero = self.zero(0);
                each(&|x| x.plus(Interval::one(-zero)).requantized(&output, p.scale))
            }
            Op::Lut(p) => {
                let table: [u8; 256] = self.program.writer.bytes(p.table).try_into().ok()?;
                each(&|x| x.map(|q| table[(i16::from(q) + 128) as usize] as i8))
            }
            Op::Add(p) => self.pairs(|a, b| self.add(&p, a, b)),
            Op::Mul(p) => {
                let output = Output { round: p.round, zero: y.quant.zero, min: p.min, max: p.max };
                let at = |i: usize, x: Interval| x.plus(Interval::one(-self.zero(i)));
                self.pairs(|a, b| at(0, a).times(at(1, b)).requantized(&output, p.scale))
            }
            Op::Maximum(_) => self.pairs(|a, b| Interval::new(a.low.max(b.low), a.high.max(b.high))),
            Op::Minimum(_) => self.pairs(|a, b| Interval::new(a.low.min(b.low), a.high.min(b.high))),
            Op::StridedCopy(_) | Op::Gather(_) => self.union_of_all(),
            Op::Concat(p) => self.concat(p.axis.into()),
            Op::Pad(p) => {
                let (x, rank) = (self.x(0)?, y.shape.rank());
                let before = usize::from(p.before[rank.checked_sub(1)?]);
                let border = Interval::one(p.value.into());
                let from = self.program.shape(self.step.inputs[0]);
                let only_channels = from.dims()[..rank - 1] == y.shape.dims()[..rank - 1];
                let held = |c: usize| if only_channels { x[c] } else { x[c].or(border) };
                let one = |o: usize| o.checked_sub(before).filter(|&c| c < x.len()).map_or(border, held);
                Some((0..y.shape.channels()).map(one).collect())
            }
            Op::Reshape(_) => {
                let (x, to) = (self.x(0)?, y.shape.channels());
                if to.is_multiple_of(x.len()) {
                    return Some((0..to).map(|o| x[o % x.len()]).collect());
                }
                self.union_of_all()
            }
            Op::Transpose(p) => {
                let last = y.shape.rank().checked_sub(1)?;
                if usize::from(p.perm[last]) == last { self.x(0) } else { self.union_of_all() }
            }
            _ => None,
        }
    }

    /// The intervals of input `i`.
    fn x(&self, i: usize) -> Option<Vec<Interval>> {
        match *self.step.inputs.get(i)? {
            Operand::Arena(t) => (self.program.tensors[t].dtype == DType::I8).then(|| self.all[t].clone()),
            Operand::Constant(c) => {
                let tensor = &self.program.writer.constants[c];
                let channels = tensor.dims.last().map_or(1, |&d| d as usize);
                let bytes = self.program.bytes_of_constant(c);
                let one = |o: usize| {
                    let own = bytes.iter().skip(o).step_by(channels);
                    Interval::union(own.map(|&b| Interval::one((b as i8).into())))
                };
                (tensor.dtype == DType::I8).then(|| (0..channels).map(one).collect())
            }
        }
    }

    /// The zero point of input `i`.
    fn zero(&self, i: usize) -> i64 {
        self.program.quant(self.step.inputs[i]).zero.into()
    }

    /// Every channel of the output may hold what any of the input does.
    fn union_of_all(&self) -> Option<Vec<Interval>> {
        let all = Interval::union(self.x(0)?.into_iter());
        Some(vec![all; self.program.tensors[self.y].shape.channels()])
    }

    /// Two inputs, channel by channel; one with a single channel repeats.
    fn pairs(&self, f: impl Fn(Interval, Interval) -> Interval) -> Option<Vec<Interval>> {
        let (a, b) = (self.x(0)?, self.x(1)?);
        let at = |x: &[Interval], o: usize| if x.len() == 1 { Some(x[0]) } else { x.get(o).copied() };
        (0..self.program.tensors[self.y].shape.channels()).map(|o| Some(f(at(&a, o)?, at(&b, o)?))).collect()
    }

    fn add(&self, p: &Add, a: Interval, b: Interval) -> Interval {
        let whole = Interval::new(p.min.into(), p.max.into());
        let widened = |i: usize, x: Interval| {
            let x = x.plus(Interval::one(-self.zero(i)));
            Interval::new(x.low << p.left, x.high << p.left)
        };
        let sum = || {
            let (a, b) = (widened(0, a).scaled(p.round, p.a)?, widened(1, b).scaled(p.round, p.b)?);
            let y = a.plus(b).scaled(p.round, p.y)?;
            let zero = self.program.tensors[self.y].quant.zero;
            y.plus(Interval::one(zero.into())).ends().map(|_| y.plus(Interval::one(zero.into())))
        };
        sum().map_or(whole, |y: Interval| y.clamp(p.min, p.max))
    }

    /// Windows on the edge have fewer taps; between the fewest and all of them lies every sum.
    fn sum_pool(&self, p: &SumPool2d, x: Interval) -> Interval {
        let y = &self.program.tensors[self.y];
        let output = Output { round: p.round, zero: y.quant.zero, min: p.min, max: p.max };
        let x = x.plus(Interval::one(-self.zero(0)));
        let most = i64::from(p.kh) * i64::from(p.kw);
        let padded = [p.pads.top, p.pads.left, p.pads.bottom, p.pads.right] != [0; 4];
        let counts = Interval::new(if padded { 1 } else { most }, most);
        x.times(counts).requantized(&output, p.scale)
    }

    fn concat(&self, axis: usize) -> Option<Vec<Interval>> {
        let all: Vec<_> = (0..self.step.inputs.len()).map(|i| self.x(i)).collect::<Option<_>>()?;
        if axis + 1 == self.program.tensors[self.y].shape.rank() {
            return Some(all.concat());
        }
        let channels = self.program.tensors[self.y].shape.channels();
        let one = |o: usize| Interval::union(all.iter().filter_map(|x| x.get(o).copied()));
        Some((0..channels).map(one).collect())
    }
}
