//! A small model with weights of four bits: int4 and a palette. Its bytes are a golden file, as `zoo`'s are.

use mote_format::*;

use super::builder::{Builder, quant};
use super::noise;
use super::zoo::{biases, stride};

/// The model before its buffers are placed: `[1, 5, 5, 3]` to `[1, 4]`.
pub(crate) fn palette() -> Builder {
    let mut b = Builder::default();
    b.writer.name = "palette".into();
    let x = b.input("image", DType::I8, &[1, 5, 5, 3], quant(0.05, -3));
    let layer = Conv2d {
        kh: 3,
        kw: 3,
        stride: stride(2),
        dilation: stride(1),
        pads: Pads { top: 1, left: 1, bottom: 1, right: 1 },
        groups: 1,
        weights: b.i8s(&palette_rows(&noise(1, 6 * 27), 27)),
        bias: b.i32s(&biases(2, 6)),
        requant: b.requant(Rounding::Single, &[0x5A5A_5A5A; 6], &[-5; 6]),
    };
    let conv = Op::Conv2dPalette(Conv2dPalette { layer, palette: b.i8s(&INT4.map(|v| v as u8)) });
    let x = b.step(conv, &[x], (DType::I8, &[1, 3, 3, 6], quant(0.02, 7)), 8 * 32 + 3);
    let x = b.step(Op::Reshape(Reshape {}), &[x], (DType::I8, &[1, 54], quant(0.02, 7)), 0);
    b.in_place();
    let layer = FullyConnected {
        weights: b.i8s(&palette_rows(&noise(3, 4 * 54), 54)),
        bias: b.i32s(&biases(4, 4)),
        requant: b.requant(Rounding::Double, &[0x4444_4444; 4], &[-8; 4]),
    };
    let palette = b.i8s(&noise(5, PALETTE));
    let dense = Op::FullyConnectedPalette(FullyConnectedPalette { layer, palette });
    let x = b.step(dense, &[x], (DType::I8, &[1, 4], quant(0.1, 3)), 4 * 56 + 3);
    b.output(x);
    b
}
