//! How deep the stack got: it is painted before a piece of code runs, and looked at afterwards.

#![allow(unsafe_code)]

use crate::family::stack_pointer;

unsafe extern "C" {
    // A symbol of the linker scripts: only its address means something.
    static mut _stack_end: u32;
}

const PAINT: u32 = 0x5AFE_57AC;

/// Paints the stack below the caller's frame. The few words of this function's own frame stay unpainted.
#[inline(never)]
pub(crate) fn paint() {
    let mut word = &raw mut _stack_end;
    while word.addr() < stack_pointer() {
        // SAFETY: below the stack pointer, inside the stack's region, nothing is live, and no interrupt is enabled that
        // could make it so.
        unsafe { word.write_volatile(PAINT) };
        word = word.wrapping_add(1);
    }
}

/// How many bytes below `top`, an earlier stack pointer, were written since they were painted.
pub(crate) fn used_below(top: usize) -> u32 {
    let mut word = &raw const _stack_end;
    // SAFETY: an aligned read inside the stack's region, which is ordinary memory.
    while word.addr() < top && unsafe { word.read_volatile() } == PAINT {
        word = word.wrapping_add(1);
    }
    (top - word.addr()) as u32
}
