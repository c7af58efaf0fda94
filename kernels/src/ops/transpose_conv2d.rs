//! Transposed convolution. Outputs whose rows and columns leave the same remainders by the stride form a phase; all of a
//! phase meet the same taps, so that each phase is a convolution of its own: patches of the input, packed in
//! scratch, times the phase's weights.

use mote_format::{Shape, TransposeConv2d};

use crate::isa::{Block, Isa, Layer, MAX_PATCHES, block_bytes};
use crate::quant::Channels;
use crate::view::Io;

/// Rows or columns of a transposed convolution.
#[derive(Clone, Copy)]
struct Axis {
    kernel: usize,
    stride: usize,
    cut: usize,
    /// Length of the input.
    input: usize,
}

impl Axis {
    /// Taps that outputs of a phase meet.
    fn taps(&self, phase: usize) -> usize {
        (self.kernel - phase).div_ceil(self.stride)
    }

    /// Where output `o` reads with tap `j` of its phase, unless outside.
    #[inline(always)]
    fn source(&self, o: usize, j: usize) -> Option<usize> {
        ((o + self.cut) / self.stride).checked_sub(j).filter(|&i| i < self.input)
    }

    /// The first output of a phase.
    fn first(&self, phase: usize) -> usize {
        (phase + self.stride - self.cut % self.stride) % self.stride
    }
}

fn axes(p: &TransposeConv2d, [_, h, w, _]: [usize; 4]) -> [Axis; 2] {
    let axis = |kernel: u16, stride: u8, cut: u16, input: usize| Axis {
        kernel: kernel.into(),
        stride: stride.into(),
        cut: cut.into(),
        input,
    };
    [axis(p.kh, p.stride.h, p.top, h), axis(p.kw, p.stride.w, p.left, w)]
}

/// A full block of the largest patches, those of phase 0.
pub(crate) fn scratch(p: &TransposeConv2d, x: &Shape, _: &Shape) -> usize {
    let dims = x.nhwc().unwrap_or([1; 4]);
    let [rows, cols] = axes(p, dims);
    block_bytes(rows.taps(0) * cols.taps(0) * dims[3], MAX_PATCHES)
}

/// Phases in the order of their weights: rows, columns, offset of the weights.
fn phases(rows: Axis, cols: Axis, each: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let all = (0..rows.stride).flat_map(move |py| (0..cols.stride).map(move |px| (py, px)));
    all.scan(0, move |at, (py, px)| {
        let start = *at;
        *at += rows.taps(py) * cols.taps(px) * each;
        Some((py, px, start))
    })
}

/// Each output by itself: the taps `t` with `o + cut − t` a multiple of the stride.
pub(crate) fn naive(p: &TransposeConv2d, mut io: Io<'_>) {
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, w, channels) = (io.x[0].i8s(), io.i8s(p.weights), io.channels(p.bias, &p.requant));
    let ([rows, cols], zero) = (axes(p, xd), io.x[0].quant.zero);
    for (i, y) in io.y.i8s().iter_mut().enumerate() {
        let (o, ox, oy, n) =
            (i % yd[3], i / yd[3] % yd[2], i / yd[3] / yd[2] % yd[1], i / yd[3] / yd[2] / yd[1]);
        let (py, px) = ((oy + rows.cut) % rows.stride, (ox + cols.cut) % cols.stride);
        let found = phases(rows, cols, yd[3] * xd[3]).find(|&(a, b, _)| (a, b) == (py, px));
        let (start, across) = (found.map_or(0, |f| f.2), cols.taps(px));
        let taps = rows.taps(py) * across;
        let mut acc = 0i32;
        for (t, c) in (0..taps).flat_map(|t| (0..xd[3]).map(move |c| (t, c))) {
            let (iy, ix) = (rows.source(oy, t / across), cols.source(ox, t % across));
            let value =
                iy.zip(ix).map_or(zero, |(iy, ix)| i32::from(x[((n * xd[1] + iy) * xd[2] + ix) * xd[3] + c]));
            let weight = w[start + (o * taps + t) * xd[3] + c];
            acc = acc.wrapping_add(value * i32::from(weight));
        }
        let phase = (py * cols.stride + px) * yd[3];
        let channels = Channels { bias: &channels.bias[phase..phase + yd[3]], ..channels };
        channels.part(o, 1).apply(&[acc], core::slice::from_mut(y));
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &TransposeConv2d, mut io: Io<'_>) {
    let ([_, xh, xw, cin], [_, yh, yw, cout]) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, w, channels) = (io.x[0].i8s(), io.i8s(p.weights), io.channels(p.bias, &p.requant));
    let ([rows, cols], zero) = (axes(p, io.x[0].nhwc()), io.x[0].quant.zero as i8);
    let scratch: &mut [i8] = bytemuck::cast_slice_mut(&mut *io.scratch);
    let images = x.chunks_exact(xh * xw * cin).zip(io.y.i8s().chunks_exact_mut(yh * yw * cout));
    for (x, y) in images {
        let biases = channels.bias.chunks_exact(cout);
        for ((py, px, start), bias) in phases(rows, cols, cout * cin).zip(biases) {
            let (taps, across) = (rows.taps(py) * cols.taps(px), cols.taps(px));
            let (k, channels) = (taps * cin, Channels { bias, ..channels });
            let layer = Layer::new(isa, &w[start..start + cout * k], k, channels, cols.stride * cout);
            for oy in (rows.first(py)..yh).step_by(rows.stride) {
                let mut ox = cols.first(px);
                while ox < yw {
                    let count = if (yw - ox).div_ceil(cols.stride) < I::PATCHES { 1 } else { I::PATCHES };
                    let mut block = Block { scratch, len: k, count };
                    for (i, t) in (0..count).flat_map(|i| (0..taps).map(move |t| (i, t))) {
                        let iy = rows.source(oy, t / across);
                        match iy.zip(cols.source(ox + i * cols.stride, t % across)) {
                            Some((iy, ix)) => {
                                isa.pack(&mut block, i, t * cin, &x[(iy * xw + ix) * cin..][..cin]);
                            }
                            None => isa.fill(&mut block, i, t * cin, cin, zero),
                        }
                    }
                    isa.product(&mut block, &layer, &mut y[(oy * yw + ox) * cout..]);
                    ox += count * cols.stride;
                }
            }
        }
    }
}
