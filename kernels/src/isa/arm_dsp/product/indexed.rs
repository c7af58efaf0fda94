//! The loops over rows of indices of four bits. Patches, profiles and what becomes of sums are those of the loops around
//! this file.
//!
//! The indices of a word of eight lie so that masks and shifts pair them as patches pair values. An index of int4 is its
//! weight plus 8: the loops take it as it is, and start their sums at −8·Σx. Other palettes are looked up, index by index,
//! in a table of half words.

use core::arch::naked_asm;
use core::mem::offset_of;

/// What the loops work on, as [`Product`](super::Product) in what the two share.
#[repr(C)]
#[derive(Debug)]
pub(in super::super) struct Indices {
    /// The patches.
    pub(in super::super) x: *const u32,
    /// The weights of all indices; of int4 a mask of the lowest indices of both half words, [`MASK`].
    pub(in super::super) palette: *const i16,
    /// What the next sum starts from.
    pub(in super::super) bias: *const i32,
    /// The end of the patches.
    pub(in super::super) x_end: *const u32,
    /// The profile's scaling of the next channel.
    pub(in super::super) mult: *const i32,
    /// Its exponent.
    pub(in super::super) shift: *const i8,
    /// Where the next output goes; in the raw profile, the next sums.
    pub(in super::super) y: *mut i8,
    /// Of four patches: outputs from one to the next. Of one: 0.
    pub(in super::super) step: usize,
    /// Twice the output's zero point, plus one.
    pub(in super::super) twice: i32,
    /// The rounding profile.
    pub(in super::super) profile: i32,
    /// Where `y` is when all rows are done.
    pub(in super::super) y_end: *mut i8,
    /// The first row of indices.
    pub(in super::super) w: *const u8,
    /// What the sums of each patch start from beside the bias.
    pub(in super::super) more: [i32; 4],
}

/// See [`Indices::palette`].
pub(in super::super) const MASK: usize = 0x000f_000f;

/// Four weights in `r12` and `lr` times four patches.
macro_rules! times_four {
    () => {
        "ldm r2!, {{r4, r5, r6, r7}}
        smlad r8, r4, r12, r8
        smlad r8, r5, lr, r8
        smlad r9, r6, r12, r9
        smlad r9, r7, lr, r9
        ldm r2!, {{r4, r5, r6, r7}}
        smlad r10, r4, r12, r10
        smlad r10, r5, lr, r10
        smlad r11, r6, r12, r11
        smlad r11, r7, lr, r11\n"
    };
}

/// Begins a row of four patches: `r2` are the patches, `r3` the palette, `r0` the first word.
macro_rules! four_patches {
    ($name:ident $doc:literal { $($decode:expr,)* }) => {
        kernel! {
            #[doc = $doc]
            $name(Indices) {
                "1:
                ldm sp, {{r2, r3, r4}}
                ldr r8, [r4], #4
                str r4, [sp, #{bias}]
                add r4, sp, #{more}
                ldm r4, {{r4, r9, r10, r11}}
                add r9, r9, r8
                add r10, r10, r8
                add r11, r11, r8
                add r8, r8, r4
                2:
                ldr r0, [r1], #4",
                $($decode,)*
                "ldr lr, [sp, #{x_end}]
                cmp r2, lr
                bne 2b",
                outputs_of_four_patches!(),
            }
            bias = offset_of!(Indices, bias),
            more = offset_of!(Indices, more),
            x_end = offset_of!(Indices, x_end),
        }
    };
}

/// As [`four_patches`], of one, with `lr` the end of the patch.
macro_rules! one_patch {
    ($name:ident $doc:literal { $($decode:expr,)* }) => {
        kernel! {
            #[doc = $doc]
            $name(Indices) {
                "ldrd r11, lr, [sp, #{bias}]
                1:
                ldrd r2, r3, [sp]
                ldr r8, [r11], #4
                ldr r12, [sp, #{more}]
                add r8, r8, r12
                2:
                ldr r0, [r1], #4
                ldm r2!, {{r4, r5, r6, r7}}",
                $($decode,)*
                "cmp r2, lr
                bne 2b",
                outputs_of_one_patch!(),
            }
            bias = offset_of!(Indices, bias),
            more = offset_of!(Indices, more),
        }
    };
}

four_patches! {
    int4_four_patches "Four patches and int4 weights." {
        "and r12, r3, r0
        and lr, r3, r0, lsr #4",
        times_four!(),
        "and r12, r3, r0, lsr #8
        and lr, r3, r0, lsr #12",
        times_four!(),
    }
}

one_patch! {
    int4_one_patch "One patch and int4 weights." {
        "and r12, r3, r0
        smlad r8, r4, r12, r8
        and r12, r3, r0, lsr #4
        smlad r8, r5, r12, r8
        and r12, r3, r0, lsr #8
        smlad r8, r6, r12, r8
        and r12, r3, r0, lsr #12
        smlad r8, r7, r12, r8",
    }
}

/// The weights of four indices of `r0`: from two bits on, and from these plus 16 and so on, to `r12` and `lr`.
macro_rules! look_up_four {
    ($a:literal $b:literal $c:literal $d:literal) => {
        concat!(
            "ubfx r4, r0, #",
            $a,
            ", #4\n ubfx r5, r0, #",
            $b,
            ", #4\n ubfx r6, r0, #",
            $c,
            ", #4\n ubfx r7, r0, #",
            $d,
            ", #4
            ldrh r4, [r3, r4, lsl #1]
            ldrh r5, [r3, r5, lsl #1]
            ldrh r6, [r3, r6, lsl #1]
            ldrh r7, [r3, r7, lsl #1]
            orr r12, r4, r5, lsl #16
            orr lr, r6, r7, lsl #16\n",
        )
    };
}

/// The weights of two indices of `r0` times the two values in `$x`.
macro_rules! look_up_two {
    ($x:literal $a:literal $b:literal) => {
        concat!(
            "ubfx r9, r0, #",
            $a,
            ", #4\n ubfx r10, r0, #",
            $b,
            ", #4
            ldrh r9, [r3, r9, lsl #1]
            ldrh r10, [r3, r10, lsl #1]
            orr r12, r9, r10, lsl #16
            smlad r8, ",
            $x,
            ", r12, r8\n",
        )
    };
}

four_patches! {
    palette_four_patches "Four patches and any palette." {
        look_up_four!("0" "16" "4" "20"),
        times_four!(),
        look_up_four!("8" "24" "12" "28"),
        times_four!(),
    }
}

one_patch! {
    palette_one_patch "One patch and any palette." {
        look_up_two!("r4" "0" "16"),
        look_up_two!("r5" "4" "20"),
        look_up_two!("r6" "8" "24"),
        look_up_two!("r7" "12" "28"),
    }
}
