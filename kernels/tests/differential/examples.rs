//! What each operator is, by examples worked out by hand: the naive loops are the oracle of everything else, and
//! this is theirs. A row of the operator table without an example does not compile.

mod recurrent;
mod words;

pub(crate) use recurrent::*;
pub(crate) use words::*;

use mote_format::*;

use crate::case::Case;
use crate::common::builder::{Builder, quant};
use crate::common::noise;

/// A multiplier of exactly 1, 1/2 and so on.
fn power(exponent: i8) -> Scale {
    Scale { mult: 1 << 30, shift: exponent + 1 }
}

fn signed(bytes: &[i8]) -> Vec<u8> {
    bytes.iter().map(|&v| v as u8).collect()
}

/// The output of one step on one int8 input.
fn unary(b: Builder, op: Op, x: (&[u32], i32, &[i8]), y: (&[u32], i32)) -> Vec<i8> {
    let bytes = run(b, op, &[(DType::I8, x.0, x.1, signed(x.2))], (DType::I8, y.0, y.1));
    bytes.iter().map(|&b| b as i8).collect()
}

/// The output's bytes of one step; scales are 1.
fn run(mut b: Builder, op: Op, x: &[(DType, &[u32], i32, Vec<u8>)], y: (DType, &[u32], i32)) -> Vec<u8> {
    let ids: Vec<u16> = x.iter().map(|x| b.input("x", x.0, x.1, quant(1.0, x.2))).collect();
    let output = b.step(op, &ids, (y.0, y.1, quant(1.0, y.2)), 0);
    b.output(output);
    Case::new(b, x.iter().map(|x| Some(x.3.clone())).collect()).naive()
}

const ONE: Stride = Stride { h: 1, w: 1 };
const NO_PADS: Pads = Pads { top: 0, left: 0, bottom: 0, right: 0 };
const ALL_ROUND: Pads = Pads { top: 1, left: 1, bottom: 1, right: 1 };
const TO_NINE: [i8; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/// Requantization by 1 for every channel.
fn ones(b: &mut Builder, n: usize) -> Requant {
    b.requant(Rounding::Single, &vec![1 << 30; n], &vec![1; n])
}

pub(crate) fn conv2d() {
    // 3 × 3 ones over 1..=9, padded with the zero point −1; a bias of 9 · 1 takes the zero point off all nine taps.
    let convolve = |bias: i32, pads: Pads, dilation: u8, y: [u32; 2]| {
        let mut b = Builder::default();
        let op = Conv2d {
            kh: 3,
            kw: 3,
            stride: ONE,
            dilation: Stride { h: dilation, w: dilation },
            pads,
            groups: 1,
            weights: b.i8s(&[1; 9]),
            bias: b.i32s(&[bias]),
            requant: ones(&mut b, 1),
        };
        unary(b, Op::Conv2d(op), (&[1, 3, 3, 1], -1, &TO_NINE), (&[1, y[0], y[1], 1], 0))
    };
    assert_eq!(convolve(0, ALL_ROUND, 1, [3, 3]), [7, 18, 11, 24, 45, 30, 19, 36, 23]);
    assert_eq!(convolve(9, ALL_ROUND, 1, [3, 3]), [16, 27, 20, 33, 54, 39, 28, 45, 32]);
    assert_eq!(convolve(0, NO_PADS, 1, [1, 1]), [45]);
    // Only above and to the left: the window of the last output is the whole image.
    let corner = Pads { top: 1, left: 1, bottom: 0, right: 0 };
    assert_eq!(convolve(0, corner, 1, [2, 2]), [7, 18, 24, 45]);
    // Taps two apart: of nine, only the middle one lies inside the image.
    let two = Pads { top: 1, left: 1, bottom: 1, right: 1 };
    assert_eq!(convolve(0, two, 2, [1, 1]), [-8 + 5]);

    // Two groups of one input and two outputs: each output sees its group's input only.
    let mut b = Builder::default();
    let op = Conv2d {
        kh: 1,
        kw: 1,
        stride: ONE,
        dilation: ONE,
        pads: NO_PADS,
        groups: 2,
        weights: b.i8s(&signed(&[1, 2, 3, -4])),
        bias: b.i32s(&[0, 0, 0, 1]),
        requant: ones(&mut b, 4),
    };
    let y = unary(b, Op::Conv2d(op), (&[1, 1, 1, 2], 0, &[5, 7]), (&[1, 1, 1, 4], 0));
    assert_eq!(y, [5, 10, 21, -27]);
}

pub(crate) fn depthwise_conv2d() {
    // Two channels with two outputs each, window 1 × 2: weights are [tap][output].
    let mut b = Builder::default();
    let op = DepthwiseConv2d {
        kh: 1,
        kw: 2,
        stride: ONE,
        dilation: ONE,
        pads: Pads { right: 1, ..NO_PADS },
        weights: b.i8s(&signed(&[1, 2, 3, 4, 10, 10, -10, -10])),
        bias: b.i32s(&[0, 0, 100, 100]),
        requant: ones(&mut b, 4),
    };
    // Pixels (1, 2) and (3, 4), then padding with the zero point 5.
    let y = unary(b, Op::DepthwiseConv2d(op), (&[1, 1, 2, 2], 5, &[1, 2, 3, 4]), (&[1, 1, 2, 4], -1));
    assert_eq!(
        y,
        [
            31 - 1,
            32 - 1,
            100 + 6 - 40 - 1,
            100 + 8 - 40 - 1,
            53 - 1,
            56 - 1,
            100 + 12 - 50 - 1,
            100 + 16 - 50 - 1
        ]
    );
}

pub(crate) fn fully_connected() {
    let mut b = Builder::default();
    let op = FullyConnected {
        weights: b.i8s(&signed(&[1, 0, -1, 2, 2, 2])),
        bias: b.i32s(&[10, -1]),
        requant: b.requant(Rounding::Double, &[1 << 30; 2], &[1, 0]),
    };
    // Two rows. Second output halved, half up: 11 / 2, and (6 − 12 − 1) / 2.
    let y = unary(b, Op::FullyConnected(op), (&[2, 3], 0, &[1, 2, 3, -1, -2, 0]), (&[2, 2], 3));
    assert_eq!(y, [8 + 3, 6 + 3, 9 + 3, -3 + 3]);
}

pub(crate) fn max_pool2d() {
    let pool = MaxPool2d { kh: 2, kw: 2, stride: ONE, pads: ALL_ROUND, min: -8, max: 2 };
    let x = [-9, -7, -1, 3];
    let y = unary(Builder::default(), Op::MaxPool2d(pool), (&[1, 2, 2, 1], 100, &x), (&[1, 3, 3, 1], 100));
    assert_eq!(y, [-8, -7, -7, -1, 2, 2, -1, 2, 2]);
}

pub(crate) fn avg_pool2d() {
    // Halves go away from zero; padding does not count.
    let pool = AvgPool2d {
        kh: 1,
        kw: 2,
        stride: ONE,
        pads: Pads { right: 1, ..NO_PADS },
        origin: 0,
        min: -128,
        max: 100,
    };
    let x = [2, 3, -3, -2, -128, 127, 127];
    let y = unary(Builder::default(), Op::AvgPool2d(pool), (&[1, 1, 7, 1], 9, &x), (&[1, 1, 7, 1], 9));
    assert_eq!(y, [3, 0, -3, -65, -1, 100, 100]);
    let pool = AvgPool2d { kh: 2, kw: 2, stride: ONE, pads: NO_PADS, origin: 0, min: -128, max: 127 };
    for (x, mean) in [
        ([1, 0, 0, 1], 1),
        ([-1, 0, 0, -1], -1),
        ([1, 0, 0, 0], 0),
        ([-1, -1, -1, -3], -2),
        ([127; 4], 127),
        ([-128; 4], -128),
    ] {
        let y = unary(Builder::default(), Op::AvgPool2d(pool), (&[1, 2, 2, 1], 0, &x), (&[1, 1, 1, 1], 0));
        assert_eq!(y, [mean], "{x:?}");
    }
    // Away from −128 is up.
    let pool = AvgPool2d { origin: -128, ..pool };
    for (x, mean) in [([-1, -1, -1, -3], -1), ([-1, 0, 0, -1], 0), ([-128, -128, -127, -127], -127)] {
        let y = unary(Builder::default(), Op::AvgPool2d(pool), (&[1, 2, 2, 1], 0, &x), (&[1, 1, 1, 1], 0));
        assert_eq!(y, [mean], "{x:?}");
    }
}

pub(crate) fn sum_pool2d() {
    // The zero point 1 comes off each tap that is there: 2 + 3 − 2, 3 − 1; times 1/2, half up; zero point −10.
    let pool = SumPool2d {
        kh: 1,
        kw: 2,
        stride: ONE,
        pads: Pads { right: 1, ..NO_PADS },
        scale: power(-1),
        round: Rounding::Single,
        min: -128,
        max: 127,
    };
    let y = unary(Builder::default(), Op::SumPool2d(pool), (&[1, 1, 2, 1], 1, &[2, 3]), (&[1, 1, 2, 1], -10));
    assert_eq!(y, [2 - 10, 1 - 10]);
}

/// Two int8 inputs of given shapes.
fn binary(op: Op, a: (&[u32], i32, &[i8]), b: (&[u32], i32, &[i8]), y: (&[u32], i32)) -> Vec<i8> {
    let inputs = [a, b].map(|x| (DType::I8, x.0, x.1, signed(x.2)));
    run(Builder::default(), op, &inputs, (DType::I8, y.0, y.1)).iter().map(|&b| b as i8).collect()
}

pub(crate) fn add() {
    // (a − 1) / 2 + (b + 2) / 4, all at scale 1 through 20 bits: 1/2 + 1, …; halves away from zero in *double*.
    let op = Add {
        a: power(-1),
        b: power(-2),
        y: power(-20),
        left: 20,
        round: Rounding::Double,
        min: -128,
        max: 90,
    };
    let y = binary(Op::Add(op), (&[2, 2], 1, &[2, 4, -128, 127]), (&[1, 2], -2, &[2, 126]), (&[2, 2], 0));
    assert_eq!(y, [2, 34, -64, 90]);
    let op = Add { round: Rounding::Single, ..op };
    let y = binary(Op::Add(op), (&[1, 4], 0, &[1, -1, 3, -3]), (&[1, 1], -2, &[-2]), (&[1, 4], 5));
    assert_eq!(y, [1 + 5, 5, 2 + 5, -1 + 5], "half up");
    // −6 / 4: rounded once, half up; or to −3 and then halved away from zero.
    for (round, sum) in [(Rounding::Single, -1), (Rounding::Double, -2)] {
        let op = Add { a: power(-2), b: power(-2), y: power(0), left: 0, round, min: -128, max: 127 };
        let y = binary(Op::Add(op), (&[1, 2], 0, &[-6, 0]), (&[1, 2], 0, &[0, -6]), (&[1, 2], 0));
        assert_eq!(y, [sum; 2]);
    }
}

pub(crate) fn mul() {
    let eighth = Scale { mult: 0.125f32.to_bits() as i32, shift: 0 };
    let op = Mul { scale: eighth, round: Rounding::Float, min: -100, max: 127 };
    // (a − 1)(b + 1) / 8, halves to even: 20/8 → 2, 28/8 → 4, −36/8 → −4, −16256/8 → bound.
    let y =
        binary(Op::Mul(op), (&[1, 4], 1, &[5, 8, -8, -127]), (&[1, 4], -1, &[4, 3, 3, 126]), (&[1, 4], 0));
    assert_eq!(y, [2, 4, -4, -100]);
}

pub(crate) fn concat() {
    let y = binary(
        Op::Concat(Concat { axis: 1 }),
        (&[2, 1], 0, &[1, 2]),
        (&[2, 2], 0, &[3, 4, 5, 6]),
        (&[2, 3], 0),
    );
    assert_eq!(y, [1, 3, 4, 2, 5, 6]);
}

pub(crate) fn pad() {
    let op = Op::Pad(Pad { before: [1, 0, 0, 0, 0, 0], value: -9 });
    let y = unary(Builder::default(), op, (&[1, 2], 0, &[1, 2]), (&[2, 4], 0));
    assert_eq!(y, [-9, -9, -9, -9, 1, 2, -9, -9]);
}

pub(crate) fn reshape() {
    let y = unary(Builder::default(), Op::Reshape(Reshape {}), (&[2, 2], 0, &[1, 2, 3, 4]), (&[4], 0));
    assert_eq!(y, [1, 2, 3, 4]);
}

pub(crate) fn transpose() {
    let op = Op::Transpose(Transpose { perm: [2, 0, 1, 0, 0, 0] });
    let y = unary(Builder::default(), op, (&[1, 2, 3], 0, &[1, 2, 3, 4, 5, 6]), (&[3, 1, 2], 0));
    assert_eq!(y, [1, 4, 2, 5, 3, 6]);
}

pub(crate) fn lut() {
    let mut b = Builder::default();
    let table: Vec<u8> = (0..256u32).map(|i| (i * 3) as u8).collect();
    let op = Op::Lut(Lut { table: b.i8s(&table) });
    assert_eq!(unary(b, op, (&[4], 0, &[-128, -127, 0, 127]), (&[4], 0)), [0, 3, -128, -3]);
}

pub(crate) fn clamp() {
    let op = Op::Clamp(Clamp { min: -1, max: 6 });
    assert_eq!(unary(Builder::default(), op, (&[4], 0, &[-128, -1, 6, 7]), (&[4], 0)), [-1, -1, 6, 6]);
}

pub(crate) fn requantize() {
    let op = |round| Op::Requantize(Requantize { scale: power(-1), round, min: -128, max: 127 });
    let turn = |round| unary(Builder::default(), op(round), (&[4], -2, &[-1, -3, -5, 127]), (&[4], 1));
    // Halves of 1, −1, −3 and 129.
    assert_eq!(turn(Rounding::Single), [1 + 1, 1, -1 + 1, 65 + 1]);
    // By a shift of the doubled product: half up first, then nothing left to round.
    assert_eq!(turn(Rounding::Double), [1 + 1, 1, -1 + 1, 65 + 1]);
    let half = Scale { mult: 0.5f32.to_bits() as i32, shift: 0 };
    let op = Op::Requantize(Requantize { scale: half, round: Rounding::Float, min: -128, max: 127 });
    let y = unary(Builder::default(), op, (&[4], -2, &[-1, -3, -5, 127]), (&[4], 1));
    assert_eq!(y, [1, 1, -2 + 1, 64 + 1]);
}

pub(crate) fn softmax() {
    // Against 64-bit floats: within one step of 1/256, and never off where the result is certain.
    let at = |scale: f64, x: &[i8]| {
        let multiplier = mote_kernels::quant::scale_of(scale * f64::from(1 << 26));
        let radius = (31i64 << 26) >> multiplier.shift.max(0);
        let op = Op::Softmax(Softmax { scale: multiplier, diff_min: -(radius.min(255) as i32) });
        let shape = [1, x.len() as u32];
        unary(Builder::default(), op, (&shape, 0, x), (&shape, -128))
    };
    for (seed, scale, n) in
        [(1, 0.1, 10), (2, 0.02, 5), (3, 0.5, 40), (4, 1.0, 2), (5, 1e-3, 300), (6, 1e-9, 4), (7, 0.05, 1000)]
    {
        let x: Vec<i8> = noise(seed, n).iter().map(|&b| b as i8).collect();
        let exps: Vec<f64> = x.iter().map(|&v| (f64::from(v) * scale).exp()).collect();
        let sum: f64 = exps.iter().sum();
        for (y, e) in at(scale, &x).iter().zip(exps) {
            let exact = (e / sum * 256.0 - 128.0).min(127.0);
            assert!((f64::from(*y) - exact).abs() <= 1.0, "{y} is not {exact} at scale {scale}");
        }
    }
    assert_eq!(at(0.1, &[5]), [127]);
    assert_eq!(at(1.0, &[127, -128]), [127, -128]);
    for (n, each) in [
        (2, 0),
        (256, -127),
        (511, -127),
        (513, -128),
        (1000, -128),
        (4096, -128),
        (6000, -128),
        (8300, -128),
    ] {
        assert_eq!(at(0.1, &vec![7; n]), vec![each; n], "{n} equal values");
    }
}

pub(crate) fn arg_max() {
    let x = [(DType::I8, &[3u32, 3][..], 0, signed(&[1, 7, 7, -128, -128, -128, 0, -1, 5]))];
    let y = run(Builder::default(), Op::ArgMax(ArgMax {}), &x, (DType::I32, &[3], 0));
    assert_eq!(y, [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]);
}

pub(crate) fn quantize() {
    let x: Vec<u8> = [0.5f32, -0.5, 1e9, -1e9, f32::NAN, 2.4].iter().flat_map(|v| v.to_le_bytes()).collect();
    let y =
        run(Builder::default(), Op::Quantize(Quantize {}), &[(DType::F32, &[6], 0, x)], (DType::I8, &[6], 3));
    assert_eq!(y, signed(&[4, 2, 127, -128, 3, 5]));
}

pub(crate) fn dequantize() {
    let x = [(DType::I8, &[2u32][..], 3, signed(&[-128, 127]))];
    let y = run(Builder::default(), Op::Dequantize(Dequantize {}), &x, (DType::F32, &[2], 0));
    assert_eq!(y, [(-131f32).to_le_bytes(), 124f32.to_le_bytes()].concat());
}

pub(crate) fn conv2d_asymmetric() {
    // Two pixels of one channel at 3 and −2, padding at the zero point 1, weights 10 and 20 less 12: −2 and 8.
    let mut b = Builder::default();
    let layer = Conv2d {
        kh: 1,
        kw: 2,
        stride: ONE,
        dilation: ONE,
        pads: Pads { left: 1, ..NO_PADS },
        groups: 1,
        weights: b.i8s(&[10, 20]),
        bias: b.i32s(&[5]),
        requant: ones(&mut b, 1),
    };
    let op = Op::Conv2dAsymmetric(Conv2dAsymmetric { layer, weight_zero: 12 });
    let y = unary(b, op, (&[1, 1, 2, 1], 1, &[3, -2]), (&[1, 1, 2, 1], 0));
    assert_eq!(y, [-2 + 24 + 5, -6 - 16 + 5]);
}

pub(crate) fn depthwise_conv2d_asymmetric() {
    // One channel with two outputs; the weights are 1 and −128 less −128: 129 and 0.
    let mut b = Builder::default();
    let layer = DepthwiseConv2d {
        kh: 1,
        kw: 1,
        stride: ONE,
        dilation: ONE,
        pads: NO_PADS,
        weights: b.i8s(&signed(&[1, -128])),
        bias: b.i32s(&[-130, 7]),
        requant: ones(&mut b, 2),
    };
    let op = Op::DepthwiseConv2dAsymmetric(DepthwiseConv2dAsymmetric { layer, weight_zero: -128 });
    assert_eq!(unary(b, op, (&[1, 1, 1, 1], 0, &[1]), (&[1, 1, 1, 2], 0)), [-1, 7]);
}

pub(crate) fn fully_connected_asymmetric() {
    // Weights less 100: −99 and −98 by 1 and −1.
    let mut b = Builder::default();
    let layer = FullyConnected { weights: b.i8s(&[1, 2]), bias: b.i32s(&[10]), requant: ones(&mut b, 1) };
    let op = Op::FullyConnectedAsymmetric(FullyConnectedAsymmetric { layer, weight_zero: 100 });
    assert_eq!(unary(b, op, (&[1, 2], 0, &[1, -1]), (&[1, 1], 0)), [-1 + 10]);
}

pub(crate) fn conv2d_palette() {
    // Two pixels of one channel at 3 and −2, padding at the zero point 1; indices 9 and 6 of int4 are 1 and −2.
    let mut b = Builder::default();
    let layer = Conv2d {
        kh: 1,
        kw: 2,
        stride: ONE,
        dilation: ONE,
        pads: Pads { left: 1, ..NO_PADS },
        groups: 1,
        weights: b.i8s(&[0x69, 0xFF, 0xFF, 0xFF]),
        bias: b.i32s(&[5]),
        requant: ones(&mut b, 1),
    };
    let op = Op::Conv2dPalette(Conv2dPalette { layer, palette: b.i8s(&INT4.map(|v| v as u8)) });
    let y = unary(b, op, (&[1, 1, 2, 1], 1, &[3, -2]), (&[1, 1, 2, 1], 0));
    assert_eq!(y, [1 - 6 + 5, 3 + 4 + 5]);
}

pub(crate) fn fully_connected_palette() {
    // Weights 0 to 8 have the indices 0 to 8, which stand for 1, 2, 4 … 64 and 100, −100.
    let mut b = Builder::default();
    let indices = [0, 1, 2, 3, 4, 5, 6, 7, 8];
    let palette = [1, 2, 4, 8, 16, 32, 64, 100, -100, 9, 9, 9, 9, 9, 9, 9];
    let weights = palette_rows(&indices, 9);
    assert_eq!(weights, [0x10, 0x54, 0x32, 0x76, 0x08, 0, 0, 0], "as the format draws them");
    let layer = FullyConnected { weights: b.i8s(&weights), bias: b.i32s(&[7]), requant: ones(&mut b, 1) };
    let op = FullyConnectedPalette { layer, palette: b.i8s(&signed(&palette)) };
    let x = [-1, 0, 0, 0, 0, 1, 0, 1, 1];
    assert_eq!(unary(b, Op::FullyConnectedPalette(op), (&[1, 9], 0, &x), (&[1, 1], 0)), [38]);
}

pub(crate) fn flip_sign() {
    let x = [(DType::U8, &[3u32][..], 128, vec![0u8, 128, 255])];
    let y = run(Builder::default(), Op::FlipSign(FlipSign {}), &x, (DType::I8, &[3], 0));
    assert_eq!(y, signed(&[-128, 0, 127]));
}

/// Entries of a table of rows or columns: near, far, share.
fn table(b: &mut Builder, entries: &[(u16, u16, i32)]) -> Const {
    let words = entries.iter().map(|&(near, far, share)| [i32::from(near) | i32::from(far) << 16, share]);
    b.i32s(&words.flatten().collect::<Vec<_>>())
}

pub(crate) fn resize() {
    // Rows 0 and 1 in halves; columns 1, and a quarter of the way from 1 to 0.
    let resize = |round, half: i32, quarter: i32| {
        let mut b = Builder::default();
        let rows = table(&mut b, &[(0, 1, half)]);
        let cols = table(&mut b, &[(1, 0, 0), (1, 0, quarter)]);
        let op = Op::Resize(Resize { rows, cols, round });
        unary(b, op, (&[1, 2, 2, 1], 9, &[10, -3, 20, -6]), (&[1, 1, 2, 1], 9))
    };
    // −4.5, and −4.5 · 3/4 + 15 · 1/4 = 0.375.
    assert_eq!(resize(Rounding::Double, 512, 256), [-5, 0]);
    assert_eq!(resize(Rounding::Single, 512, 256), [-4, 0]);
    // 123.5 of unsigned values, plus 1/2, is 124: −4.
    let [half, quarter] = [0.5f32, 0.25].map(|f| f.to_bits() as i32);
    assert_eq!(resize(Rounding::Float, half, quarter), [-4, 0]);
}

pub(crate) fn strided_copy() {
    // Rows from last to first, of each every second column.
    let op = StridedCopy { start: 5, dims: [1, 1, 1, 1, 2, 2], steps: [0, 0, 0, 0, -5, 2] };
    let x = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    let y = unary(Builder::default(), Op::StridedCopy(op), (&[2, 5], 0, &x), (&[2, 2], 0));
    assert_eq!(y, [6, 8, 1, 3]);
    // A step of 0 repeats.
    let op = StridedCopy { start: 1, dims: [1, 1, 1, 1, 2, 3], steps: [0, 0, 0, 0, 1, 0] };
    let y = unary(Builder::default(), Op::StridedCopy(op), (&[3], 0, &[1, 2, 3]), (&[6], 0));
    assert_eq!(y, [2, 2, 2, 3, 3, 3]);
}

pub(crate) fn gather() {
    let mut b = Builder::default();
    let op = Op::Gather(Gather { axis: 1, indices: b.i8s(&[2, 0, 0, 0, 2, 0]) });
    let y = unary(b, op, (&[2, 3], 0, &[1, 2, 3, 4, 5, 6]), (&[2, 3], 0));
    assert_eq!(y, [3, 1, 3, 6, 4, 6]);
}

pub(crate) fn maximum() {
    let y =
        binary(Op::Maximum(Maximum {}), (&[2, 2], 0, &[-1, 2, 3, -4]), (&[1, 2], 0, &[0, 1]), (&[2, 2], 0));
    assert_eq!(y, [0, 2, 3, 1]);
}

pub(crate) fn minimum() {
    let y =
        binary(Op::Minimum(Minimum {}), (&[2, 2], 0, &[-1, 2, 3, -4]), (&[1, 2], 0, &[0, 1]), (&[2, 2], 0));
    assert_eq!(y, [-1, 1, 0, -4]);
}

pub(crate) fn prelu() {
    // Values less 1; those below zero times the factor less 2, halved, half up.
    let op = Prelu { positive: power(0), negative: power(-1), round: Rounding::Single };
    let y =
        binary(Op::Prelu(op), (&[1, 4], 1, &[1, 6, -2, -128]), (&[1, 4], 2, &[9, 9, 3, 127]), (&[1, 4], 3));
    assert_eq!(y, [3, 5 + 3, -1 + 3, -128]);
}

pub(crate) fn transpose_conv2d() {
    // Kernel 3, stride 2, one column cut off: inputs 1 and 2 (less the zero point 10) over weights 1, 10, 100 give
    // 1, 10, 102, 20, 200, of which all but the first are left. Phase 0 has the taps 0 and 2, phase 1 tap 1.
    let mut b = Builder::default();
    let op = TransposeConv2d {
        kh: 1,
        kw: 3,
        stride: Stride { h: 1, w: 2 },
        top: 0,
        left: 1,
        weights: b.i8s(&[1, 100, 10]),
        bias: b.i32s(&[-10 * 101, -10 * 10]),
        requant: ones(&mut b, 1),
    };
    let y = unary(b, Op::TransposeConv2d(op), (&[1, 1, 2, 1], 10, &[11, 12]), (&[1, 1, 5, 1], -100));
    assert_eq!(y, [10 - 100, 102 - 100, 20 - 100, 100, -100]);
}

pub(crate) fn l2_norm() {
    // Less 1: 3 and −4, over 5; then zeros; then a value alone.
    let x = [4, -3, 1, 1, 101, 1];
    let y = unary(Builder::default(), Op::L2Norm(L2Norm {}), (&[3, 2], 1, &x), (&[3, 2], 0));
    assert_eq!(y, [77, -102, 0, 0, 127, 0]);
}

pub(crate) fn top_k() {
    let x = [(DType::I8, &[2u32, 4][..], 0, signed(&[1, 7, 7, -128, -128, -128, 0, -128]))];
    let top = |y: DType| run(Builder::default(), Op::TopK(TopK {}), &x, (y, &[2, 3], 0));
    assert_eq!(top(DType::I8), signed(&[7, 7, 1, 0, -128, -128]));
    let indices: Vec<u8> = [1, 2, 0, 2, 0, 1].iter().flat_map(|i: &u32| i.to_le_bytes()).collect();
    assert_eq!(top(DType::I32), indices);
}

pub(crate) fn cast() {
    let cast = |from, x: Vec<u8>, to, n: u32| {
        run(Builder::default(), Op::Cast(Cast { from, to }), &[(from, &[n], 0, x)], (to, &[n], 0))
    };
    let words = |v: &[i32]| v.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let reals = |v: &[f32]| v.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    assert_eq!(cast(DType::I8, vec![0xFF, 5], DType::I32, 2), words(&[-1, 5]));
    assert_eq!(cast(DType::U8, vec![0xFF, 5], DType::F32, 2), reals(&[255.0, 5.0]));
    assert_eq!(cast(DType::I32, words(&[300, -1]), DType::I8, 2), [44, 0xFF]);
    assert_eq!(cast(DType::I32, words(&[70_000, -1]), DType::I16, 2), [0x70, 0x11, 0xFF, 0xFF]);
    assert_eq!(cast(DType::I16, vec![0x70, 0x11], DType::I8, 1), [0x70]);
    let x = reals(&[-1.9, 1e9, f32::NAN, -3e9]);
    assert_eq!(cast(DType::F32, x.clone(), DType::I8, 4), signed(&[-1, 127, 127, -128]));
    assert_eq!(cast(DType::F32, x.clone(), DType::U8, 4), [0, 255, 255, 0]);
    assert_eq!(cast(DType::F32, x, DType::I32, 4), words(&[-1, 1_000_000_000, i32::MAX, i32::MIN]));
}

pub(crate) fn div() {
    // (a − 1) / (b + 1) at scale 1/2, that is twice the quotient: 10/3, −9/2, 8/−4 and 0/5; then by zero.
    let op = Op::Div(Div { scale: power(1), min: -100, max: 90 });
    let y =
        binary(op, (&[1, 6], 1, &[11, -8, 9, 1, 5, -4]), (&[1, 6], -1, &[2, 1, -5, 4, -1, -1]), (&[1, 6], 2));
    assert_eq!(y, [7 + 2, -9 + 2, -4 + 2, 2, 90, -100]);
}
