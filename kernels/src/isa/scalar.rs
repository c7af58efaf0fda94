//! Plain Rust for any machine. Two pixels and two channels a tile: each loaded value is used twice.

use super::{Isa, Rows};

/// Plain Rust.
#[derive(Debug, Clone, Copy)]
pub struct Scalar;

impl Isa for Scalar {
    type Tile = [[i32; 2]; 2];
    type Line = [[i32; 2]; 1];

    #[inline(always)]
    fn tile(self, x: Rows<'_>, w: Rows<'_>) -> Self::Tile {
        dot(x, w)
    }

    #[inline(always)]
    fn line(self, x: Rows<'_>, w: Rows<'_>) -> Self::Line {
        dot(x, w)
    }
}

/// The dot products of `M` rows with two.
#[inline(always)]
fn dot<const M: usize>(x: Rows<'_>, w: Rows<'_>) -> [[i32; 2]; M] {
    let x: [&[i8]; M] = core::array::from_fn(|i| x.row(i));
    let (w0, w1) = (w.row(0), w.row(1));
    let mut acc = [[0i32; 2]; M];
    for (k, (&w0, &w1)) in w0.iter().zip(w1).enumerate() {
        let (w0, w1) = (i32::from(w0), i32::from(w1));
        for (acc, x) in acc.iter_mut().zip(x) {
            let x = i32::from(x[k]);
            acc[0] = acc[0].wrapping_add(x * w0);
            acc[1] = acc[1].wrapping_add(x * w1);
        }
    }
    acc
}
