//! Convolution whose weights have a zero point. Pointwise ones read the image as it lies; others gather patches to
//! scratch.

use mote_format::{Conv2dAsymmetric, Shape};

use super::asymmetric::matrix;
use super::products::{self, conv_window, patch};
use crate::isa::{Isa, MAX_PIXELS, Rows};
use crate::view::Io;

/// Patches of as many pixels as the widest tile has.
pub(crate) fn scratch(p: &Conv2dAsymmetric, x: &Shape, _: &Shape) -> usize {
    let dims = x.nhwc().unwrap_or([1; 4]);
    let direct = conv_window(&p.layer, dims).is_pointwise() && p.layer.groups == 1;
    if direct { 0 } else { MAX_PIXELS * patch(&p.layer, dims[3]) }
}

pub(crate) fn naive(p: &Conv2dAsymmetric, io: Io<'_>) {
    products::conv2d(&p.layer, p.weight_zero, io);
}

#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, p: &Conv2dAsymmetric, mut io: Io<'_>) {
    let layer = &p.layer;
    let (xd, yd) = (io.x[0].nhwc(), io.y.nhwc());
    let channels = io.channels(layer.bias, &layer.requant);
    let (x, w, window) = (io.x[0].i8s(), io.i8s(layer.weights), conv_window(layer, xd));
    if window.is_pointwise() && layer.groups == 1 {
        let x = Rows { data: x, stride: xd[3], count: xd[0] * xd[1] * xd[2], len: xd[3] };
        let w = Rows { data: w, stride: xd[3], count: yd[3], len: xd[3] };
        return matrix(isa, x, (w, p.weight_zero), &channels, yd[3], io.y.i8s());
    }
    let groups = usize::from(layer.groups);
    let (cin, cout, k) = (xd[3] / groups, yd[3] / groups, patch(layer, xd[3]));
    let zero = io.x[0].quant.zero as i8;
    let patches: &mut [i8] = bytemuck::cast_slice_mut(&mut *io.scratch);
    let y = io.y.i8s();
    for g in 0..groups {
        let channels = channels.part(g * cout, cout);
        let w = Rows { data: &w[g * cout * k..(g + 1) * cout * k], stride: k, count: cout, len: k };
        for (n, oy) in (0..yd[0]).flat_map(|n| (0..yd[1]).map(move |oy| (n, oy))) {
            let x = &x[n * xd[1] * xd[2] * xd[3]..];
            let row = &mut y[(n * yd[1] + oy) * yd[2] * yd[3]..][..yd[2] * yd[3]];
            for ox in (0..yd[2]).step_by(MAX_PIXELS) {
                let count = MAX_PIXELS.min(yd[2] - ox);
                for (i, patch) in patches.chunks_exact_mut(k).take(count).enumerate() {
                    window.gather(x, oy, ox + i, (g * cin, cin), zero, patch);
                }
                let x = Rows { data: patches, stride: k, count, len: k };
                matrix(isa, x, (w, p.weight_zero), &channels, yd[3], &mut row[ox * yd[3] + g * cout..]);
            }
        }
    }
}
