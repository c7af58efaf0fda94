//! Images row by row: which rows of its input an operator reads for which rows of its output, and how near the output
//! may come to an input that dies under it. The check, the runtime and planners share this arithmetic; nobody stores it.
//!
//! Row `r` of the output of a window operator reads rows `r · stride − top ..` of the input, `extent` of them, those
//! inside the image. Downwards (first row first) an output that starts below its input in memory may run into the
//! rows that have been read for the last time; upwards (last row first) it may do the same from above:
//!
//! ```text
//!   downwards                               upwards
//!   x         ├──────────────────┤          x  ├──────────────────┤
//!   y   ├──────────────────┤                y          ├──────────────────┤
//!       └ d ──┘                                └─ d ───┘
//! ```

use core::ops::Range;

use crate::field::{Pads, Stride};
use crate::ops::{
    AvgPool2d, AvgPool2d16, Conv2d, Conv2d16, Conv2dAsymmetric, Conv2dPalette, DepthwiseConv2d,
    DepthwiseConv2d16, DepthwiseConv2dAsymmetric, MaxPool2d, MaxPool2d16, Op, SumPool2d, SumPool2d16,
};
use crate::tensor::{Shape, TensorInfo};

/// How an operator walks down its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowWindow {
    extent: usize,
    stride: usize,
    top: usize,
}

/// Row after row.
const SAME: RowWindow = RowWindow { extent: 1, stride: 1, top: 0 };

/// One image as rows in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// Number of rows.
    pub height: usize,
    /// Bytes of one row.
    pub row: usize,
}

impl Image {
    /// `None` for what is not a single NHWC image.
    pub fn of(shape: &Shape, element: usize) -> Option<Self> {
        let &[1, height, w, c] = shape.dims() else { return None };
        Some(Self { height: height as usize, row: w as usize * c as usize * element })
    }

    /// Bytes of all rows.
    pub fn bytes(&self) -> usize {
        self.height * self.row
    }
}

impl RowWindow {
    fn new(kernel: u16, stride: Stride, dilation: u8, pads: Pads) -> Self {
        Self {
            extent: (usize::from(kernel) - 1) * usize::from(dilation) + 1,
            stride: stride.h.into(),
            top: pads.top.into(),
        }
    }

    /// The rows of an input of `height` rows that output rows `y` read. A single row is read by all, be it the whole
    /// image or repeated along it.
    pub fn reads(&self, y: &Range<usize>, height: usize) -> Range<usize> {
        if height == 1 {
            return 0..1;
        }
        let end = (y.end - 1) * self.stride + self.extent;
        (y.start * self.stride).saturating_sub(self.top)..end.saturating_sub(self.top).min(height)
    }

    /// How far below its input the output must start to be written first row first.
    pub fn downwards(&self, x: Image, y: Image) -> usize {
        let kink = self.top / self.stride;
        let ahead =
            |r: usize| ((r + 1) * y.row).saturating_sub(self.reads(&(r..r + 1), x.height).start * x.row);
        self.extremes(kink, y).map(ahead).max().unwrap_or(0)
    }

    /// How far above its input the output must start to be written last row first.
    pub fn upwards(&self, x: Image, y: Image) -> usize {
        let kink = (x.height + self.top).saturating_sub(self.extent) / self.stride;
        let ahead = |r: usize| (self.reads(&(r..r + 1), x.height).end * x.row).saturating_sub(r * y.row);
        self.extremes(kink, y).map(ahead).max().unwrap_or(0)
    }

    /// The rows at which a difference of two lines, one of them bent at `kink`, is largest.
    fn extremes(&self, kink: usize, y: Image) -> impl Iterator<Item = usize> {
        let last = y.height - 1;
        [0, kink.min(last), (kink + 1).min(last), last].into_iter()
    }
}

impl Op {
    /// How the operator walks down an image; `None` when an output row needs more than a window of input rows.
    pub fn row_window(&self) -> Option<RowWindow> {
        Some(match *self {
            Op::Conv2d(Conv2d { kh, stride, dilation, pads, .. })
            | Op::Conv2dAsymmetric(Conv2dAsymmetric {
                layer: Conv2d { kh, stride, dilation, pads, .. },
                ..
            })
            | Op::Conv2dPalette(Conv2dPalette { layer: Conv2d { kh, stride, dilation, pads, .. }, .. })
            | Op::DepthwiseConv2d(DepthwiseConv2d { kh, stride, dilation, pads, .. })
            | Op::Conv2d16(Conv2d16 { kh, stride, dilation, pads, .. })
            | Op::DepthwiseConv2d16(DepthwiseConv2d16 { kh, stride, dilation, pads, .. })
            | Op::DepthwiseConv2dAsymmetric(DepthwiseConv2dAsymmetric {
                layer: DepthwiseConv2d { kh, stride, dilation, pads, .. },
                ..
            }) => RowWindow::new(kh, stride, dilation.h, pads),
            Op::MaxPool2d(MaxPool2d { kh, stride, pads, .. })
            | Op::AvgPool2d(AvgPool2d { kh, stride, pads, .. })
            | Op::SumPool2d(SumPool2d { kh, stride, pads, .. })
            | Op::MaxPool2d16(MaxPool2d16 { kh, stride, pads, .. })
            | Op::AvgPool2d16(AvgPool2d16 { kh, stride, pads, .. })
            | Op::SumPool2d16(SumPool2d16 { kh, stride, pads, .. }) => RowWindow::new(kh, stride, 1, pads),
            Op::Add(_)
            | Op::Mul(_)
            | Op::Lut(_)
            | Op::Clamp(_)
            | Op::Requantize(_)
            | Op::Quantize(_)
            | Op::Dequantize(_)
            | Op::Add16(_)
            | Op::Mul16(_)
            | Op::Rescale16(_)
            | Op::Sigmoid16(_)
            | Op::Quantize16(_)
            | Op::Dequantize16(_) => SAME,
            Op::Concat(p) if p.axis >= 2 => SAME,
            _ => return None,
        })
    }

    /// Makes it the operator for output rows `y` alone, on just the rows that they read: the padding above and below is
    /// what is left of it. `window` is the whole operator's.
    #[inline(never)]
    pub fn keep_rows(&mut self, window: &RowWindow, y: &Range<usize>, height: usize) {
        let top = window.top.saturating_sub(y.start * window.stride);
        let bottom = ((y.end - 1) * window.stride + window.extent).saturating_sub(window.top + height);
        if let Op::Conv2d(Conv2d { pads, .. })
        | Op::Conv2dAsymmetric(Conv2dAsymmetric { layer: Conv2d { pads, .. }, .. })
        | Op::Conv2dPalette(Conv2dPalette { layer: Conv2d { pads, .. }, .. })
        | Op::DepthwiseConv2d(DepthwiseConv2d { pads, .. })
        | Op::DepthwiseConv2dAsymmetric(DepthwiseConv2dAsymmetric {
            layer: DepthwiseConv2d { pads, .. },
            ..
        })
        | Op::MaxPool2d(MaxPool2d { pads, .. })
        | Op::AvgPool2d(AvgPool2d { pads, .. })
        | Op::SumPool2d(SumPool2d { pads, .. })
        | Op::Conv2d16(Conv2d16 { pads, .. })
        | Op::DepthwiseConv2d16(DepthwiseConv2d16 { pads, .. })
        | Op::MaxPool2d16(MaxPool2d16 { pads, .. })
        | Op::AvgPool2d16(AvgPool2d16 { pads, .. })
        | Op::SumPool2d16(SumPool2d16 { pads, .. }) = self
        {
            (pads.top, pads.bottom) = (top as u16, bottom as u16);
        }
    }
}

/// A step that writes over its input as it goes: the rows that each call of its kernel writes, as many at a time as
/// lie clear of what is still to be read.
#[derive(Debug, Clone)]
pub struct Bands {
    window: RowWindow,
    x: (usize, Image),
    y: (usize, Image),
    left: Range<usize>,
}

impl Bands {
    /// `None` when the step runs whole: its operator has no rows, or the tensors lie apart, or exactly on each other.
    pub fn new(op: &Op, x: &TensorInfo, y: &TensorInfo) -> Option<Self> {
        let (xr, yr) = (x.range(), y.range());
        if x.constant || xr == yr || xr.end <= yr.start || yr.end <= xr.start {
            return None;
        }
        let (window, x, y) = (op.row_window()?, x.image()?, y.image()?);
        Some(Self { window, x: (xr.start, x), y: (yr.start, y), left: 0..y.height })
    }

    /// Whether no row is overwritten before it has been read.
    pub(crate) fn safe(&self) -> bool {
        let ((x_at, x), (y_at, y)) = (self.x, self.y);
        match x_at.checked_sub(y_at) {
            Some(below) => below >= self.window.downwards(x, y),
            None => y_at - x_at >= self.window.upwards(x, y),
        }
    }

    /// Makes the operator, its input's shape and its output's those for the next band alone; gives the bytes of the arena
    /// that are read and that are written, `None` at the end. Not inlined: what it keeps on the stack would lie there while
    /// a kernel runs.
    #[inline(never)]
    pub fn keep_next(
        &mut self,
        op: &mut Op,
        x: &mut Shape,
        y: &mut Shape,
    ) -> Option<(Range<usize>, Range<usize>)> {
        let rows = &self.next()?;
        let bytes = |(at, image): (usize, Image), rows: &Range<usize>| {
            at + rows.start * image.row..at + rows.end * image.row
        };
        let height = self.x.1.height;
        let reads = self.window.reads(rows, height);
        op.keep_rows(&self.window, rows, height);
        x.set_height(reads.len());
        y.set_height(rows.len());
        Some((bytes(self.x, &reads), bytes(self.y, rows)))
    }
}

impl Iterator for Bands {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if self.left.is_empty() {
            return None;
        }
        let ((x_at, x), (y_at, y)) = (self.x, self.y);
        let Range { start, end } = self.left;
        if y_at <= x_at {
            let first = self.window.reads(&(start..start + 1), x.height).start;
            let clear = (x_at + first * x.row - y_at) / y.row;
            let end = clear.clamp(start + 1, end);
            self.left.start = end;
            Some(start..end)
        } else {
            let last = self.window.reads(&(end - 1..end), x.height).end;
            let clear = (x_at + last * x.row).saturating_sub(y_at).div_ceil(y.row);
            let start = clear.clamp(start, end - 1);
            self.left.end = start;
            Some(start..end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distances by trying every row, against the closed form.
    #[test]
    fn distances() {
        let mut seen = 0;
        for (extent, stride, top, height) in (1..5usize).flat_map(|e| {
            (1..4).flat_map(move |s| (0..e).flat_map(move |t| (1..9usize).map(move |h| (e, s, t, h))))
        }) {
            let window = RowWindow { extent, stride, top };
            for (bottom, x_row, y_row) in (0..extent)
                .flat_map(|b| [1, 3, 7].into_iter().flat_map(move |x| [1, 4, 9].map(|y| (b, x, y))))
            {
                let Some(room) = (height + top + bottom).checked_sub(extent) else { continue };
                let x = Image { height, row: x_row };
                let y = Image { height: room / stride + 1, row: y_row };
                let reads = |r: usize| window.reads(&(r..r + 1), height);
                let rows = || 0..y.height;
                assert!(rows().all(|r| !reads(r).is_empty()));
                let down = rows().map(|r| ((r + 1) * y_row).saturating_sub(reads(r).start * x_row)).max();
                let up = rows().map(|r| (reads(r).end * x_row).saturating_sub(r * y_row)).max();
                assert_eq!(Some(window.downwards(x, y)), down, "{window:?} {x:?} {y:?}");
                assert_eq!(Some(window.upwards(x, y)), up, "{window:?} {x:?} {y:?}");
                seen += 1;
            }
        }
        assert!(seen > 1000);
    }
}
