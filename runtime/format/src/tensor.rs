//! Tensor records: element type, shape, quantization, and where the bytes lie. Not what is done with them.
//!
//! ```text
//!   0 offset u32   from the start of the arena, or of the constant section
//!   4 first  u16   time of writing: 0 for an input or a state, step + 1 otherwise
//!   6 last   u16   time of the last read: steps + 1 for an output or a state's next value
//!   8 scale  f32   real = scale * (q - zero)
//!  12 zero   i32
//!  16 dtype  u8    0 i8, 1 i32, 2 f32, 3 u8, 4 i16
//!  17 rank   u8    0..=6
//!  18 place  u8    0 arena, 1 constant section
//!  19 kept   u8    rows of an image that the arena holds, the newest; 0 for all
//!  20 dims   u32 x 6, the unused ones 1
//!  44 name   u32   offset of a string in the metadata, 0 for none
//! ```

use crate::bytes::{f32_at, i32_at, slice, u8_at, u16_at, u32_at};
use crate::rows::Image;

/// A shape has at most this many dimensions.
pub const MAX_RANK: usize = 6;

pub(crate) const RECORD: usize = 48;

/// The element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DType {
    /// Quantized activation.
    I8,
    /// Index, or an exact sum.
    I32,
    /// Float, at the edges of a network.
    F32,
    /// Quantized, at the edges of a network.
    U8,
    /// Quantized activation with a zero point of 0; state of a recurrent operator.
    I16,
}

impl DType {
    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::I8, Self::I32, Self::F32, Self::U8, Self::I16].get(usize::from(code)).copied()
    }
}

/// Dimensions, outermost first; four-dimensional activations are NHWC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Shape {
    rank: u8,
    dims: [u32; MAX_RANK],
}

impl Shape {
    /// No dimensions: one element.
    pub const SCALAR: Self = Self { rank: 0, dims: [1; MAX_RANK] };

    /// `None` when there are more than [`MAX_RANK`] dimensions, one of them is 0, or the number of elements
    /// exceeds `i32::MAX`.
    pub const fn new(dims: &[u32]) -> Option<Self> {
        if dims.len() > MAX_RANK {
            return None;
        }
        let (mut all, mut elements, mut d) = ([1; MAX_RANK], 1u32, 0);
        while d < dims.len() {
            all[d] = dims[d];
            elements = match elements.checked_mul(dims[d]) {
                Some(n) if n > 0 && n <= i32::MAX as u32 => n,
                _ => return None,
            };
            d += 1;
        }
        Some(Self { rank: dims.len() as u8, dims: all })
    }

    /// The dimensions.
    pub fn dims(&self) -> &[u32] {
        &self.dims[..usize::from(self.rank).min(MAX_RANK)]
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.dims().len()
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.dims.iter().product::<u32>() as usize
    }

    /// The last dimension: channels of an activation; 1 for a scalar.
    pub fn channels(&self) -> usize {
        self.dims().last().map_or(1, |&d| d as usize)
    }

    /// The same with another second dimension: a part of the rows of an image.
    pub(crate) fn set_height(&mut self, height: usize) {
        self.dims[1] = height as u32;
    }

    /// Padded in front with ones to four dimensions: `[n, h, w, c]`. More than four are refused with `None`.
    pub fn nhwc(&self) -> Option<[usize; 4]> {
        let dims = self.dims();
        let lead = 4usize.checked_sub(dims.len())?;
        let mut out = [1; 4];
        for (o, &d) in out[lead..].iter_mut().zip(dims) {
            *o = d as usize;
        }
        Some(out)
    }
}

/// real = scale · (q − zero).
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Quant {
    /// Positive and finite.
    pub scale: f32,
    /// The stored value of a real zero.
    pub zero: i32,
}

/// Everything the format says of one tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TensorInfo {
    /// Element type.
    pub dtype: DType,
    /// Dimensions.
    pub shape: Shape,
    /// Scale and zero point.
    pub quant: Quant,
    /// Offset in bytes, in the arena or (for a constant) in the constant section.
    pub offset: u32,
    /// Whether the bytes lie in the constant section.
    pub constant: bool,
    /// Rows of an image that the arena holds, the newest of them; 0 for all.
    pub kept: u8,
    /// When it is written: 0 for an input or a state, `step + 1` for an output of a step, where `step` is the first of
    /// those that run in lockstep.
    pub first: u16,
    /// When it is read for the last time: `steps + 1` for an output of the model, or a state's next value.
    pub last: u16,
    /// Where the file has its name, 0 for none.
    pub name: u32,
}

impl TensorInfo {
    /// Length in bytes.
    pub fn bytes(&self) -> usize {
        self.shape.elements() * self.dtype.size()
    }

    /// The bytes it occupies, from the start of the arena or of the constant section.
    pub fn range(&self) -> core::ops::Range<usize> {
        let bytes = match self.image() {
            Some(image) if self.kept > 0 => self.kept_rows(&image) * image.row,
            _ => self.bytes(),
        };
        self.offset as usize..self.offset as usize + bytes
    }

    /// Rows of an image that the arena holds.
    pub(crate) fn kept_rows(&self, image: &Image) -> usize {
        if self.kept == 0 { image.height } else { self.kept.into() }
    }

    /// As rows in memory; `None` for what is not a single NHWC image.
    pub fn image(&self) -> Option<Image> {
        Image::of(&self.shape, self.dtype.size())
    }

    /// Some rows of an image as a tensor of its own.
    pub fn rows(mut self, rows: &core::ops::Range<usize>) -> Self {
        self.offset += self.image().map_or(0, |image| rows.start * image.row) as u32;
        self.shape.set_height(rows.len());
        self
    }

    /// Whether its value is needed at `time`.
    pub fn live_at(&self, time: u16) -> bool {
        !self.constant && self.first <= time && time <= self.last
    }

    pub(crate) fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let (bytes, at): (&[u8; RECORD], usize) = (slice(bytes, at, RECORD)?.try_into().ok()?, 0);
        let mut dims = [1; MAX_RANK];
        for (i, d) in dims.iter_mut().enumerate() {
            *d = u32_at(bytes, at + 20 + 4 * i)?;
        }
        let rank = usize::from(u8_at(bytes, at + 17)?);
        let place = u8_at(bytes, at + 18)?;
        let (used, unused) = dims.split_at_checked(rank)?;
        if place > 1 || unused.iter().any(|&d| d != 1) {
            return None;
        }
        Some(Self {
            dtype: DType::from_code(u8_at(bytes, at + 16)?)?,
            shape: Shape::new(used)?,
            quant: Quant { scale: f32_at(bytes, at + 8)?, zero: i32_at(bytes, at + 12)? },
            offset: u32_at(bytes, at)?,
            constant: place == 1,
            kept: u8_at(bytes, at + 19)?,
            first: u16_at(bytes, at + 4)?,
            last: u16_at(bytes, at + 6)?,
            name: u32_at(bytes, at + 44)?,
        })
    }

    /// What can be said of one record by itself: the values lie in their ranges.
    pub(crate) fn plausible(&self) -> bool {
        let bytes = (self.shape.elements() as u32).checked_mul(self.dtype.size() as u32);
        let end = bytes.and_then(|b| b.checked_add(self.offset));
        let zero = match self.dtype {
            DType::I8 => i8::try_from(self.quant.zero).is_ok(),
            DType::U8 => u8::try_from(self.quant.zero).is_ok(),
            DType::I16 => self.quant.zero == 0,
            DType::I32 | DType::F32 => true,
        };
        let scale = self.quant.scale.is_finite() && self.quant.scale > 0.0;
        let rolls = |image: Image| !self.constant && usize::from(self.kept) < image.height;
        let kept = self.kept == 0 || self.image().is_some_and(rolls);
        end.is_some_and(|e| e <= i32::MAX as u32) && zero && scale && kept && self.first <= self.last
    }
}
