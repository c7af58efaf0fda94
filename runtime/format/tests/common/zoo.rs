//! One small model that uses every operator of its time, all rounding profiles, constants as operands, steps in place, reused
//! buffers, several inputs and outputs, labels and preparations. Its bytes are the golden file: never change what
//! it builds, add a second model instead.

use mote_format::*;

use super::builder::{Builder, quant};
use super::noise;

const FULL: (i8, i8) = (-128, 127);
const NO_PADS: Pads = Pads { top: 0, left: 0, bottom: 0, right: 0 };

fn scale(mult: i32, shift: i8) -> Scale {
    Scale { mult, shift }
}

pub(crate) fn stride(n: u8) -> Stride {
    Stride { h: n, w: n }
}

/// Biases between −1024 and 1023.
pub(crate) fn biases(seed: u64, n: usize) -> Vec<i32> {
    noise(seed, 2 * n).chunks(2).map(|b| (i32::from(b[0]) * 8 + i32::from(b[1] & 7)) - 1024).collect()
}

/// The model before its buffers are placed.
pub(crate) fn zoo() -> Builder {
    let mut b = Builder::default();
    b.writer.name = "every operator".into();
    let image = b.input("image", DType::I8, &[1, 6, 6, 4], quant(0.05, -3));
    let reals = b.input("reals", DType::F32, &[1, 2, 2, 3], quant(1.0, 0));
    let small = (DType::I8, [1, 2, 2, 3], quant(0.04, 5));
    let q = b.step(Op::Quantize(Quantize {}), &[reals], (small.0, &small.1, small.2), 0);
    let features = convolutions(&mut b, image);
    let sum = element_wise(&mut b, features, q);
    let classes = head(&mut b, sum, q);
    let softmax = Softmax { scale: scale(0x6666_6666, 23), diff_min: -255 };
    let probabilities = (DType::I8, &[1u32, 5][..], quant(1.0 / 256.0, -128));
    let probabilities = b.step(Op::Softmax(softmax), &[classes], probabilities, 0);
    let best = b.step(Op::ArgMax(ArgMax {}), &[classes], (DType::I32, &[1], quant(1.0, 0)), 0);
    let real = (DType::F32, &[1u32, 5][..], quant(1.0, 0));
    let real = b.step(Op::Dequantize(Dequantize {}), &[probabilities], real, 0);
    [probabilities, best, real].into_iter().for_each(|id| b.output(id));
    b.writer.labels.push((0, ["zero", "one", "zwei", "trois", "čtyři"].map(String::from).to_vec()));
    b.writer.preparations.push((0, true, vec![0.1, 0.2, 0.3, 0.4], vec![1.0, 2.0, 3.0, 4.0]));
    b.writer.preparations.push((1, false, vec![0.5], vec![0.25]));
    b.writer.removed.push(["relu_1", "Relu", "fused into its producer"].map(String::from));
    b.writer.removed.push(["drop", "Dropout", "does nothing"].map(String::from));
    b
}

/// Pad, grouped and depthwise convolution, pool, table, pointwise convolution: `[1, 6, 6, 4]` to `[1, 2, 2, 3]`.
fn convolutions(b: &mut Builder, image: u16) -> u16 {
    let pad = Op::Pad(Pad { before: [0, 1, 1, 0, 0, 0], value: -3 });
    let padded = b.step(pad, &[image], (DType::I8, &[1, 8, 8, 4], quant(0.05, -3)), 0);
    let conv = Conv2d {
        kh: 3,
        kw: 3,
        stride: stride(2),
        dilation: stride(1),
        pads: Pads { top: 1, left: 1, bottom: 1, right: 0 },
        groups: 2,
        weights: b.i8s(&noise(1, 6 * 9 * 2)),
        bias: b.i32s(&biases(2, 6)),
        requant: b.requant(
            Rounding::Double,
            &[0x4000_0000, 0x5555_5555, 0x7FFF_FFFF, 0x4000_0001, 0x6000_0000, 0x4321_0FED],
            &[-7, -7, -8, -6, -7, -6],
        ),
    };
    let conv = b.step(Op::Conv2d(conv), &[padded], (DType::I8, &[1, 4, 4, 6], quant(0.1, -10)), 8 * 20 + 3);
    let depthwise = DepthwiseConv2d {
        kh: 3,
        kw: 3,
        stride: stride(1),
        dilation: stride(1),
        pads: Pads { top: 1, left: 1, bottom: 1, right: 1 },
        weights: b.i8s(&noise(3, 9 * 12)),
        bias: b.i32s(&biases(4, 12)),
        requant: b.requant(
            Rounding::Single,
            &[0x5A5A_5A5A; 12],
            &[-6, -7, -6, -7, -6, -7, -6, -7, -6, -7, -6, -7],
        ),
    };
    let y = (DType::I8, &[1u32, 4, 4, 12][..], quant(0.1, 7));
    let depthwise = b.step(Op::DepthwiseConv2d(depthwise), &[conv], y, 64 + 16 * 2 * (3 + 6) + 3);
    let pool =
        Op::MaxPool2d(MaxPool2d { kh: 2, kw: 2, stride: stride(2), pads: NO_PADS, min: -100, max: 100 });
    let pool = b.step(pool, &[depthwise], (DType::I8, &[1, 2, 2, 12], quant(0.1, 7)), 0);
    let table = Op::Lut(Lut { table: b.i8s(&noise(5, 256)) });
    let table = b.step(table, &[pool], (DType::I8, &[1, 2, 2, 12], quant(0.02, 0)), 0);
    b.in_place();
    let pointwise = Conv2d {
        kh: 1,
        kw: 1,
        stride: stride(1),
        dilation: stride(1),
        pads: NO_PADS,
        groups: 1,
        weights: b.i8s(&noise(6, 3 * 12)),
        bias: b.i32s(&biases(7, 3)),
        requant: b.requant(Rounding::Float, &[0.004f32, 0.0031, 0.0055].map(|v| v.to_bits() as i32), &[]),
    };
    b.step(Op::Conv2d(pointwise), &[table], (DType::I8, &[1, 2, 2, 3], quant(0.05, 1)), 8 * 12 + 3)
}

/// Sum in place and product with a constant.
fn element_wise(b: &mut Builder, features: u16, q: u16) -> u16 {
    let add = Add {
        a: scale(0x4000_0000, 0),
        b: scale(0x6666_6666, -1),
        y: scale(0x5000_0000, -19),
        left: 20,
        round: Rounding::Double,
        min: FULL.0,
        max: FULL.1,
    };
    let add = b.step(Op::Add(add), &[features, q], (DType::I8, &[1, 2, 2, 3], quant(0.06, 2)), 0);
    b.in_place();
    let factors = b.constant("factors", &[30, 200, 100], &[1, 1, 1, 3], quant(0.01, -1));
    let mul = Mul { scale: scale(0x4A3D_70A4, -6), round: Rounding::Single, min: -120, max: 127 };
    b.step(Op::Mul(mul), &[add, factors], (DType::I8, &[1, 2, 2, 3], quant(0.04, 5)), 0)
}

/// Joined, rescaled, pooled, turned and summed to four features, then a dense layer: `[1, 5]`.
fn head(b: &mut Builder, x: u16, q: u16) -> u16 {
    let joined = (DType::I8, [1, 2, 2, 6], quant(0.04, 5));
    let concat = Op::Concat(Concat { axis: 3 });
    let concat = b.step(concat, &[x, q], (joined.0, &joined.1, joined.2), 0);
    let rescale =
        Requantize { scale: scale(0x6000_0000, 1), round: Rounding::Double, min: FULL.0, max: FULL.1 };
    let rescale = b.step(Op::Requantize(rescale), &[concat], (DType::I8, &joined.1, quant(0.03, -4)), 0);
    b.in_place();
    let clamp = Op::Clamp(Clamp { min: -90, max: 90 });
    let clamp = b.step(clamp, &[rescale], (DType::I8, &joined.1, quant(0.03, -4)), 0);
    b.in_place();
    let pads = Pads { top: 0, left: 1, bottom: 1, right: 0 };
    let mean =
        Op::AvgPool2d(AvgPool2d { kh: 2, kw: 2, stride: stride(1), pads, origin: 0, min: -80, max: 127 });
    let mean = b.step(mean, &[clamp], (DType::I8, &joined.1, quant(0.03, -4)), 0);
    let turn = Op::Transpose(Transpose { perm: [0, 3, 1, 2, 0, 0] });
    let turn = b.step(turn, &[mean], (DType::I8, &[1, 6, 2, 2], quant(0.03, -4)), 0);
    let sum = Op::SumPool2d(SumPool2d {
        kh: 3,
        kw: 2,
        stride: Stride { h: 3, w: 2 },
        pads: NO_PADS,
        scale: scale(0x5555_5555, -1),
        round: Rounding::Single,
        min: FULL.0,
        max: FULL.1,
    });
    let sum = b.step(sum, &[turn], (DType::I8, &[1, 2, 1, 2], quant(0.03, 0)), 0);
    let flat = b.step(Op::Reshape(Reshape {}), &[sum], (DType::I8, &[1, 4], quant(0.03, 0)), 0);
    b.in_place();
    let dense = FullyConnected {
        weights: b.i8s(&noise(8, 5 * 4)),
        bias: b.i32s(&biases(9, 5)),
        requant: b.requant(Rounding::Single, &[0x4444_4444; 5], &[-6; 5]),
    };
    b.step(Op::FullyConnected(dense), &[flat], (DType::I8, &[1, 5], quant(0.1, 3)), 4 * 4 + 3)
}
