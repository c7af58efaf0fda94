//! Operators that change the size of an image.

use super::*;

/// A table of `y` rows or columns among `x`.
fn table(d: &mut Draw<'_>, b: &mut Builder, round: Rounding, x: u32, y: u32) -> Const {
    let mut words = Vec::new();
    for _ in 0..y {
        let near = d.range(0, x - 1);
        let far = if d.once_in(3) { near } else { d.range(0, x - 1) };
        let share = d.pick(&[0, 0, 512, 1024, 1, 1023, 300]);
        let float = share as f32 / 1024.0 - d.pick(&[0.0, 0.0, 0.5, 1.0 / 3.0]);
        let share = if round == Rounding::Float { float.to_bits() as i32 } else { share };
        words.extend([(near | far << 16) as i32, share]);
    }
    b.i32s(&words)
}

pub(crate) fn resize(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let round = d.rounding();
    let (images, channels) = (d.pick(&[1, 1, 2]), d.range(1, 20));
    let (x, y) =
        ([images, d.range(1, 6), d.range(1, 6), channels], [images, d.range(1, 7), d.range(1, 7), channels]);
    let (rows, cols) = (table(d, &mut b, round, x[1], y[1]), table(d, &mut b, round, x[2], y[2]));
    unary(d, b, Op::Resize(Resize { rows, cols, round }), &x, &y, quant(0.1, 3))
}

/// Kernel, stride and cut of one axis, with lengths of input and output.
fn axis(d: &mut Draw<'_>) -> (u32, u32, u32, [u32; 2]) {
    let stride = d.range(1, 3);
    let kernel = d.range(stride, 5);
    let (cut, x) = (d.range(0, kernel - 1), d.range(1, 5));
    let whole = (x - 1) * stride + kernel - cut;
    // Also outputs that no tap reaches, and some that are cut off.
    (kernel, stride, cut, [x, d.range(1, whole + 2)])
}

pub(crate) fn transpose_conv2d(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let ((kh, sh, top, h), (kw, sw, left, w)) = (axis(d), axis(d));
    let (images, cin, cout) = (d.pick(&[1, 1, 2]), d.range(1, 20), d.range(1, 20));
    let weights = d.bytes((cout * kh * kw * cin) as usize);
    let biases = d.biases((sh * sw * cout) as usize);
    let op = Op::TransposeConv2d(TransposeConv2d {
        kh: kh as u16,
        kw: kw as u16,
        stride: Stride { h: sh as u8, w: sw as u8 },
        top: top as u16,
        left: left as u16,
        weights: b.i8s(&weights),
        bias: b.i32s(&biases),
        requant: requant(d, &mut b, cout as usize, bits(kh * kw * cin)),
    });
    let zero = d.zero();
    unary(d, b, op, &[images, h[0], w[0], cin], &[images, h[1], w[1], cout], quant(0.1, zero))
}
