//! What the operators share whose weights have four bits: patches of a few pixels at a time, padded with zeros to whole
//! words of indices, times the rows of indices. A dense layer is the convolution of an image of one row.

use mote_format::{Const, Conv2d, FullyConnected, Shape, palette_index, palette_row};

use super::conv2d::{Position, edge};
use super::products::{conv_window, patch, pointwise};
use crate::indexed::Indexed;
use crate::isa::{Block, Isa, MAX_PATCHES, block_bytes};
use crate::view::Io;
use crate::ways;

/// Indices of a word.
const WORD: usize = 8;

/// Patches of `len` values for so many pixels: a full block, or one patch, which some sets widen to words.
pub(super) fn scratch(len: usize, pixels: usize) -> usize {
    block_bytes(len.next_multiple_of(WORD), if pixels == 1 { 2 } else { MAX_PATCHES })
}

/// Rows of an input of a dense layer.
pub(super) fn rows(x: &Shape) -> usize {
    x.elements() / x.channels()
}

/// A dense layer as a convolution, with the shapes of its input and its output.
#[inline(always)]
pub(super) fn dense(p: &FullyConnected, io: &Io<'_>) -> (Conv2d, [usize; 4], [usize; 4]) {
    let (x, rows) = (io.x[0].shape, rows(io.x[0].shape));
    (pointwise(p), [1, 1, rows, x.channels()], [1, 1, rows, io.y.shape.channels()])
}

/// The weight at `at` in rows of `len` each.
pub(super) fn weight(io: &Io<'_>, rows: Const, palette: Const, len: usize, at: usize) -> i32 {
    let row = palette_row(len).unwrap_or(0);
    io.i8s(palette)[palette_index(&io.bytes(rows)[at / len * row..], at % len)].into()
}

/// The outputs of a convolution from `xd` to `yd`.
#[inline(always)]
pub(super) fn run<I: Isa>(
    isa: I,
    p: &Conv2d,
    palette: Const,
    io: &mut Io<'_>,
    xd: [usize; 4],
    yd: [usize; 4],
) {
    let (x, all, channels) = (io.x[0].i8s(), io.bytes(p.weights), io.channels(p.bias, &p.requant));
    let Ok(palette) = io.i8s(palette).try_into() else { return };
    let (window, groups) = (conv_window(p, xd), if isa.may(ways::GROUPS) { p.groups.into() } else { 1 });
    let (cin, cout, k) = (xd[3] / groups, yd[3] / groups, patch(p, xd[3]));
    let (len, zero) = (k.next_multiple_of(WORD), io.x[0].quant.zero as i8);
    // Where all taps lie inside the image, and those of a row are neighbours, there are only rows to collect.
    let dense = groups == 1 && window.dilation[1] == 1 && k == len;
    let [rows, cols] = [0, 1].map(|axis| window.whole(axis, if dense { yd[1 + axis] } else { 0 }));
    let scratch: &mut [i8] = bytemuck::cast_slice_mut(&mut *io.scratch);
    for g in 0..groups {
        let own = &all[g * cout * len / 2..][..cout * len / 2];
        let layer = Indexed::new(isa, own, palette, channels.part(g * cout, cout), yd[3]);
        let y = &mut io.y.i8s()[g * cout..];
        let mut at = Position { image: x, oy: 0, ox: 0 };
        let pixels = if isa.may(ways::GROUPS) { yd[0] } else { 1 } * yd[1] * yd[2];
        let mut m = 0;
        while m < pixels {
            let count = if pixels - m < I::PATCHES { 1 } else { I::PATCHES };
            let mut block = Block { scratch, len, count };
            for i in 0..count {
                if rows.contains(&at.oy) && cols.contains(&at.ox) {
                    isa.gather(&mut block, i, window.rows(at.image, at.oy, at.ox));
                } else {
                    edge(isa, &mut block, i, &window, &at, (g * cin, cin), zero);
                    isa.fill(&mut block, i, k, len - k, 0);
                }
                at.advance(isa, xd, yd);
            }
            isa.indexed(&mut block, &layer, &mut y[m * yd[3]..]);
            m += count;
        }
    }
}
