//! QEMU's `virt` with an RV32IMAC hart. The program is `mote-image`'s; this crate chooses target and memory.

#![no_std]
#![no_main]

/// Where `mote-board`'s start goes on.
#[allow(unsafe_code)]
// SAFETY: no other symbol has this name; the start calls it once, on a stack, with the statics set.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    mote_image::main("qemu-riscv")
}
