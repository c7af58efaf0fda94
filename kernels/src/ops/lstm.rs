//! A layer of LSTM cells, as TFLite's integer reference computes it: sums to int16, gates in fixed point, a cell state in
//! int16 and a hidden state in int8 that stay for the next inference.

use mote_format::{Lstm, Shape};

use crate::fixed16::{sigmoid, tanh};
use crate::isa::Isa;
use crate::quant::{double, rounding_shift};
use crate::view::Io;

pub(crate) fn scratch(_: &Lstm, _: &Shape, _: &Shape) -> usize {
    0
}

/// The gates, in the order of the weights.
const INPUT: usize = 0;
const FORGET: usize = 1;
const CELL: usize = 2;
const OUTPUT: usize = 3;

#[inline(always)]
pub(crate) fn naive(p: &Lstm, mut io: Io<'_>) {
    let &[a, b, inputs] = io.x[0].shape.dims() else { return };
    let [a, b, inputs, units] = [a as usize, b as usize, inputs as usize, io.y.shape.channels()];
    let (batch, time) = if p.time_major == 1 { (b, a) } else { (a, b) };
    let gates = Gates {
        p,
        input: (io.i8s(p.input_weights), io.i32s(p.input_bias)),
        recurrent: (io.i8s(p.recurrent_weights), io.i32s(p.recurrent_bias)),
        scales: (io.i32s(p.mult), io.i8s(p.shift)),
        units,
    };
    let (x, zero) = (io.x[0].i8s(), io.y.quant.zero);
    let [hidden, cell] = &mut io.states;
    let hidden: &mut [i8] = bytemuck::cast_slice_mut(hidden);
    let y: &mut [i8] = bytemuck::cast_slice_mut(io.y.bytes);
    let states = hidden.chunks_exact_mut(units).zip(cell.chunks_exact_mut(2 * units));
    for (n, (hidden, cell)) in states.enumerate() {
        for t in 0..time {
            let row = if p.time_major == 1 { t * batch + n } else { n * time + t };
            let y = &mut y[row * units..][..units];
            gates.step(&x[row * inputs..][..inputs], hidden, cell, zero, y);
            hidden.copy_from_slice(y);
        }
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Lstm, io: Io<'_>) {
    naive(p, io);
}

/// Weights and biases of all gates, and the multipliers of their sums.
struct Gates<'a> {
    p: &'a Lstm,
    input: (&'a [i8], &'a [i32]),
    recurrent: (&'a [i8], &'a [i32]),
    scales: (&'a [i32], &'a [i8]),
    units: usize,
}

impl Gates<'_> {
    /// One moment: the next cell state, and in `y` the next hidden state.
    #[inline(always)]
    fn step(&self, x: &[i8], hidden: &[i8], cell: &mut [u8], zero: i32, y: &mut [i8]) {
        let bits = u32::from(self.p.cell_bits);
        for (u, (y, bytes)) in y.iter_mut().zip(cell.as_chunks_mut().0).enumerate() {
            let [input, forget, output] =
                [INPUT, FORGET, OUTPUT].map(|g| i32::from(sigmoid(self.sum(g, u, x, hidden))));
            let new = i32::from(tanh(self.sum(CELL, u, x, hidden), 3));
            let kept = rounding_shift(forget * i32::from(i16::from_le_bytes(*bytes)), 15);
            let mut c = saturate(kept + rounding_shift(input * new, 15 + bits));
            if self.p.cell_clip > 0 {
                c = c.clamp(-self.p.cell_clip, self.p.cell_clip);
            }
            *bytes = c.to_le_bytes();
            let h = output * i32::from(tanh(c, bits));
            let h = double(h, self.p.output.mult, self.p.output.shift.into());
            *y = h.saturating_add(zero).clamp(-128, 127) as i8;
        }
    }

    /// The sum that a gate of a unit is a function of.
    #[inline(always)]
    fn sum(&self, gate: usize, unit: usize, x: &[i8], hidden: &[i8]) -> i16 {
        let row = gate * self.units + unit;
        let part = |(weights, bias): (&[i8], &[i32]), x: &[i8], which: usize| {
            let sum = bias[row].wrapping_add(dot(x, &weights[row * x.len()..]));
            double(sum, self.scales.0[which], self.scales.1[which].into())
        };
        let input = saturate(part(self.input, x, gate));
        saturate(part(self.recurrent, hidden, 4 + gate).saturating_add(input.into()))
    }
}

/// The exact sum of products, as far as `x` goes.
#[inline(always)]
pub(super) fn dot(x: &[i8], w: &[i8]) -> i32 {
    x.iter().zip(w).fold(0, |sum, (&x, &w)| sum.wrapping_add(i32::from(x) * i32::from(w)))
}

#[inline(always)]
pub(super) fn saturate(x: i32) -> i16 {
    x.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}
