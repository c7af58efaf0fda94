//! Rules of the operators on int16 values, whose zero points are 0.

use super::elementwise::{repeats, same};
use super::window::slide;
use super::{Check, Operands, product, require, scale};
use crate::error::Reason;
use crate::field::{Pads, Rounding, Scale, Stride};
use crate::ops::{
    Add16, AvgPool2d16, Conv2d16, DepthwiseConv2d16, Dequantize16, FullyConnected16, MaxPool2d16, Mul16,
    Quantize16, Rescale16, Sigmoid16, Softmax16, SumPool2d16,
};
use crate::tensor::DType;

/// So many products of an int16 value and a weight fit 32 bits.
const MOST_TAPS: usize = 511;

impl Conv2d16 {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int16()?;
        let window = ([self.kh, self.kw], self.stride, self.dilation, self.pads);
        let [x, y] = slide(window, &x, &y)?;
        let groups = usize::from(self.groups);
        require(groups > 0 && x[3] % groups == 0 && y[3] % groups == 0, Reason::Parameter)?;
        let weights = product(&[y[3], self.kh.into(), self.kw.into(), x[3] / groups])?;
        io.constant(self.weights, weights, 1)?;
        require(self.requant.round != Rounding::Float, Reason::Parameter)?;
        io.requant16(self.bias, &self.requant, y[3])
    }
}

impl DepthwiseConv2d16 {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int16()?;
        let window = ([self.kh, self.kw], self.stride, self.dilation, self.pads);
        let [x, y] = slide(window, &x, &y)?;
        require(y[3] % x[3] == 0, Reason::Shape)?;
        let taps = product(&[self.kh.into(), self.kw.into()])?;
        io.constant(self.weights, product(&[taps, y[3]])?, 1)?;
        require(taps <= MOST_TAPS && self.requant.round != Rounding::Float, Reason::Parameter)?;
        io.requant16(self.bias, &self.requant, y[3])
    }
}

impl FullyConnected16 {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int16()?;
        let (inputs, outputs) = (x.shape.channels(), y.shape.channels());
        require(x.shape.elements() / inputs == y.shape.elements() / outputs, Reason::Shape)?;
        io.constant(self.weights, product(&[inputs, outputs])?, 1)?;
        io.requant16(self.bias, &self.requant, outputs)
    }
}

fn bounds(min: i16, max: i16) -> Check {
    require(min <= max, Reason::Parameter)
}

/// Pools keep the channels; the sum of a window fits 32 bits.
fn pool(io: &Operands<'_>, [kh, kw]: [u16; 2], stride: Stride, pads: Pads, (min, max): (i16, i16)) -> Check {
    bounds(min, max)?;
    let (x, y) = io.int16()?;
    let [x, y] = slide(([kh, kw], stride, Stride { h: 1, w: 1 }, pads), &x, &y)?;
    require(u32::from(kh) * u32::from(kw) <= 0xFFFF, Reason::Parameter)?;
    require(x[3] == y[3], Reason::Shape)
}

impl MaxPool2d16 {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        pool(io, [self.kh, self.kw], self.stride, self.pads, (self.min, self.max))
    }
}

impl AvgPool2d16 {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        pool(io, [self.kh, self.kw], self.stride, self.pads, (self.min, self.max))
    }
}

impl SumPool2d16 {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        scale(self.scale, Rounding::Double)?;
        pool(io, [self.kh, self.kw], self.stride, self.pads, (self.min, self.max))
    }
}

/// Multipliers in the double profile.
fn scales(all: &[Scale]) -> Check {
    all.iter().try_for_each(|&s| scale(s, Rounding::Double))
}

impl Add16 {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        repeats(io, DType::I16)?;
        bounds(self.min, self.max)?;
        require(self.subtract <= 1, Reason::Parameter)?;
        scales(&[self.a, self.b, self.y])
    }
}

impl Mul16 {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        repeats(io, DType::I16)?;
        bounds(self.min, self.max)?;
        scales(&[self.scale])
    }
}

impl Rescale16 {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = (io.x(0)?, io.y);
        let types = x.dtype == DType::I16 && y.dtype == self.to;
        require(types && matches!(self.to, DType::I8 | DType::I16), Reason::DType)?;
        bounds(self.min, self.max)?;
        scales(&[self.positive, self.negative])?;
        same(&x, &y)
    }
}

impl Sigmoid16 {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int16()?;
        // Half of the last unit that is shifted away fits 32 bits beside the product.
        require(self.mult <= 0x7FFF && self.shift <= 29 && self.tanh <= 1, Reason::Parameter)?;
        io.constant(self.table, 256, 2)?;
        same(&x, &y)
    }
}

impl Softmax16 {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int16()?;
        scales(&[self.scale])?;
        // As many exponentials of at most 1 in 15 bits fit 31.
        require(x.shape.channels() <= 0xFFFF, Reason::Shape)?;
        io.constant(self.exp, 513, 2)?;
        io.constant(self.reciprocal, 513, 2)?;
        same(&x, &y)
    }
}

impl Quantize16 {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let x = io.x(0)?;
        require(x.dtype == DType::F32 && io.y.dtype == DType::I16, Reason::DType)?;
        same(&x, &io.y)
    }
}

impl Dequantize16 {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let x = io.x(0)?;
        require(x.dtype == DType::I16 && io.y.dtype == DType::F32, Reason::DType)?;
        same(&x, &io.y)
    }
}
