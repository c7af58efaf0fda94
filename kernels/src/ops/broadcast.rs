//! Element-wise functions of two inputs, either of which may repeat along dimensions of length 1.

use bytemuck::Pod;

use crate::view::{In, Io, View};

/// A function of two elements. A trait rather than a closure, so that the loops below can insist on inlining it.
pub(super) trait Pairwise<T = i8> {
    /// The output for one element of each input.
    fn at(&self, a: T, b: T) -> T;
}

/// `y = f(a, b)` for every element of the output.
#[inline(always)]
pub(super) fn zip<T: Pod>(io: &mut Io<'_>, f: &impl Pairwise<T>) {
    if io.x[0].shape != io.y.shape || io.x[1].shape != io.y.shape {
        return naive(io, f);
    }
    let (a, b) = (io.x[0].values(), io.x[1].values());
    let y: &mut [T] = bytemuck::cast_slice_mut(io.y.bytes);
    match (a, b) {
        (In::Apart(a), In::Apart(b)) => {
            y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (&a, &b))| *y = f.at(a, b));
        }
        (In::Same, In::Apart(b)) => y.iter_mut().zip(b).for_each(|(y, &b)| *y = f.at(*y, b)),
        (In::Apart(a), In::Same) => y.iter_mut().zip(a).for_each(|(y, &a)| *y = f.at(a, *y)),
        (In::Same, In::Same) => y.iter_mut().for_each(|y| *y = f.at(*y, *y)),
    }
}

/// The definition: each element found by its index. Also what runs where an input repeats.
#[inline(never)]
pub(super) fn naive<T: Pod>(io: &mut Io<'_>, f: &dyn Pairwise<T>) {
    let dims = io.y.nhwc();
    let find = |x: &View<'_>, y: &[T], i: usize| {
        let at = [
            i / dims[3] / dims[2] / dims[1],
            i / dims[3] / dims[2] % dims[1],
            i / dims[3] % dims[2],
            i % dims[3],
        ];
        let from = at.iter().zip(x.nhwc()).fold(0, |n, (&a, d)| n * d + a.min(d - 1));
        bytemuck::cast_slice(x.bytes.unwrap_or(&[])).get(from).copied().unwrap_or(y[i])
    };
    let (a, b) = (io.x[0], io.x[1]);
    let y: &mut [T] = bytemuck::cast_slice_mut(io.y.bytes);
    for i in 0..y.len() {
        y[i] = f.at(find(&a, y, i), find(&b, y, i));
    }
}
