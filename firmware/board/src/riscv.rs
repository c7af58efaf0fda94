//! QEMU's RISC-V board `virt`: its start, and its side of stack, faults and counting.
//!
//! The program runs in machine mode, on one hart, without interrupts.

#![allow(unsafe_code)]

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicBool, Ordering};

use crate::fault;

unsafe extern "C" {
    // Symbols of the linker scripts: only their addresses mean something.
    static _guard_start: u32;
    static _stack_end: u32;
}

// The start: pointers, statics, then `main`, which the image defines. A trap begins on a fresh stack, since the old one
// may be what it is about, and nothing returns from it.
global_asm!(
    ".section .init, \"ax\"",
    ".global _start",
    "_start:",
    ".option push",
    ".option norelax",
    "la gp, __global_pointer$",
    ".option pop",
    "la sp, _stack_start",
    "la t0, 4f",
    "csrw mtvec, t0",
    "la t0, _data_load",
    "la t1, _data_start",
    "la t2, _data_end",
    "j 2f",
    "1: lw t3, 0(t0)",
    "sw t3, 0(t1)",
    "addi t0, t0, 4",
    "addi t1, t1, 4",
    "2: bltu t1, t2, 1b",
    "la t1, _bss_start",
    "la t2, _bss_end",
    "j 3f",
    "1: sw zero, 0(t1)",
    "addi t1, t1, 4",
    "3: bltu t1, t2, 1b",
    "tail main",
    ".balign 4",
    "4: csrr a0, mepc",
    "mv a1, ra",
    "csrr a2, mtval",
    "la sp, _stack_start",
    "tail {trap}",
    trap = sym trap,
);

/// A trap: a bad address, a bad instruction, or a stack that outgrew its region.
extern "C" fn trap(pc: u32, caller: u32, address: usize) -> ! {
    let guard = (&raw const _guard_start).addr()..(&raw const _stack_end).addr();
    if guard.contains(&address) {
        panic!("stack overflow");
    }
    fault::happened(pc, caller)
}

/// An address that the board does not answer at.
pub(crate) const NOWHERE: usize = 0x0800_0000;

/// True once.
pub(crate) fn first_time() -> bool {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    !TAKEN.swap(true, Ordering::Relaxed)
}

/// The stack pointer.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let sp;
    // SAFETY: only reads a register.
    unsafe { asm!("mv {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

/// Forbids all access to the 32 KiB below the stack, to this mode too.
pub(crate) fn guard_stack() {
    // A region of 2¹⁵ bytes that starts at a multiple of its size: the address in words, its low bits 011…1.
    let region = (&raw const _guard_start).addr() >> 2 | ((1 << 12) - 1);
    // Locked, which makes it hold in machine mode; a region of that form; no permission.
    let control = 1 << 7 | 0b11 << 3;
    // SAFETY: the region holds no section and no stack (`firmware/memory`), so no valid access is taken away.
    unsafe {
        asm!("csrw pmpaddr0, {0}", "csrw pmpcfg0, {1}", in(reg) region, in(reg) control, options(nostack));
    }
}

/// The counter runs from the processor's reset.
pub(crate) fn start_counter() {}

/// Instructions since the reset. Never inlined, so that every reading costs the same.
#[inline(never)]
pub fn counter() -> u64 {
    loop {
        let (high, low, again): (u32, u32, u32);
        // SAFETY: counters that every hart has; reading has no effect.
        unsafe {
            asm!("csrr {0}, minstreth", "csrr {1}, minstret", "csrr {2}, minstreth",
                out(reg) high, out(reg) low, out(reg) again, options(nomem, nostack, preserves_flags));
        }
        if high == again {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

/// The instructions that a reading of the counter means.
pub fn instructions(counter: u64) -> u64 {
    counter
}

/// Goes round a loop of two instructions `n + 1` times.
#[inline(always)]
pub fn delay(n: u32) {
    // SAFETY: only changes the register that it declares.
    unsafe {
        asm!("1: addi {0}, {0}, -1", "bnez {0}, 1b", inout(reg) n.wrapping_add(1) => _, options(nomem, nostack));
    }
}

/// Does nothing, for one instruction.
#[inline(always)]
pub fn nop() {
    // SAFETY: does nothing.
    unsafe { asm!("nop", options(nomem, nostack, preserves_flags)) };
}

/// No interrupt is ever enabled: the program is one critical section.
struct Always;
critical_section::set_impl!(Always);

// SAFETY: one hart without interrupts: nothing can come between.
unsafe impl critical_section::Impl for Always {
    unsafe fn acquire() -> critical_section::RawRestoreState {}
    unsafe fn release(_: critical_section::RawRestoreState) {}
}
