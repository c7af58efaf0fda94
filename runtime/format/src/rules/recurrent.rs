//! Rules of the operators that change states: a layer's memory from one inference to the next.

use super::{Check, Operands, product, require, scale};
use crate::error::Reason;
use crate::field::Rounding;
use crate::ops::{Lstm, Svdf};
use crate::tensor::DType;

impl Lstm {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int8()?;
        let (&[a, b, inputs], &[c, d, units]) = (x.shape.dims(), y.shape.dims()) else {
            return Err(Reason::Shape);
        };
        require([a, b] == [c, d], Reason::Shape)?;
        require(self.time_major <= 1 && self.cell_bits <= 6 && self.cell_clip >= 0, Reason::Parameter)?;
        let batch = if self.time_major == 1 { b } else { a } as usize;
        let (inputs, units) = (inputs as usize, units as usize);
        for (i, dtype) in [(1, DType::I8), (2, DType::I16)] {
            let state = io.x(i)?;
            require(state.dtype == dtype, Reason::DType)?;
            require(Some(state.shape.elements()) == batch.checked_mul(units), Reason::Shape)?;
        }
        io.constant(self.input_weights, product(&[4, units, inputs])?, 1)?;
        io.constant(self.input_bias, product(&[4, units])?, 4)?;
        io.constant(self.recurrent_weights, product(&[4, units, units])?, 1)?;
        io.constant(self.recurrent_bias, product(&[4, units])?, 4)?;
        io.constant(self.mult, 8, 4)?;
        io.constant(self.shift, 8, 1)?;
        io.scales(self.mult, self.shift, Rounding::Double)?;
        scale(self.output, Rounding::Double)
    }
}

impl Svdf {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int8()?;
        let state = io.x(1)?;
        require(state.dtype == DType::I16, Reason::DType)?;
        let (inputs, units) = (x.shape.channels(), y.shape.channels());
        let batch = x.shape.elements() / inputs;
        let (rank, memory) = (usize::from(self.rank), usize::from(self.memory));
        require(rank > 0 && memory > 0, Reason::Parameter)?;
        let filters = product(&[units, rank])?;
        require(batch == y.shape.elements() / units, Reason::Shape)?;
        require(state.shape.elements() == product(&[batch, filters, memory])?, Reason::Shape)?;
        io.constant(self.feature_weights, product(&[filters, inputs])?, 1)?;
        io.constant(self.feature_bias, filters, 4)?;
        io.constant(self.time_weights, product(&[filters, memory])?, 2)?;
        io.constant(self.bias, units, 4)?;
        scale(self.feature_scale, Rounding::Double)?;
        scale(self.scale, Rounding::Double)
    }
}
