//! Operators on int16 values.

use super::recurrent::words;
use super::*;

/// The output of one step on int16 inputs.
fn wide(b: Builder, op: Op, x: &[(&[u32], &[i16])], y: &[u32]) -> Vec<i16> {
    let x: Vec<_> = x.iter().map(|x| (DType::I16, x.0, 0, words(x.1))).collect();
    let bytes = run(b, op, &x, (DType::I16, y, 0));
    bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

/// Multipliers by a half for every channel, half up.
fn halves(b: &mut Builder, n: usize) -> Requant16 {
    let (mult, shift) = (b.i8s(&words(&vec![1 << 14; n])), b.i8s(&vec![0; n]));
    Requant16 { round: Rounding::Single, mult, shift, min: i16::MIN, max: i16::MAX }
}

pub(crate) fn conv2d16() {
    // 3 × 3 ones over nine values; a bias of 64 bits and one of 32; what is outside holds nothing.
    for (bias, expected) in [(&[1][..], [601, 901, 601]), (&[-601, -1], [300, 600, 300])] {
        let mut b = Builder::default();
        let op = Conv2d16 {
            kh: 3,
            kw: 3,
            stride: Stride { h: 2, w: 1 },
            dilation: ONE,
            pads: Pads { top: 0, bottom: 0, ..ALL_ROUND },
            groups: 1,
            weights: b.i8s(&[1; 9]),
            bias: b.i32s(bias),
            requant: halves(&mut b, 1),
        };
        let x = [100, 100, 100, 200, 200, 200, 300, 300, 300];
        let y = wide(b, Op::Conv2d16(op), &[(&[1, 3, 3, 1], &x)], &[1, 1, 3, 1]);
        assert_eq!(y, expected);
    }
}

pub(crate) fn depthwise_conv2d16() {
    // Two channels with one output each; extremes that no sum of 32 bits would hold are not among 511 taps.
    let mut b = Builder::default();
    let op = DepthwiseConv2d16 {
        kh: 1,
        kw: 2,
        stride: ONE,
        dilation: ONE,
        pads: NO_PADS,
        weights: b.i8s(&signed(&[1, 2, -3, 4])),
        bias: b.i32s(&[0, 1]),
        requant: halves(&mut b, 2),
    };
    let y = wide(b, Op::DepthwiseConv2d16(op), &[(&[1, 1, 2, 2], &[1000, 2000, -500, 300])], &[1, 1, 1, 2]);
    assert_eq!(y, [1250, 2601]);
}

pub(crate) fn fully_connected16() {
    // A sum of 33 bits, 512 times −32768 · −128, is 2^31; times 2^−17. In floats halves go away from zero.
    let mut b = Builder::default();
    let op = FullyConnected16 {
        weights: b.i8s(&[0x80; 512]),
        bias: b.i32s(&[-1, -1]),
        requant: Requant16 { shift: b.i8s(&[(-16i8) as u8]), ..halves(&mut b, 1) },
    };
    let y = wide(b, Op::FullyConnected16(op), &[(&[1, 512], &[i16::MIN; 512])], &[1, 1]);
    assert_eq!(y, [1 << 14]);
    let mut b = Builder::default();
    let op = FullyConnected16 {
        weights: b.i8s(&signed(&[1, -1])),
        bias: b.i32s(&[0, 0]),
        requant: Requant16 {
            round: Rounding::Float,
            mult: b.i8s(&[0.5f64, 0.5].map(f64::to_le_bytes).concat()),
            shift: b.i8s(&[]),
            ..halves(&mut b, 2)
        },
    };
    assert_eq!(wide(b, Op::FullyConnected16(op), &[(&[1, 1], &[5])], &[1, 2]), [3, -3]);
}

pub(crate) fn max_pool2d16() {
    let op = MaxPool2d16 { kh: 2, kw: 2, stride: ONE, pads: NO_PADS, min: -500, max: 400 };
    let x = [-900, -700, 1, -800, -600, 999];
    let y = wide(Builder::default(), Op::MaxPool2d16(op), &[(&[1, 2, 3, 1], &x)], &[1, 1, 2, 1]);
    assert_eq!(y, [-500, 400]);
}

pub(crate) fn avg_pool2d16() {
    // Of three and of two taps, halves away from zero.
    let pads = Pads { right: 1, ..NO_PADS };
    let op = AvgPool2d16 { kh: 1, kw: 3, stride: ONE, pads, min: -999, max: 999 };
    let x = [(&[1u32, 1, 3, 1][..], &[1000, -1001, -300][..])];
    assert_eq!(wide(Builder::default(), Op::AvgPool2d16(op), &x, &[1, 1, 2, 1]), [-100, -651]);
}

pub(crate) fn sum_pool2d16() {
    let op =
        SumPool2d16 { kh: 2, kw: 1, stride: ONE, pads: NO_PADS, scale: power(-1), min: -20_000, max: 30_000 };
    let x = [(&[1u32, 2, 2, 1][..], &[32_000, -32_000, 31_999, -31_999][..])];
    assert_eq!(wide(Builder::default(), Op::SumPool2d16(op), &x, &[1, 1, 2, 1]), [30_000, -20_000]);
}

pub(crate) fn add16() {
    // Scales of a half and a quarter brought to twice the larger, and back to 1/4 a unit.
    let sum = |subtract| {
        let op = Add16 { a: power(-1), b: power(-2), y: power(-13), subtract, min: -30_000, max: 30_000 };
        let (a, b) = ([100, -7, 30_000], [50, 1, 20_000]);
        wide(Builder::default(), Op::Add16(op), &[(&[3], &a), (&[3], &b)], &[3])
    };
    assert_eq!(sum(0), [250, -13, 30_000]);
    assert_eq!(sum(1), [150, -15, 30_000]);
}

pub(crate) fn mul16() {
    let op = Op::Mul16(Mul16 { scale: power(-15), min: -30_000, max: i16::MAX });
    let y = wide(
        Builder::default(),
        op,
        &[(&[2, 2], &[i16::MIN, 1 << 14, 300, i16::MAX]), (&[1, 2], &[i16::MIN, 3])],
        &[2, 2],
    );
    // 2^15 is held at the bound; 3/2 goes up, 300 · −1, and 3 − 3/2^15.
    assert_eq!(y, [i16::MAX, 2, -300, 3]);
}

pub(crate) fn rescale16() {
    let op =
        |to| Op::Rescale16(Rescale16 { to, positive: power(0), negative: power(-2), min: -100, max: 90 });
    let x = [(&[4u32][..], &[50, -50, 300, -900][..])];
    assert_eq!(wide(Builder::default(), op(DType::I16), &x, &[4]), [50, -13, 90, -100]);
    let x = [(DType::I16, &[4u32][..], 0, words(x[0].1))];
    let y = run(Builder::default(), op(DType::I8), &x, (DType::I8, &[4], 7));
    assert_eq!(y, signed(&[57, -13 + 7, 90, -100]));
}

pub(crate) fn sigmoid16() {
    // A table that is a line from a half on: entry i is 32768 + 100·i; each unit of the input is half an entry.
    let table: Vec<i16> = (0..256).map(|i: u16| (32_768 + 100 * i) as i16).collect();
    let apply = |tanh, mult| {
        let mut b = Builder::default();
        let op = Sigmoid16 { mult, shift: 0, tanh, table: b.i8s(&words(&table)) };
        wide(b, Op::Sigmoid16(op), &[(&[5], &[0, 3, -3, 2000, -2000])], &[5])
    };
    assert_eq!(apply(0, 256), [16_384, 16_459, 16_384 - 75, i16::MAX, 1]);
    assert_eq!(apply(1, 128), [0, 150, -150, i16::MAX, -i16::MAX]);
}

pub(crate) fn softmax16() {
    // Exponentials of a quarter below −1/2 of the range, and 1/2 as every reciprocal.
    let mut b = Builder::default();
    let exp: Vec<i16> = (0..513).map(|i| if i < 256 { 1 << 13 } else { i16::MAX }).collect();
    let op =
        Softmax16 { scale: power(0), exp: b.i8s(&words(&exp)), reciprocal: b.i8s(&words(&[1 << 14; 513])) };
    let y = wide(b, Op::Softmax16(op), &[(&[1, 3], &[1000, -32_000, -32_001])], &[1, 3]);
    // The sum has 16 bits: right by 15.
    assert_eq!(y, [16_384, 4096, 4096]);
}

pub(crate) fn quantize16() {
    let x: Vec<u8> = [2.5f32, -2.5, 1e9, -1e9, 0.49].iter().flat_map(|v| v.to_le_bytes()).collect();
    let op = Op::Quantize16(Quantize16 {});
    let y = run(Builder::default(), op, &[(DType::F32, &[5], 0, x)], (DType::I16, &[5], 0));
    assert_eq!(y, words(&[3, -3, i16::MAX, i16::MIN, 0]));
}

pub(crate) fn dequantize16() {
    let x = [(DType::I16, &[2u32][..], 0, words(&[-32_768, 7]))];
    let y = run(Builder::default(), Op::Dequantize16(Dequantize16 {}), &x, (DType::F32, &[2], 0));
    assert_eq!(y, [-32_768f32, 7.0].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
}
