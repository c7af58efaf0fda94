//! The memory that no static and no stack uses, handed out once. The regions are `firmware/memory`'s.

#![allow(unsafe_code)]

use core::ptr;

use crate::family;

unsafe extern "C" {
    // Symbols of the linker scripts: only their addresses mean something.
    static mut __sheap: u32;
    static mut _arena_end: u32;
    static mut _psram_start: u32;
    static mut _psram_end: u32;
}

/// The memory that no static and no stack uses.
pub struct Memory {
    /// The board's RAM from the last static to the end; starts at a multiple of 16.
    pub arena: &'static mut [u8],
    /// The external memory, which stands for flash.
    pub psram: &'static mut [u8],
}

impl Memory {
    /// Hands the memory out, once, and puts a guard below the stack.
    pub fn take() -> Option<Self> {
        if !family::first_time() {
            return None;
        }
        family::guard_stack();
        let arena = (&raw mut __sheap).cast::<u8>();
        let arena = arena.wrapping_add(arena.align_offset(16));
        // SAFETY: both regions lie in memory that the board has, outside all sections and the stack, and any byte is
        // a valid `u8`; `first_time` is true once, so there is no second reference to them.
        unsafe {
            Some(Self {
                arena: slice_between(arena, (&raw mut _arena_end).cast()),
                psram: slice_between((&raw mut _psram_start).cast(), (&raw mut _psram_end).cast()),
            })
        }
    }
}

/// # Safety
///
/// From `start` to `end` must be memory that nothing else refers to.
unsafe fn slice_between(start: *mut u8, end: *mut u8) -> &'static mut [u8] {
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts_mut(start, end.addr() - start.addr()) }
}

/// Reads where no board has anything, which faults.
pub fn bad_read() {
    // SAFETY: not a memory access to the program: the bus refuses it and the processor takes the fault.
    unsafe { ptr::without_provenance::<u32>(family::NOWHERE).read_volatile() };
}
