//! The constants of a convolution, a depthwise convolution or a dense layer, in one form: reading them, how far their
//! sums reach, and writing fewer of them.

use super::interval::Interval;
use crate::program::{Operand, Program, Step};
use crate::quantize::weights::{i8s, i32s, requant};
use mote_format::{
    Conv2d, Conv2dAsymmetric, DType, DepthwiseConv2d, DepthwiseConv2dAsymmetric, FullyConnected,
    FullyConnectedAsymmetric, ModelWriter, Op, Pads, Scale, Shape, Stride,
};
use mote_kernels::quant::Output;
use std::ops::Range;

/// Where one tap of a window lies over all positions of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    /// It lies on the image at some position.
    pub(super) inside: bool,
    /// It lies on the padding at some position.
    pub(super) outside: bool,
}

/// How weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// `[out][tap][in of the group]`
    OutputsFirst,
    /// `[tap][out]`
    TapsFirst,
}

/// A layer with weights.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    order: Order,
    /// Channels of the input, and of the output.
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    groups: usize,
    pub(super) taps: Vec<Tap>,
    weights: Vec<i8>,
    /// Zero point of the weights.
    weight_zero: i8,
    bias: Vec<i32>,
    scales: Vec<Scale>,
    output: Output,
    /// Zero point of the input: what padding holds.
    zero: i64,
}

impl Layer {
    /// The layer that a step is; `None` for other operators and other types.
    pub(super) fn of(program: &Program, step: &Step, y: usize) -> Option<Self> {
        let &[Operand::Arena(x)] = &step.inputs[..] else { return None };
        let (x, y) = (&program.tensors[x], &program.tensors[y]);
        let (inputs, outputs) = (x.shape.channels(), y.shape.channels());
        let one = Stride { h: 1, w: 1 };
        let (op, weight_zero) = symmetric(step.op);
        let (order, groups, weights, bias, requant, taps) = match op {
            Op::Conv2d(p) => {
                let taps = taps([p.kh, p.kw], p.stride, p.dilation, p.pads, &x.shape, &y.shape);
                (Order::OutputsFirst, p.groups.into(), p.weights, p.bias, p.requant, taps)
            }
            Op::DepthwiseConv2d(p) => {
                let taps = taps([p.kh, p.kw], p.stride, p.dilation, p.pads, &x.shape, &y.shape);
                (Order::TapsFirst, inputs, p.weights, p.bias, p.requant, taps)
            }
            Op::FullyConnected(p) => {
                let pads = Pads { top: 0, left: 0, bottom: 0, right: 0 };
                let point = Shape::new(&[1])?;
                let taps = taps([1, 1], one, one, pads, &point, &point);
                (Order::OutputsFirst, 1, p.weights, p.bias, p.requant, taps)
            }
            _ => return None,
        };
        let words =
            |c| program.writer.bytes(c).chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let shifts = program.writer.bytes(requant.shift);
        let scale = |(o, mult)| Scale { mult, shift: shifts.get(o).map_or(0, |&s| s as i8) };
        let layer = Self {
            order,
            inputs,
            outputs,
            groups,
            taps,
            weight_zero,
            weights: program.writer.bytes(weights).iter().map(|&w| w as i8).collect(),
            bias: words(bias).collect(),
            scales: words(requant.mult).enumerate().map(scale).collect(),
            output: Output { round: requant.round, zero: y.quant.zero, min: requant.min, max: requant.max },
            zero: x.quant.zero.into(),
        };
        (x.dtype == DType::I8 && y.dtype == DType::I8 && layer.is_whole()).then_some(layer)
    }

    /// Whether there are as many constants as the shapes want.
    fn is_whole(&self) -> bool {
        let (i, o, g) = (self.inputs, self.outputs, self.groups);
        let divides = g > 0 && i.is_multiple_of(g) && o.is_multiple_of(g) && !self.taps.is_empty();
        divides
            && self.weights.len() == o * self.taps.len() * (i / g)
            && self.bias.len() == o
            && self.scales.len() == o
    }

    /// Whether any output may read any input.
    pub(super) fn mixes(&self) -> bool {
        self.groups == 1
    }

    /// Input channels that output `o` reads.
    pub(super) fn sources(&self, o: usize) -> Range<usize> {
        let (own, each) = (self.inputs / self.groups, self.outputs / self.groups);
        let first = o / each * own;
        first..first + own
    }

    /// The weight of output `o`, tap `t` and input channel `c`, one of its sources, less its zero point.
    fn weight(&self, o: usize, t: usize, c: usize) -> i64 {
        i64::from(self.stored(o, t, c)) - i64::from(self.weight_zero)
    }

    fn stored(&self, o: usize, t: usize, c: usize) -> i8 {
        let own = self.inputs / self.groups;
        let at = match self.order {
            Order::OutputsFirst => (o * self.taps.len() + t) * own + c % own,
            Order::TapsFirst => t * self.outputs + o,
        };
        self.weights[at]
    }

    /// What the sums of output `o` can be, the bias included.
    pub(super) fn sums(&self, o: usize, x: &[Interval]) -> Interval {
        let taps = self.taps.iter().enumerate().map(|(t, tap)| {
            let inside = self.sources(o).map(|c| x[c].times(Interval::one(self.weight(o, t, c))));
            let inside = tap.inside.then(|| inside.fold(Interval::one(0), Interval::plus));
            let padded: i64 = self.sources(o).map(|c| self.zero * self.weight(o, t, c)).sum();
            let outside = tap.outside.then(|| Interval::one(padded));
            Interval::union(inside.into_iter().chain(outside))
        });
        taps.fold(Interval::one(self.bias[o].into()), Interval::plus)
    }

    /// Output `o` for sums of `sums`.
    pub(super) fn apply(&self, o: usize, sums: Interval) -> Interval {
        sums.requantized(&self.output, self.scales[o])
    }

    /// Whether output `o` depends on input channel `c`, which holds `x`. What a channel of one value adds to the sum
    /// can go into the bias, unless it is not the same on the padding.
    pub(super) fn depends(&self, o: usize, c: usize, x: Interval) -> bool {
        self.taps.iter().enumerate().any(|(t, tap)| {
            let same = x.constant().is_some_and(|v| v == self.zero || !tap.outside);
            tap.inside && self.weight(o, t, c) != 0 && !same
        })
    }

    /// What a channel of one value adds to the sum of output `o`, which [does not depend](Self::depends) on it.
    fn constant_part(&self, o: usize, c: usize, x: Interval) -> i64 {
        let value = |tap: &Tap| if tap.inside { x.low } else { self.zero };
        self.taps.iter().enumerate().map(|(t, tap)| self.weight(o, t, c) * value(tap)).sum()
    }

    /// The layer with some channels of each side only. Outputs that nobody reads, and those of one value, give the
    /// smallest of their values whatever the input: their weights become zero.
    pub(super) fn part(&self, inputs: &[usize], outputs: &[(usize, bool)], x: &[Interval]) -> Self {
        let mut gone = vec![true; self.inputs];
        inputs.iter().for_each(|&c| gone[c] = false);
        let bias = outputs.iter().map(|&(o, computed)| {
            if !computed {
                return self.sums(o, x).low as i32;
            }
            let folded = self.sources(o).filter(|&c| gone[c]).map(|c| self.constant_part(o, c, x[c]));
            // Sums that fit 32 bits are exact in them, whatever wraps on the way.
            self.bias[o].wrapping_add(folded.sum::<i64>() as i32)
        });
        let row = |&(o, computed): &(usize, bool), t: usize| {
            let kept = self.sources(o).filter(|&c| !gone[c]);
            kept.map(move |c| if computed { self.stored(o, t, c) } else { self.weight_zero })
        };
        let taps = 0..self.taps.len();
        let weights = match self.order {
            Order::OutputsFirst => {
                outputs.iter().flat_map(|o| taps.clone().flat_map(move |t| row(o, t))).collect()
            }
            Order::TapsFirst => taps.flat_map(|t| outputs.iter().flat_map(move |o| row(o, t))).collect(),
        };
        let groups = if self.order == Order::TapsFirst { inputs.len() } else { self.groups };
        Self {
            groups,
            inputs: inputs.len(),
            outputs: outputs.len(),
            weights,
            bias: bias.collect(),
            scales: outputs.iter().map(|&(o, _)| self.scales[o]).collect(),
            taps: self.taps.clone(),
            ..*self
        }
    }

    /// Number of weights.
    pub(super) fn weights(&self) -> usize {
        self.weights.len()
    }

    /// Input channels that each output reads.
    pub(super) fn row(&self) -> usize {
        self.inputs / self.groups
    }

    /// The operator `op` with this layer's constants.
    pub(super) fn store(&self, op: Op, writer: &mut ModelWriter) -> Op {
        let weights = i8s(writer, &self.weights);
        let bias = i32s(writer, self.bias.iter().copied());
        let bounds = (self.output.min, self.output.max);
        let requant = requant(writer, self.output.round, &self.scales, bounds);
        let weight_zero = self.weight_zero;
        match op {
            Op::Conv2d(p) => Op::Conv2d(Conv2d { weights, bias, requant, ..p }),
            Op::Conv2dAsymmetric(Conv2dAsymmetric { layer, .. }) => {
                let layer = Conv2d { weights, bias, requant, ..layer };
                Op::Conv2dAsymmetric(Conv2dAsymmetric { layer, weight_zero })
            }
            Op::DepthwiseConv2d(p) => Op::DepthwiseConv2d(DepthwiseConv2d { weights, bias, requant, ..p }),
            Op::DepthwiseConv2dAsymmetric(DepthwiseConv2dAsymmetric { layer, .. }) => {
                let layer = DepthwiseConv2d { weights, bias, requant, ..layer };
                Op::DepthwiseConv2dAsymmetric(DepthwiseConv2dAsymmetric { layer, weight_zero })
            }
            Op::FullyConnected(_) => Op::FullyConnected(FullyConnected { weights, bias, requant }),
            Op::FullyConnectedAsymmetric(_) => {
                let layer = FullyConnected { weights, bias, requant };
                Op::FullyConnectedAsymmetric(FullyConnectedAsymmetric { layer, weight_zero })
            }
            other => other,
        }
    }
}

/// A layer without the zero point of its weights, and that.
fn symmetric(op: Op) -> (Op, i8) {
    match op {
        Op::Conv2dAsymmetric(p) => (Op::Conv2d(p.layer), p.weight_zero),
        Op::DepthwiseConv2dAsymmetric(p) => (Op::DepthwiseConv2d(p.layer), p.weight_zero),
        Op::FullyConnectedAsymmetric(p) => (Op::FullyConnected(p.layer), p.weight_zero),
        op => (op, 0),
    }
}

/// Where each tap of a window lies, rows before columns.
fn taps(kernel: [u16; 2], stride: Stride, dilation: Stride, pads: Pads, x: &Shape, y: &Shape) -> Vec<Tap> {
    let (Some(x), Some(y)) = (x.nhwc(), y.nhwc()) else { return Vec::new() };
    let line = |k: u16, stride: u8, dilation: u8, before: u16, x: usize, y: usize| -> Vec<Tap> {
        let tap = |k: usize| {
            let at =
                |o: usize| (o * usize::from(stride) + k * usize::from(dilation)).checked_sub(before.into());
            let on = |o: usize| at(o).is_some_and(|i| i < x);
            Tap { inside: (0..y).any(on), outside: !(0..y).all(on) }
        };
        (0..k.into()).map(tap).collect()
    };
    let rows = line(kernel[0], stride.h, dilation.h, pads.top, x[1], y[1]);
    let columns = line(kernel[1], stride.w, dilation.w, pads.left, x[2], y[2]);
    let both = |r: Tap, c: Tap| Tap { inside: r.inside && c.inside, outside: r.outside || c.outside };
    rows.iter().flat_map(|&r| columns.iter().map(move |&c| both(r, c))).collect()
}
