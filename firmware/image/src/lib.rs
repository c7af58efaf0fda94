//! What the images for emulated boards share: one program that runs any model on any input and measures it.
//! A board's crate chooses the target and the memory map, and calls [`main`].
//!
//! - `program`: what happens, from the command line to the exit code; `selfcheck`: what happens without one;
//!   `provoke`: what happens when it is told to fail.
//! - `args`, `shape`: text and arithmetic, tested on the host.
//! - `files`, `report`: the host's files, over semihosting, and the input as rows from one of them.
//! - `layers`: instructions of each step; `fault`: panics and hard faults.
//!
//! Memory, stack and counter are `mote-board`'s.

#![cfg_attr(target_os = "none", no_std)]
// On the host only the parts that need no board are built, for their tests.
#![cfg_attr(not(target_os = "none"), allow(dead_code))]

mod args;
mod shape;

#[cfg(target_os = "none")]
mod failure;
#[cfg(target_os = "none")]
mod fault;
#[cfg(target_os = "none")]
mod files;
#[cfg(target_os = "none")]
mod layers;
#[cfg(target_os = "none")]
mod program;
#[cfg(target_os = "none")]
mod provoke;
#[cfg(target_os = "none")]
mod report;
#[cfg(target_os = "none")]
mod selfcheck;

/// Does what the command line asks for and ends the emulator: exit code 0, 1 after an error that was reported,
/// 101 after a panic or a hard fault.
#[cfg(target_os = "none")]
pub fn main(board: &'static str) -> ! {
    semihosting::process::exit(program::run(board))
}
