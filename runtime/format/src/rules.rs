//! Which shapes, types and parameters each operator takes: what the check proves of one step, so that kernels
//! need no checks. Live ranges and memory are `check`'s.

mod elementwise;
mod image;
mod layout;
mod recurrent;
mod window;
mod words;

use crate::error::Reason;
use crate::field::{Const, Requant, Requant16, Rounding, Scale};
use crate::header::ALIGN;
use crate::ops::*;
use crate::tensor::{DType, TensorInfo};

pub(crate) type Check = Result<(), Reason>;

/// What a rule may look at: the tensors of one step, and the constants.
pub(crate) struct Operands<'a> {
    pub(crate) model: &'a crate::model::Model<'a>,
    pub(crate) inputs: crate::model::Ids<'a>,
    pub(crate) y: TensorInfo,
}

impl Operands<'_> {
    /// Input `i`.
    fn x(&self, i: usize) -> Result<TensorInfo, Reason> {
        self.inputs.get(i).and_then(|id| self.model.tensor(id)).ok_or(Reason::Arity)
    }

    /// The first input, with it and the output known to be int8.
    fn int8(&self) -> Result<(TensorInfo, TensorInfo), Reason> {
        let x = self.x(0)?;
        require(x.dtype == DType::I8 && self.y.dtype == DType::I8, Reason::DType)?;
        Ok((x, self.y))
    }

    /// The first input, with it and the output known to be int16.
    fn int16(&self) -> Result<(TensorInfo, TensorInfo), Reason> {
        let x = self.x(0)?;
        require(x.dtype == DType::I16 && self.y.dtype == DType::I16, Reason::DType)?;
        Ok((x, self.y))
    }

    /// The constant lies in its section, is aligned, and is `count` elements of `size` bytes.
    fn constant(&self, c: Const, count: usize, size: usize) -> Check {
        let inside = c.at.checked_add(c.len).is_some_and(|end| end <= self.model.header().consts_len);
        let length = count.checked_mul(size) == Some(c.len as usize);
        require(inside && length && (c.at as usize).is_multiple_of(ALIGN), Reason::Constant)
    }

    /// Biases and multipliers of `channels` 64-bit sums.
    fn requant16(&self, bias: Const, r: &Requant16, channels: usize) -> Check {
        let wide = channels.checked_mul(8) == Some(bias.len as usize);
        self.constant(bias, channels, if wide { 8 } else { 4 })?;
        require(r.min <= r.max, Reason::Parameter)?;
        let (size, shifts) = match r.round {
            Rounding::Double => (4, channels),
            Rounding::Single => (2, channels),
            Rounding::Float => (8, 0),
        };
        self.constant(r.mult, channels, size)?;
        self.constant(r.shift, shifts, 1)?;
        let mut shift = self.model.bytes_of(r.shift).iter();
        for m in self.model.bytes_of(r.mult).chunks_exact(size) {
            let shift = shift.next().map_or(0, |&s| s as i8);
            let good = match *m {
                [a, b] => i16::from_le_bytes([a, b]) >= 0 && (-31..=7).contains(&shift),
                [a, b, c, d] => i32::from_le_bytes([a, b, c, d]) >= 0 && (-31..=30).contains(&shift),
                _ => m.try_into().is_ok_and(|m| f64::from_le_bytes(m).is_finite()),
            };
            require(good, Reason::Parameter)?;
        }
        Ok(())
    }

    /// The multipliers of `channels` sums.
    fn requant(&self, r: &Requant, channels: usize) -> Check {
        bounds(r.min, r.max)?;
        self.constant(r.mult, channels, 4)?;
        self.constant(r.shift, if r.round == Rounding::Float { 0 } else { channels }, 1)?;
        self.scales(r.mult, r.shift, r.round)
    }

    /// Multipliers and as many exponents, or none, each in its range.
    fn scales(&self, mult: Const, shift: Const, round: Rounding) -> Check {
        let mut shift = self.model.bytes_of(shift).iter();
        for m in self.model.bytes_of(mult).chunks_exact(4) {
            let mult = i32::from_le_bytes([m[0], m[1], m[2], m[3]]);
            let shift = shift.next().map_or(0, |&s| s as i8);
            scale(Scale { mult, shift }, round)?;
        }
        Ok(())
    }
}

fn require(holds: bool, otherwise: Reason) -> Check {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// A number of elements, small enough to be counted.
fn product(factors: &[usize]) -> Result<usize, Reason> {
    factors.iter().try_fold(1usize, |n, &f| n.checked_mul(f)).ok_or(Reason::Shape)
}

fn bounds(min: i8, max: i8) -> Check {
    require(min <= max, Reason::Parameter)
}

/// A multiplier is not negative; an exponent keeps every shift inside 64 bits; a float is finite.
fn scale(s: Scale, round: Rounding) -> Check {
    let good = match round {
        Rounding::Float => s.shift == 0 && f32::from_bits(s.mult as u32).is_finite(),
        Rounding::Double | Rounding::Single => (-31..=30).contains(&s.shift) && s.mult >= 0,
    };
    require(good, Reason::Parameter)
}

impl Op {
    /// How many of the last inputs are states that the step changes where they lie.
    pub fn updates(&self) -> usize {
        match self {
            Op::Lstm(_) => 2,
            Op::Svdf(_) => 1,
            _ => 0,
        }
    }

    /// Whether the output may lie on the bytes of an input that dies here, element on element.
    pub fn in_place(&self) -> bool {
        matches!(
            self,
            Op::Add(_)
                | Op::Mul(_)
                | Op::Div(_)
                | Op::Maximum(_)
                | Op::Minimum(_)
                | Op::Prelu(_)
                | Op::Reshape(_)
                | Op::Lut(_)
                | Op::Clamp(_)
                | Op::Requantize(_)
                | Op::FlipSign(_)
                | Op::Add16(_)
                | Op::Mul16(_)
                | Op::Rescale16(Rescale16 { to: DType::I16, .. })
                | Op::Sigmoid16(_)
        )
    }
}
