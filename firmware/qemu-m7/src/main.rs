//! QEMU's `mps2-an500`: a Cortex-M7. The program is `mote-image`'s; this crate chooses target and memory.

#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    mote_image::main("qemu-m7")
}
