//! Images under a window: bands of output rows, each with the rows of the padded image that it reads.

use super::memory::with_memory;
use super::threads::Threads;
use crate::ops::Window;
use bytemuck::Pod;

/// Images of one size and what a window makes of them.
pub(super) struct Image {
    pub(super) window: Window,
    /// How many there are.
    pub(super) images: usize,
    /// Rows and columns of an output image.
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// What padding is filled with.
    pub(super) zero: i8,
}

impl Image {
    /// Rows and columns that the window spans.
    fn reach(&self, axis: usize) -> usize {
        (self.window.kernel[axis] - 1) * self.window.dilation[axis] + 1
    }

    /// Columns of the padded image that an output row reads.
    pub(super) fn width(&self) -> usize {
        (self.columns - 1) * self.window.stride[1] + self.reach(1)
    }

    /// Calls `f` for each band of output rows, with the input rows under it in working memory and `slack` values behind
    /// them. An input row takes `line` values, which `put` writes; a band takes about `budget` of them, and each thread
    /// gets some bands.
    pub(super) fn bands<T: Pod>(
        &self,
        (x, y): (&[i8], &mut [i8]),
        (line, slack, budget): (usize, usize, usize),
        threads: &Threads,
        put: impl Fn(&[i8], usize, &mut [T]) + Sync,
        f: impl Fn(&[T], &mut [i8]) + Sync,
    ) {
        let [h, w, c] = self.window.image;
        let (stride, reach) = (self.window.stride[0], self.reach(0));
        let fit = (budget / line.max(1)).saturating_sub(reach.saturating_sub(stride)) / stride;
        let parts = if threads.count() > 1 { 2 * threads.count() } else { 1 };
        let band = fit.min(self.rows.div_ceil(parts)).max(1);
        let image = y.len() / self.images;
        let row = image / self.rows;
        for (x, y) in x.chunks_exact(h * w * c).zip(y.chunks_exact_mut(image)) {
            threads.for_each(y, band * row, |i, y| {
                let rows = (y.len() / row - 1) * stride + reach;
                with_memory(rows * line + slack, |memory: &mut [T]| {
                    for (r, values) in memory.chunks_exact_mut(line).take(rows).enumerate() {
                        put(x, i * band * stride + r, values);
                    }
                    f(memory, y);
                });
            });
        }
    }

    /// Row `r` of the padded image, a pixel taking `pixel` values of `line`: padding becomes `zero`, and `put` writes what
    /// lies inside.
    pub(super) fn line<T: Copy>(
        &self,
        x: &[i8],
        r: usize,
        (pixel, zero): (usize, T),
        line: &mut [T],
        put: impl FnOnce(&[i8], &mut [T]),
    ) {
        let [h, w, c] = self.window.image;
        let ([top, left], width) = (self.window.pads, line.len() / pixel);
        let Some(row) = r.checked_sub(top).filter(|&row| row < h) else { return line.fill(zero) };
        let inside = width.saturating_sub(left).min(w);
        let (before, rest) = line.split_at_mut(left.min(width) * pixel);
        let (middle, behind) = rest.split_at_mut(inside * pixel);
        before.fill(zero);
        behind.fill(zero);
        put(&x[row * w * c..][..inside * c], middle);
    }
}
