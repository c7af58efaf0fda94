//! QEMU's MPS2 boards: the Cortex-M side of stack, faults and counting.
//!
//! The boards' timers are those of Arm's CMSDK, at the same place on all of them.

#![allow(unsafe_code)]

use core::ptr;

use cortex_m::peripheral::MPU;
use cortex_m::register::msp;

use crate::fault;

pub use cortex_m::asm::{delay, nop};

unsafe extern "C" {
    // Symbols of the linker scripts: only their addresses mean something.
    static mut _guard_start: u32;
    static mut _stack_end: u32;
}

/// An address that no MPS2 board answers at.
pub(crate) const NOWHERE: usize = 0x6666_6660;

/// True once.
pub(crate) fn first_time() -> bool {
    cortex_m::Peripherals::take().is_some()
}

/// The stack pointer.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    msp::read() as usize
}

/// Forbids writing to the 32 KiB below the stack. A hard fault's handler, for which the protection is off, then has
/// room there.
pub(crate) fn guard_stack() {
    /// Enabled, with the default map wherever no region says otherwise.
    const CONTROL: u32 = 1 << 2 | 1;
    // SAFETY: the program's only reference to the unit: `first_time` was true.
    let mpu = unsafe { &*MPU::PTR };
    let start = (&raw const _guard_start).addr() as u32;
    // SAFETY: the region holds no section and no stack (`firmware/memory`), so no valid access is taken away.
    unsafe {
        mpu.rnr.write(0);
        #[cfg(not(armv8m))]
        {
            // No access, never executed, 2¹⁵ bytes, enabled.
            mpu.rbar.write(start);
            mpu.rasr.write(1 << 28 | 14 << 1 | 1);
        }
        #[cfg(armv8m)]
        {
            // Read-only, never executed; up to the last 32 bytes below the stack, enabled.
            mpu.rbar.write(start | 0b10 << 1 | 1);
            mpu.rlar.write(((&raw const _stack_end).addr() as u32 - 32) | 1);
        }
        mpu.ctrl.write(CONTROL);
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// What lies where the boards' secure devices are: AN505 starts, and stays, in the secure state.
const DEVICES: usize = if cfg!(armv8m) { 0x5000_0000 } else { 0x4000_0000 };
/// The first of the CMSDK APB timers: counts down, at 25 MHz, or 20 on AN505.
const TIMER: *mut u32 = ptr::without_provenance_mut(DEVICES);
/// The CMSDK APB dual timer, of which one is used: the same clock divided by 256.
const DUAL_TIMER: *mut u32 = ptr::without_provenance_mut(DEVICES + 0x2000);
/// Enabled, periodic, divided by 256, 32 bits wide.
const DUAL_TIMER_CONTROL: u32 = 1 << 7 | 1 << 6 | 0b10 << 2 | 1 << 1;
/// Nanoseconds of a tick of the fine timer.
const TICK: u64 = if cfg!(armv8m) { 50 } else { 40 };

/// Starts both timers from their largest value.
pub(crate) fn start_counter() {
    // SAFETY: registers of devices that every MPS2 board has and that only this module uses: VALUE, RELOAD and CTRL of
    // the timer, LOAD and CONTROL of the dual timer.
    unsafe {
        TIMER.add(2).write_volatile(u32::MAX);
        TIMER.add(1).write_volatile(u32::MAX);
        DUAL_TIMER.write_volatile(u32::MAX);
        DUAL_TIMER.add(2).write_volatile(DUAL_TIMER_CONTROL);
        TIMER.write_volatile(1);
    }
}

/// Both timers' values, the fine one in the low half. Never inlined, so that every reading costs the same.
#[inline(never)]
pub fn counter() -> u64 {
    // SAFETY: VALUE of either device; reading has no effect.
    let (fine, coarse) = unsafe { (TIMER.add(1).read_volatile(), DUAL_TIMER.add(1).read_volatile()) };
    u64::from(coarse) << 32 | u64::from(fine)
}

/// The instructions since the start that a reading of the counter means.
pub fn instructions(counter: u64) -> u64 {
    crate::count::instructions(counter, TICK)
}

/// A hard fault: a bad address, a bad instruction, or a stack that outgrew its region.
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    if ptr::from_ref(frame).addr() < (&raw const _stack_end).addr() {
        // The frame lies in the guard: the processor could not store it.
        panic!("stack overflow");
    }
    fault::happened(frame.pc(), frame.lr())
}
