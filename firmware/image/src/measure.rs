//! How many instructions and how much stack a piece of code takes.
//!
//! Instructions: those between two readings of the timers, less what an empty piece of code counts. Stack:
//! the bytes below the stack pointer of the caller of that code that were written while it ran.

use cortex_m::register::msp;

use crate::board;
use crate::count::instructions;

/// What a piece of code took.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) instructions: u64,
    pub(crate) stack: u32,
}

impl Cost {
    /// This, and afterwards `next`.
    pub(crate) fn then(self, next: Self) -> Self {
        Self { instructions: self.instructions + next.instructions, stack: self.stack.max(next.stack) }
    }
}

/// The running instruction counter.
pub(crate) struct Meter {
    empty: u64,
}

impl Meter {
    /// Starts the timers and takes the measure of nothing.
    pub(crate) fn start() -> Self {
        board::start_timers();
        let mut meter = Self { empty: 0 };
        meter.empty = meter.cost(&mut || {}).instructions;
        meter
    }

    /// Runs `code` once and gives its result, too. Handing that over costs a few instructions and words.
    pub(crate) fn take<T>(&self, code: impl FnOnce() -> T) -> (T, Cost) {
        let (mut code, mut result) = (Some(code), None);
        let cost = self.cost(&mut || result = code.take().map(|code| code()));
        (result.expect("the code was called"), cost)
    }

    /// Runs `code` once. Called through a pointer and never inlined, so that all code is called alike.
    #[inline(never)]
    pub(crate) fn cost(&self, code: &mut dyn FnMut()) -> Cost {
        board::paint_stack();
        let top = msp::read();
        let start = board::read_timers();
        code();
        let end = board::read_timers();
        let instructions = instructions(end) - instructions(start) - self.empty;
        Cost { instructions, stack: board::stack_used_below(top) }
    }
}
