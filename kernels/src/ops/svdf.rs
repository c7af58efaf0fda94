//! A convolution over time by filters that each take one feature of the input and remember it, as TFLite's integer
//! reference computes it.

use mote_format::{Shape, Svdf};

use super::lstm::{dot, saturate};
use crate::isa::Isa;
use crate::quant::double;
use crate::view::Io;

pub(crate) fn scratch(_: &Svdf, _: &Shape, _: &Shape) -> usize {
    0
}

#[inline(always)]
pub(crate) fn naive(p: &Svdf, mut io: Io<'_>) {
    let (inputs, units, memory) = (io.x[0].shape.channels(), io.y.shape.channels(), usize::from(p.memory));
    let (x, bias) = (io.x[0].i8s(), io.i32s(p.bias));
    let features = io.i8s(p.feature_weights).chunks_exact(inputs).zip(io.i32s(p.feature_bias));
    let time = io.i16s(p.time_weights).chunks_exact(memory);
    let (zero, scale) = (io.y.quant.zero, p.scale);
    let row = 2 * memory;
    let [state, _] = &mut io.states;
    let batch = x.chunks_exact(inputs).zip(state.chunks_exact_mut(row * units * usize::from(p.rank)));
    let y: &mut [i8] = bytemuck::cast_slice_mut(io.y.bytes);
    for ((x, state), y) in batch.zip(y.chunks_exact_mut(units)) {
        for (filter, (weights, &bias)) in state.chunks_exact_mut(row).zip(features.clone()) {
            let sum = bias.wrapping_add(dot(x, weights));
            let feature = saturate(double(sum, p.feature_scale.mult, p.feature_scale.shift.into()));
            filter.copy_within(2.., 0);
            filter[row - 2..].copy_from_slice(&feature.to_le_bytes());
        }
        let mut filters = state.chunks_exact(row).zip(time.clone());
        for (y, &bias) in y.iter_mut().zip(bias) {
            let weighed =
                filters.by_ref().take(p.rank.into()).map(|(filter, weights)| weigh(filter, weights));
            let sum = weighed.fold(bias, i32::wrapping_add);
            *y = double(sum, scale.mult, scale.shift.into()).saturating_add(zero).clamp(-128, 127) as i8;
        }
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Svdf, io: Io<'_>) {
    naive(p, io);
}

/// The sum of remembered features times weights.
#[inline(always)]
fn weigh(filter: &[u8], weights: &[i16]) -> i32 {
    let features = filter.as_chunks().0.iter().map(|&b| i32::from(i16::from_le_bytes(b)));
    features.zip(weights).fold(0, |sum, (x, &w)| sum.wrapping_add(x.wrapping_mul(w.into())))
}
