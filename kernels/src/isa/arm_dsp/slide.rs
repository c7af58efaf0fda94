//! Depthwise windows: four channels at a time, whose bytes are one word of each tap. The rows that an output row reads
//! are unpacked to scratch two by two, so that one `smlad` does the taps of two rows; so are the weights.
//!
//! In scratch each pair of taps is four words, one per channel: the tap of the upper row and that of the lower. An odd
//! last row is paired with weights of zero. Columns of padding are written once, as they are the same for all channels.
//! The parameters of four channels lie in scratch, too.

use core::arch::naked_asm;
use core::mem::offset_of;

use mote_format::Rounding;

use super::pack::{hold, requantize};
use crate::isa::{Isa, Slide, slide_bytes};
use crate::quant::Channels;
use crate::ways;

/// The taps of two rows, or of padding, in four channels.
type Pair = [u32; 4];

/// How the sums of four channels become outputs. The loop reads the fields in the order in which they stand.
#[repr(C)]
#[derive(Debug)]
struct Parameters {
    bias: [i32; 4],
    /// In profile double twice as much, modulo 2³²; `product` says why.
    mult: [i32; 4],
    /// The zero point and a half, before the shift.
    add: [i32; 4],
    shift: [i32; 4],
}

/// What the loop works on: a copy lies on its stack, whose first two pointers advance from pixel to pixel. The loop reads
/// the fields in the order in which they stand.
#[repr(C)]
#[derive(Debug)]
struct Run {
    /// Where the next pixel's outputs go; in the raw profile, the one pixel's sums.
    y: *mut i8,
    /// The next pixel's first taps.
    x: *const Pair,
    /// Weights of all pairs of taps.
    w: *const Pair,
    parameters: *mut Parameters,
    /// Where `y` is when all pixels are done.
    y_end: *mut i8,
    /// Outputs from pixel to pixel.
    stride: usize,
    /// Bytes from the end of a pixel's taps to the next one's first, modulo 2³².
    back: usize,
    /// Bytes from the last taps of two rows to the first of the next two.
    gap: usize,
    /// Bytes of the taps of two rows.
    taps: usize,
    /// Pairs of rows.
    rows: usize,
    /// 0: double, 1: single, 2: raw. The loop makes an address of it.
    profile: u32,
    /// Whether taps are 2 pairs of rows by 3. The loop makes an address of it.
    three: u32,
    /// The loop's own.
    own: [usize; 2],
}

/// One pair of taps in four channels.
macro_rules! tap {
    () => {
        "ldm r1!, {{r4, r5, r6, r7}}
        ldm r2!, {{r0, r3, r12, lr}}
        smlad r8, r4, r0, r8
        smlad r9, r5, r3, r9
        smlad r10, r6, r12, r10
        smlad r11, r7, lr, r11\n"
    };
}

/// Runs along pixels. The arithmetic from sums to outputs is that of `product`.
///
/// # Safety
/// The processor has the DSP extension; taps, weights and outputs lie where `run` says, the first two aligned; parameters
/// are plain unless the profile is raw. There is one pixel at least.
#[unsafe(naked)]
unsafe extern "C" fn along(run: *const Run) {
    naked_asm!(
        dsp!(),
        "push {{r4, r5, r6, r7, r8, r9, r10, r11, lr}}
        sub sp, sp, #8
        add r12, r0, #16
        ldm r12, {{r4, r5, r6, r7, r8, r9, r10, r11}}
        push {{r4, r5, r6, r7, r8, r9, r10, r11}}
        ldm r0, {{r4, r5, r6, r7}}
        push {{r4, r5, r6, r7}}
        ldrd r0, r1, [sp, #{profile}]
        adr.w r2, 10f
        cbz r0, 3f
        adr.w r2, 11f
        cmp r0, #1
        beq 3f
        adr.w r2, 12f
        3:
        adr.w r3, 4f
        cbz r1, 3f
        adr.w r3, 2f
        3:
        orr r2, r2, #1
        orr r3, r3, #1
        strd r2, r3, [sp, #{profile}]
        1:
        ldm sp, {{r0, r1, r2, lr}}
        ldm lr, {{r8, r9, r10, r11}}
        ldr pc, [sp, #{profile} + 4]
        2:",
        tap!(),
        tap!(),
        tap!(),
        "ldr r0, [sp, #{gap}]
        add r1, r1, r0",
        tap!(),
        tap!(),
        tap!(),
        "ldr pc, [sp, #{profile}]
        4:
        ldr r3, [sp, #{rows}]
        5:
        ldr r4, [sp, #{taps}]
        add r4, r4, r1
        strd r3, r4, [sp, #{own}]
        3:",
        tap!(),
        "ldr r0, [sp, #{own} + 4]
        cmp r1, r0
        bne 3b
        ldr r3, [sp, #{own}]
        ldr r0, [sp, #{gap}]
        add r1, r1, r0
        subs r3, r3, #1
        bne 5b
        ldr pc, [sp, #{profile}]
        11:
        ldr lr, [sp, #{parameters}]
        add lr, lr, #16
        ldm lr!, {{r2, r3, r4, r5}}
        ldm lr!, {{r0, r6, r7, r12}}
        smmla r8, r8, r2, r0
        smmla r9, r9, r3, r6
        smmla r10, r10, r4, r7
        smmla r11, r11, r5, r12
        b 6f
        10:
        ldr lr, [sp, #{parameters}]
        add lr, lr, #16
        ldm lr!, {{r2, r3, r4, r5}}
        smmlar r8, r8, r2, r8
        smmlar r9, r9, r3, r9
        smmlar r10, r10, r4, r10
        smmlar r11, r11, r5, r11
        ldm lr!, {{r2, r3, r4, r5}}
        add r8, r8, r8, asr #31
        add r9, r9, r9, asr #31
        add r10, r10, r10, asr #31
        add r11, r11, r11, asr #31
        qadd r8, r8, r2
        qadd r9, r9, r3
        qadd r10, r10, r4
        qadd r11, r11, r5
        6:
        ldm lr!, {{r2, r3, r4, r5}}
        asr r8, r8, r2
        asr r9, r9, r3
        asr r10, r10, r4
        asr r11, r11, r5
        ssat r8, #8, r8
        ssat r9, #8, r9
        ssat r10, #8, r10
        ssat r11, #8, r11
        add lr, sp, #{y_end}
        ldm lr, {{r2, r3, r4}}
        ldr r0, [sp]
        strb r8, [r0]
        strb r9, [r0, #1]
        strb r10, [r0, #2]
        strb r11, [r0, #3]
        add r0, r0, r3
        add r1, r1, r4
        strd r0, r1, [sp]
        cmp r0, r2
        bne 1b
        7:
        add sp, sp, #{size}
        pop {{r4, r5, r6, r7, r8, r9, r10, r11, pc}}
        12:
        ldr r0, [sp]
        stm r0, {{r8, r9, r10, r11}}
        b 7b",
        gap = const offset_of!(Run, gap),
        own = const offset_of!(Run, own),
        parameters = const offset_of!(Run, parameters),
        profile = const offset_of!(Run, profile),
        rows = const offset_of!(Run, rows),
        size = const size_of::<Run>(),
        taps = const offset_of!(Run, taps),
        y_end = const offset_of!(Run, y_end),
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

/// As [`pairs`], of one row: what stands in place of the tap of the lower row is arbitrary.
///
/// # Safety
/// As of [`pairs`].
#[unsafe(naked)]
unsafe extern "C" fn halves(to: *mut Pair, a: *const i8, step: usize, count: usize) {
    naked_asm!(
        dsp!(),
        "push {{r4, r5, r6, r7, r8, lr}}
        1:
        ldr r12, [r1]
        add r1, r1, r2
        subs r3, r3, #1
        sxtb16 r4, r12
        sxtb16 r5, r12, ror #8
        sxtb16 r6, r12, ror #16
        sxtb16 r7, r12, ror #24
        stm r0!, {{r4, r5, r6, r7}}
        bne 1b
        pop {{r4, r5, r6, r7, r8, pc}}"
    )
}

/// Puts down the parameters of four channels.
///
/// # Safety
/// There are four of each, and room for them; the channels are plain, in profile single or double.
#[unsafe(naked)]
unsafe extern "C" fn parameters(
    to: *mut Parameters,
    bias: *const i32,
    mult: *const i32,
    shift: *const i8,
    twice: i32,
    single: usize,
) {
    naked_asm!(
        "push {{r4, r5, r6, r7, r8, lr}}
        ldm r1, {{r4, r5, r6, r7}}
        stm r0!, {{r4, r5, r6, r7}}
        ldrd r8, r1, [sp, #24]
        ldm r2, {{r4, r5, r6, r7}}
        cbnz r1, 2f
        lsls r4, r4, #1
        lsls r5, r5, #1
        lsls r6, r6, #1
        lsls r7, r7, #1
        2:
        stm r0!, {{r4, r5, r6, r7}}
        movs r6, #4
        1:
        ldrsb r4, [r3], #1
        mvns r4, r4
        subs r4, r4, r1
        lsl r5, r8, r4
        adds r4, r4, #1
        str r4, [r0, #16]
        str r5, [r0], #4
        subs r6, r6, #1
        bne 1b
        pop {{r4, r5, r6, r7, r8, pc}}"
    )
}

/// Where the parts of the scratch lie, one behind the other.
struct Places {
    w: *mut Pair,
    parameters: *mut Parameters,
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
        let w: *mut Pair = start.wrapping_add(start.addr().wrapping_neg() & 3).cast();
        let parameters: *mut Parameters = w.wrapping_add(pairs * slide.kernel[1]).cast();
        Some(Self { w, parameters, x: parameters.wrapping_add(1).cast(), columns })
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
    hold(isa, &slide.scaling.output, y);
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
        let three = rows == 2 && kernel[1] == 3;
        let (step, row) = (stride[1] * size_of::<Pair>(), self.columns * size_of::<Pair>());
        let taps = kernel[1] * size_of::<Pair>();
        let mut run = Run {
            y: y.as_mut_ptr(),
            x: self.places.x,
            w: self.places.w,
            parameters: self.places.parameters,
            y_end: y.as_mut_ptr(),
            stride: channels,
            back: step.wrapping_sub(if three { row + taps } else { rows * row }),
            gap: row - taps,
            taps,
            rows,
            profile: u32::from(scaling.output.round == Rounding::Single),
            three: three.into(),
            own: [0; 2],
        };
        for c in (0..channels).step_by(4) {
            let c = c.min(channels - 4);
            self.weights(c);
            let plain = self.parameters(c);
            let mut at = self.first * channels + c;
            for oy in 0..output[0] {
                self.rows(oy, c);
                let y = &mut y[at..];
                if plain {
                    run.y = y.as_mut_ptr();
                    run.y_end = run.y.wrapping_add(self.count * channels);
                    // SAFETY: the scratch has the taps of `count` pixels and the weights; the outputs of these pixels,
                    // `channels` apart, lie in `y`, whose length was checked; parameters are plain.
                    unsafe { along(&run) };
                } else if self.isa.may(ways::LONG) {
                    self.one_by_one(&mut run, c, y);
                }
                at += output[1] * channels;
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

    /// Unpacks the rows that output row `oy` reads, in the channels from `c` on.
    #[inline(never)]
    fn rows(&self, oy: usize, c: usize) {
        let Slide { x, image, channels, kernel, stride, dilation, pads, .. } = *self.slide;
        if self.inside == 0 {
            return;
        }
        let row = |at: usize| {
            if at < image[0] {
                (x.as_ptr().wrapping_add((at * image[1] + self.from) * channels + c), channels)
            } else {
                (self.padding.as_ptr(), 0)
            }
        };
        let mut upper = (oy * stride[0]).wrapping_sub(pads[0]);
        let mut to = self.places.x.wrapping_add(self.left);
        let mut left = kernel[0];
        while left > 0 {
            let (a, a_step) = row(upper);
            let lower = upper.wrapping_add(dilation);
            // SAFETY: `inside` columns from `from` on are in the image's row, whose length was checked, each with four
            // channels from `c` on; the scratch has room. Weights of an absent lower row are zero.
            unsafe {
                if left == 1 {
                    halves(to, a, a_step, self.inside);
                    return;
                }
                let (b, b_step) = row(lower);
                pairs(to, a, b, a_step, b_step, self.inside);
            }
            to = to.wrapping_add(self.columns);
            (upper, left) = (lower.wrapping_add(dilation), left - 2);
        }
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

    /// The parameters of four channels; whether they are plain.
    #[inline(never)]
    fn parameters(&self, c: usize) -> bool {
        let Channels { bias, mult, shift, output } = self.slide.scaling;
        if !self.plain && !self.isa.is_plain(&self.slide.scaling.part(c, 4)) || shift.len() < c + 4 {
            return false;
        }
        let single = usize::from(output.round == Rounding::Single);
        let twice = 2 * output.zero + 1;
        let [bias, mult] = [&bias[c..], &mult[c..]].map(<[i32]>::as_ptr);
        // SAFETY: there are four of each; `slide` has checked the first two. The scratch has room.
        unsafe { parameters(self.places.parameters, bias, mult, shift[c..].as_ptr(), twice, single) };
        true
    }

    /// A row's outputs by way of raw sums.
    #[inline(never)]
    fn one_by_one(&self, run: &mut Run, c: usize, y: &mut [i8]) {
        let profile = core::mem::replace(&mut run.profile, 2);
        // SAFETY: the scratch has room for parameters, and is aligned there.
        unsafe { (&raw mut (*run.parameters).bias).write([0; 4]) };
        for i in 0..self.count {
            let mut sums = [0i32; 4];
            run.y = sums.as_mut_ptr().cast();
            // SAFETY: as of a whole run; four sums are written.
            unsafe { along(run) };
            run.x = run.x.wrapping_add(self.slide.stride[1]);
            requantize(&sums, &self.slide.scaling.part(c, 4), &mut y[i * run.stride..][..4]);
        }
        (run.profile, run.x) = (profile, self.places.x);
    }
}
