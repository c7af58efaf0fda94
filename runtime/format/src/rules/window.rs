//! Rules of the operators that slide a window over an image, and of the dense layer.

use super::{Check, Operands, bounds, product, require, scale};
use crate::error::Reason;
use crate::field::{Pads, Stride};
use crate::ops::{
    AvgPool2d, Conv2d, Conv2dAsymmetric, Conv2dPalette, DepthwiseConv2d, DepthwiseConv2dAsymmetric,
    FullyConnected, FullyConnectedAsymmetric, FullyConnectedPalette, MaxPool2d, SumPool2d, TransposeConv2d,
};
use crate::palette::{PALETTE, palette_row};
use crate::tensor::TensorInfo;

/// A sliding window as an operator gives it: kernel, stride, dilation, padding.
pub(super) type Window = ([u16; 2], Stride, Stride, Pads);

/// Proves that each position of a window is what the output's shape says; gives both shapes as `[n, h, w, c]`.
pub(super) fn slide(
    (kernel, s, d, p): Window,
    x: &TensorInfo,
    y: &TensorInfo,
) -> Result<[[usize; 4]; 2], Reason> {
    require(x.shape.rank() == 4 && y.shape.rank() == 4, Reason::Shape)?;
    let x = x.shape.nhwc().ok_or(Reason::Shape)?;
    let y = y.shape.nhwc().ok_or(Reason::Shape)?;
    require(x[0] == y[0], Reason::Shape)?;
    axis(x[1], y[1], kernel[0], s.h, d.h, (p.top, p.bottom))?;
    axis(x[2], y[2], kernel[1], s.w, d.w, (p.left, p.right))?;
    Ok([x, y])
}

/// The output length follows from the input's, and every window reaches into the input: it starts before the
/// input's end, and padding is shorter than the kernel.
fn axis(x: usize, y: usize, k: u16, stride: u8, dilation: u8, pads: (u16, u16)) -> Check {
    require(k > 0 && stride > 0 && dilation > 0, Reason::Parameter)?;
    let extent = (usize::from(k) - 1) * usize::from(dilation) + 1;
    let (before, after) = (usize::from(pads.0), usize::from(pads.1));
    require(before < extent && after < extent, Reason::Parameter)?;
    let room = (x + before + after).checked_sub(extent).ok_or(Reason::Shape)?;
    require(room / usize::from(stride) + 1 == y, Reason::Shape)
}

impl Conv2d {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        self.check_rows(io, Some)
    }

    /// With `row` bytes for so many weights of an output channel.
    #[inline(always)]
    fn check_rows(&self, io: &Operands<'_>, row: impl Fn(usize) -> Option<usize>) -> Check {
        let (x, y) = io.int8()?;
        let window = ([self.kh, self.kw], self.stride, self.dilation, self.pads);
        let [x, y] = slide(window, &x, &y)?;
        let groups = usize::from(self.groups);
        require(groups > 0 && x[3] % groups == 0 && y[3] % groups == 0, Reason::Parameter)?;
        let each = row(product(&[self.kh.into(), self.kw.into(), x[3] / groups])?).ok_or(Reason::Shape)?;
        io.constant(self.weights, product(&[y[3], each])?, 1)?;
        io.constant(self.bias, y[3], 4)?;
        io.requant(&self.requant, y[3])
    }
}

impl DepthwiseConv2d {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int8()?;
        let window = ([self.kh, self.kw], self.stride, self.dilation, self.pads);
        let [x, y] = slide(window, &x, &y)?;
        require(y[3] % x[3] == 0, Reason::Shape)?;
        io.constant(self.weights, product(&[self.kh.into(), self.kw.into(), y[3]])?, 1)?;
        io.constant(self.bias, y[3], 4)?;
        io.requant(&self.requant, y[3])
    }
}

impl FullyConnected {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        self.check_rows(io, Some)
    }

    /// With `row` bytes for so many weights of an output.
    #[inline(always)]
    fn check_rows(&self, io: &Operands<'_>, row: impl Fn(usize) -> Option<usize>) -> Check {
        let (x, y) = io.int8()?;
        let (inputs, outputs) = (x.shape.channels(), y.shape.channels());
        require(x.shape.elements() / inputs == y.shape.elements() / outputs, Reason::Shape)?;
        let each = row(inputs).ok_or(Reason::Shape)?;
        io.constant(self.weights, product(&[outputs, each])?, 1)?;
        io.constant(self.bias, outputs, 4)?;
        io.requant(&self.requant, outputs)
    }
}

/// A zero point of the weights asks for nothing more.
macro_rules! asymmetric {
    ($($name:ident)*) => {$(
        impl $name {
            pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
                self.layer.check(io)
            }
        }
    )*};
}
asymmetric!(Conv2dAsymmetric DepthwiseConv2dAsymmetric FullyConnectedAsymmetric);

/// Any four bits are an index, so only lengths are to be looked at.
macro_rules! palette {
    ($($name:ident)*) => {$(
        impl $name {
            pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
                io.constant(self.palette, PALETTE, 1)?;
                self.layer.check_rows(io, palette_row)
            }
        }
    )*};
}
palette!(Conv2dPalette FullyConnectedPalette);

impl TransposeConv2d {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int8()?;
        require(x.shape.rank() == 4 && y.shape.rank() == 4, Reason::Shape)?;
        let x = x.shape.nhwc().ok_or(Reason::Shape)?;
        let y = y.shape.nhwc().ok_or(Reason::Shape)?;
        require(x[0] == y[0], Reason::Shape)?;
        let fits = |k: u16, stride: u8, cut: u16| stride > 0 && k >= stride.into() && cut < k;
        let both = fits(self.kh, self.stride.h, self.top) && fits(self.kw, self.stride.w, self.left);
        require(both, Reason::Parameter)?;
        io.constant(self.weights, product(&[y[3], self.kh.into(), self.kw.into(), x[3]])?, 1)?;
        io.constant(self.bias, product(&[self.stride.h.into(), self.stride.w.into(), y[3]])?, 4)?;
        io.requant(&self.requant, y[3])
    }
}

/// Pools keep the channels and have dense windows that always reach into the input.
fn pool(io: &Operands<'_>, kernel: [u16; 2], stride: Stride, pads: Pads) -> Check {
    let (x, y) = io.int8()?;
    let [x, y] = slide((kernel, stride, Stride { h: 1, w: 1 }, pads), &x, &y)?;
    require(x[3] == y[3], Reason::Shape)
}

impl MaxPool2d {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        bounds(self.min, self.max)?;
        pool(io, [self.kh, self.kw], self.stride, self.pads)
    }
}

impl AvgPool2d {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        bounds(self.min, self.max)?;
        pool(io, [self.kh, self.kw], self.stride, self.pads)
    }
}

impl SumPool2d {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        bounds(self.min, self.max)?;
        scale(self.scale, self.round)?;
        pool(io, [self.kh, self.kw], self.stride, self.pads)
    }
}
