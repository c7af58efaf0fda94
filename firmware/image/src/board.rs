//! The board as the program sees it: its memory, its timers, its stack. All unsafe code of the images is
//! here. What the numbers mean is `clock`'s and `measure`'s business.
//!
//! The regions are `mps2/memory.x`'s; the addresses are those of QEMU's MPS2 boards.

#![allow(unsafe_code)]

use core::ptr;

use cortex_m::peripheral::MPU;
use cortex_m::register::msp;

unsafe extern "C" {
    // Symbols of the linker scripts: only their addresses mean something.
    static mut __sheap: u32;
    static mut _arena_end: u32;
    static mut _psram_start: u32;
    static mut _psram_end: u32;
    static mut _guard_start: u32;
    static mut _stack_end: u32;
}

/// The memory that no static and no stack uses.
pub(crate) struct Memory {
    /// The board's RAM from the last static to the end.
    pub(crate) arena: &'static mut [u8],
    /// The external memory, which stands for flash.
    pub(crate) psram: &'static mut [u8],
}

/// Hands the memory out, once, and puts a guard below the stack.
pub(crate) fn take_memory() -> Option<Memory> {
    guard_stack(&cortex_m::Peripherals::take()?.MPU);
    // The model and the arena want 16 bytes; the linker aligns `__sheap` to 4.
    let arena = (&raw mut __sheap).cast::<u8>();
    let arena = arena.wrapping_add(arena.align_offset(16));
    // SAFETY: both regions lie in memory that the board has, outside all sections and the stack, and any
    // byte is a valid `u8`; `Peripherals::take` succeeds once, so there is no second reference to them.
    unsafe {
        Some(Memory {
            arena: slice_between(arena, (&raw mut _arena_end).cast()),
            psram: slice_between((&raw mut _psram_start).cast(), (&raw mut _psram_end).cast()),
        })
    }
}

/// Forbids access to the 32 KiB below the stack. A hard fault's handler, for which the protection is off, then
/// has room there.
fn guard_stack(mpu: &MPU) {
    /// No access, never executed, 2¹⁵ bytes, enabled.
    const GUARD: u32 = 1 << 28 | 14 << 1 | 1;
    /// Enabled, with the default map wherever no region says otherwise.
    const CONTROL: u32 = 1 << 2 | 1;
    // SAFETY: the region holds no section and no stack (`memory.x`), so no valid access is taken away.
    unsafe {
        mpu.rnr.write(0);
        mpu.rbar.write((&raw const _guard_start).addr() as u32);
        mpu.rasr.write(GUARD);
        mpu.ctrl.write(CONTROL);
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// # Safety
///
/// From `start` to `end` must be memory that nothing else refers to.
unsafe fn slice_between(start: *mut u8, end: *mut u8) -> &'static mut [u8] {
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts_mut(start, end.addr() - start.addr()) }
}

const PAINT: u32 = 0x5AFE_57AC;

/// Paints the stack below the caller's frame. The few words of this function's own frame stay unpainted.
#[inline(never)]
pub(crate) fn paint_stack() {
    let mut word = &raw mut _stack_end;
    while word.addr() < msp::read() as usize {
        // SAFETY: below the stack pointer, inside the stack's region, nothing is live, and no interrupt is
        // enabled that could make it so.
        unsafe { word.write_volatile(PAINT) };
        word = word.wrapping_add(1);
    }
}

/// How many bytes below `top`, an earlier stack pointer, were written since they were painted.
pub(crate) fn stack_used_below(top: u32) -> u32 {
    let mut word = &raw const _stack_end;
    // SAFETY: an aligned read inside the stack's region, which is ordinary memory.
    while word.addr() < top as usize && unsafe { word.read_volatile() } == PAINT {
        word = word.wrapping_add(1);
    }
    top - word.addr() as u32
}

/// The first of the CMSDK APB timers: counts down at 25 MHz.
const TIMER: *mut u32 = ptr::without_provenance_mut(0x4000_0000);
/// The CMSDK APB dual timer, of which one is used: the same clock divided by 256.
const DUAL_TIMER: *mut u32 = ptr::without_provenance_mut(0x4000_2000);
/// Enabled, periodic, divided by 256, 32 bits wide.
const DUAL_TIMER_CONTROL: u32 = 1 << 7 | 1 << 6 | 0b10 << 2 | 1 << 1;

/// Starts both timers from their largest value.
pub(crate) fn start_timers() {
    // SAFETY: registers of devices that every MPS2 board has and that only this module uses: VALUE, RELOAD
    // and CTRL of the timer, LOAD and CONTROL of the dual timer.
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
pub(crate) fn read_timers() -> u64 {
    // SAFETY: VALUE of either device; reading has no effect.
    let (fine, coarse) = unsafe { (TIMER.add(1).read_volatile(), DUAL_TIMER.add(1).read_volatile()) };
    u64::from(coarse) << 32 | u64::from(fine)
}

/// Reads where no board has anything, which faults.
pub(crate) fn bad_read() {
    // SAFETY: not a memory access to the program: the bus refuses it and the processor takes the fault.
    unsafe { ptr::without_provenance::<u32>(0x6666_6660).read_volatile() };
}

/// A hard fault: a bad address, a bad instruction, or a stack that outgrew its region.
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    if ptr::from_ref(frame).addr() < (&raw const _stack_end).addr() {
        // The frame lies in the guard: the processor could not store it.
        panic!("stack overflow");
    }
    let (pc, lr) = (frame.pc(), frame.lr());
    panic!("hard fault at {pc:#010x}, called from {lr:#010x}")
}
