//! Depthwise windows in plain Rust: one channel at a time. The rows that an output row reads are widened to scratch;
//! columns of padding are written once, as they are the same for all channels.

#![allow(unsafe_code)]

use crate::isa::{Isa, Slide};
use crate::quant::Plain;
use crate::ways;

/// A window's outputs.
#[inline(never)]
pub(super) fn slide(isa: impl Isa, slide: &Slide<'_>, scratch: &mut [i8], y: &mut [i8]) {
    let Slide { channels, image, output, kernel, stride, .. } = *slide;
    let (_, words, _) = bytemuck::pod_align_to_mut::<i8, i32>(scratch);
    let fits = slide.x.len() >= image[0] * image[1] * channels
        && slide.w.len() >= kernel[0] * kernel[1] * channels
        && y.len() >= output[0] * output[1] * channels;
    let Some((w, x)) = words.split_at_mut_checked(kernel[0] * kernel[1]).filter(|_| fits) else { return };
    let room = x.len() / kernel[0];
    if room < kernel[1] {
        return;
    }
    let most = (room - kernel[1]) / stride[1] + 1;
    for first in (0..output[1]).step_by(most) {
        let count = most.min(output[1] - first);
        Stripe::new(slide, first, count).run(isa, w, x, y);
    }
}

/// Some columns of the output.
struct Stripe<'a, 'b> {
    slide: &'a Slide<'b>,
    first: usize,
    count: usize,
    /// Columns of the input that it reads: of padding at the left, of the image from `from` on, all.
    left: usize,
    from: usize,
    inside: usize,
    width: usize,
}

impl<'a, 'b> Stripe<'a, 'b> {
    fn new(slide: &'a Slide<'b>, first: usize, count: usize) -> Self {
        let width = (count - 1) * slide.stride[1] + slide.kernel[1];
        let start = first * slide.stride[1];
        let left = slide.pads[1].saturating_sub(start).min(width);
        let from = (start + left).saturating_sub(slide.pads[1]);
        let inside = (width - left).min(slide.image[1].saturating_sub(from));
        Self { slide, first, count, left, from, inside, width }
    }

    fn run(&self, isa: impl Isa, w: &mut [i32], x: &mut [i32], y: &mut [i8]) {
        let Slide { channels, kernel, output, scaling, .. } = *self.slide;
        let x = &mut x[..kernel[0] * self.width];
        x.fill(self.slide.zero.into());
        let all = isa.is_plain(&scaling);
        for c in 0..channels {
            // Indexes rather than steps: iterators that step divide, which small cores cannot.
            let mut from = c;
            for to in w.iter_mut() {
                *to = self.slide.w[from].into();
                from += channels;
            }
            let plain = Plain::of(&scaling, c, all);
            let bias = scaling.bias[c];
            for oy in 0..output[0] {
                self.widen(oy, c, x);
                let at = (oy * output[1] + self.first) * channels + c;
                let finish = |sum: i32| match &plain {
                    Some(plain) => plain.apply(sum.wrapping_add(bias)),
                    None if !isa.may(ways::LONG) => 0,
                    None => {
                        let mut y = [0];
                        scaling.part(c, 1).apply(&[sum], &mut y);
                        y[0]
                    }
                };
                // A choice made here is none that the loop has to make.
                if kernel == [3, 3] {
                    self.outputs::<3>(x, w, &mut y[at..], finish);
                } else {
                    self.outputs::<0>(x, w, &mut y[at..], finish);
                }
            }
        }
    }

    /// The rows under the windows of output row `oy`, in channel `c`.
    #[inline(always)]
    fn widen(&self, oy: usize, c: usize, x: &mut [i32]) {
        let Slide { channels, image, kernel, zero, .. } = *self.slide;
        let mut iy = (oy * self.slide.stride[0]).wrapping_sub(self.slide.pads[0]);
        let mut to = self.left;
        for _ in 0..kernel[0] {
            let row = &mut x[to..to + self.inside];
            if iy < image[0] {
                let mut from = (iy * image[1] + self.from) * channels + c;
                for to in row {
                    // SAFETY: a pixel of the image and one of its channels; the image's length was checked.
                    *to = unsafe { *self.slide.x.get_unchecked(from) }.into();
                    from += channels;
                }
            } else {
                row.fill(zero.into());
            }
            to += self.width;
            iy = iy.wrapping_add(self.slide.dilation);
        }
    }

    /// A row's outputs, `channels` apart; kernels are `N` by `N` unless that is 0.
    #[inline(always)]
    fn outputs<const N: usize>(&self, x: &[i32], w: &[i32], y: &mut [i8], finish: impl Fn(i32) -> i8) {
        let Slide { channels, kernel, stride, .. } = *self.slide;
        let (mut at, mut start) = (0, 0);
        for _ in 0..self.count {
            // SAFETY: the last window ends with the last column of `x`, which has `kernel[0]` rows of `width`; weights
            // are as many as taps.
            let sum = unsafe {
                let x = x.get_unchecked(start..);
                dot::<N>(x, self.width, w, kernel[1])
            };
            // SAFETY: a pixel of the output; its length was checked.
            unsafe { *y.get_unchecked_mut(at) = finish(sum) };
            at += channels;
            start += stride[1];
        }
    }
}

/// The products of the taps of one window, whose rows are `width` apart; 3 by 3 taps where `N` is 3. They are written out,
/// so that they are no loop either where the program is optimized for size.
///
/// # Safety
/// There are as many rows of `taps` values as there are of weights.
#[inline(always)]
unsafe fn dot<const N: usize>(x: &[i32], width: usize, w: &[i32], taps: usize) -> i32 {
    // SAFETY: the caller's promise.
    let product = |row: usize, k: usize| unsafe { *x.get_unchecked(row) * *w.get_unchecked(k) };
    if N == 3 {
        let line = |row, k| {
            let [a, b, c] = [product(row, k), product(row + 1, k + 1), product(row + 2, k + 2)];
            a.wrapping_add(b).wrapping_add(c)
        };
        return line(0, 0).wrapping_add(line(width, 3)).wrapping_add(line(2 * width, 6));
    }
    let (mut sum, mut row, mut k) = (0i32, 0, 0);
    while k < w.len() {
        for i in 0..taps {
            sum = sum.wrapping_add(product(row + i, k + i));
        }
        row += width;
        k += taps;
    }
    sum
}
