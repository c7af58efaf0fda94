//! Depthwise windows in plain Rust: one channel at a time. The rows that an output row reads are widened to scratch,
//! padding included.

use crate::isa::Slide;
use crate::quant::Plain;

/// A window's outputs.
#[inline(never)]
pub(super) fn slide(slide: &Slide<'_>, scratch: &mut [i8], y: &mut [i8]) {
    let Slide { channels, output, kernel, stride, scaling, w, .. } = *slide;
    let taps = kernel[0] * kernel[1];
    let (_, words, _) = bytemuck::pod_align_to_mut::<i8, i32>(scratch);
    let Some((weights, x)) = words.split_at_mut_checked(taps) else { return };
    let room = x.len() / kernel[0];
    let most = (room.saturating_sub(kernel[1]) / stride[1] + 1).min(output[1]);
    let all_plain = scaling.is_plain();
    for c in 0..channels {
        let plain = Plain::of(&scaling, c, all_plain);
        // Indexes rather than steps: iterators that step divide, which small cores cannot.
        let mut from = c;
        for to in weights.iter_mut() {
            *to = w[from].into();
            from += channels;
        }
        for oy in 0..output[0] {
            for first in (0..output[1]).step_by(most) {
                let count = most.min(output[1] - first);
                let width = (count - 1) * stride[1] + kernel[1];
                widen(slide, (oy, first), c, x, width);
                let mut at = (oy * output[1] + first) * channels + c;
                for i in 0..count {
                    let sum = dot(&x[i * stride[1]..], width, weights, kernel);
                    y[at] = match &plain {
                        Some(plain) => plain.apply(sum.wrapping_add(scaling.bias[c])),
                        None => {
                            let mut y = [0];
                            scaling.part(c, 1).apply(&[sum], &mut y);
                            y[0]
                        }
                    };
                    at += channels;
                }
            }
        }
    }
}

/// The rows under the windows of output row `oy` from column `ox` on, in channel `c`, `width` words each.
fn widen(slide: &Slide<'_>, (oy, ox): (usize, usize), c: usize, x: &mut [i32], width: usize) {
    let [height, columns] = slide.image;
    let start = ox * slide.stride[1];
    let left = slide.pads[1].saturating_sub(start).min(width);
    let from = (start + left).saturating_sub(slide.pads[1]);
    let inside = (width - left).min(columns.saturating_sub(from));
    let mut iy = (oy * slide.stride[0]).wrapping_sub(slide.pads[0]);
    for k in 0..slide.kernel[0] {
        let row = &mut x[k * width..(k + 1) * width];
        if iy < height {
            row[..left].fill(slide.zero.into());
            let mut at = (iy * columns + from) * slide.channels + c;
            for to in &mut row[left..left + inside] {
                *to = slide.x[at].into();
                at += slide.channels;
            }
            row[left + inside..].fill(slide.zero.into());
        } else {
            row.fill(slide.zero.into());
        }
        iy = iy.wrapping_add(slide.dilation);
    }
}

/// The products of the taps of one window, whose rows are `width` apart.
#[inline(always)]
fn dot(x: &[i32], width: usize, weights: &[i32], [rows, taps]: [usize; 2]) -> i32 {
    let mut sum = 0i32;
    for k in 0..rows {
        let (x, w) = (&x[k * width..], &weights[k * taps..(k + 1) * taps]);
        if let (&[a, b, c, ..], &[u, v, w]) = (x, w) {
            sum = sum.wrapping_add(a * u).wrapping_add(b * v).wrapping_add(c * w);
        } else {
            sum = x.iter().zip(w).fold(sum, |sum, (x, w)| sum.wrapping_add(x * w));
        }
    }
    sum
}
