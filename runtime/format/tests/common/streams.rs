//! A small model with states of every kind: written in place, written by a copy, never written; with initial values
//! and without.

use mote_format::*;

use super::builder::{Builder, quant};

/// Elements of each tensor.
pub(crate) const LENGTH: usize = 8;

const SAME: Quant = Quant { scale: 1.0, zero: 0 };

/// A sum whose result is exactly a + b, held to int8.
fn add() -> Op {
    let half = Scale { mult: 1 << 30, shift: 0 };
    let y = Scale { mult: 1 << 30, shift: -18 };
    Op::Add(Add { a: half, b: half, y, left: 20, round: Rounding::Double, min: -128, max: 127 })
}

/// Gives the sum of all inputs so far, and that of the last input, a constant and this input.
pub(crate) fn streams() -> Builder {
    let mut b = Builder::default();
    let shaped = (DType::I8, &[1u32, LENGTH as u32][..], SAME);
    let x = b.input("x", shaped.0, shaped.1, SAME);
    let before = b.constant("before", &[5; LENGTH], shaped.1, SAME);
    let offset = b.constant("offset", &[1, 2, 3, 4, 5, 6, 7, 8], shaped.1, SAME);
    let counted = (DType::I8, shaped.1, quant(1.0, 3));
    let total = b.state("total", counted, None);
    let last = b.state("last", shaped, Some(before));
    let kept = b.state("kept", shaped, Some(offset));
    let sum = b.step(add(), &[x, total], counted, 0);
    b.next(total);
    let moved = b.step(add(), &[last, kept], shaped, 0);
    let both = b.step(add(), &[moved, x], shaped, 0);
    b.step(Op::Reshape(Reshape {}), &[x], shaped, 0);
    b.next(last);
    [sum, both].into_iter().for_each(|id| b.output(id));
    b
}
