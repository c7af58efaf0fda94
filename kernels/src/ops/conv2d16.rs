//! Convolution of int16 values: the patch under the window times the weights of each channel. A pointwise convolution
//! reads the image as it lies; others collect their patches in scratch.

use mote_format::{Conv2d16, Shape};

use super::dots16::outputs;
use super::products16::{self, conv_window, place};
use crate::isa::Isa;
use crate::sums16::word;
use crate::view::{Io, Word};

/// One group's patch.
pub(crate) fn scratch(p: &Conv2d16, x: &Shape, _: &Shape) -> usize {
    let values = usize::from(p.kh) * usize::from(p.kw) * x.channels() / usize::from(p.groups);
    let direct = p.groups == 1 && conv_window(p, [0; 4]).is_pointwise();
    if direct { 0 } else { 2 * values }
}

pub(crate) fn naive(p: &Conv2d16, io: Io<'_>) {
    products16::conv2d(p, io);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &Conv2d16, mut io: Io<'_>) {
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let (x, w, sums) = (io.x[0].words(), io.i8s(p.weights), io.sums16(p.bias, &p.requant));
    let (window, groups) = (conv_window(p, xd), usize::from(p.groups));
    let (cin, cout, direct) = (xd[3] / groups, yd[3] / groups, groups == 1 && window.is_pointwise());
    let k = window.kernel[0] * window.kernel[1] * cin;
    let patch: &mut [Word] = io.scratch.as_chunks_mut().0;
    for (pixel, y) in io.y.words().chunks_exact_mut(yd[3]).enumerate() {
        let [n, oy, ox, _] = place(pixel * yd[3], yd);
        for (g, (y, w)) in y.chunks_exact_mut(cout).zip(w.chunks_exact(cout * k)).enumerate() {
            let x = if direct {
                &x[pixel * cin..][..cin]
            } else {
                window.patch(&x[n * xd[1] * xd[2] * xd[3]..], oy, ox, (g * cin, cin), |at, len, x| {
                    let to = &mut patch[at..at + len];
                    match x {
                        Some(x) => to.copy_from_slice(x),
                        None => to.fill(word(0)),
                    }
                });
                &patch[..k]
            };
            outputs(isa, x, w, y, |o, dots, y| sums.apply(g * cout + o, dots, y));
        }
    }
}
