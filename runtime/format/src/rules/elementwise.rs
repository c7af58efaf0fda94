//! Rules of the operators that treat elements one by one, or normalise the last dimension.

use super::{Check, Operands, bounds, require, scale};
use crate::error::Reason;
use crate::field::Rounding;
use crate::ops::{
    Add, ArgMax, Cast, Clamp, Dequantize, Div, FlipSign, L2Norm, Lut, Maximum, Minimum, Mul, Prelu, Quantize,
    Requantize, Softmax, TopK,
};
use crate::tensor::{DType, TensorInfo};

/// The output has the input's shape.
pub(super) fn same(x: &TensorInfo, y: &TensorInfo) -> Check {
    require(x.shape == y.shape, Reason::Shape)
}

fn broadcast(io: &Operands<'_>) -> Check {
    repeats(io, DType::I8)
}

/// Two inputs of the output's type and rank, at most four, each of whose dimensions is the output's or 1.
pub(super) fn repeats(io: &Operands<'_>, dtype: DType) -> Check {
    let y = io.y;
    require(y.dtype == dtype, Reason::DType)?;
    require(y.shape.rank() <= 4, Reason::Shape)?;
    for i in 0..2 {
        let x = io.x(i)?;
        require(x.dtype == dtype, Reason::DType)?;
        let fits = x.shape.dims().iter().zip(y.shape.dims()).all(|(&x, &y)| x == y || x == 1);
        require(fits && x.shape.rank() == y.shape.rank(), Reason::Shape)?;
    }
    Ok(())
}

impl Add {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        broadcast(io)?;
        bounds(self.min, self.max)?;
        require(self.left <= 20 && self.round != Rounding::Float, Reason::Parameter)?;
        [self.a, self.b, self.y].into_iter().try_for_each(|s| scale(s, self.round))
    }
}

impl Mul {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        broadcast(io)?;
        bounds(self.min, self.max)?;
        scale(self.scale, self.round)
    }
}

impl Div {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        broadcast(io)?;
        bounds(self.min, self.max)?;
        require(self.scale.shift <= 23, Reason::Parameter)?;
        scale(self.scale, Rounding::Double)
    }
}

impl Maximum {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        broadcast(io)
    }
}

impl Minimum {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        broadcast(io)
    }
}

impl Prelu {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        broadcast(io)?;
        same(&io.x(0)?, &io.y)?;
        [self.positive, self.negative].into_iter().try_for_each(|s| scale(s, self.round))
    }
}

impl Lut {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int8()?;
        same(&x, &y)?;
        io.constant(self.table, 256, 1)
    }
}

impl Clamp {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int8()?;
        bounds(self.min, self.max)?;
        same(&x, &y)
    }
}

impl Requantize {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int8()?;
        bounds(self.min, self.max)?;
        scale(self.scale, self.round)?;
        same(&x, &y)
    }
}

impl Softmax {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int8()?;
        scale(self.scale, Rounding::Double)?;
        // The largest difference, widened, fits 32 bits.
        let widest = i64::from(self.diff_min) << self.scale.shift.max(0);
        let fits = widest >= i64::from(i32::MIN);
        require((-255..=0).contains(&self.diff_min) && fits, Reason::Parameter)?;
        same(&x, &y)
    }
}

impl ArgMax {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let x = io.x(0)?;
        require(x.dtype == DType::I8 && io.y.dtype == DType::I32, Reason::DType)?;
        require(x.shape.elements() / x.shape.channels() == io.y.shape.elements(), Reason::Shape)
    }
}

impl Quantize {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let x = io.x(0)?;
        require(x.dtype == DType::F32 && io.y.dtype == DType::I8, Reason::DType)?;
        same(&x, &io.y)
    }
}

impl Dequantize {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let x = io.x(0)?;
        require(x.dtype == DType::I8 && io.y.dtype == DType::F32, Reason::DType)?;
        same(&x, &io.y)
    }
}

impl FlipSign {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let x = io.x(0)?;
        let types = [x.dtype, io.y.dtype];
        require(types == [DType::U8, DType::I8] || types == [DType::I8, DType::U8], Reason::DType)?;
        same(&x, &io.y)
    }
}

impl L2Norm {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int8()?;
        // So many squares of at most 255² fit 31 bits.
        require(x.shape.channels() <= 33_025, Reason::Shape)?;
        same(&x, &y)
    }
}

impl TopK {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = (io.x(0)?, io.y);
        let types = x.dtype == DType::I8 && matches!(y.dtype, DType::I8 | DType::I32);
        require(types, Reason::DType)?;
        let (length, k) = (x.shape.channels(), y.shape.channels());
        require(k <= length && x.shape.elements() / length == y.shape.elements() / k, Reason::Shape)
    }
}

impl Cast {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let x = io.x(0)?;
        require(x.dtype == self.from && io.y.dtype == self.to, Reason::DType)?;
        same(&x, &io.y)
    }
}
