//! Convolution: the patches under the window, a few pixels at a time, times the weights. A pointwise convolution is
//! a matrix product over the image as it lies; others pack their patches in scratch.

use mote_format::{Conv2d, Shape};

use super::matrix;
use super::products::{self, conv_window, patch};
use super::window::Window;
use crate::isa::{Block, Isa, Layer, MAX_PATCHES, block_bytes, own_frame};
use crate::view::Io;
use crate::ways;

/// Values of a patch up to which it is cheaper to collect its short runs first and pack them together.
pub(crate) const SMALL: usize = 64;

/// A full block of patches.
pub(crate) fn scratch(p: &Conv2d, x: &Shape, _: &Shape) -> usize {
    block_bytes(patch(p, x.channels()), MAX_PATCHES)
}

pub(crate) fn naive(p: &Conv2d, io: Io<'_>) {
    products::conv2d(p, 0, io);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &Conv2d, mut io: Io<'_>) {
    let matrix = is_matrix(p);
    if isa.may(ways::POINTWISE) && matrix {
        matrix::run(isa, &mut io, p.weights, p.bias, &p.requant);
    } else if isa.may(ways::PATCHES) && !matrix {
        own_frame(|| patches(isa, p, &mut io));
    }
}

/// Whether the image, whatever it is, is a matrix.
#[inline(always)]
pub(crate) fn is_matrix(p: &Conv2d) -> bool {
    p.groups == 1 && conv_window(p, [0; 4]).is_pointwise()
}

/// Block after block of patches.
#[inline(always)]
fn patches<I: Isa>(isa: I, p: &Conv2d, io: &mut Io<'_>) {
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, w, channels) = (io.x[0].i8s(), io.i8s(p.weights), io.channels(p.bias, &p.requant));
    let (window, groups) = (conv_window(p, xd), if isa.may(ways::GROUPS) { p.groups.into() } else { 1 });
    let (cin, cout, k) = (xd[3] / groups, yd[3] / groups, patch(p, xd[3]));
    let zero = io.x[0].quant.zero as i8;
    // Where all taps lie inside the image, and those of a row are neighbours, there are only rows to collect.
    let dense = groups == 1 && window.dilation[1] == 1;
    let [rows, cols] = [0, 1].map(|axis| window.whole(axis, if dense { yd[1 + axis] } else { 0 }));
    let scratch: &mut [i8] = bytemuck::cast_slice_mut(&mut *io.scratch);
    for g in 0..groups {
        let (w, y) = (&w[g * cout * k..(g + 1) * cout * k], &mut io.y.i8s()[g * cout..]);
        let layer = Layer::new(isa, w, k, channels.part(g * cout, cout), yd[3]);
        let mut at = Position { image: x, oy: 0, ox: 0 };
        let pixels = if isa.may(ways::GROUPS) { yd[0] } else { 1 } * yd[1] * yd[2];
        let mut m = 0;
        while m < pixels {
            let count = if pixels - m < I::PATCHES { 1 } else { I::PATCHES };
            let mut block = Block { scratch, len: k, count };
            for i in 0..count {
                if rows.contains(&at.oy) && cols.contains(&at.ox) {
                    isa.gather(&mut block, i, window.rows(at.image, at.oy, at.ox));
                } else {
                    edge(isa, &mut block, i, &window, &at, (g * cin, cin), zero);
                }
                at.advance(isa, xd, yd);
            }
            isa.product(&mut block, &layer, &mut y[m * yd[3]..]);
            m += count;
        }
    }
}

/// Packs patch `i` at a pixel whose window may leave the image, of `len` channels from `c` on. In a frame of its own as
/// [`own_frame`] says: it does not count while products are computed.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
pub(super) fn edge<I: Isa>(
    isa: I,
    block: &mut Block<'_>,
    i: usize,
    window: &Window,
    at: &Position<'_>,
    (c, len): (usize, usize),
    zero: i8,
) {
    let k = block.len;
    let small = &mut [0; SMALL][..if isa.may(ways::SMALL) && k <= SMALL { k } else { 0 }];
    window.patch(at.image, at.oy, at.ox, (c, len), |at, len, x| match (small.get_mut(at..at + len), x) {
        (Some(small), Some(x)) => small.copy_from_slice(x),
        (Some(small), None) => small.fill(zero),
        (None, Some(x)) => isa.pack(block, i, at, x),
        (None, None) => isa.fill(block, i, at, len, zero),
    });
    if !small.is_empty() {
        isa.pack(block, i, 0, small);
    }
}

/// A pixel of the output, and the image of the batch that it belongs to.
pub(super) struct Position<'a> {
    pub(super) image: &'a [i8],
    pub(super) oy: usize,
    pub(super) ox: usize,
}

impl Position<'_> {
    /// The next pixel, row by row, image by image.
    #[inline(always)]
    pub(super) fn advance(&mut self, isa: impl Isa, xd: [usize; 4], yd: [usize; 4]) {
        self.ox += 1;
        if self.ox == yd[2] {
            (self.ox, self.oy) = (0, self.oy + 1);
        }
        if isa.may(ways::GROUPS) && self.oy == yd[1] {
            self.oy = 0;
            self.image = self.image.get(xd[1] * xd[2] * xd[3]..).unwrap_or(&[]);
        }
    }
}
