//! Matrix products: widened patches times rows of weights, which stay as they lie in the file. Only the inner loops;
//! how patches are widened is `pack`'s.
//!
//! `sxtb16` unpacks bytes 0 and 2, and bytes 1 and 3, of a word, so patches are kept in that order: every four values
//! are two words, (0, 2) and (1, 3). One row of weights meets four patches (of a convolution) or one (of a dense
//! layer); a row's address only ever goes forward, through all rows. Per four values and four patches that is one
//! load and two `sxtb16` of weights, two loads of patches, and eight `smlad`.

use core::arch::naked_asm;
use core::mem::offset_of;

/// What the loops work on. Pointers advance from row to row.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Product {
    /// The profile's scaling of the next channel.
    pub(super) mult: *const i32,
    /// Its exponent.
    pub(super) shift: *const i8,
    /// Where the next output goes; in the raw profile, sums.
    pub(super) y: *mut i8,
    /// Outputs from one patch to the next.
    pub(super) stride: usize,
    /// Twice the output's zero point, plus one.
    pub(super) zero2: i32,
    /// 0: double, 1: single, 2: raw.
    pub(super) profile: u32,
    /// The patches.
    pub(super) x: *const u32,
    /// The end of their part that the unrolled loop does.
    pub(super) x_end: *const u32,
    /// The end of the fours behind that part, or null when there is nothing behind it.
    pub(super) x_fours: *const u32,
    /// Values behind the fours, at most 3. The patches have zeros to four.
    pub(super) rest: usize,
    /// The next row of weights.
    pub(super) w: *const i8,
    /// Weights between the end of one row's part and the beginning of the next one's.
    pub(super) skip: usize,
    /// What the next sum starts from.
    pub(super) bias: *const i32,
    /// Rows to do, at least one.
    pub(super) count: usize,
    /// Whether the bounds are narrower than int8.
    pub(super) narrow: u32,
    /// Lower bound.
    pub(super) min: i32,
    /// Upper bound.
    pub(super) max: i32,
}

/// The words of four weights in `$w`, unpacked to `$w` and `r12`.
macro_rules! unpack {
    ($w:literal) => {
        concat!("sxtb16 r12, ", $w, ", ror #8\n sxtb16 ", $w, ", ", $w, "\n")
    };
}

/// Four weights, unpacked in `$w` and `r12`, times four patches.
macro_rules! times_four_patches {
    ($w:literal) => {
        concat!(
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

/// Four weights, unpacked in `$w` and `r12`, times the values in two registers.
macro_rules! times_one_patch {
    ($w:literal, $even:literal, $odd:literal) => {
        concat!("smlad r8, ", $even, ", ", $w, ", r8\n smlad r8, ", $odd, ", r12, r8\n")
    };
}

/// The one to three weights behind the last four, unpacked to `r2` and `r12`; `r3` is their number.
macro_rules! unpack_rest {
    () => {
        "mov r12, #0
        ldrsb r2, [r1], #1
        cmp r3, #2
        blo 6f
        ldrsb r12, [r1], #1
        beq 6f
        ldrsb r3, [r1], #1
        pkhbt r2, r2, r3, lsl #16
        6:\n"
    };
}

/// From a row's sums to its outputs: `$sums` are their registers, `$store` and `$store_raw` put them to `[r4]`, which
/// they advance; patches are `r5` outputs apart.
///
/// Double is `(2·acc·mult + 2³¹) >> 32`, less one where negative, plus half, shifted; single lacks the doubling, the
/// rounding and the sign. The zero point is added before the shift: `(2·zero + 1) << (right − 1)` is it and the half.
macro_rules! finish {
    ([$($sum:literal)*] $store:literal $store_raw:literal) => {
        concat!(
            "ldr r0, [sp]
            ldm r0, {{r2, r3, r4, r5, r6, r7}}
            cmp r7, #1
            bhi 20f
            ldr lr, [r2], #4
            ldrsb r12, [r3], #1
            stm r0, {{r2, r3}}
            add r12, r12, r7
            rsb r12, r12, #0
            sub r3, r12, #1
            lsl r6, r6, r3
            cmp r7, #0
            bne 10f\n",
            $("qadd ", $sum, ", ", $sum, ", ", $sum, "\n",
            "smmulr ", $sum, ", ", $sum, ", lr\n",
            "add ", $sum, ", ", $sum, ", ", $sum, ", asr #31\n",
            "add ", $sum, ", ", $sum, ", r6\n",
            "asr ", $sum, ", ", $sum, ", r12\n",)*
            "b 11f
            10:\n",
            $("smmul ", $sum, ", ", $sum, ", lr\n",
            "add ", $sum, ", ", $sum, ", r6\n",
            "asr ", $sum, ", ", $sum, ", r12\n",)*
            "11:
            ldr r7, [r0, #{narrow}]
            cmp r7, #0
            bne 30f\n",
            $("ssat ", $sum, ", #8, ", $sum, "\n",)*
            "12:\n",
            $store,
            "13:
            str r4, [r0, #{y}]
            ldr r2, [r0, #{count}]
            ldr r3, [r0, #{skip}]
            add r1, r1, r3
            subs r2, r2, #1
            str r2, [r0, #{count}]
            bne 1b
            pop {{r0, r4, r5, r6, r7, r8, r9, r10, r11, pc}}
            20:\n",
            $store_raw,
            "b 13b
            30:
            ldr r2, [r0, #{min}]
            ldr r3, [r0, #{max}]\n",
            $("cmp ", $sum, ", r2\n it lt\n movlt ", $sum, ", r2\n",
            "cmp ", $sum, ", r3\n it gt\n movgt ", $sum, ", r3\n",)*
            "b 12b\n",
        )
    };
}

/// A row's start: its bias in `r8`; the patches from `r0` to `lr`.
macro_rules! begin {
    () => {
        "1:
        ldr r2, [r0, #{bias}]
        ldr r8, [r2], #4
        str r2, [r0, #{bias}]\n"
    };
}

macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident { $($code:expr,)* }) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the DSP extension. `count` rows of weights, biases, multipliers and exponents, the patches
        /// and the outputs lie where `product` says; patches are word-aligned, and so is each row's part of weights
        /// where `x_end` lies behind `x`. The arguments of the profile are plain.
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name(product: *mut Product) {
            naked_asm!(
                dsp!(),
                "push {{r0, r4, r5, r6, r7, r8, r9, r10, r11, lr}}
                ldr r1, [r0, #{w}]",
                $($code,)*
                bias = const offset_of!(Product, bias),
                count = const offset_of!(Product, count),
                max = const offset_of!(Product, max),
                min = const offset_of!(Product, min),
                narrow = const offset_of!(Product, narrow),
                rest = const offset_of!(Product, rest),
                skip = const offset_of!(Product, skip),
                w = const offset_of!(Product, w),
                x = const offset_of!(Product, x),
                x_end = const offset_of!(Product, x_end),
                x_fours = const offset_of!(Product, x_fours),
                y = const offset_of!(Product, y),
            )
        }
    };
}

kernel! {
    /// Four patches, sixteen values at a time.
    four_patches {
        begin!(),
        "mov r9, r8
        mov r10, r8
        mov r11, r8
        ldr lr, [r0, #{x_end}]
        ldr r0, [r0, #{x}]
        cmp r0, lr
        beq 3f
        2:
        ldrd r2, r3, [r1], #8",
        unpack!("r2"), times_four_patches!("r2"), unpack!("r3"), times_four_patches!("r3"),
        "ldrd r2, r3, [r1], #8",
        unpack!("r2"), times_four_patches!("r2"), unpack!("r3"), times_four_patches!("r3"),
        "cmp r0, lr
        bne 2b
        3:
        ldr r12, [sp]
        ldr lr, [r12, #{x_fours}]
        cmp lr, #0
        bne 5f
        4:",
        finish!(
            ["r8" "r9" "r10" "r11"]
            "strb r9, [r4, r5]
            strb r10, [r4, r5, lsl #1]
            add r5, r5, r5, lsl #1
            strb r11, [r4, r5]
            strb r8, [r4], #1\n"
            "stm r4!, {{r8, r9, r10, r11}}\n"
        ),
        "5:
        cmp r0, lr
        beq 6f
        ldr r2, [r1], #4",
        unpack!("r2"), times_four_patches!("r2"),
        "b 5b
        6:
        ldr r12, [sp]
        ldr r3, [r12, #{rest}]
        cmp r3, #0
        beq 4b",
        unpack_rest!(), times_four_patches!("r2"),
        "b 4b",
    }
}

kernel! {
    /// One patch, sixteen values at a time.
    one_patch {
        begin!(),
        "ldr lr, [r0, #{x_end}]
        ldr r0, [r0, #{x}]
        cmp r0, lr
        beq 3f
        2:
        ldm r1!, {{r2, r3, r9, r10}}
        ldm r0!, {{r4, r5, r6, r7}}",
        unpack!("r2"), times_one_patch!("r2", "r4", "r5"), unpack!("r3"), times_one_patch!("r3", "r6", "r7"),
        "ldm r0!, {{r4, r5, r6, r7}}",
        unpack!("r9"), times_one_patch!("r9", "r4", "r5"), unpack!("r10"), times_one_patch!("r10", "r6", "r7"),
        "cmp r0, lr
        bne 2b
        3:
        ldr r12, [sp]
        ldr lr, [r12, #{x_fours}]
        cmp lr, #0
        bne 5f
        4:",
        finish!(["r8"] "strb r8, [r4], #1\n" "str r8, [r4], #4\n"),
        "5:
        cmp r0, lr
        beq 6f
        ldr r2, [r1], #4
        ldm r0!, {{r4, r5}}",
        unpack!("r2"), times_one_patch!("r2", "r4", "r5"),
        "b 5b
        6:
        ldr r12, [sp]
        ldr r3, [r12, #{rest}]
        cmp r3, #0
        beq 4b",
        unpack_rest!(),
        "ldm r0!, {{r4, r5}}",
        times_one_patch!("r2", "r4", "r5"),
        "b 4b",
    }
}
