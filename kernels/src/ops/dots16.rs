//! Rows of int16 values times rows of weights, of any length.

use crate::isa::{BLOCK, Isa, WIDE};
use crate::view::Word;

/// The outputs of one pixel: the exact dot products of its values with each row of weights, and what `apply` makes of
/// those from some row on.
#[inline(always)]
pub(super) fn outputs<I: Isa>(
    isa: I,
    x: &[Word],
    w: &[i8],
    y: &mut [Word],
    apply: impl Fn(usize, &[i64], &mut [Word]),
) {
    for (block, (w, y)) in w.chunks(BLOCK * x.len()).zip(y.chunks_mut(BLOCK)).enumerate() {
        let mut sums = [0; BLOCK];
        for (sums, w) in sums.chunks_mut(2).zip(w.chunks(2 * x.len())) {
            // A last row alone is taken twice.
            let rows = [&w[..x.len()], &w[w.len() - x.len()..]];
            let dots = if x.len() <= WIDE { isa.dot16(x, rows).map(i64::from) } else { long(isa, x, rows) };
            sums.copy_from_slice(&dots);
        }
        apply(block * BLOCK, &sums[..y.len()], y);
    }
}

/// Dot products of more values than a micro-kernel takes.
fn long<I: Isa>(isa: I, x: &[Word], [first, second]: [&[i8]; 2]) -> [i64; 2] {
    let mut sums = [0i64; 2];
    for (x, (first, second)) in x.chunks(WIDE).zip(first.chunks(WIDE).zip(second.chunks(WIDE))) {
        let dots = isa.dot16(x, [first, second]);
        sums.iter_mut().zip(dots).for_each(|(sum, dot)| *sum += i64::from(dot));
    }
    sums
}
