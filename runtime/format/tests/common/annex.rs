//! A small model with the operators that move, resize and reduce, each on an input of its own kind. Its bytes are a
//! golden file, as `zoo`'s are.

use mote_format::*;

use super::builder::{Builder, quant};
use super::noise;
use super::zoo::{biases, stride};

/// The model before its buffers are placed.
pub(crate) fn annex() -> Builder {
    let mut b = Builder::default();
    b.writer.name = "later operators".into();
    let image = b.input("image", DType::I8, &[1, 3, 4, 4], quant(0.05, -3));
    resized(&mut b, image);
    moved(&mut b, image);
    compared(&mut b);
    cast(&mut b, image);
    b
}

/// Entries of a table of rows or columns: near, far, share.
fn table(b: &mut Builder, entries: &[(u16, u16, i32)]) -> Const {
    let words = entries.iter().map(|&(near, far, share)| [i32::from(near) | i32::from(far) << 16, share]);
    b.i32s(&words.flatten().collect::<Vec<_>>())
}

fn resized(b: &mut Builder, image: u16) {
    let rows = table(b, &[(0, 1, 512), (2, 2, 0)]);
    let cols = table(b, &[(0, 0, 0), (0, 1, 1023), (1, 2, 1), (2, 3, 700), (3, 3, 0)]);
    let resize = Op::Resize(Resize { rows, cols, round: Rounding::Double });
    let resized = b.step(resize, &[image], (DType::I8, &[1, 2, 5, 4], quant(0.05, -3)), 0);
    b.output(resized);
}

/// Every second column backwards, then rows in another order, then twice the size by a transposed convolution.
fn moved(b: &mut Builder, image: u16) {
    let copy = StridedCopy { start: 12, dims: [1, 1, 1, 3, 2, 4], steps: [0, 0, 0, 16, -8, 1] };
    let half = b.step(Op::StridedCopy(copy), &[image], (DType::I8, &[1, 3, 2, 4], quant(0.05, -3)), 0);
    let indices = b.i8s(&[2, 0, 0, 0]);
    let gather = Op::Gather(Gather { axis: 1, indices });
    let rows = b.step(gather, &[half], (DType::I8, &[1, 2, 2, 4], quant(0.05, -3)), 0);
    let conv = TransposeConv2d {
        kh: 3,
        kw: 2,
        stride: stride(2),
        top: 1,
        left: 0,
        weights: b.i8s(&noise(20, 3 * 3 * 2 * 4)),
        bias: b.i32s(&biases(21, 4 * 3)),
        requant: b.requant(Rounding::Double, &[0x5A5A_5A5A; 3], &[-7; 3]),
    };
    let large = (DType::I8, &[1u32, 4, 4, 3][..], quant(0.1, 5));
    let large = b.step(Op::TransposeConv2d(conv), &[rows], large, 2 * 8 * 4 + 3);
    b.output(large);
}

/// A row against another, normalised, and its largest values.
fn compared(b: &mut Builder) {
    let q = quant(0.04, 5);
    let [x, other] = ["x", "other"].map(|name| b.constant(name, &noise(22, 6), &[2, 3], q));
    let y = (DType::I8, &[2u32, 3][..], q);
    let larger = b.step(Op::Maximum(Maximum {}), &[x, other], y, 0);
    let smaller = b.step(Op::Minimum(Minimum {}), &[larger, other], y, 0);
    b.in_place();
    let div = Op::Div(Div { scale: Scale { mult: 0x4000_0000, shift: 3 }, min: -128, max: 100 });
    let smaller = b.step(div, &[smaller, other], y, 0);
    b.in_place();
    let slopes = b.constant("slopes", &[64, 0x80, 1], &[1, 3], quant(0.01, 0));
    let scale = |mult, shift| Scale { mult, shift };
    let prelu =
        Prelu { positive: scale(0x4000_0000, 1), negative: scale(0x5000_0000, -6), round: Rounding::Double };
    let sloped = b.step(Op::Prelu(prelu), &[smaller, slopes], y, 0);
    let unit = b.step(Op::L2Norm(L2Norm {}), &[sloped], (DType::I8, &[2, 3], quant(1.0 / 128.0, 0)), 0);
    let best = (DType::I32, &[2u32, 2][..], quant(1.0, 0));
    let best = b.step(Op::TopK(TopK {}), &[unit], best, 0);
    b.output(best);
}

fn cast(b: &mut Builder, image: u16) {
    let cast = Op::Cast(Cast { from: DType::I8, to: DType::F32 });
    let real = b.step(cast, &[image], (DType::F32, &[1, 3, 4, 4], quant(1.0, 0)), 0);
    b.output(real);
}
