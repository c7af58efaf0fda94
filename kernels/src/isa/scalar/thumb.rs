//! Arm cores without the DSP extension: products over patches widened to words. ARMv6-M multiplies in one register and
//! loads several at once, so values that are loaded for one product and overwritten by it cost least. The code is
//! ARMv6-M's, which all later cores execute.
//!
//! The arithmetic from sums to outputs is `quant::Plain`'s, with products made of 16-bit halves.
//!
//! A block's word `k · patches + i` is value `k` of patch `i`. Two patches meet one row of weights, which lies as it
//! does in the file; four of its bytes are one word where the row is aligned.

#![allow(unsafe_code)]

use core::arch::naked_asm;
use core::mem::offset_of;

use mote_format::Rounding;

use crate::indexed::{BITS, Indexed};
use crate::isa::{Block, Isa, Layer, Rows};
use crate::ways;

/// What the loops work on. Pointers advance from row to row.
#[repr(C)]
#[derive(Debug)]
struct Product {
    x: *const i32,
    /// The end of what is done in fours.
    x_fours: *const i32,
    x_end: *const i32,
    w: *const i8,
    /// Weights between the end of one row's part and the beginning of the next one's.
    skip: usize,
    /// What the next sum starts from.
    bias: *const i32,
    mult: *const i32,
    shift: *const i8,
    /// Where the next output goes; in the raw profile, the next sums.
    y: *mut i8,
    /// Where `y` is when all rows are done.
    y_end: *mut i8,
    /// Outputs from one patch to the next.
    stride: usize,
    /// Twice the output's zero point, plus one.
    twice: i32,
    /// [`DOUBLE`], [`SINGLE`] or [`RAW`].
    profile: i32,
    min: i32,
    max: i32,
    /// The loops' own: the halves of the multiplier, the addend, the shift.
    own: [i32; 4],
}

/// Profiles as the loops know them: `profile − exponent` is how far to shift, but for one bit.
const DOUBLE: i32 = -1;
const SINGLE: i32 = -2;
const RAW: i32 = 0;

/// The upper half of the product of `r1` and the multiplier to `r4`, rounded as the profile says; the zero point and a
/// half are added, then it is shifted and held between the bounds. `r0` is the product.
macro_rules! scale {
    () => {
        "9:
        ldr r2, [r0, #{own}]
        ldr r3, [r0, #{own} + 4]
        asrs r4, r1, #16
        uxth r1, r1
        movs r5, r1
        muls r5, r2, r5
        lsrs r5, r5, #16
        muls r2, r4, r2
        adds r2, r2, r5
        muls r4, r3, r4
        asrs r5, r2, #16
        adds r4, r4, r5
        uxth r2, r2
        muls r1, r3, r1
        adds r1, r1, r2
        asrs r2, r1, #16
        adds r4, r4, r2
        ldr r2, [r0, #{profile}]
        adds r2, r2, #1
        bne 6f
        lsls r4, r4, #1
        lsls r1, r1, #16
        lsrs r1, r1, #30
        adds r1, r1, #1
        lsrs r1, r1, #1
        adds r4, r4, r1
        asrs r1, r4, #31
        adds r4, r4, r1
        6:
        ldr r1, [r0, #{own} + 8]
        adds r4, r4, r1
        bvc 6f
        asrs r4, r4, #31
        movs r1, #1
        lsls r1, r1, #31
        eors r4, r4, r1
        6:
        ldr r1, [r0, #{own} + 12]
        asrs r4, r4, r1
        ldr r1, [r0, #{min}]
        cmp r4, r1
        bge 6f
        movs r4, r1
        6:
        ldr r1, [r0, #{max}]
        cmp r4, r1
        ble 6f
        movs r4, r1
        6:
        bx lr"
    };
}

macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident { $($code:expr,)* } $second:literal $raw_second:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The rows of weights, biases, multipliers and exponents, at least one, the patches and the outputs lie where
        /// `product` says; weights are aligned where `x_fours` lies behind `x`. Unless the profile is raw, the channels
        /// are plain.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(product: *mut Product) {
            naked_asm!(
                "push {{r4, r5, r6, r7, lr}}
                mov r4, r8
                mov r5, r9
                mov r6, r10
                mov r7, r11
                push {{r0, r4, r5, r6, r7}}
                ldr r1, [r0, #{x_fours}]
                mov r10, r1
                ldr r1, [r0, #{x_end}]
                mov r11, r1
                ldr r7, [r0, #{w}]
                5:
                ldr r6, [r0, #{x}]
                ldr r1, [r0, #{bias}]
                ldm r1!, {{r2}}
                str r1, [r0, #{bias}]
                mov r8, r2
                mov r9, r2",
                $($code,)*
                "ldr r0, [sp]
                ldr r1, [r0, #{skip}]
                adds r7, r7, r1
                ldr r1, [r0, #{profile}]
                cmp r1, #0
                beq 7f
                ldr r2, [r0, #{mult}]
                ldm r2!, {{r3}}
                str r2, [r0, #{mult}]
                uxth r2, r3
                str r2, [r0, #{own}]
                asrs r3, r3, #16
                str r3, [r0, #{own} + 4]
                ldr r2, [r0, #{shift}]
                movs r3, #0
                ldrsb r3, [r2, r3]
                adds r2, r2, #1
                str r2, [r0, #{shift}]
                subs r1, r1, r3
                ldr r2, [r0, #{twice}]
                lsls r2, r2, r1
                str r2, [r0, #{own} + 8]
                adds r1, r1, #1
                str r1, [r0, #{own} + 12]
                mov r1, r8
                bl 9f
                ldr r1, [r0, #{y}]
                strb r4, [r1]",
                $second,
                "ldr r1, [r0, #{y}]
                adds r1, r1, #1
                8:
                str r1, [r0, #{y}]
                ldr r2, [r0, #{y_end}]
                cmp r1, r2
                beq 6f
                b 5b
                6:
                pop {{r0, r4, r5, r6, r7}}
                mov r8, r4
                mov r9, r5
                mov r10, r6
                mov r11, r7
                pop {{r4, r5, r6, r7, pc}}
                7:
                ldr r1, [r0, #{y}]
                mov r2, r8
                stm r1!, {{r2}}",
                $raw_second,
                "b 8b",
                scale!(),
                bias = const offset_of!(Product, bias),
                max = const offset_of!(Product, max),
                min = const offset_of!(Product, min),
                mult = const offset_of!(Product, mult),
                own = const offset_of!(Product, own),
                profile = const offset_of!(Product, profile),
                shift = const offset_of!(Product, shift),
                skip = const offset_of!(Product, skip),
                twice = const offset_of!(Product, twice),
                w = const offset_of!(Product, w),
                x = const offset_of!(Product, x),
                x_end = const offset_of!(Product, x_end),
                x_fours = const offset_of!(Product, x_fours),
                y = const offset_of!(Product, y),
                y_end = const offset_of!(Product, y_end),
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
    /// Two patches.
    two_patches {
        "cmp r6, r10
        beq 2f
        1:
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
        "cmp r6, r10
        bne 1b
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
    "mov r1, r9
    bl 9f
    ldr r1, [r0, #{y}]
    ldr r2, [r0, #40]
    strb r4, [r1, r2]"
    "mov r2, r9
    stm r1!, {{r2}}"
}

kernel! {
    /// One patch. Fours come in fours.
    one_patch {
        "movs r0, #3
        negs r4, r0
        adds r5, r4, #1
        cmp r6, r10
        beq 2f
        1:",
        four_times_one!(),
        four_times_one!(),
        four_times_one!(),
        four_times_one!(),
        "cmp r6, r10
        bne 1b
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
    "" ""
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

/// Some rows of a layer, for a block.
struct Call<'a, 'b> {
    layer: &'a Layer<'b>,
    /// Channels.
    from: usize,
    count: usize,
    /// Where the block's values begin in the rows of weights, and how many they are.
    k: usize,
    len: usize,
}

impl Call<'_, '_> {
    /// The arguments, but for where outputs go. `None` when something is missing.
    #[inline(never)]
    fn product(&self, block: &mut Block<'_>) -> Option<Product> {
        let Self { layer, from, count, k, len } = *self;
        let (patches, end) = (block.count, from + count);
        let range = words(block).get(..len * patches)?.as_ptr_range();
        let (w, channels) = (&layer.w, &layer.channels);
        let weights = w.data.get(from * w.stride + k..(end - 1) * w.stride + k + len)?;
        let once = if patches == 2 { 4 } else { 16 };
        let aligned = (weights.as_ptr().addr() | w.stride) & 3 == 0;
        let fours = if aligned { len & !(once - 1) } else { 0 };
        let output = &channels.output;
        let bias = channels.bias.get(from..end)?;
        Some(Product {
            x: range.start,
            x_fours: range.start.wrapping_add(fours * patches),
            x_end: range.end,
            w: weights.as_ptr(),
            skip: w.stride - len,
            bias: bias.as_ptr(),
            mult: channels.mult.get(from..end)?.as_ptr(),
            // The raw profile reads no exponents.
            shift: channels.shift.get(from..end).unwrap_or(&[]).as_ptr(),
            y: core::ptr::null_mut(),
            y_end: core::ptr::null_mut(),
            stride: layer.stride,
            twice: 2 * output.zero + 1,
            profile: if output.round == Rounding::Single { SINGLE } else { DOUBLE },
            min: output.min.into(),
            max: output.max.into(),
            own: [0; 4],
        })
    }
}

/// Runs the loops for as many rows as there are outputs at `y`.
///
/// # Safety
/// As of the loops.
unsafe fn outputs(patches: usize, product: &mut Product, y: &mut [i8], count: usize) {
    (product.y, product.y_end) = (y.as_mut_ptr(), y[count..].as_mut_ptr());
    // SAFETY: the caller's promise.
    unsafe { if patches == 2 { two_patches(product) } else { one_patch(product) } };
}

/// Runs the loops for the raw sums of `sums.len() / patches` rows.
///
/// # Safety
/// As of the loops.
unsafe fn raw(patches: usize, product: &mut Product, sums: &mut [i32]) {
    let range = sums.as_mut_ptr_range();
    (product.profile, product.y, product.y_end) = (RAW, range.start.cast(), range.end.cast());
    // SAFETY: the caller's promise.
    unsafe { if patches == 2 { two_patches(product) } else { one_patch(product) } };
}

/// The layer's outputs for a block of two patches or one.
#[inline(never)]
pub(super) fn product(isa: impl Isa, block: &mut Block<'_>, layer: &Layer<'_>, y: &mut [i8]) {
    let (len, count, patches) = (block.len, layer.w.count, block.count);
    if !(1..=2).contains(&patches) || y.len() < (patches - 1) * layer.stride + count || count == 0 {
        return;
    }
    if layer.plain || !isa.may(ways::LONG) {
        let Some(mut product) = (Call { layer, from: 0, count, k: 0, len }).product(block) else { return };
        // SAFETY: the views' lengths were checked here and in `Call::product`; the channels are plain.
        return unsafe { outputs(patches, &mut product, y, count) };
    }
    for n in 0..count {
        let Some(mut product) = (Call { layer, from: n, count: 1, k: 0, len }).product(block) else { return };
        let mut sums = [0; 2];
        product.bias = &raw const ZERO;
        // SAFETY: as above; raw sums of one row are as many as there are patches.
        unsafe { raw(patches, &mut product, &mut sums[..patches]) };
        for (i, &sum) in sums[..patches].iter().enumerate() {
            layer.channels.part(n, 1).apply(&[sum], &mut y[i * layer.stride + n..][..1]);
        }
    }
}

static ZERO: i32 = 0;

/// The outputs of a layer with weights of four bits for a block of two patches or one.
#[inline(never)]
pub(super) fn indexed(block: &mut Block<'_>, layer: &Indexed<'_>, y: &mut [i8]) {
    let (len, patches) = (block.len, block.count);
    let x: &[i32] = words(block);
    for (n, row) in layer.rows(len).enumerate() {
        let mut sums = [0i32; 2];
        let mut x = x.iter();
        for word in row.as_chunks::<4>().0 {
            let word = u32::from_le_bytes(*word);
            for bits in BITS {
                let w = i32::from(layer.palette[(word >> bits & 15) as usize]);
                for (sum, x) in sums[..patches].iter_mut().zip(&mut x) {
                    *sum = sum.wrapping_add(x.wrapping_mul(w));
                }
            }
        }
        for (i, sum) in sums[..patches].iter().enumerate() {
            layer.channels.part(n, 1).apply(&[*sum], &mut y[i * layer.stride + n..][..1]);
        }
    }
}

/// The layer's outputs for every row of `x`, part by part where rows are longer than the scratch.
#[inline(never)]
pub(super) fn matrix(isa: impl Isa, x: Rows<'_>, layer: &Layer<'_>, scratch: &mut [i8], y: &mut [i8]) {
    let most = scratch.len().saturating_sub(3) / 4;
    let (mut m, mut block) = (0, Block { scratch, len: x.len, count: 1 });
    while m < x.count {
        let y = &mut y[m * layer.stride..];
        if isa.may(ways::PARTS) && x.len > most {
            parts(isa, x.row(m), layer, &mut block, most, y);
            m += 1;
            continue;
        }
        block.count = if isa.may(ways::BLOCKS) && x.count - m >= 2 && 2 * x.len <= most { 2 } else { 1 };
        (0..block.count).for_each(|i| pack(&mut block, i, 0, x.row(m + i)));
        product(isa, &mut block, layer, y);
        m += block.count;
    }
}

/// Sums of a dense layer that are kept while the parts of its input are widened one after the other.
const SUMS: usize = 64;

fn parts(isa: impl Isa, x: &[i8], layer: &Layer<'_>, block: &mut Block<'_>, most: usize, y: &mut [i8]) {
    // Whole unrolled rounds, where that many fit.
    let most = if most < 16 { most.max(1) } else { most & !15 };
    for from in (0..layer.w.count).step_by(SUMS) {
        let count = SUMS.min(layer.w.count - from);
        let mut sums = [0; SUMS];
        let plain = layer.plain || !isa.may(ways::LONG);
        if plain {
            sums[..count].copy_from_slice(&layer.channels.bias[from..from + count]);
        }
        for (i, part) in x.chunks(most).enumerate() {
            let (k, len) = (i * most, part.len());
            pack(block, 0, 0, part);
            let Some(mut product) = (Call { layer, from, count, k, len }).product(block) else { return };
            product.bias = sums.as_ptr();
            // SAFETY: lengths were checked here and in `Call::product`; each of the sums is read before it is written.
            unsafe {
                if plain && k + len == x.len() {
                    outputs(1, &mut product, &mut y[from..], count);
                } else {
                    raw(1, &mut product, &mut sums[..count]);
                }
            }
        }
        if !plain {
            layer.channels.part(from, count).apply(&sums[..count], &mut y[from..from + count]);
        }
    }
}
