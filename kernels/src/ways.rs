//! Which of its ways an operator takes for a step. A program that knows its steps beforehand names the ways that they
//! take: the entry points in its rows have code for no others. Each way is one bit, asked for where the choice is made.

use mote_format::{
    Add, Const, Conv2d, DepthwiseConv2d, FullyConnected, Model, Op, Requant, Rounding, Scale, Shape,
    StepInfo, SumPool2d, WAYS,
};

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
pub const LONG: u32 = named("LONG");
/// Convolutions that are a product with the image as it lies.
pub const POINTWISE: u32 = named("POINTWISE");
/// Convolutions that collect patches.
pub const PATCHES: u32 = named("PATCHES");
/// Channels in several groups, or several images.
pub const GROUPS: u32 = named("GROUPS");
/// Outputs with narrower bounds than those of int8.
pub const NARROW: u32 = named("NARROW");
/// Blocks of several patches.
pub const BLOCKS: u32 = named("BLOCKS");
/// Rows of a matrix that fit the scratch.
pub const WHOLE: u32 = named("WHOLE");
/// Rows of a matrix that are longer than the scratch.
pub const PARTS: u32 = named("PARTS");
/// Depthwise windows that slide.
pub const SLIDE: u32 = named("SLIDE");
/// Depthwise windows pixel by pixel.
pub const PIXELS: u32 = named("PIXELS");
/// Sums of elements by way of tables.
pub const TABLES: u32 = named("TABLES");
/// Sums of elements one by one.
pub const ELEMENTS: u32 = named("ELEMENTS");
/// Rows of fewer than four weights.
pub const SHORT: u32 = named("SHORT");
/// Rows of a matrix whose length is no multiple of four.
pub const UNEVEN: u32 = named("UNEVEN");
/// Patches short enough to be collected before they are packed.
pub const SMALL: u32 = named("SMALL");

/// What most networks take: an interpreter has code for these, and for others that it names.
pub const USUAL: u32 =
    POINTWISE | PATCHES | NARROW | BLOCKS | WHOLE | PARTS | SLIDE | TABLES | UNEVEN | SMALL;

/// The bit of a way.
const fn named(name: &str) -> u32 {
    let mut way = 0;
    while !same(WAYS[way].as_bytes(), name.as_bytes()) {
        way += 1;
    }
    1 << way
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// The ways among these that the operator of this code is linked with: all, unless it has a choice.
pub const fn linked(code: u8, ways: u32) -> u32 {
    match code {
        Conv2d::CODE | DepthwiseConv2d::CODE | FullyConnected::CODE | Add::CODE | SumPool2d::CODE => ways,
        _ => ALL,
    }
}

/// The ways that one step takes, on any instruction set, whole or some rows at a time. `x` are the shapes of its inputs,
/// of the first two at least. An operator that has no choice takes none.
#[inline(always)]
pub fn of(op: &Op, x: &[Shape], y: &Shape, scratch: usize, constants: &[u8]) -> u32 {
    let Some(first) = x.first() else { return 0 };
    match op {
        Op::Conv2d(p) => rounding(p.bias, &p.requant, constants) | conv2d(p, first, scratch),
        Op::DepthwiseConv2d(p) => rounding(p.bias, &p.requant, constants) | depthwise(p, first, y),
        Op::FullyConnected(p) => rounding(p.bias, &p.requant, constants) | matrix(first, scratch),
        Op::Add(p) => {
            let tables = x.iter().all(|x| x == y) && scratch >= ops::add::TABLES;
            either(tables, TABLES, ELEMENTS) | scale(p.y, p.round)
        }
        Op::SumPool2d(p) => scale(p.scale, p.round),
        _ => 0,
    }
}

/// The ways that the steps of a model take.
pub fn of_model(model: &Model<'_>) -> u32 {
    model.steps().fold(0, |ways, step| ways | of_step(model, &step))
}

fn of_step(model: &Model<'_>, step: &StepInfo<'_>) -> u32 {
    let shape = |id| model.tensor(id).map(|tensor| tensor.shape);
    let mut x = [Shape::SCALAR; 2];
    let inputs = step.inputs.iter().filter_map(shape).zip(&mut x).map(|(shape, x)| *x = shape).count();
    let y = shape(step.output).unwrap_or(Shape::SCALAR);
    of(&step.op, &x[..inputs], &y, step.scratch_len as usize, model.constants())
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
    let bytes =
        |c: Const| constants.get(c.at as usize..).and_then(|all| all.get(..c.len as usize)).unwrap_or(&[]);
    let mult = bytemuck::try_cast_slice(bytes(requant.mult)).unwrap_or(&[]);
    let output = Output { round: requant.round, zero: 0, min: requant.min, max: requant.max };
    let channels = Channels { bias: &[], mult, shift: bytemuck::cast_slice(bytes(requant.shift)), output };
    either(mult.len() == bias.len as usize / 4 && channels.is_plain(), 0, LONG)
        | either((requant.min, requant.max) == (i8::MIN, i8::MAX), 0, NARROW)
}

/// The same of a scale that all channels share.
fn scale(scale: Scale, round: Rounding) -> u32 {
    either(plain_shift(scale, round).is_some(), 0, LONG)
}
