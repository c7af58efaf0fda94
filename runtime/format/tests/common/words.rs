//! A small model of int16 values, with every operator that they have. Its bytes are a golden file, as `zoo`'s are.

use mote_format::*;

use super::builder::{Builder, quant};
use super::noise;
use super::zoo::{biases, stride};

const NO_PADS: Pads = Pads { top: 0, left: 0, bottom: 0, right: 0 };
const BOUNDS: (i16, i16) = (-30_000, 31_000);

/// Int16 at some scale.
fn y(dims: &[u32], scale: f32) -> (DType, &[u32], Quant) {
    (DType::I16, dims, quant(scale, 0))
}

fn half(shift: i8) -> Scale {
    Scale { mult: 0x5A5A_5A5A, shift }
}

fn requant(b: &mut Builder, round: Rounding, n: usize) -> Requant16 {
    let (mult, shift): (Vec<u8>, &[u8]) = match round {
        Rounding::Double => (0x5A5A_5A5Ai32.to_le_bytes().repeat(n), &[(-6i8) as u8]),
        Rounding::Single => (0x5A5Ai16.to_le_bytes().repeat(n), &[(-7i8) as u8]),
        Rounding::Float => (0.01f64.to_le_bytes().repeat(n), &[]),
    };
    Requant16 { round, mult: b.i8s(&mult), shift: b.i8s(&shift.repeat(n)), min: BOUNDS.0, max: BOUNDS.1 }
}

/// The model before its buffers are placed: floats to floats, with int16 and at last int8 in between.
pub(crate) fn words() -> Builder {
    let mut b = Builder::default();
    b.writer.name = "int16".into();
    let x = b.input("image", DType::F32, &[1, 4, 4, 2], quant(1.0, 0));
    let x = b.step(Op::Quantize16(Quantize16 {}), &[x], y(&[1, 4, 4, 2], 0.001), 0);
    let x = products(&mut b, x);
    let x = pooled(&mut b, x);
    let dense = FullyConnected16 {
        weights: b.i8s(&noise(33, 5 * 6)),
        bias: b.i32s(&biases(34, 5)),
        requant: requant(&mut b, Rounding::Float, 5),
    };
    let x = b.step(Op::FullyConnected16(dense), &[x], y(&[1, 5], 0.0005), 0);
    let table = |b: &mut Builder, at: u64, n: usize| b.i8s(&noise(at, 2 * n));
    let softmax =
        Softmax16 { scale: half(2), exp: table(&mut b, 35, 513), reciprocal: table(&mut b, 36, 513) };
    let classes = b.step(Op::Softmax16(softmax), &[x], y(&[1, 5], 1.0 / 32_768.0), 0);
    let classes =
        b.step(Op::Dequantize16(Dequantize16 {}), &[classes], (DType::F32, &[1, 5], quant(1.0, 0)), 0);
    b.output(classes);
    let table = table(&mut b, 37, 256);
    let sigmoid = Sigmoid16 { mult: 20_000, shift: 12, tanh: 1, table };
    let gate = b.step(Op::Sigmoid16(sigmoid), &[x], y(&[1, 5], 1.0 / 32_768.0), 0);
    b.in_place();
    let narrow = Rescale16 { to: DType::I8, positive: half(-7), negative: half(-9), min: -128, max: 120 };
    let narrow = b.step(Op::Rescale16(narrow), &[gate], (DType::I8, &[1, 5], quant(0.01, 3)), 0);
    b.output(narrow);
    b
}

/// Border, convolutions, and the sum of what they make with the input of the last: `[1, 4, 4, 2]` to `[1, 4, 4, 3]`.
fn products(b: &mut Builder, x: u16) -> u16 {
    let border = Op::Pad(Pad { before: [0, 1, 1, 0, 0, 0], value: 0 });
    let x = b.step(border, &[x], y(&[1, 6, 6, 2], 0.001), 0);
    let conv = Conv2d16 {
        kh: 3,
        kw: 3,
        stride: stride(1),
        dilation: stride(1),
        pads: NO_PADS,
        groups: 1,
        weights: b.i8s(&noise(30, 3 * 9 * 2)),
        bias: b.i32s(&[1, -1, -70_000, -1, 5, 1]),
        requant: requant(b, Rounding::Single, 3),
    };
    let conv = b.step(Op::Conv2d16(conv), &[x], y(&[1, 4, 4, 3], 0.01), 2 * 9 * 2);
    let depthwise = DepthwiseConv2d16 {
        kh: 3,
        kw: 2,
        stride: stride(1),
        dilation: stride(1),
        pads: Pads { top: 1, left: 1, bottom: 1, right: 0 },
        weights: b.i8s(&noise(31, 6 * 3)),
        bias: b.i32s(&biases(32, 3)),
        requant: requant(b, Rounding::Double, 3),
    };
    let depthwise = b.step(Op::DepthwiseConv2d16(depthwise), &[conv], y(&[1, 4, 4, 3], 0.01), 0);
    let sum = Add16 { a: half(0), b: half(-1), y: half(-13), subtract: 1, min: BOUNDS.0, max: BOUNDS.1 };
    b.step(Op::Add16(sum), &[depthwise, conv], y(&[1, 4, 4, 3], 0.02), 0)
}

/// The three pools, joined and multiplied: `[1, 4, 4, 3]` to `[1, 6]`.
fn pooled(b: &mut Builder, x: u16) -> u16 {
    let (kh, kw, stride, pads, (min, max)) = (2, 2, stride(2), NO_PADS, BOUNDS);
    let most = Op::MaxPool2d16(MaxPool2d16 { kh, kw, stride, pads, min, max });
    let most = b.step(most, &[x], y(&[1, 2, 2, 3], 0.02), 0);
    let mean = Op::AvgPool2d16(AvgPool2d16 { kh, kw, stride, pads, min, max });
    let mean = b.step(mean, &[x], y(&[1, 2, 2, 3], 0.02), 0);
    let join = b.step(Op::Concat(Concat { axis: 3 }), &[most, mean], y(&[1, 2, 2, 6], 0.02), 0);
    let mul = Op::Mul16(Mul16 { scale: half(-10), min, max });
    let square = b.step(mul, &[join, join], y(&[1, 2, 2, 6], 0.4), 0);
    let sum = Op::SumPool2d16(SumPool2d16 { kh, kw, stride, pads, scale: half(-1), min, max });
    let sum = b.step(sum, &[square], y(&[1, 1, 1, 6], 0.4), 0);
    let x = b.step(Op::Reshape(Reshape {}), &[sum], y(&[1, 6], 0.4), 0);
    b.in_place();
    x
}
