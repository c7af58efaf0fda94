//! Depthwise windows: four channels at a time, whose bytes are one word of each tap. The rows that an output row reads
//! are unpacked to scratch two by two, so that one `smlad` does the taps of two rows; so are the weights.
//!
//! In scratch each pair of taps is four words, one per channel: the tap of the upper row and that of the lower. An odd
//! last row is paired with weights of zero. Columns of padding are written once, as they are the same for all channels.

use core::arch::naked_asm;
use core::mem::offset_of;

use mote_format::Rounding;

use super::pack::{hold, requantize};
use crate::isa::{Isa, Slide, slide_bytes};
use crate::ways;

/// The taps of two rows, or of padding, in four channels.
type Pair = [u32; 4];

/// What four channels need beside their weights.
#[repr(C)]
#[derive(Debug)]
struct Parameters {
    bias: [i32; 4],
    mult: [i32; 4],
    /// The zero point and a half, before the shift.
    add: [i32; 4],
    shift: [i32; 4],
}

/// What the loop works on. Pointers advance from pixel to pixel.
#[repr(C)]
#[derive(Debug)]
struct Run {
    /// Where the next pixel's outputs go; in the raw profile, its sums.
    y: *mut i8,
    /// Pixels to do, at least one.
    count: usize,
    /// The next pixel's first taps.
    x: *const Pair,
    /// Weights of all pairs of taps.
    w: *const Pair,
    /// Bytes from pixel to pixel.
    step: usize,
    /// Outputs from pixel to pixel.
    stride: usize,
    parameters: *const Parameters,
    /// Bytes of the taps of two rows.
    taps: usize,
    /// Bytes from the last taps of two rows to the first of the next two.
    gap: usize,
    /// Pairs of rows.
    rows: usize,
    /// 0: double, 1: single, 2: raw.
    profile: u32,
    /// Whether taps are 2 pairs of rows by 3.
    three: u32,
}

/// One pair of taps in four channels.
macro_rules! tap {
    () => {
        "ldm r0!, {{r4, r5, r6, r7}}
        ldm r1!, {{r2, r3, r12, lr}}
        smlad r8, r4, r2, r8
        smlad r9, r5, r3, r9
        smlad r10, r6, r12, r10
        smlad r11, r7, lr, r11\n"
    };
}

/// Runs along pixels. The arithmetic from sums to outputs is that of `product`.
///
/// # Safety
/// The processor has the DSP extension; taps, weights, parameters and outputs lie where `run` says, the first three
/// aligned, the parameters plain unless the profile is raw.
#[unsafe(naked)]
unsafe extern "C" fn along(run: *mut Run) {
    naked_asm!(
    dsp!(),
            "push {{r0, r4, r5, r6, r7, r8, r9, r10, r11, lr}}
        mov lr, r0
        sub sp, sp, #8
        1:
        ldr r12, [lr, #{parameters}]
        ldr r2, [lr, #{three}]
        ldm r12, {{r8, r9, r10, r11}}
        ldrd r0, r1, [lr, #{x}]
        cmp r2, #0
        beq 4f",
            tap!(),
            tap!(),
            tap!(),
            "ldr r2, [sp, #8]
        ldr r2, [r2, #{gap}]
        add r0, r0, r2",
            tap!(),
            tap!(),
            tap!(),
            "3:
        ldr lr, [sp, #8]
        ldr r12, [lr, #{parameters}]
        ldr r4, [lr, #{profile}]
        add r12, r12, #16
        ldm r12!, {{r0, r1, r2, r3}}
        cmp r4, #1
        bhs 8f
        qadd r8, r8, r8
        qadd r9, r9, r9
        qadd r10, r10, r10
        qadd r11, r11, r11
        smmulr r8, r8, r0
        smmulr r9, r9, r1
        smmulr r10, r10, r2
        smmulr r11, r11, r3
        add r8, r8, r8, asr #31
        add r9, r9, r9, asr #31
        add r10, r10, r10, asr #31
        add r11, r11, r11, asr #31
        6:
        ldm r12!, {{r0, r1, r2, r3}}
        add r8, r8, r0
        add r9, r9, r1
        add r10, r10, r2
        add r11, r11, r3
        ldm r12, {{r0, r1, r2, r3}}
        asr r8, r8, r0
        asr r9, r9, r1
        asr r10, r10, r2
        asr r11, r11, r3
        ssat r8, #8, r8
        ssat r9, #8, r9
        ssat r10, #8, r10
        ssat r11, #8, r11
        ldm lr, {{r0, r1, r2}}
        strb r8, [r0]
        strb r9, [r0, #1]
        strb r10, [r0, #2]
        strb r11, [r0, #3]
        7:
        ldrd r6, r7, [lr, #{step}]
        subs r1, r1, #1
        add r0, r0, r7
        add r2, r2, r6
        stm lr, {{r0, r1, r2}}
        bne 1b
        add sp, sp, #8
        pop {{r0, r4, r5, r6, r7, r8, r9, r10, r11, pc}}
        4:
        ldr r2, [lr, #{rows}]
        ldr r3, [lr, #{taps}]
        5:
        add r3, r3, r0
        strd r2, r3, [sp]
        2:",
            tap!(),
            "ldr r3, [sp, #4]
        cmp r0, r3
        bne 2b
        ldr r2, [sp]
        ldr lr, [sp, #8]
        ldr r4, [lr, #{gap}]
        ldr r3, [lr, #{taps}]
        add r0, r0, r4
        subs r2, r2, #1
        bne 5b
        b 3b
        8:
        bhi 9f
        smmul r8, r8, r0
        smmul r9, r9, r1
        smmul r10, r10, r2
        smmul r11, r11, r3
        b 6b
        9:
        ldm lr, {{r0, r1, r2}}
        stm r0, {{r8, r9, r10, r11}}
        b 7b",
            gap = const offset_of!(Run, gap),
            parameters = const offset_of!(Run, parameters),
            profile = const offset_of!(Run, profile),
            rows = const offset_of!(Run, rows),
            step = const offset_of!(Run, step),
            taps = const offset_of!(Run, taps),
            three = const offset_of!(Run, three),
            x = const offset_of!(Run, x),
        )
}

/// Pairs of taps: `count` words from `a` on and from `b` on, each as far from the next as its `step` says.
///
/// # Safety
/// The processor has the DSP extension; there is room for `count` pairs, one at least.
#[unsafe(naked)]
unsafe extern "C" fn pairs(
    to: *mut Pair,
    a: *const i8,
    b: *const i8,
    a_step: usize,
    b_step: usize,
    count: usize,
) {
    naked_asm!(
        dsp!(),
        "push {{r4, r5, r6, r7, r8, lr}}
        ldr r8, [sp, #24]
        ldr lr, [sp, #28]
        1:
        ldr r4, [r1]
        add r1, r1, r3
        ldr r5, [r2]
        add r2, r2, r8
        subs lr, lr, #1
        pkhbt r12, r4, r5, lsl #16
        pkhtb r7, r5, r4, asr #16
        sxtb16 r4, r12
        sxtb16 r5, r12, ror #8
        sxtb16 r6, r7
        sxtb16 r7, r7, ror #8
        stm r0!, {{r4, r5, r6, r7}}
        bne 1b
        pop {{r4, r5, r6, r7, r8, pc}}"
    )
}

/// Where the parts of the scratch lie, one behind the other.
struct Places {
    parameters: *mut Parameters,
    w: *mut Pair,
    x: *mut Pair,
    /// Columns that have room at `x`.
    columns: usize,
}

impl Places {
    fn of(slide: &Slide<'_>, scratch: &mut [i8]) -> Option<Self> {
        let pairs = slide.kernel[0].div_ceil(2);
        let fixed = slide_bytes(slide.kernel, 0);
        let columns = scratch.len().checked_sub(fixed)? / (pairs * size_of::<Pair>());
        let start = scratch.as_mut_ptr();
        let parameters: *mut Parameters = start.wrapping_add(start.addr().wrapping_neg() & 3).cast();
        let w: *mut Pair = parameters.wrapping_add(1).cast();
        Some(Self { parameters, w, x: w.wrapping_add(pairs * slide.kernel[1]), columns })
    }
}

/// A window's outputs. Where channels are no multiple of four, the last four overlap those before.
#[inline(never)]
pub(super) fn slide<I: Isa>(isa: I, slide: &Slide<'_>, scratch: &mut [i8], y: &mut [i8]) {
    let Slide { channels: c, image: [height, width], output: [rows, cols], .. } = *slide;
    let fits = slide.x.len() >= height * width * c
        && slide.w.len() >= slide.kernel[0] * slide.kernel[1] * c
        && y.len() >= rows * cols * c
        && slide.scaling.bias.len() >= c
        && slide.scaling.mult.len() >= c;
    let Some(places) = Places::of(slide, scratch).filter(|p| fits && c >= 4 && p.columns >= slide.kernel[1])
    else {
        return;
    };
    let most = (places.columns - slide.kernel[1]) / slide.stride[1] + 1;
    for first in (0..cols).step_by(most) {
        Stripe::new(isa, slide, &places, first, most.min(cols - first)).run(y);
    }
    hold(&slide.scaling.output, y);
}

/// Some columns of the output.
struct Stripe<'a, 'b, I> {
    isa: I,
    slide: &'a Slide<'b>,
    places: &'a Places,
    /// The first column, and how many.
    first: usize,
    count: usize,
    /// Columns of the input that it reads: of padding at the left, of the image from `from` on, all.
    left: usize,
    from: usize,
    inside: usize,
    columns: usize,
    /// Whether all channels are plain.
    plain: bool,
    padding: [i8; 4],
}

impl<'a, 'b, I: Isa> Stripe<'a, 'b, I> {
    fn new(isa: I, slide: &'a Slide<'b>, places: &'a Places, first: usize, count: usize) -> Self {
        let columns = (count - 1) * slide.stride[1] + slide.kernel[1];
        let start = first * slide.stride[1];
        let left = slide.pads[1].saturating_sub(start).min(columns);
        let from = (start + left).saturating_sub(slide.pads[1]);
        let inside = (columns - left).min(slide.image[1].saturating_sub(from));
        let (plain, padding) = (isa.is_plain(&slide.scaling), [slide.zero; 4]);
        Self { isa, slide, places, first, count, left, from, inside, columns, plain, padding }
    }

    fn run(&self, y: &mut [i8]) {
        let Slide { kernel, channels, output, stride, scaling, .. } = *self.slide;
        let rows = kernel[0].div_ceil(2);
        for pair in 0..rows {
            let right = self.left + self.inside;
            let at = self.places.x.wrapping_add(pair * self.columns);
            self.pad(at, self.left);
            self.pad(at.wrapping_add(right), self.columns - right);
        }
        let mut run = Run {
            y: y.as_mut_ptr(),
            count: 0,
            x: self.places.x,
            w: self.places.w,
            step: stride[1] * size_of::<Pair>(),
            stride: channels,
            parameters: self.places.parameters,
            taps: kernel[1] * size_of::<Pair>(),
            gap: (self.columns - kernel[1]) * size_of::<Pair>(),
            rows,
            profile: u32::from(scaling.output.round == Rounding::Single),
            three: u32::from(rows == 2 && kernel[1] == 3),
        };
        for c in (0..channels).step_by(4) {
            let c = c.min(channels - 4);
            self.weights(c);
            let plain = self.parameters(c);
            for oy in 0..output[0] {
                let at = (oy * output[1] + self.first) * channels + c;
                for pair in 0..rows {
                    self.rows(oy, pair, c);
                }
                run.x = self.places.x;
                if plain {
                    (run.y, run.count) = (y[at..].as_mut_ptr(), self.count);
                    // SAFETY: the scratch has the taps of `count` pixels and the weights; the outputs of these pixels,
                    // `channels` apart, lie in `y`, whose length was checked; parameters are plain.
                    unsafe { along(&mut run) };
                } else if self.isa.may(ways::LONG) {
                    self.one_by_one(&mut run, c, &mut y[at..]);
                }
            }
        }
    }

    /// Columns of padding.
    #[inline(never)]
    fn pad(&self, to: *mut Pair, count: usize) {
        if count > 0 {
            let padding = self.padding.as_ptr();
            // SAFETY: the columns of a stripe have room in the scratch.
            unsafe { pairs(to, padding, padding, 0, 0, count) };
        }
    }

    /// Unpacks the two rows that the pair of rows of taps reads at output row `oy`, in the channels from `c` on.
    #[inline(never)]
    fn rows(&self, oy: usize, pair: usize, c: usize) {
        if self.inside == 0 {
            return;
        }
        let Slide { x, image, channels, stride, dilation, pads, .. } = *self.slide;
        let row = |at: usize| {
            if at < image[0] {
                (x.as_ptr().wrapping_add((at * image[1] + self.from) * channels + c), channels)
            } else {
                (self.padding.as_ptr(), 0)
            }
        };
        let upper = (oy * stride[0] + 2 * pair * dilation).wrapping_sub(pads[0]);
        let ((a, a_step), (b, b_step)) = (row(upper), row(upper.wrapping_add(dilation)));
        let to = self.places.x.wrapping_add(pair * self.columns + self.left);
        // SAFETY: `inside` columns from `from` on are in the image's row, whose length was checked, each with four
        // channels from `c` on; the scratch has room.
        unsafe { pairs(to, a, b, a_step, b_step, self.inside) };
    }

    /// Unpacks the weights of four channels.
    #[inline(never)]
    fn weights(&self, c: usize) {
        let Slide { w, kernel, channels, .. } = *self.slide;
        let row = kernel[1] * channels;
        for pair in 0..kernel[0].div_ceil(2) {
            let upper = w[2 * pair * row + c..].as_ptr();
            let odd = 2 * pair + 1 == kernel[0];
            let lower =
                if odd { ([0i8; 4].as_ptr(), 0) } else { (w[(2 * pair + 1) * row + c..].as_ptr(), channels) };
            let to = self.places.w.wrapping_add(pair * kernel[1]);
            // SAFETY: weights of `kernel[1]` taps are in each row, with four channels from `c` on; the scratch has room.
            unsafe { pairs(to, upper, lower.0, channels, lower.1, kernel[1]) };
        }
    }

    /// Unpacks the parameters of four channels; whether they are plain.
    #[inline(never)]
    fn parameters(&self, c: usize) -> bool {
        let scaling = &self.slide.scaling;
        // SAFETY: the scratch has room for the parameters, from its first aligned word on; any bytes are integers.
        let parameters = unsafe { &mut *self.places.parameters };
        let plain = self.plain || self.isa.is_plain(&scaling.part(c, 4));
        let single = i32::from(scaling.output.round == Rounding::Single);
        let twice = 2 * scaling.output.zero + 1;
        for i in 0..4 {
            let n = c + i;
            parameters.mult[i] = scaling.mult[n];
            if plain {
                let right = -(i32::from(scaling.shift[n]) + single);
                parameters.bias[i] = scaling.bias[n];
                (parameters.add[i], parameters.shift[i]) = (twice << (right - 1), right);
            } else {
                parameters.bias[i] = 0;
            }
        }
        plain
    }

    /// A row's outputs by way of raw sums.
    #[inline(never)]
    fn one_by_one(&self, run: &mut Run, c: usize, y: &mut [i8]) {
        let profile = core::mem::replace(&mut run.profile, 2);
        for i in 0..self.count {
            let mut sums = [0i32; 4];
            (run.y, run.count) = (sums.as_mut_ptr().cast(), 1);
            // SAFETY: as of a whole run; four sums are written.
            unsafe { along(run) };
            requantize(&sums, &self.slide.scaling.part(c, 4), &mut y[i * run.stride..][..4]);
        }
        run.profile = profile;
    }
}
