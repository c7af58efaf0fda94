//! Which of its ways an operator takes for a step. A program that knows its steps beforehand names the ways that they
//! take: the entry points in its rows have code for no others. Each way is one bit, asked for where the choice is made.

use mote_format::{Const, Conv2d, DepthwiseConv2d, Op, Requant, Rounding, Scale, Shape};

use crate::isa::block_bytes;
use crate::ops::{self, products};
use crate::quant::{Channels, Output, plain_shift};

/// The ways that the entry points of an instruction set may take.
pub trait Ways: Copy {
    /// The ways that operators may take: those whose bits are set. No step takes another.
    const WAYS: u32 = ALL;

    /// Whether some step takes this way. A constant wherever it is asked.
    #[inline(always)]
    fn may(self, way: u32) -> bool {
        Self::WAYS & way != 0
    }

    /// Whether the short way of rounding is exact for all of these channels.
    #[inline(always)]
    fn is_plain(self, channels: &Channels<'_>) -> bool {
        !self.may(LONG) || channels.is_plain()
    }
}

/// Every way there is.
pub const ALL: u32 = u32::MAX;
/// Sums that must be rounded the long way; see [`Channels::is_plain`].
pub const LONG: u32 = 1 << 0;
/// Convolutions that are a product with the image as it lies.
pub const POINTWISE: u32 = 1 << 1;
/// Convolutions that collect patches.
pub const PATCHES: u32 = 1 << 2;
/// Channels in several groups, or several images.
pub const GROUPS: u32 = 1 << 3;
/// Outputs with narrower bounds than those of int8.
pub const NARROW: u32 = 1 << 4;
/// Blocks of several patches.
pub const BLOCKS: u32 = 1 << 5;
/// Rows of a matrix that fit the scratch.
pub const WHOLE: u32 = 1 << 6;
/// Rows of a matrix that are longer than the scratch.
pub const PARTS: u32 = 1 << 7;
/// Depthwise windows that slide.
pub const SLIDE: u32 = 1 << 8;
/// Depthwise windows pixel by pixel.
pub const PIXELS: u32 = 1 << 9;
/// Sums of elements by way of tables.
pub const TABLES: u32 = 1 << 10;
/// Sums of elements one by one.
pub const ELEMENTS: u32 = 1 << 11;
/// Rows of fewer than four weights.
pub const SHORT: u32 = 1 << 12;
/// Rows of a matrix whose length is no multiple of four.
pub const UNEVEN: u32 = 1 << 13;
/// Patches short enough to be collected before they are packed.
pub const SMALL: u32 = 1 << 14;

/// The ways that one step takes, on any instruction set, whole or some rows at a time. `x` are the shapes of its inputs.
/// An operator that is not known here takes all.
pub fn of(op: &Op, x: &[Shape], y: &Shape, scratch: usize, constants: &[u8]) -> u32 {
    let Some(first) = x.first() else { return ALL };
    match op {
        Op::Conv2d(p) => rounding(p.bias, &p.requant, constants) | conv2d(p, first, scratch),
        Op::DepthwiseConv2d(p) => rounding(p.bias, &p.requant, constants) | depthwise(p, first, y),
        Op::FullyConnected(p) => rounding(p.bias, &p.requant, constants) | matrix(first, scratch),
        Op::Add(p) => {
            let tables = x.iter().all(|x| x == y) && scratch >= ops::add::TABLES;
            either(tables, TABLES, ELEMENTS) | scale(p.y, p.round)
        }
        Op::SumPool2d(p) => scale(p.scale, p.round),
        Op::MaxPool2d(_)
        | Op::AvgPool2d(_)
        | Op::Concat(_)
        | Op::Pad(_)
        | Op::Reshape(_)
        | Op::Transpose(_)
        | Op::Lut(_)
        | Op::Clamp(_)
        | Op::Softmax(_)
        | Op::ArgMax(_)
        | Op::Quantize(_)
        | Op::Dequantize(_)
        | Op::Conv2d16(_)
        | Op::DepthwiseConv2d16(_)
        | Op::FullyConnected16(_)
        | Op::MaxPool2d16(_)
        | Op::AvgPool2d16(_)
        | Op::SumPool2d16(_)
        | Op::Add16(_)
        | Op::Mul16(_)
        | Op::Rescale16(_)
        | Op::Sigmoid16(_)
        | Op::Softmax16(_)
        | Op::Quantize16(_)
        | Op::Dequantize16(_) => 0,
        _ => ALL,
    }
}

fn either(first: bool, one: u32, other: u32) -> u32 {
    if first { one } else { other }
}

fn conv2d(p: &Conv2d, x: &Shape, scratch: usize) -> u32 {
    let len = products::patch(p, x.channels());
    let one = p.groups == 1 && x.nhwc().is_some_and(|x| x[0] == 1);
    let patches =
        PATCHES | either(one, 0, GROUPS) | either(len <= ops::conv2d::SMALL, SMALL, 0) | BLOCKS | short(len);
    // Some rows of an image may lie apart from its padding.
    let inside = ops::conv2d::is_matrix(p);
    match (p.groups, [p.kh, p.kw, p.stride.h.into(), p.stride.w.into()]) {
        (1, [1, 1, 1, 1]) => POINTWISE | matrix(x, scratch) | either(inside, 0, patches),
        _ => patches,
    }
}

fn depthwise(p: &DepthwiseConv2d, x: &Shape, y: &Shape) -> u32 {
    let slides = x.channels() == y.channels() && p.dilation.w == 1;
    // Few channels slide on some instruction sets only.
    let one = x.nhwc().is_some_and(|x| x[0] == 1);
    either(slides, SLIDE, PIXELS) | either(y.channels() < 4, PIXELS, 0) | either(one, 0, GROUPS)
}

/// Instruction sets widen values to 16 bits or to 32.
fn matrix(x: &Shape, scratch: usize) -> u32 {
    let (len, rows) = (x.channels(), x.elements() / x.channels());
    let blocks = either(rows > 1 && scratch >= block_bytes(len, 2), BLOCKS, 0);
    blocks
        | short(len)
        | either(len % 4 == 0, 0, UNEVEN)
        | either(scratch >= block_bytes(len, 1), WHOLE, 0)
        | either(scratch < block_bytes(len, 2), PARTS, 0)
}

fn short(len: usize) -> u32 {
    either(len < 4, SHORT, 0)
}

/// Whether some channel needs the long way of rounding.
fn rounding(bias: Const, requant: &Requant, constants: &[u8]) -> u32 {
    let bytes = |c: Const| constants.get(c.at as usize..).and_then(|all| all.get(..c.len as usize));
    let (mults, shifts) = (bytes(requant.mult).unwrap_or(&[]), bytes(requant.shift).unwrap_or(&[]));
    let channels = bias.len as usize / 4;
    let output = Output { round: requant.round, zero: 0, min: requant.min, max: requant.max };
    let plain = mults.chunks_exact(4).zip(shifts).filter(|(mult, shift)| {
        let mult = mult.iter().rev().fold(0, |word, &byte| word << 8 | i32::from(byte));
        Channels { bias: &[0], mult: &[mult], shift: &[**shift as i8], output }.is_plain()
    });
    either(plain.count() == channels, 0, LONG)
        | either((requant.min, requant.max) == (i8::MIN, i8::MAX), 0, NARROW)
}

/// The same of a scale that all channels share.
fn scale(scale: Scale, round: Rounding) -> u32 {
    either(plain_shift(scale, round).is_some(), 0, LONG)
}
