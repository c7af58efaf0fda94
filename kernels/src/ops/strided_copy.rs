//! Elements taken at regular steps: slices, reversals, blocks.

use mote_format::{Shape, StridedCopy};

use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &StridedCopy, _: &Shape, _: &Shape) -> usize {
    0
}

pub(crate) fn naive(p: &StridedCopy, io: Io<'_>) {
    let (x, size) = (io.x[0].bytes.unwrap_or(&[]), io.y.bytes.len() / io.y.shape.elements());
    for (i, y) in io.y.bytes.chunks_exact_mut(size).enumerate() {
        let (mut rest, mut at) = (i, i64::from(p.start));
        for (&dim, &step) in p.dims.iter().zip(&p.steps).rev() {
            at += (rest % dim as usize) as i64 * i64::from(step);
            rest /= dim as usize;
        }
        y.copy_from_slice(&x[at as usize * size..][..size]);
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &StridedCopy, io: Io<'_>) {
    let x = io.x[0].bytes.unwrap_or(&[]);
    match io.y.bytes.len() / io.y.shape.elements() {
        1 => walk::<1>(p, x, io.y.bytes),
        2 => walk::<2>(p, x, io.y.bytes),
        _ => walk::<4>(p, x, io.y.bytes),
    }
}

/// As an odometer over all dimensions but the innermost, whose neighbours are copied together. Positions wrap on their
/// way, never where they are used.
#[inline(always)]
fn walk<const SIZE: usize>(p: &StridedCopy, x: &[u8], y: &mut [u8]) {
    let ([outer @ .., inner], [steps @ .., step]) = (&p.dims, &p.steps);
    let (mut at, mut from) = ([0u32; 5], p.start as usize);
    for row in y.chunks_exact_mut(*inner as usize * SIZE) {
        if *step == 1 {
            row.copy_from_slice(&x[from * SIZE..][..row.len()]);
        } else {
            let mut place = from;
            for y in row.chunks_exact_mut(SIZE) {
                y.copy_from_slice(&x[place.wrapping_mul(SIZE)..][..SIZE]);
                place = place.wrapping_add_signed(*step as isize);
            }
        }
        for d in (0..outer.len()).rev() {
            at[d] += 1;
            from = from.wrapping_add_signed(steps[d] as isize);
            if at[d] < outer[d] {
                break;
            }
            from = from.wrapping_sub((outer[d] as usize).wrapping_mul(steps[d] as usize));
            at[d] = 0;
        }
    }
}
