//! ARMv6-M code, as a Cortex-M0 runs it, on QEMU's `mps2-an385`: a Cortex-M3, which runs it unchanged and has
//! the memory and the timer that QEMU's own Cortex-M0 board lacks. The program is `mote-image`'s.

#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    mote_image::main("qemu-m0")
}
