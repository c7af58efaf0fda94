//! What a kernel is given: tensors as byte slices with their shapes, constants, scratch. No arithmetic.

use bytemuck::AnyBitPattern;
use mote_format::{Const, Quant, Requant, Requant16, Shape};

use crate::quant::{Channels, Output};
use crate::sums16::Sums16;

/// A tensor that a kernel reads.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct View<'a> {
    /// Dimensions.
    pub shape: &'a Shape,
    /// Scale and zero point.
    pub quant: &'a Quant,
    /// The bytes, or `None` when they are those of the output (an in-place step) or of a state that the step changes.
    pub bytes: Option<&'a [u8]>,
}

/// The tensor that a kernel writes.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ViewMut<'a> {
    /// Dimensions.
    pub shape: &'a Shape,
    /// Scale and zero point.
    pub quant: &'a Quant,
    /// The bytes.
    pub bytes: &'a mut [u8],
}

/// A 16-bit value as it lies in memory, at any address.
pub type Word = [u8; 2];

/// Int8 values, or others of bytes, that an element-wise kernel reads.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum In<'a, T = i8> {
    /// They lie apart from the output.
    Apart(&'a [T]),
    /// They are what the output holds.
    Same,
}

impl<T: Copy> In<'_, T> {
    /// `y[i] = f(x[i])`.
    #[inline(always)]
    pub fn map(self, y: &mut [T], f: impl Fn(T) -> T) {
        match self {
            In::Apart(x) => x.iter().zip(y).for_each(|(&x, y)| *y = f(x)),
            In::Same => y.iter_mut().for_each(|y| *y = f(*y)),
        }
    }
}

impl<'a> View<'a> {
    /// The values of an int8 tensor that lies apart from the output; empty when it does not.
    #[inline(always)]
    pub fn i8s(&self) -> &'a [i8] {
        bytemuck::cast_slice(self.bytes.unwrap_or(&[]))
    }

    /// The values of an int16 tensor that lies apart from the output; empty when it does not.
    #[inline(always)]
    pub fn words(&self) -> &'a [Word] {
        bytemuck::cast_slice(self.bytes.unwrap_or(&[]))
    }

    /// The values of an int8 tensor, or an int16 one, wherever they lie.
    #[inline(always)]
    pub fn values<T: AnyBitPattern>(&self) -> In<'a, T> {
        self.bytes.map_or(In::Same, |b| In::Apart(bytemuck::cast_slice(b)))
    }

    /// As `[n, h, w, c]`; shapes of more dimensions never reach a kernel that asks.
    #[inline(always)]
    pub fn nhwc(&self) -> [usize; 4] {
        nhwc(self.shape)
    }
}

impl ViewMut<'_> {
    /// The values of an int8 tensor.
    #[inline(always)]
    pub fn i8s(&mut self) -> &mut [i8] {
        bytemuck::cast_slice_mut(self.bytes)
    }

    /// The values of an int16 tensor.
    #[inline(always)]
    pub fn words(&mut self) -> &mut [Word] {
        bytemuck::cast_slice_mut(self.bytes)
    }

    /// As `[n, h, w, c]`.
    #[inline(always)]
    pub fn nhwc(&self) -> [usize; 4] {
        nhwc(self.shape)
    }
}

/// Not inlined, like everything here that operators do once a call: there are many of them.
#[inline(never)]
fn nhwc(shape: &Shape) -> [usize; 4] {
    shape.nhwc().unwrap_or([0; 4])
}

/// Everything that one step touches.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Io<'a> {
    /// The inputs.
    pub x: &'a [View<'a>],
    /// The output.
    pub y: ViewMut<'a>,
    /// The last inputs, where the operator changes them in place; empty otherwise.
    pub states: [&'a mut [u8]; 2],
    /// Working memory, at least what the kernel's `scratch` says.
    pub scratch: &'a mut [u8],
    /// The model's constant section.
    pub constants: &'a [u8],
}

impl<'a> Io<'a> {
    /// Constant bytes.
    #[inline(never)]
    pub fn bytes(&self, c: Const) -> &'a [u8] {
        self.constants.get(c.at as usize..).and_then(|s| s.get(..c.len as usize)).unwrap_or(&[])
    }

    /// Constant int8 values.
    #[inline(always)]
    pub fn i8s(&self, c: Const) -> &'a [i8] {
        bytemuck::cast_slice(self.bytes(c))
    }

    /// Constant 16-bit values, read in place like those of 32.
    #[inline(always)]
    pub fn u16s(&self, c: Const) -> &'a [u16] {
        bytemuck::try_cast_slice(self.bytes(c)).unwrap_or(&[])
    }

    /// Constant 16-bit values, read in place.
    #[inline(always)]
    pub fn i16s(&self, c: Const) -> &'a [i16] {
        bytemuck::try_cast_slice(self.bytes(c)).unwrap_or(&[])
    }

    /// Constant 32-bit values, read in place: constants are aligned and little-endian.
    #[inline(always)]
    pub fn i32s(&self, c: Const) -> &'a [i32] {
        bytemuck::try_cast_slice(self.bytes(c)).unwrap_or(&[])
    }

    /// How the output's sums become int16.
    #[inline(always)]
    pub fn sums16(&self, bias: Const, requant: &Requant16) -> Sums16<'a> {
        Sums16::of(self, self.i32s(bias), requant)
    }

    /// How the output's sums become int8.
    #[inline(never)]
    pub fn channels(&self, bias: Const, requant: &Requant) -> Channels<'a> {
        Channels {
            bias: self.i32s(bias),
            mult: self.i32s(requant.mult),
            shift: self.i8s(requant.shift),
            output: Output {
                round: requant.round,
                zero: self.y.quant.zero,
                min: requant.min,
                max: requant.max,
            },
        }
    }
}
