//! A small model with the operators that move, resize and reduce, each on an input of its own kind. Its bytes are a
//! golden file, as `zoo`'s are.

use mote_format::*;

use super::builder::{Builder, quant};

/// The model before its buffers are placed.
pub(crate) fn annex() -> Builder {
    let mut b = Builder::default();
    b.writer.name = "later operators".into();
    let image = b.input("image", DType::I8, &[1, 3, 4, 4], quant(0.05, -3));
    resized(&mut b, image);
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
