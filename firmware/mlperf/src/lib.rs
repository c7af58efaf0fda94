//! The serial protocol of MLPerf Tiny, device side: the benchmark's runner sends commands that end in `%`, the device
//! answers with lines, the last of which is `m-ready`.
//!
//! - [`Harness`] understands the commands. It needs a serial port (`embedded-hal`), a [`Board`] that tells the time and a
//!   [`Network`] to run; what those are is the image's business.
//! - [`Benchmark`] says how the bytes that the runner sends become the input of each reference model, and what of its
//!   output is the result.
//!
//! The commands and answers are those of the benchmark's reference code (`api/internally_implemented.cpp` in
//! github.com/mlcommons/tiny). Text is written without `core::fmt`, which would outweigh the rest.

#![no_std]

mod benchmark;
mod command;
mod harness;
mod text;

pub use benchmark::{Benchmark, Data};
pub use harness::{Harness, Names};

/// What is measured.
pub trait Network {
    /// Makes an input of the bytes that the runner has sent; says how many there must be when their number is wrong.
    fn load(&mut self, data: &[u8]) -> Result<(), usize>;

    /// One inference.
    fn infer(&mut self);

    /// Gives the values of the result, in order. `data` are the bytes that were loaded.
    fn results(&self, data: &[u8], each: &mut dyn FnMut(f32));
}

/// What measures.
pub trait Board {
    /// Microseconds since some moment.
    fn micros(&mut self) -> u64;

    /// Runs `code` and tells what it cost, where the board can. The benchmark does not ask for it: it answers the command
    /// `cost`, which is this project's own.
    fn cost(&mut self, code: &mut dyn FnMut()) -> Option<Cost> {
        let _ = code;
        None
    }
}

/// What a piece of code took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Executed instructions.
    pub instructions: u64,
    /// Bytes of stack.
    pub stack: u32,
}
