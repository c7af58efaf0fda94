//! Cortex-M with the DSP extension (M4, M7, M33): two products an instruction. Bytes are widened in pairs by
//! `sxtb16` and multiplied by `smlad`. By `asm!`, since `core::arch::arm` keeps them unstable.

#![allow(unsafe_code)]

use core::arch::asm;

use super::{Block, Isa, Layer, Rows, Slide, Taps, block_bytes};
use crate::indexed::Indexed;
use crate::quant::{Channels, Output, held, plain_shift};
use crate::view::Word;
use crate::ways::{self, Ways};
use mote_format::{Rounding, Scale};

/// Begins a naked function: the assembler is not told of the build's processor there, and knows the extension by itself
/// for ARMv7E-M only.
#[cfg(not(mote_armv8m))]
macro_rules! dsp {
    () => {
        ""
    };
}
#[cfg(mote_armv8m)]
macro_rules! dsp {
    () => {
        ".cpu cortex-m33\n"
    };
}

mod indexed;
mod pack;
mod product;
mod slide;

/// Proof that the processor has the DSP extension.
#[derive(Debug, Clone, Copy)]
pub struct ArmDsp<const WAYS: u32>(());

impl<const WAYS: u32> ArmDsp<WAYS> {
    /// Without asking the processor, which cannot be asked.
    ///
    /// # Safety
    /// The processor must have the DSP extension; the build's target says so.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Self {
        Self(())
    }
}

impl<const WAYS: u32> Ways for ArmDsp<WAYS> {
    const WAYS: u32 = WAYS;
}

impl<const WAYS: u32> Isa for ArmDsp<WAYS> {
    type Tile = [[i32; 2]; 2];
    type Line = [[i32; 2]; 1];

    #[inline(always)]
    fn tile(self, x: Rows<'_>, w: Rows<'_>) -> Self::Tile {
        dot(x, w)
    }

    #[inline(always)]
    fn line(self, x: Rows<'_>, w: Rows<'_>) -> Self::Line {
        dot(x, w)
    }

    const PATCHES: usize = pack::PATCHES;

    #[inline(always)]
    fn pack(self, block: &mut Block<'_>, i: usize, at: usize, x: &[i8]) {
        pack::pack(block, i, at, x);
    }

    #[inline(always)]
    fn fill(self, block: &mut Block<'_>, i: usize, at: usize, len: usize, value: i8) {
        pack::fill(block, i, at, len, value);
    }

    #[inline(always)]
    fn gather(self, block: &mut Block<'_>, i: usize, x: Rows<'_>) {
        pack::gather(block, i, x);
    }

    #[inline(always)]
    fn product(self, block: &mut Block<'_>, layer: &Layer<'_>, y: &mut [i8]) {
        pack::product(self, block, layer, y);
    }

    #[inline(always)]
    fn indexed(self, block: &mut Block<'_>, layer: &Indexed<'_>, y: &mut [i8]) {
        indexed::indexed(self, block, layer, y);
    }

    #[inline(always)]
    fn matrix(self, x: Rows<'_>, layer: &Layer<'_>, scratch: &mut [i8], y: &mut [i8]) {
        if self.may(ways::PARTS) && scratch.len() < block_bytes(x.len, 1) {
            pack::long(self, x, layer, scratch, y);
        } else if self.may(ways::WHOLE | ways::BLOCKS) {
            pack::matrix(self, x, layer, scratch, y);
        }
    }

    #[inline(always)]
    fn requantize(self, acc: &[i32], channels: &Channels<'_>, y: &mut [i8]) {
        pack::requantize(acc, channels, y);
    }

    #[inline(always)]
    fn scale(self, sums: &[i32], by: Scale, output: &Output, y: &mut [i8]) {
        scale(self, sums, by, output, y);
    }

    /// Four channels at a time: their bytes are one word of each tap.
    #[inline(always)]
    fn sum(self, x: Taps<'_>, c: usize, acc: &mut [i32]) {
        for (i, acc) in acc.chunks_mut(4).enumerate() {
            sum(x, c + 4 * i, acc);
        }
    }

    /// Four values are two words; they are paired as `sxtb16` pairs the weights.
    #[inline(always)]
    fn dot16(self, x: &[Word], w: [&[i8]; 2]) -> [i32; 2] {
        dot16(x, w)
    }

    const SLIDES: Option<usize> = Some(super::DSP_SLIDES);

    #[inline(always)]
    fn slide(self, slide: &Slide<'_>, scratch: &mut [i8], y: &mut [i8]) {
        slide::slide(self, slide, scratch, y);
    }
}

/// Four bytes from `at`.
///
/// # Safety
/// They must lie in the row.
#[inline(always)]
unsafe fn word_at(row: &[i8], at: usize) -> i32 {
    debug_assert!(at + 4 <= row.len());
    // SAFETY: the caller's promise; the read may be unaligned.
    unsafe { row.as_ptr().add(at).cast::<i32>().read_unaligned() }
}

/// Bytes 0 and 2, and bytes 1 and 3, as signed 16-bit halves.
#[inline(always)]
fn widen(word: i32) -> (i32, i32) {
    let (even, odd): (i32, i32);
    // SAFETY: both instructions only write their destination registers; the build has the DSP extension, or this
    // file is not compiled.
    unsafe {
        asm!("sxtb16 {0}, {1}", out(reg) even, in(reg) word, options(pure, nomem, nostack, preserves_flags));
        asm!("sxtb16 {0}, {1}, ror #8", out(reg) odd, in(reg) word, options(pure, nomem, nostack, preserves_flags));
    }
    (even, odd)
}

/// Sums over the taps of at most four channels from `c` on.
#[inline(never)]
fn sum(x: Taps<'_>, c: usize, acc: &mut [i32]) {
    /// Taps whose sum fits 16 bits.
    const MANY: usize = 255;
    acc.fill(0);
    let last = x.h.saturating_sub(1) * x.row + x.w.saturating_sub(1) * x.col + c;
    let words = last + 4 <= x.data.len() && x.w <= MANY;
    let Some(four) = acc.first_chunk_mut::<4>().filter(|_| words) else {
        for x in x.channels(c, acc.len()) {
            acc.iter_mut().zip(x).for_each(|(acc, &x)| *acc = acc.wrapping_add(i32::from(x)));
        }
        return;
    };
    let (mut even, mut odd, mut taps) = (0, 0, 0);
    for i in 0..x.h {
        if taps + x.w > MANY {
            unpack_sums(&mut even, &mut odd, four);
            taps = 0;
        }
        let mut at = i * x.row + c;
        for _ in 0..x.w {
            // SAFETY: `at` is at most `last`: four bytes are there.
            let word = unsafe { word_at(x.data, at) };
            (even, odd) = add_widened(even, odd, word);
            at += x.col;
        }
        taps += x.w;
    }
    unpack_sums(&mut even, &mut odd, four);
}

/// Adds the sums of channels 0 and 2, and 1 and 3, and begins new ones.
fn unpack_sums(even: &mut i32, odd: &mut i32, four: &mut [i32; 4]) {
    let (e, o) = (core::mem::take(even), core::mem::take(odd));
    let parts = [e << 16 >> 16, o << 16 >> 16, e >> 16, o >> 16];
    four.iter_mut().zip(parts).for_each(|(sum, part)| *sum = sum.wrapping_add(part));
}

/// Adds bytes 0 and 2 to the halves of `even`, and bytes 1 and 3 to those of `odd`.
#[inline(always)]
fn add_widened(even: i32, odd: i32, word: i32) -> (i32, i32) {
    let (mut even, mut odd) = (even, odd);
    // SAFETY: both instructions only write their destination registers; the build has the DSP extension.
    unsafe {
        asm!("sxtab16 {0}, {0}, {1}", inout(reg) even, in(reg) word, options(pure, nomem, nostack, preserves_flags));
        asm!("sxtab16 {0}, {0}, {1}, ror #8", inout(reg) odd, in(reg) word, options(pure, nomem, nostack, preserves_flags));
    }
    (even, odd)
}

/// Sums to int8 by one scale; plain ones as `product` does it.
#[inline(never)]
fn scale(isa: impl Isa, sums: &[i32], scale: Scale, output: &Output, y: &mut [i8]) {
    let Some(right) = plain_shift(scale, output.round) else {
        if isa.may(ways::LONG) {
            sums.iter().zip(y).for_each(|(&sum, y)| *y = pack::requantize_one(output, sum, scale));
        }
        return;
    };
    let add = (2 * output.zero + 1) << (right - 1);
    let out = |scaled: i32| held((scaled + add) >> right, output.min, output.max);
    if output.round == Rounding::Double {
        for (&sum, y) in sums.iter().zip(y) {
            let scaled = smmulr(qadd(sum, sum), scale.mult);
            *y = out(scaled + (scaled >> 31));
        }
    } else {
        let high = |sum: i32| ((i64::from(sum) * i64::from(scale.mult)) >> 32) as i32;
        sums.iter().zip(y).for_each(|(&sum, y)| *y = out(high(sum)));
    }
}

macro_rules! two_operands {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        fn $name(a: i32, b: i32) -> i32 {
            let result: i32;
            // SAFETY: writes its destination register, and perhaps the sticky Q flag, which nothing reads; the build has
            // the DSP extension.
            unsafe {
                asm!(concat!(stringify!($name), " {0}, {1}, {2}"), out(reg) result, in(reg) a, in(reg) b,
                    options(pure, nomem, nostack));
            }
            result
        }
    )*};
}

two_operands! {
    /// The sum, saturated.
    qadd
    /// The upper half of the product, rounded.
    smmulr
}

macro_rules! multiply_accumulate {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        fn $name(acc: i32, a: i32, b: i32) -> i32 {
            let sum: i32;
            // SAFETY: writes its destination register, and the sticky Q flag, which nothing reads; the build has the
            // DSP extension.
            unsafe {
                asm!(concat!(stringify!($name), " {0}, {1}, {2}, {3}"), out(reg) sum, in(reg) a, in(reg) b,
                    in(reg) acc, options(pure, nomem, nostack));
            }
            sum
        }
    )*};
}

multiply_accumulate! {
    /// `acc` plus the products of both pairs of halves.
    smlad
}

/// The lower halves of two words, and the upper halves.
#[inline(always)]
fn pair(a: i32, b: i32) -> (i32, i32) {
    let (low, high): (i32, i32);
    // SAFETY: both instructions only write their destination registers; the build has the DSP extension.
    unsafe {
        asm!("pkhbt {0}, {1}, {2}, lsl #16", out(reg) low, in(reg) a, in(reg) b,
            options(pure, nomem, nostack, preserves_flags));
        asm!("pkhtb {0}, {2}, {1}, asr #16", out(reg) high, in(reg) a, in(reg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    (low, high)
}

/// The dot products of int16 values with two rows of weights; what is left after whole words is done one by one.
#[inline(never)]
fn dot16(x: &[Word], w: [&[i8]; 2]) -> [i32; 2] {
    let w = w.map(|w| &w[..x.len()]);
    let (fours, rest) = x.as_chunks::<4>();
    let mut acc = [0i32; 2];
    for (i, four) in fours.iter().enumerate() {
        let [a, b, c, d, e, f, g, h] = *bytemuck::cast_ref::<_, [u8; 8]>(four);
        let (low, high) = pair(i32::from_le_bytes([a, b, c, d]), i32::from_le_bytes([e, f, g, h]));
        for (acc, w) in acc.iter_mut().zip(w) {
            // SAFETY: a row is as long as `x`, in which this is a whole four.
            let (even, odd) = widen(unsafe { word_at(w, 4 * i) });
            *acc = smlad(smlad(*acc, low, even), high, odd);
        }
    }
    let whole = x.len() - rest.len();
    for (acc, w) in acc.iter_mut().zip(w) {
        for (&x, &w) in rest.iter().zip(&w[whole..]) {
            *acc = acc.wrapping_add(i32::from(i16::from_le_bytes(x)) * i32::from(w));
        }
    }
    acc
}

/// The dot products of `M` rows with two; what is left of a row after whole words is done one by one.
#[inline(always)]
fn dot<const M: usize>(x: Rows<'_>, w: Rows<'_>) -> [[i32; 2]; M] {
    let len = x.len.min(w.len);
    let (w0, w1) = (&w.row(0)[..len], &w.row(1)[..len]);
    let x: [&[i8]; M] = core::array::from_fn(|i| &x.row(i)[..len]);
    let whole = len & !3;
    let mut acc = [[0i32; 2]; M];
    // SAFETY: every caller passes `k` with `k + 4 <= whole`, which is at most `len`, the length to which every row is cut.
    let word = |row: &[i8], k: usize| unsafe { word_at(row, k) };
    for k in (0..whole).step_by(4) {
        let (w0, w1) = (widen(word(w0, k)), widen(word(w1, k)));
        for (acc, x) in acc.iter_mut().zip(x) {
            let x = widen(word(x, k));
            acc[0] = smlad(smlad(acc[0], x.0, w0.0), x.1, w0.1);
            acc[1] = smlad(smlad(acc[1], x.0, w1.0), x.1, w1.1);
        }
    }
    for k in whole..len {
        for (acc, x) in acc.iter_mut().zip(x) {
            acc[0] = acc[0].wrapping_add(i32::from(x[k]) * i32::from(w0[k]));
            acc[1] = acc[1].wrapping_add(i32::from(x[k]) * i32::from(w1[k]));
        }
    }
    acc
}
