//! The emulated boards as their programs see them: memory, stack, instruction counter, serial port. All unsafe code of
//! the firmware is here.
//!
//! - `memory`, `once`: the memory that no static uses, and statics, handed out once.
//! - `arm`, `riscv`: what the two families do differently, under the same names; `riscv` also starts the program.
//! - `fault`: where a hard fault happened.
//! - `stack`: painting it and seeing how deep it got; `uart`: the serial port, over `embedded-hal`.
//! - `measure`: what a piece of code costs; `count`: from timer values to instructions, tested on the host.
//!
//! The regions are those of `firmware/memory`; a board that is no emulator brings its own crate instead of this one.

#![cfg_attr(target_os = "none", no_std)]
// On the host only the parts that need no board are built, for their tests.
#![cfg_attr(not(target_os = "none"), allow(dead_code))]

// RISC-V harts count for themselves.
#[cfg(any(not(target_os = "none"), target_arch = "arm"))]
mod count;

#[cfg(all(target_os = "none", target_arch = "arm"))]
mod arm;
#[cfg(all(target_os = "none", target_arch = "arm"))]
use arm as family;
#[cfg(all(target_os = "none", target_arch = "riscv32"))]
mod riscv;
#[cfg(all(target_os = "none", target_arch = "riscv32"))]
use riscv as family;

#[cfg(target_os = "none")]
mod fault;
#[cfg(target_os = "none")]
mod measure;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod once;
#[cfg(target_os = "none")]
mod stack;
#[cfg(target_os = "none")]
mod uart;

#[cfg(target_os = "none")]
pub use family::{counter, delay, instructions, nop};
#[cfg(target_os = "none")]
pub use fault::Fault;
#[cfg(target_os = "none")]
pub use measure::{Cost, Meter};
#[cfg(target_os = "none")]
pub use memory::{Memory, bad_read};
#[cfg(target_os = "none")]
pub use once::Once;
#[cfg(target_os = "none")]
pub use uart::Uart;
