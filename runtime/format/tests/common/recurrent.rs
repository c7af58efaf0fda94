//! A small model of the operators that change states where they lie. Its bytes are a golden file, as `zoo`'s are.

use mote_format::*;

use super::builder::{Builder, quant};
use super::noise;
use super::zoo::biases;

/// A sequence of two moments of three values through two LSTM cells, and a moment through a layer of two filters a unit:
/// `[1, 2, 3]` to `[1, 2, 2]` and `[2, 2]`.
pub(crate) fn recurrent() -> Builder {
    let mut b = Builder::default();
    b.writer.name = "recurrent".into();
    let x = b.input("sequence", DType::I8, &[1, 2, 3], quant(0.05, -3));
    let start = b.constant("start", &[1, 2], &[1, 2], quant(1.0 / 128.0, 0));
    let hidden = b.state("hidden", (DType::I8, &[1, 2], quant(1.0 / 128.0, 0)), Some(start));
    let cell = b.state("cell", (DType::I16, &[1, 2], quant(1.0 / 2048.0, 0)), None);
    let features = b.state("features", (DType::I16, &[2, 12], quant(0.01, 0)), None);
    let lstm = Lstm {
        input_weights: b.i8s(&noise(30, 4 * 2 * 3)),
        input_bias: b.i32s(&biases(31, 8)),
        recurrent_weights: b.i8s(&noise(32, 4 * 2 * 2)),
        recurrent_bias: b.i32s(&[0; 8]),
        mult: b.i32s(&[
            0x5A5A_5A5A,
            0x4444_4444,
            0x7FFF_FFFF,
            0x4000_0001,
            0x6000_0000,
            0x4321_0FED,
            0x5555_5555,
            1 << 30,
        ]),
        shift: b.i8s(&[0, 1, -1, 0, 1, 0, -1, 1].map(|shift: i8| shift as u8)),
        output: Scale { mult: 1 << 30, shift: -22 },
        cell_bits: 4,
        cell_clip: 20_000,
        time_major: 0,
    };
    let y = (DType::I8, &[1u32, 2, 2][..], quant(1.0 / 128.0, 0));
    let lstm = b.step(Op::Lstm(lstm), &[x, hidden, cell], y, 0);
    b.output(lstm);
    let moments = b.step(Op::Reshape(Reshape {}), &[x], (DType::I8, &[2, 3], quant(0.05, -3)), 0);
    let svdf = Svdf {
        rank: 2,
        memory: 3,
        feature_weights: b.i8s(&noise(33, 4 * 3)),
        feature_bias: b.i32s(&biases(34, 4)),
        feature_scale: Scale { mult: 0x4444_4444, shift: 1 },
        time_weights: b.i8s(&noise(35, 2 * 4 * 3)),
        bias: b.i32s(&biases(36, 2)),
        scale: Scale { mult: 0x5A5A_5A5A, shift: -21 },
    };
    let svdf = b.step(Op::Svdf(svdf), &[moments, features], (DType::I8, &[2, 2], quant(0.1, 3)), 0);
    b.output(svdf);
    b
}
