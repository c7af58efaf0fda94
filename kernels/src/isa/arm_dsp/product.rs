//! Matrix products: widened patches times rows of weights, which stay as they lie in the file. Only the inner loops;
//! how patches are widened is `pack`'s.
//!
//! `sxtb16` unpacks bytes 0 and 2, and bytes 1 and 3, of a word, so patches are kept in that order: every four values
//! are two words, (0, 2) and (1, 3). One row of weights meets four patches (of a convolution) or one (of a dense
//! layer); a row's address only ever goes forward, through all rows. Per four values and four patches that is one
//! load and two `sxtb16` of weights, two loads of patches, and eight `smlad`.

use core::arch::naked_asm;
use core::mem::offset_of;
use core::ptr::NonNull;

/// What the loops work on. Pointers advance from row to row. The loops read the first eight fields together, and the
/// next three.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Product {
    /// The profile's scaling of the next channel.
    pub(super) mult: *const i32,
    /// Its exponent.
    pub(super) shift: *const i8,
    /// Where the next output goes; in the raw profile, the next sums.
    pub(super) y: *mut i8,
    /// Outputs from one patch to the next.
    pub(super) stride: usize,
    /// Twice the output's zero point, plus one.
    pub(super) twice: i32,
    /// The rounding profile.
    pub(super) profile: i32,
    /// Where `y` is when all rows are done.
    pub(super) y_end: *mut i8,
    /// Weights between the end of one row's part and the beginning of the next one's.
    pub(super) skip: usize,
    /// What the next sum starts from.
    pub(super) bias: *const i32,
    /// The patches.
    pub(super) x: *const u32,
    /// The end of their part that the unrolled loop does.
    pub(super) x_end: *const u32,
    /// The end of the fours behind that part, or null when there is nothing behind it.
    pub(super) x_fours: *const u32,
    /// Values behind the fours, at most 3. The patches have zeros to four.
    pub(super) rest: usize,
    /// The first row of weights.
    pub(super) w: NonNull<i8>,
}

/// Profiles as the loops know them: `profile − exponent` is how far to shift, but for one bit.
pub(super) const DOUBLE: i32 = -1;
/// See [`DOUBLE`].
pub(super) const SINGLE: i32 = -2;
/// Sums as they are, patch after patch.
pub(super) const RAW: i32 = 0;

/// Four weights in `$w`, unpacked to `$w` and `r12`.
macro_rules! unpack {
    ($w:literal) => {
        concat!("sxtb16 r12, ", $w, ", ror #8\n sxtb16 ", $w, ", ", $w, "\n")
    };
}

/// Four weights in `$w` times four patches.
macro_rules! times_four_patches {
    ($w:literal) => {
        concat!(
            unpack!($w),
            "ldm r0!, {{r4, r5, r6, r7}}\n",
            "smlad r8, r4, ",
            $w,
            ", r8\n smlad r8, r5, r12, r8\n",
            "smlad r9, r6, ",
            $w,
            ", r9\n smlad r9, r7, r12, r9\n",
            "ldm r0!, {{r4, r5, r6, r7}}\n",
            "smlad r10, r4, ",
            $w,
            ", r10\n smlad r10, r5, r12, r10\n",
            "smlad r11, r6, ",
            $w,
            ", r11\n smlad r11, r7, r12, r11\n",
        )
    };
}

/// Four weights in `$w` times the values in two registers.
macro_rules! times_values {
    ($w:literal, $even:literal, $odd:literal) => {
        concat!(unpack!($w), "smlad r8, ", $even, ", ", $w, ", r8\n smlad r8, ", $odd, ", r12, r8\n")
    };
}

/// Sixteen weights times one patch.
macro_rules! sixteen_times_one_patch {
    () => {
        concat!(
            "ldm r1!, {{r0, r3, r9, r10}}\n ldm r2!, {{r4, r5, r6, r7}}\n",
            times_values!("r0", "r4", "r5"),
            times_values!("r3", "r6", "r7"),
            "ldm r2!, {{r4, r5, r6, r7}}\n",
            times_values!("r9", "r4", "r5"),
            times_values!("r10", "r6", "r7"),
        )
    };
}

/// The one to three weights behind the last four, as many as `r3` says, put into `$w` as whole fours are.
macro_rules! rest {
    ($w:literal) => {
        concat!(
            "ldrb ",
            $w,
            ", [r1], #1
            cmp r3, #2
            blo 7f
            ldrb r12, [r1], #1
            orr ",
            $w,
            ", ",
            $w,
            ", r12, lsl #8
            cmp r3, #2
            beq 7f
            ldrb r12, [r1], #1
            orr ",
            $w,
            ", ",
            $w,
            ", r12, lsl #16
            7:\n"
        )
    };
}

/// From the profile, compared with [`DOUBLE`], and sums to int8: a multiplier, an addend, and `r12`, the shift.
///
/// Double is `(2·acc·mult + 2³¹) >> 32`, less one where negative, plus half, shifted; single lacks the doubling, the
/// rounding and the sign. The zero point is added before the shift: `(2·zero + 1) << (right − 1)` is it and the half.
/// The last bit of the shift is done where the output is held in int8; narrower bounds are the caller's.
macro_rules! scale {
    ($mult:literal $add:literal [$($sum:literal)*]) => {
        concat!(
            "blt 10f
            bgt 20f\n",
            $("qadd ", $sum, ", ", $sum, ", ", $sum, "\n",
            "smmulr ", $sum, ", ", $sum, ", ", $mult, "\n",
            "add ", $sum, ", ", $sum, ", ", $sum, ", asr #31\n",
            "add ", $sum, ", ", $sum, ", ", $add, "\n",
            "asr ", $sum, ", ", $sum, ", r12\n",)*
            "b 11f
            10:\n",
            $("smmul ", $sum, ", ", $sum, ", ", $mult, "\n",
            "add ", $sum, ", ", $sum, ", ", $add, "\n",
            "asr ", $sum, ", ", $sum, ", r12\n",)*
            "11:\n",
            $("ssat ", $sum, ", #8, ", $sum, ", asr #1\n",)*
        )
    };
}

macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident { $($code:expr,)* }) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the DSP extension. The rows of weights, biases, multipliers and exponents, at least one, the
        /// patches and the outputs lie where `product` says; patches are word-aligned, and so is each row's part of
        /// weights where `x_end` lies behind `x`. Unless the profile is raw, the channels are plain.
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name(product: *mut Product) {
            naked_asm!(
                dsp!(),
                "push {{r3, r4, r5, r6, r7, r8, r9, r10, r11, lr}}
                ldr r1, [r0, #{w}]
                add r0, r0, #{bias}",
                $($code,)*
                bias = const offset_of!(Product, bias),
                mult = const offset_of!(Product, mult) as isize - offset_of!(Product, bias) as isize,
                rest = const offset_of!(Product, rest) - offset_of!(Product, bias),
                w = const offset_of!(Product, w),
                x_fours = const offset_of!(Product, x_fours) - offset_of!(Product, bias),
                y = const offset_of!(Product, y) as isize - offset_of!(Product, bias) as isize,
            )
        }
    };
}

kernel! {
    /// Four patches, sixteen values at a time.
    four_patches {
        "str r0, [sp]
        1:
        ldm r0, {{r2, r3, lr}}
        ldr r8, [r2], #4
        str r2, [r0]
        mov r9, r8
        mov r10, r8
        mov r11, r8
        mov r0, r3
        cmp r0, lr
        beq 3f
        2:
        ldrd r2, r3, [r1], #8",
        times_four_patches!("r2"),
        times_four_patches!("r3"),
        "ldrd r2, r3, [r1], #8",
        times_four_patches!("r2"),
        times_four_patches!("r3"),
        "cmp r0, lr
        bne 2b
        3:
        ldr lr, [sp]
        ldr r2, [lr, #{x_fours}]
        cmp r2, #0
        bne 5f
        4:
        ldmdb lr, {{r0, r2, r3, r4, r5, r6, r7, r12}}
        add r1, r1, r12
        ldrsb r12, [r2], #1
        str r2, [lr, #{mult} + 4]
        ldr r2, [r0], #4
        str r0, [lr, #{mult}]
        sub r12, r6, r12
        lsl r5, r5, r12
        cmn r6, #1",
        scale!("r2" "r5" ["r8" "r9" "r10" "r11"]),
        "strb r9, [r3, r4]
        strb r10, [r3, r4, lsl #1]
        add r4, r4, r4, lsl #1
        strb r11, [r3, r4]
        strb r8, [r3], #1
        12:
        str r3, [lr, #{y}]
        mov r0, lr
        cmp r3, r7
        bne 1b
        pop {{r3, r4, r5, r6, r7, r8, r9, r10, r11, pc}}
        20:
        stm r3!, {{r8, r9, r10, r11}}
        b 12b
        5:
        mov lr, r2
        6:
        cmp r0, lr
        beq 8f
        ldr r2, [r1], #4",
        times_four_patches!("r2"),
        "b 6b
        8:
        ldr lr, [sp]
        ldr r3, [lr, #{rest}]
        cmp r3, #0
        beq 4b",
        rest!("r2"),
        times_four_patches!("r2"),
        "b 4b",
    }
}

kernel! {
    /// One patch, thirty-two values at a time.
    one_patch {
        "mov r11, r0
        1:
        ldm r11, {{r0, r2, lr}}
        ldr r8, [r0], #4
        str r0, [r11]
        cmp r2, lr
        beq 3f
        2:",
        sixteen_times_one_patch!(),
        sixteen_times_one_patch!(),
        "cmp r2, lr
        bne 2b
        3:
        ldr lr, [r11, #{x_fours}]
        cmp lr, #0
        bne 6f
        4:
        ldmdb r11, {{r2, r3, r4, r5, r6, r7, r9, r10}}
        ldr r0, [r2], #4
        ldrsb r12, [r3], #1
        strd r2, r3, [r11, #{mult}]
        add r1, r1, r10
        sub r12, r7, r12
        lsl r6, r6, r12
        cmn r7, #1",
        scale!("r0" "r6" ["r8"]),
        "strb r8, [r4], #1
        12:
        str r4, [r11, #{y}]
        cmp r4, r9
        bne 1b
        pop {{r3, r4, r5, r6, r7, r8, r9, r10, r11, pc}}
        20:
        str r8, [r4], #4
        b 12b
        6:
        cmp r2, lr
        beq 8f
        ldr r0, [r1], #4
        ldm r2!, {{r4, r5}}",
        times_values!("r0", "r4", "r5"),
        "b 6b
        8:
        ldr r3, [r11, #{rest}]
        cmp r3, #0
        beq 4b",
        rest!("r0"),
        "ldm r2!, {{r4, r5}}",
        times_values!("r0", "r4", "r5"),
        "b 4b",
    }
}

/// The values that one round of the unrolled loop does.
pub(super) const fn unrolled(patches: usize) -> usize {
    if patches == 1 { 32 } else { 16 }
}
