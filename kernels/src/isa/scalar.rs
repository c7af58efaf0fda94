//! Plain Rust for any machine, but for the products on Arm cores without the DSP extension. Two pixels and two channels a tile: each loaded value is used twice.

#[cfg(target_arch = "arm")]
use super::{Block, Layer};
use super::{Isa, Rows, Slide};
#[cfg(target_arch = "arm")]
use crate::indexed::Indexed;
use crate::ways::Ways;

mod slide;
#[cfg(target_arch = "arm")]
mod thumb;

/// Plain Rust.
#[derive(Debug, Clone, Copy)]
pub struct Scalar<const WAYS: u32>;

impl<const WAYS: u32> Ways for Scalar<WAYS> {
    const WAYS: u32 = WAYS;
}

impl<const WAYS: u32> Isa for Scalar<WAYS> {
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

    #[cfg(target_arch = "arm")]
    #[inline(always)]
    fn pack(self, block: &mut Block<'_>, i: usize, at: usize, x: &[i8]) {
        thumb::pack(block, i, at, x);
    }

    #[cfg(target_arch = "arm")]
    #[inline(always)]
    fn fill(self, block: &mut Block<'_>, i: usize, at: usize, len: usize, value: i8) {
        thumb::fill(block, i, at, len, value);
    }

    #[cfg(target_arch = "arm")]
    #[inline(always)]
    fn product(self, block: &mut Block<'_>, layer: &Layer<'_>, y: &mut [i8]) {
        thumb::product(self, block, layer, y);
    }

    #[cfg(target_arch = "arm")]
    #[inline(always)]
    fn indexed(self, block: &mut Block<'_>, layer: &Indexed<'_>, y: &mut [i8]) {
        thumb::indexed(block, layer, y);
    }

    #[cfg(target_arch = "arm")]
    #[inline(always)]
    fn matrix(self, x: Rows<'_>, layer: &Layer<'_>, scratch: &mut [i8], y: &mut [i8]) {
        thumb::matrix(self, x, layer, scratch, y);
    }

    const SLIDES: Option<usize> = Some(super::SCALAR_SLIDES);

    #[inline(always)]
    fn slide(self, slide: &Slide<'_>, scratch: &mut [i8], y: &mut [i8]) {
        slide::slide(self, slide, scratch, y);
    }
}

/// The dot products of `M` rows with two. Lengths agree before the loop and sums are named in it, so that it is the same
/// code when the program around it is optimized for size.
#[inline(always)]
fn dot<const M: usize>(x: Rows<'_>, w: Rows<'_>) -> [[i32; 2]; M] {
    let len = x.len.min(w.len);
    let (w0, w1) = (&w.row(0)[..len], &w.row(1)[..len]);
    let mut acc = [[0i32; 2]; M];
    let mut pairs = acc.chunks_exact_mut(2);
    let mut i = 0;
    for pair in &mut pairs {
        let (x0, x1) = (&x.row(i)[..len], &x.row(i + 1)[..len]);
        let (mut a, mut b, mut c, mut d) = (0i32, 0i32, 0i32, 0i32);
        for k in 0..len {
            let (x0, x1, w0, w1) = (x0[k].into(), x1[k].into(), i32::from(w0[k]), i32::from(w1[k]));
            a = a.wrapping_add(i32::wrapping_mul(x0, w0));
            b = b.wrapping_add(i32::wrapping_mul(x0, w1));
            c = c.wrapping_add(i32::wrapping_mul(x1, w0));
            d = d.wrapping_add(i32::wrapping_mul(x1, w1));
        }
        pair.copy_from_slice(&[[a, b], [c, d]]);
        i += 2;
    }
    for last in pairs.into_remainder() {
        let x = &x.row(i)[..len];
        let (mut a, mut b) = (0i32, 0i32);
        for k in 0..len {
            let (x, w0, w1) = (i32::from(x[k]), i32::from(w0[k]), i32::from(w1[k]));
            a = a.wrapping_add(x * w0);
            b = b.wrapping_add(x * w1);
        }
        *last = [a, b];
    }
    acc
}
