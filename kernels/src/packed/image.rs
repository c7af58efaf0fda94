//! Images under a window: bands of output rows, each with the rows of the padded image that it reads.

use super::memory::with_memory;
use super::threads::Threads;
use crate::ops::Window;

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

/// How bands of rows lie in working memory.
#[derive(Clone, Copy)]
pub(super) struct Band {
    /// Bytes of a value.
    pub(super) value: usize,
    /// Bytes of a row of the padded image.
    pub(super) line: usize,
    /// Bytes behind the rows.
    pub(super) slack: usize,
    /// Output rows of a band.
    pub(super) rows: usize,
    /// Work of an image, as of so many multiply-accumulate operations of a convolution.
    pub(super) work: usize,
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

    /// Output rows whose input rows, of `line` bytes each, take about `budget` bytes.
    pub(super) fn band(&self, line: usize, budget: usize) -> usize {
        let (stride, reach) = (self.window.stride[0], self.reach(0));
        let fit = (budget / line.max(1)).saturating_sub(reach.saturating_sub(stride)) / stride;
        fit.clamp(1, self.rows)
    }

    /// Bytes of the input rows under so many output rows.
    pub(super) fn bytes(&self, rows: usize, line: usize) -> usize {
        ((rows - 1) * self.window.stride[0] + self.reach(0)) * line
    }

    /// Calls `f` for each band of output rows, with the input rows under it in working memory and slack behind them.
    /// `put` writes the values of pixels; each thread gets some bands.
    pub(super) fn bands(
        &self,
        (x, y): (&[i8], &mut [i8]),
        band: Band,
        threads: &Threads,
        put: impl Fn(&[i8], &mut [u8]) + Sync,
        f: impl Fn(&mut [u8], &mut [i8]) + Sync,
    ) {
        let [h, w, c] = self.window.image;
        let stride = self.window.stride[0];
        let parts = if threads.sharing(band.work) > 1 { 2 * threads.sharing(band.work) } else { 1 };
        let rows = band.rows.min(self.rows.div_ceil(parts)).max(1);
        let image = y.len() / self.images;
        let row = image / self.rows;
        for (x, y) in x.chunks_exact(h * w * c).zip(y.chunks_exact_mut(image)) {
            threads.for_each(y, rows * row, band.work, |i, y| {
                let bytes = self.bytes(y.len() / row, band.line);
                with_memory(bytes + band.slack, |memory: &mut [u8]| {
                    self.lines(x, i * rows * stride, band, &mut memory[..bytes], &put);
                    f(memory, y);
                });
            });
        }
    }

    /// The rows of the padded image from `first` on.
    fn lines(&self, x: &[i8], first: usize, band: Band, lines: &mut [u8], put: impl Fn(&[i8], &mut [u8])) {
        let [h, w, c] = self.window.image;
        let [top, left] = self.window.pads;
        let count = lines.len() / band.line;
        if left == 0 && band.line == w * c * band.value && first >= top && first - top + count <= h {
            // Nothing but rows of the image.
            return put(&x[(first - top) * w * c..][..count * w * c], lines);
        }
        let mut zero = [0; 4];
        put(&[self.zero; 4][..4 / band.value], &mut zero);
        let fill = |to: &mut [u8]| match band.value {
            1 => to.fill(zero[0]),
            _ => to.as_chunks_mut().0.fill([zero[0], zero[1]]),
        };
        let pixel = c * band.value;
        for (r, line) in lines.chunks_exact_mut(band.line).enumerate() {
            let Some(row) = (first + r).checked_sub(top).filter(|&row| row < h) else {
                fill(line);
                continue;
            };
            let width = line.len() / pixel;
            let inside = width.saturating_sub(left).min(w);
            let (before, rest) = line.split_at_mut(left.min(width) * pixel);
            let (middle, behind) = rest.split_at_mut(inside * pixel);
            fill(before);
            fill(behind);
            put(&x[row * w * c..][..inside * c], middle);
        }
    }
}
