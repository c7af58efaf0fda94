//! A small model with uint8 edges and weights that have a zero point. Its bytes are a golden file, as `zoo`'s are.

use mote_format::*;

use super::builder::{Builder, quant};
use super::noise;
use super::zoo::{biases, stride};

/// The model before its buffers are placed: `[1, 5]` to `[1, 3]`.
pub(crate) fn unsigned() -> Builder {
    let mut b = Builder::default();
    b.writer.name = "uint8".into();
    let flip = Op::FlipSign(FlipSign {});
    let x = b.input("image", DType::U8, &[1, 5], quant(1.0 / 256.0, 0));
    let x = b.step(flip, &[x], (DType::I8, &[1, 5], quant(1.0 / 256.0, -128)), 0);
    b.in_place();
    let x = b.step(Op::Reshape(Reshape {}), &[x], (DType::I8, &[1, 1, 5, 1], quant(1.0 / 256.0, -128)), 0);
    b.in_place();
    let requant = |b: &mut Builder, n| b.requant(Rounding::Double, &vec![0x5A5A_5A5A; n], &vec![-6; n]);
    let layer = Conv2d {
        kh: 1,
        kw: 3,
        stride: stride(1),
        dilation: stride(1),
        pads: Pads { top: 0, left: 1, bottom: 0, right: 0 },
        groups: 1,
        weights: b.i8s(&noise(10, 2 * 3)),
        bias: b.i32s(&biases(11, 2)),
        requant: requant(&mut b, 2),
    };
    let conv = Op::Conv2dAsymmetric(Conv2dAsymmetric { layer, weight_zero: -17 });
    let x = b.step(conv, &[x], (DType::I8, &[1, 1, 4, 2], quant(0.02, 7)), 2 * 3);
    let layer = DepthwiseConv2d {
        kh: 1,
        kw: 2,
        stride: stride(2),
        dilation: stride(1),
        pads: Pads { top: 0, left: 0, bottom: 0, right: 0 },
        weights: b.i8s(&noise(12, 2 * 2)),
        bias: b.i32s(&biases(13, 2)),
        requant: requant(&mut b, 2),
    };
    let depthwise = Op::DepthwiseConv2dAsymmetric(DepthwiseConv2dAsymmetric { layer, weight_zero: 30 });
    let x = b.step(depthwise, &[x], (DType::I8, &[1, 1, 2, 2], quant(0.03, 0)), 2 * 2);
    let x = b.step(Op::Reshape(Reshape {}), &[x], (DType::I8, &[1, 4], quant(0.03, 0)), 0);
    b.in_place();
    let layer = FullyConnected {
        weights: b.i8s(&noise(14, 3 * 4)),
        bias: b.i32s(&biases(15, 3)),
        requant: requant(&mut b, 3),
    };
    let dense = Op::FullyConnectedAsymmetric(FullyConnectedAsymmetric { layer, weight_zero: -128 });
    let x = b.step(dense, &[x], (DType::I8, &[1, 3], quant(0.1, 3)), 0);
    let x = b.step(flip, &[x], (DType::U8, &[1, 3], quant(0.1, 131)), 0);
    b.output(x);
    b
}
