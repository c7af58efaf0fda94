//! Arm cores without the DSP extension: products over patches widened to words. ARMv6-M multiplies in one register and
//! loads several at once, so values that are loaded for one product and overwritten by it cost least. The code is
//! ARMv6-M's, which all later cores execute.
//!
//! A block's word `k · patches + i` is value `k` of patch `i`. Two patches meet one row of weights, which lies as it
//! does in the file; four of its bytes are one word where the row is aligned.

#![allow(unsafe_code)]

use core::arch::naked_asm;

use crate::isa::{Block, Layer, Rows};
use crate::quant::{Channels, Plain};

/// What the loops work on.
#[repr(C)]
#[derive(Debug)]
struct Dot {
    x: *const i32,
    /// The end of what is done in fours.
    x_fours: *const i32,
    x_end: *const i32,
    w: *const i8,
    sums: [i32; 2],
}

macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident { $($code:expr,)* }) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Patches and weights lie where `dot` says; weights are aligned where `x_fours` lies behind `x`.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(dot: *mut Dot) {
            naked_asm!(
                "push {{r4, r5, r6, r7, lr}}
                mov r4, r8
                mov r5, r9
                mov r6, r10
                mov r7, r11
                push {{r0, r4, r5, r6, r7}}
                ldr r6, [r0]
                ldr r1, [r0, #4]
                mov r10, r1
                ldr r1, [r0, #8]
                mov r11, r1
                ldr r7, [r0, #12]
                ldr r1, [r0, #16]
                mov r8, r1
                ldr r1, [r0, #20]
                mov r9, r1",
                $($code,)*
                "pop {{r0, r4, r5, r6, r7}}
                mov r1, r8
                str r1, [r0, #16]
                mov r1, r9
                str r1, [r0, #20]
                mov r8, r4
                mov r9, r5
                mov r10, r6
                mov r11, r7
                pop {{r4, r5, r6, r7, pc}}",
            )
        }
    };
}

/// The weight in `r1` times the values of two patches.
macro_rules! two {
    ($a:literal $b:literal) => {
        concat!(
            "muls ",
            $a,
            ", r1, ",
            $a,
            "\n add r8, r8, ",
            $a,
            "\n",
            "muls ",
            $b,
            ", r1, ",
            $b,
            "\n add r9, r9, ",
            $b,
            "\n",
        )
    };
}

/// Four weights times one patch; `r4` and `r5` are −3 and −2.
macro_rules! four_times_one {
    () => {
        "ldm r7!, {{r0}}
        ldm r6!, {{r2, r3}}
        sxtb r1, r0
        muls r2, r1, r2
        add r8, r8, r2
        ldrsb r1, [r7, r4]
        muls r3, r1, r3
        add r8, r8, r3
        ldm r6!, {{r2, r3}}
        ldrsb r1, [r7, r5]
        muls r2, r1, r2
        add r8, r8, r2
        asrs r1, r0, #24
        muls r3, r1, r3
        add r8, r8, r3\n"
    };
}

kernel! {
    /// Adds the products of one row of weights with two patches.
    two_patches {
        "1:
        cmp r6, r10
        beq 2f
        ldm r7!, {{r0}}
        sxtb r1, r0
        ldm r6!, {{r2, r3, r4, r5}}",
        two!("r2" "r3"),
        "lsls r1, r0, #16
        asrs r1, r1, #24",
        two!("r4" "r5"),
        "lsls r1, r0, #8
        asrs r1, r1, #24
        ldm r6!, {{r2, r3, r4, r5}}",
        two!("r2" "r3"),
        "asrs r1, r0, #24",
        two!("r4" "r5"),
        "b 1b
        2:
        movs r0, #0
        3:
        cmp r6, r11
        beq 4f
        ldrsb r1, [r7, r0]
        adds r7, r7, #1
        ldm r6!, {{r2, r3}}",
        two!("r2" "r3"),
        "b 3b
        4:",
    }
}

kernel! {
    /// Adds the products of one row of weights with one patch. Fours come in fours.
    one_patch {
        "movs r0, #3
        negs r4, r0
        adds r5, r4, #1
        1:
        cmp r6, r10
        beq 2f",
        four_times_one!(),
        four_times_one!(),
        four_times_one!(),
        four_times_one!(),
        "b 1b
        2:
        movs r0, #0
        3:
        cmp r6, r11
        beq 4f
        ldrsb r1, [r7, r0]
        adds r7, r7, #1
        ldm r6!, {{r2}}
        muls r2, r1, r2
        add r8, r8, r2
        b 3b
        4:",
    }
}

/// The scratch as words.
fn words<'a>(block: &'a mut Block<'_>) -> &'a mut [i32] {
    bytemuck::pod_align_to_mut::<i8, i32>(block.scratch).1
}

/// Puts values at `at` of patch `i`.
#[inline(never)]
pub(super) fn pack(block: &mut Block<'_>, i: usize, at: usize, x: &[i8]) {
    put(block, i, at, x.len(), |k| x[k]);
}

/// Puts `len` times the same value at `at` of patch `i`.
#[inline(never)]
pub(super) fn fill(block: &mut Block<'_>, i: usize, at: usize, len: usize, value: i8) {
    put(block, i, at, len, |_| value);
}

/// Indexes rather than steps: iterators that step divide, which some of these cores cannot.
#[inline(always)]
fn put(block: &mut Block<'_>, i: usize, at: usize, len: usize, value: impl Fn(usize) -> i8) {
    let count = block.count;
    let words = words(block);
    let mut to = at * count + i;
    for k in 0..len {
        words[to] = value(k).into();
        to += count;
    }
}

/// Adds to `sums` the products of a row's part with the patches of a block.
fn dot(x: &[i32], patches: usize, w: &[i8], sums: [i32; 2]) -> [i32; 2] {
    let (len, once) = (w.len(), if patches == 2 { 4 } else { 16 });
    let fours = if w.as_ptr().addr() % 4 == 0 { len & !(once - 1) } else { 0 };
    let range = x[..len * patches].as_ptr_range();
    let x_fours = range.start.wrapping_add(fours * patches);
    let mut dot = Dot { x: range.start, x_fours, x_end: range.end, w: w.as_ptr(), sums };
    // SAFETY: `len` values of each patch are in `x`, and as many weights in `w`, aligned where fours are read.
    unsafe { if patches == 2 { two_patches(&mut dot) } else { one_patch(&mut dot) } };
    dot.sums
}

/// The layer's outputs for a block of two patches or one.
#[inline(never)]
pub(super) fn product(block: &mut Block<'_>, layer: &Layer<'_>, y: &mut [i8]) {
    let (len, patches) = (block.len, if block.count == 2 { 2 } else { 1 });
    let x: &[i32] = words(block);
    for n in 0..layer.w.count {
        let w = &layer.w.data[n * layer.w.stride..][..len];
        let bias = layer.channels.bias[n];
        let sums = dot(x, patches, w, [bias; 2]);
        finish(layer, n, &sums[..patches], y);
    }
}

/// Sums of channel `n`, the bias among them, to outputs.
fn finish(layer: &Layer<'_>, n: usize, sums: &[i32], y: &mut [i8]) {
    let plain = Plain::of(&layer.channels, n, layer.plain);
    for (i, &sum) in sums.iter().enumerate() {
        y[i * layer.stride + n] = match &plain {
            Some(plain) => plain.apply(sum),
            None => unbiased(&layer.channels, n, sum),
        };
    }
}

/// A sum that has its bias, in any profile.
#[inline(never)]
fn unbiased(channels: &Channels<'_>, n: usize, sum: i32) -> i8 {
    let mut y = [0];
    channels.part(n, 1).apply(&[sum.wrapping_sub(channels.bias[n])], &mut y);
    y[0]
}

/// The layer's outputs for every row of `x`, part by part where rows are longer than the scratch.
#[inline(never)]
pub(super) fn matrix(x: Rows<'_>, layer: &Layer<'_>, scratch: &mut [i8], y: &mut [i8]) {
    let most = scratch.len().saturating_sub(3) / 4;
    let (mut m, mut block) = (0, Block { scratch, len: x.len, count: 1 });
    while m < x.count {
        let y = &mut y[m * layer.stride..];
        if x.len > most {
            parts(x.row(m), layer, &mut block, most, y);
            m += 1;
            continue;
        }
        block.count = if x.count - m >= 2 && 2 * x.len <= most { 2 } else { 1 };
        (0..block.count).for_each(|i| pack(&mut block, i, 0, x.row(m + i)));
        product(&mut block, layer, y);
        m += block.count;
    }
}

/// Sums of a dense layer that are kept while the parts of its input are widened one after the other.
const SUMS: usize = 32;

fn parts(x: &[i8], layer: &Layer<'_>, block: &mut Block<'_>, most: usize, y: &mut [i8]) {
    // Whole unrolled rounds, where that many fit.
    let most = if most < 16 { most } else { most & !15 };
    for from in (0..layer.w.count).step_by(SUMS) {
        let count = SUMS.min(layer.w.count - from);
        let mut sums = [0; SUMS];
        sums[..count].copy_from_slice(&layer.channels.bias[from..from + count]);
        for (i, part) in x.chunks(most).enumerate() {
            pack(block, 0, 0, part);
            for (n, sum) in sums[..count].iter_mut().enumerate() {
                let w = &layer.w.data[(from + n) * layer.w.stride + i * most..][..part.len()];
                *sum = dot(words(block), 1, w, [*sum; 2])[0];
            }
        }
        (from..).zip(&sums[..count]).for_each(|(n, &sum)| finish(layer, n, &[sum], y));
    }
}
