//! Matrix products: widened patches times rows of weights, which stay as they lie in the file. Only the inner loops;
//! how patches are widened is `pack`'s.
//!
//! `sxtb16` unpacks bytes 0 and 2, and bytes 1 and 3, of a word, so patches are kept in that order: every four values
//! are two words, (0, 2) and (1, 3). One row of weights meets four patches (of a convolution) or one (of a dense
//! layer); a row's address only ever goes forward, through all rows. Per four values and four patches that is one
//! load and two `sxtb16` of weights, two loads of patches, and eight `smlad`.
//!
//! Loops are unrolled, and entered where as many rounds are left as there are fours. Where a row is no whole number of
//! fours, zeros stand in front of the patch's values, and the row's first word is shifted by as much: so every load lies
//! in the row. Rows of fewer than four weights are the caller's to extend.

use core::arch::naked_asm;
use core::mem::offset_of;

/// What the loops work on: a copy lies on their stack, whose pointers advance from row to row.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Product {
    /// Of one patch: the end of the fours that are done before whole rounds of sixteen.
    pub(super) x_fours: *const u32,
    /// The patches.
    pub(super) x: *const u32,
    /// What the next sum starts from.
    pub(super) bias: *const i32,
    /// The end of the patches.
    pub(super) x_end: *const u32,
    /// The profile's scaling of the next channel.
    pub(super) mult: *const i32,
    /// Its exponent.
    pub(super) shift: *const i8,
    /// Where the next output goes; in the raw profile, the next sums.
    pub(super) y: *mut i8,
    /// Of four patches: outputs from one to the next. Of one: weights from the end of a row's part to the next one's.
    pub(super) step: usize,
    /// Twice the output's zero point, plus one.
    pub(super) twice: i32,
    /// The rounding profile.
    pub(super) profile: i32,
    /// Where `y` is when all rows are done.
    pub(super) y_end: *mut i8,
    /// The first row of weights.
    pub(super) w: *const i8,
    /// Bits that a row's first word is shifted by.
    pub(super) lead: usize,
    /// Weights of that word.
    pub(super) first: usize,
    /// Fours that the first round of four lacks. The loops make an address of it.
    pub(super) skip: usize,
    /// Of one patch: sixteens that the first round of four lacks. The loops make an address of it.
    pub(super) skip_sixteens: usize,
}

/// Profiles as the loops know them: `profile − exponent` is how far to shift, but for one bit.
pub(super) const DOUBLE: i32 = -1;
/// See [`DOUBLE`].
pub(super) const SINGLE: i32 = -2;
/// Sums as they are, patch after patch.
pub(super) const RAW: i32 = 0;

/// Bytes of code of [`four_times_four_patches`].
const FOUR_PATCHES: usize = 48;
/// Bytes of code of [`four_times_one_patch`].
const ONE_PATCH: usize = 22;
/// Bytes of code of [`sixteen_times_one_patch`].
const SIXTEEN: usize = 72;

/// Four weights in `r0` times four patches.
macro_rules! times_four_patches {
    () => {
        "sxtb16 r12, r0, ror #8
        sxtb16 r0, r0
        ldm r2!, {{r4, r5, r6, r7}}
        smlad r8, r4, r0, r8
        smlad r8, r5, r12, r8
        smlad r9, r6, r0, r9
        smlad r9, r7, r12, r9
        ldm r2!, {{r4, r5, r6, r7}}
        smlad r10, r4, r0, r10
        smlad r10, r5, r12, r10
        smlad r11, r6, r0, r11
        smlad r11, r7, r12, r11\n"
    };
}

/// The next four weights times four patches.
macro_rules! four_times_four_patches {
    () => {
        concat!("ldr r0, [r1], #4\n", times_four_patches!())
    };
}

/// Four weights in `$w` times the values in two registers.
macro_rules! times_values {
    ($w:literal, $even:literal, $odd:literal) => {
        concat!(
            "sxtb16 r12, ",
            $w,
            ", ror #8\n sxtb16 ",
            $w,
            ", ",
            $w,
            "\n smlad r8, ",
            $even,
            ", ",
            $w,
            ", r8\n smlad r8, ",
            $odd,
            ", r12, r8\n"
        )
    };
}

/// The next four weights times one patch.
macro_rules! four_times_one_patch {
    () => {
        concat!("ldr r0, [r1], #4\n ldm r2!, {{r4, r5}}\n", times_values!("r0", "r4", "r5"))
    };
}

/// The next sixteen weights times one patch.
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

/// Profile double: `(2·acc·mult + 2³¹) >> 32`, less one where negative, plus half, shifted. Twice the multiplier in `r0`
/// is itself less 2³² in a signed register, so `smmlar` adds the sum that this lacks. The zero point is added before the
/// shift in `$right`: `(2·zero + 1) << right` in `r6` is it and the half. One bit of the shift is left.
macro_rules! double {
    ($right:literal [$($sum:literal)*]) => {
        concat!(
            "lsls r0, r0, #1\n",
            $("smmlar ", $sum, ", ", $sum, ", r0, ", $sum, "\n",
            "add ", $sum, ", ", $sum, ", ", $sum, ", asr #31\n",
            "qadd ", $sum, ", ", $sum, ", r6\n",
            "asr ", $sum, ", ", $sum, ", ", $right, "\n",)*
        )
    };
}

/// Profile single: as double, without the doubling, the rounding and the sign.
macro_rules! single {
    ($right:literal [$($sum:literal)*]) => {
        concat!(
            $("smmla ", $sum, ", ", $sum, ", r0, r6\n",
            "asr ", $sum, ", ", $sum, ", ", $right, "\n",)*
        )
    };
}

/// The outputs of a row from the sums of four patches in `r8` to `r11`; from label 1 on comes the next row.
macro_rules! outputs_of_four_patches {
    () => {
        concat!(
        "add r0, sp, #{mult}
        ldm r0, {{r2, r3, r4, r5, r6, r7, r12}}
        ldr r0, [r2], #4
        ldrsb lr, [r3], #1
        strd r2, r3, [sp, #{mult}]
        sub lr, r7, lr
        lsl r6, r6, lr
        adds r7, r7, #1
        bne 10f\n",
        double!("lr" ["r8" "r9" "r10" "r11"]),
        "11:
        ssat r8, #8, r8, asr #1
        ssat r9, #8, r9, asr #1
        ssat r10, #8, r10, asr #1
        ssat r11, #8, r11, asr #1
        strb r9, [r4, r5]
        strb r10, [r4, r5, lsl #1]
        add r5, r5, r5, lsl #1
        strb r11, [r4, r5]
        strb r8, [r4], #1
        12:
        str r4, [sp, #{y}]
        cmp r4, r12
        bne 1b
        b 4f
        10:
        bgt 20f\n",
        single!("lr" ["r8" "r9" "r10" "r11"]),
        "b 11b
        20:
        stm r4!, {{r8, r9, r10, r11}}
        b 12b
        4:"
        )
    };
}

/// The output of a row from the sum of one patch in `r8`; from label 1 on comes the next row.
macro_rules! outputs_of_one_patch {
    () => {
        concat!(
            "add r0, sp, #{mult}
        ldm r0, {{r2, r3, r4, r5, r6, r7, r9}}
        ldr r0, [r2], #4
        ldrsb r12, [r3], #1
        strd r2, r3, [sp, #{mult}]
        add r1, r1, r5
        sub r12, r7, r12
        lsl r6, r6, r12
        adds r7, r7, #1
        bpl 10f\n",
            single!("r12"["r8"]),
            "11:
        ssat r8, #8, r8, asr #1
        strb r8, [r4], #1
        12:
        str r4, [sp, #{y}]
        cmp r4, r9
        bne 1b
        b 4f
        10:
        bne 20f\n",
            double!("r12"["r8"]),
            "b 11b
        20:
        str r8, [r4], #4
        b 12b
        4:"
        )
    };
}

macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident($args:ident) { $($code:expr,)* } $($operand:ident = $value:expr,)*) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the DSP extension. The rows, at least one, of four weights at least, biases, multipliers and
        /// exponents, the patches and the outputs lie where `product` says; patches are word-aligned, and so is each row's
        /// part of weights where rounds of sixteen are done. Unless the profile is raw, the channels are plain.
        #[unsafe(naked)]
        pub(in crate::isa::arm_dsp) unsafe extern "C" fn $name(product: *const $args) {
            naked_asm!(
                dsp!(),
                "push {{r3, r4, r5, r6, r7, r8, r9, r10, r11, lr}}
                add r12, r0, #32
                ldm r12, {{r4, r5, r6, r7, r8, r9, r10, r11}}
                push {{r4, r5, r6, r7, r8, r9, r10, r11}}
                ldm r0, {{r4, r5, r6, r7, r8, r9, r10, r11}}
                push {{r4, r5, r6, r7, r8, r9, r10, r11}}
                ldr r1, [sp, #{w}]",
                $($code,)*
                "add sp, sp, #64
                pop {{r3, r4, r5, r6, r7, r8, r9, r10, r11, pc}}",
                mult = const offset_of!($args, mult),
                w = const offset_of!($args, w),
                y = const offset_of!($args, y),
                $($operand = const $value,)*
            )
        }
    };
}

kernel! {
    /// Four patches.
    four_patches(Product) {
        "ldr r0, [sp, #{lead}]
        ldr r2, [sp, #{skip}]
        adr.w r3, 2f
        movs r4, #{four}
        mla r2, r2, r4, r3
        orr r2, r2, #1
        str r2, [sp, #{skip}]
        cbz r0, 3f
        adr.w r2, 5f
        orr r2, r2, #1
        3:
        str r2, [sp, #{begin}]
        1:
        ldm sp, {{r0, r2, r3, lr}}
        ldr r8, [r3], #4
        str r3, [sp, #{bias}]
        mov r9, r8
        mov r10, r8
        mov r11, r8
        ldr pc, [sp, #{begin}]
        5:
        ldrd r3, r4, [sp, #{lead}]
        ldr r0, [r1]
        lsl r0, r0, r3
        add r1, r1, r4",
        times_four_patches!(),
        "ldr pc, [sp, #{skip}]
        2:",
        four_times_four_patches!(),
        four_times_four_patches!(),
        four_times_four_patches!(),
        four_times_four_patches!(),
        "cmp r2, lr
        bne 2b",
        outputs_of_four_patches!(),
    }
    begin = size_of::<Product>(),
    bias = offset_of!(Product, bias),
    four = FOUR_PATCHES,
    lead = offset_of!(Product, lead),
    skip = offset_of!(Product, skip),
}

kernel! {
    /// One patch.
    one_patch(Product) {
        "ldr r0, [sp, #{lead}]
        ldrd r2, r3, [sp, #{skip}]
        adr.w r4, 6f
        movs r5, #{four}
        mla r2, r2, r5, r4
        adr.w r4, 2f
        movs r5, #{sixteen}
        mla r3, r3, r5, r4
        orr r2, r2, #1
        orr r3, r3, #1
        strd r2, r3, [sp, #{skip}]
        ldrd r4, r5, [sp]
        cmp r4, r5
        bne 3f
        mov r2, r3
        3:
        cbz r0, 3f
        adr.w r2, 5f
        orr r2, r2, #1
        3:
        str r2, [sp, #{begin}]
        ldrd r11, lr, [sp, #{bias}]
        1:
        ldrd r3, r2, [sp]
        ldr r8, [r11], #4
        ldr pc, [sp, #{begin}]
        5:
        ldrd r4, r5, [sp, #{lead}]
        ldr r0, [r1]
        lsl r0, r0, r4
        add r1, r1, r5
        ldm r2!, {{r4, r5}}",
        times_values!("r0", "r4", "r5"),
        "ldr pc, [sp, #{skip}]
        6:",
        four_times_one_patch!(),
        four_times_one_patch!(),
        four_times_one_patch!(),
        four_times_one_patch!(),
        "cmp r2, r3
        bne 6b
        cmp r2, lr
        beq 4f
        ldr pc, [sp, #{skip} + 4]
        2:",
        sixteen_times_one_patch!(),
        sixteen_times_one_patch!(),
        sixteen_times_one_patch!(),
        sixteen_times_one_patch!(),
        "cmp r2, lr
        bne 2b
        4:",
        outputs_of_one_patch!(),
    }
    begin = size_of::<Product>(),
    bias = offset_of!(Product, bias),
    four = ONE_PATCH,
    lead = offset_of!(Product, lead),
    sixteen = SIXTEEN,
    skip = offset_of!(Product, skip),
}

pub(super) mod indexed;
