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
