//! QEMU's `mps2-an505`: a Cortex-M33. The program is `mote-image`'s; this crate chooses target and memory.

#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    mote_image::main("qemu-m33")
}
