//! Element-wise functions of two inputs, either of which may repeat along dimensions of length 1.

use crate::view::{In, Io, View};

/// `y = f(a, b)` for every element of the output, row of channels by row of channels.
#[inline(always)]
pub(super) fn zip(io: &mut Io<'_>, f: impl Fn(i8, i8) -> i8) {
    let dims = io.y.nhwc();
    let strides = [strides(io.x[0].nhwc()), strides(io.x[1].nhwc())];
    let values = [io.x[0].values(), io.x[1].values()];
    let rows = dims[0] * dims[1] * dims[2];
    for (r, y) in io.y.i8s().chunks_exact_mut(dims[3]).enumerate().take(rows) {
        let at = [r / dims[2] / dims[1], r / dims[2] % dims[1], r % dims[2]];
        let row = |i: usize| -> usize { at.iter().zip(strides[i]).map(|(a, s)| a * s).sum() };
        let step = [strides[0][3], strides[1][3]];
        match values {
            [In::Apart(a), In::Apart(b)] => {
                let (a, b) = (&a[row(0)..], &b[row(1)..]);
                for (c, y) in y.iter_mut().enumerate() {
                    *y = f(a[c * step[0]], b[c * step[1]]);
                }
            }
            [In::Same, In::Apart(b)] => {
                let b = &b[row(1)..];
                y.iter_mut().enumerate().for_each(|(c, y)| *y = f(*y, b[c * step[1]]));
            }
            [In::Apart(a), In::Same] => {
                let a = &a[row(0)..];
                y.iter_mut().enumerate().for_each(|(c, y)| *y = f(a[c * step[0]], *y));
            }
            [In::Same, In::Same] => y.iter_mut().for_each(|y| *y = f(*y, *y)),
        }
    }
}

/// The definition: `y = f(a, b)`, each element found by its index.
pub(super) fn naive(io: &mut Io<'_>, f: impl Fn(i8, i8) -> i8) {
    let dims = io.y.nhwc();
    let find = |x: &View<'_>, y: &[i8], i: usize| {
        let at = [
            i / dims[3] / dims[2] / dims[1],
            i / dims[3] / dims[2] % dims[1],
            i / dims[3] % dims[2],
            i % dims[3],
        ];
        let from = at.iter().zip(x.nhwc()).fold(0, |n, (&a, d)| n * d + a.min(d - 1));
        x.i8s().get(from).copied().unwrap_or(y[i])
    };
    let (a, b) = (io.x[0], io.x[1]);
    let y = io.y.i8s();
    for i in 0..y.len() {
        y[i] = f(find(&a, y, i), find(&b, y, i));
    }
}

/// Elements from one index to the next along each dimension; 0 where the input repeats.
fn strides([n, h, w, c]: [usize; 4]) -> [usize; 4] {
    let mut strides = [h * w * c, w * c, c, 1];
    for (stride, length) in strides.iter_mut().zip([n, h, w, c]) {
        *stride *= usize::from(length > 1);
    }
    strides
}
