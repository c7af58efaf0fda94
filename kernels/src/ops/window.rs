//! Where a sliding window reads: which taps lie inside the image, and the same taps gathered with padding filled
//! in. Shared by convolutions and pools.

use core::ops::Range;

use mote_format::{Pads, Stride};

use crate::isa::{Rows, Taps};

/// A window sliding over an image of `h` × `w` pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) image: [usize; 3],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) dilation: [usize; 2],
    pub(crate) pads: [usize; 2],
}

impl Window {
    /// `image` is height, width, channels.
    pub(crate) fn new(
        image: [usize; 3],
        kernel: [u16; 2],
        stride: Stride,
        dilation: Stride,
        pads: Pads,
    ) -> Self {
        Self {
            image,
            kernel: kernel.map(usize::from),
            stride: [stride.h.into(), stride.w.into()],
            dilation: [dilation.h.into(), dilation.w.into()],
            pads: [pads.top.into(), pads.left.into()],
        }
    }

    /// The row or column that tap `k` of output `o` reads on `axis`, unless it is padding.
    #[inline(always)]
    pub(super) fn source(&self, axis: usize, o: usize, k: usize) -> Option<usize> {
        (o * self.stride[axis] + k * self.dilation[axis])
            .checked_sub(self.pads[axis])
            .filter(|&i| i < self.image[axis])
    }

    /// First tap inside the image, and how many there are, on `axis` at output `o`.
    #[inline(always)]
    fn inside(&self, axis: usize, o: usize) -> (usize, usize) {
        let (kernel, dilation) = (self.kernel[axis], self.dilation[axis]);
        let start = o * self.stride[axis];
        let skipped = self.pads[axis].saturating_sub(start).div_ceil(dilation);
        let room = (self.image[axis] + self.pads[axis]).saturating_sub(start).div_ceil(dilation);
        (skipped.min(kernel), room.min(kernel).saturating_sub(skipped))
    }

    /// The taps that lie inside the image, at output row `oy` and column `ox`.
    #[inline(always)]
    pub(super) fn taps<'a, T>(&self, x: &'a [T], oy: usize, ox: usize) -> Taps<'a, T> {
        let (top, h) = self.inside(0, oy);
        let (left, w) = self.inside(1, ox);
        let [_, width, channels] = self.image;
        let row = (oy * self.stride[0] + top * self.dilation[0]).saturating_sub(self.pads[0]);
        let col = (ox * self.stride[1] + left * self.dilation[1]).saturating_sub(self.pads[1]);
        Taps {
            data: x.get((row * width + col) * channels..).unwrap_or(&[]),
            row: self.dilation[0] * width * channels,
            col: self.dilation[1] * channels,
            h,
            w,
        }
    }

    /// Whether every tap at this output lies inside the image.
    #[inline(always)]
    pub(super) fn is_inside(&self, oy: usize, ox: usize) -> bool {
        let (h, w) = (self.inside(0, oy).1, self.inside(1, ox).1);
        h == self.kernel[0] && w == self.kernel[1]
    }

    /// The first of `outputs` on `axis` all of whose taps lie inside the image, and the one behind the last of these.
    #[inline(never)]
    pub(super) fn whole(&self, axis: usize, outputs: usize) -> Range<usize> {
        let (stride, pads) = (self.stride[axis], self.pads[axis]);
        let extent = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
        let last = (self.image[axis] + pads).checked_sub(extent);
        pads.div_ceil(stride)..last.map_or(0, |last| last / stride + 1).min(outputs)
    }

    /// The rows of taps of a window that lies inside the image and whose columns are neighbours.
    #[inline(never)]
    pub(super) fn rows<'a>(&self, x: &'a [i8], oy: usize, ox: usize) -> Rows<'a> {
        let [_, width, channels] = self.image;
        let (row, col) = (oy * self.stride[0] - self.pads[0], ox * self.stride[1] - self.pads[1]);
        Rows {
            data: &x[(row * width + col) * channels..],
            stride: self.dilation[0] * width * channels,
            count: self.kernel[0],
            len: self.kernel[1] * channels,
        }
    }

    /// Calls `make` with the taps inside the image and the outputs of each pixel of an output of shape `yd`.
    #[inline(always)]
    pub(super) fn each(
        &self,
        x: &[i8],
        yd: [usize; 4],
        y: &mut [i8],
        mut make: impl FnMut(Taps<'_>, &mut [i8]),
    ) {
        let [h, w, c] = self.image;
        let mut pixels = y.chunks_exact_mut(yd[3].max(1));
        for n in 0..yd[0] {
            for oy in 0..yd[1] {
                for ox in 0..yd[2] {
                    let Some(y) = pixels.next() else { return };
                    make(self.taps(&x[n * h * w * c..], oy, ox), y);
                }
            }
        }
    }

    /// Calls `put` with each run of values of `len` channels from `c` of every tap, tap after tap: where it starts, how
    /// long it is, and the values, unless it is padding.
    #[inline(always)]
    pub(super) fn patch<T>(
        &self,
        x: &[T],
        oy: usize,
        ox: usize,
        (c, len): (usize, usize),
        mut put: impl FnMut(usize, usize, Option<&[T]>),
    ) {
        let [_, width, channels] = self.image;
        let (left, inside) = self.inside(1, ox);
        let first = (ox * self.stride[1] + left * self.dilation[1]).saturating_sub(self.pads[1]);
        let mut at = 0;
        // Taps that are neighbours, with all channels, are one run.
        let dense = len == channels && self.dilation[1] == 1;
        let (taps, each) = if dense { (inside.min(1), inside * len) } else { (inside, len) };
        let right = self.kernel[1] - left - inside;
        // A row's runs: padding, taps, padding, as far as there are any.
        let (start, end) = (usize::from(left == 0), taps + 1 + usize::from(right > 0));
        for ky in 0..self.kernel[0] {
            let row = self.source(0, oy, ky);
            let (mut run, end) = if row.is_some() { (start, end) } else { (0, 1) };
            while run < end {
                // One place that puts: there is much behind it.
                let (n, from) = match row {
                    Some(iy) if (1..=taps).contains(&run) => {
                        (each, Some((iy * width + first + (run - 1) * self.dilation[1]) * channels + c))
                    }
                    Some(_) => (if run == 0 { left } else { right } * len, None),
                    None => (self.kernel[1] * len, None),
                };
                put(at, n, from.map(|from| &x[from..from + n]));
                at += n;
                run += 1;
            }
        }
    }

    /// Copies `len` channels from `c` of every tap to `patch`, tap after tap; padding becomes `zero`.
    #[inline(always)]
    pub(super) fn gather(
        &self,
        x: &[i8],
        oy: usize,
        ox: usize,
        (c, len): (usize, usize),
        zero: i8,
        patch: &mut [i8],
    ) {
        let [_, width, channels] = self.image;
        let dense = len == channels && self.dilation[1] == 1;
        for (ky, line) in patch.chunks_exact_mut(self.kernel[1] * len).enumerate() {
            let Some(iy) = self.source(0, oy, ky) else {
                line.fill(zero);
                continue;
            };
            let row = &x[iy * width * channels..][..width * channels];
            if dense {
                self.gather_dense(row, ox, channels, zero, line);
                continue;
            }
            for (kx, tap) in line.chunks_exact_mut(len).enumerate() {
                match self.source(1, ox, kx) {
                    Some(ix) => tap.copy_from_slice(&row[ix * channels + c..][..len]),
                    None => tap.fill(zero),
                }
            }
        }
    }

    /// The taps of one row are neighbours: padding, one copy, padding.
    #[inline(always)]
    fn gather_dense(&self, row: &[i8], ox: usize, channels: usize, zero: i8, line: &mut [i8]) {
        let (left, w) = self.inside(1, ox);
        let first = (ox * self.stride[1] + left).saturating_sub(self.pads[1]);
        line[..left * channels].fill(zero);
        line[left * channels..(left + w) * channels]
            .copy_from_slice(&row[first * channels..][..w * channels]);
        line[(left + w) * channels..].fill(zero);
    }

    /// Whether the window is one pixel that moves from pixel to pixel: the image is then a matrix.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.pads == [0, 0]
    }
}
