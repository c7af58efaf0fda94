//! How many instructions and how much stack a piece of code takes.
//!
//! Instructions: those between two readings of the counter, less what an empty piece of code counts. Stack: the bytes
//! below the stack pointer of the caller of that code that were written while it ran.

use crate::family::{counter, instructions, stack_pointer, start_counter};
use crate::stack;

/// What a piece of code took.
#[derive(Clone, Copy)]
pub struct Cost {
    /// Executed instructions.
    pub instructions: u64,
    /// Bytes of stack.
    pub stack: u32,
}

impl Cost {
    /// This, and afterwards `next`.
    pub fn then(self, next: Self) -> Self {
        Self { instructions: self.instructions + next.instructions, stack: self.stack.max(next.stack) }
    }
}

/// The running instruction counter.
pub struct Meter {
    empty: u64,
}

impl Meter {
    /// Starts the counter and takes the measure of nothing.
    pub fn start() -> Self {
        start_counter();
        let mut meter = Self { empty: 0 };
        meter.empty = meter.cost(&mut || {}).instructions;
        meter
    }

    /// Instructions since the start.
    pub fn elapsed(&self) -> u64 {
        instructions(counter())
    }

    /// Runs `code` once and gives its result, too. Handing that over costs a few instructions and words.
    pub fn take<T>(&self, code: impl FnOnce() -> T) -> (T, Cost) {
        let (mut code, mut result) = (Some(code), None);
        let cost = self.cost(&mut || result = code.take().map(|code| code()));
        (result.expect("the code was called"), cost)
    }

    /// Runs `code` once. Called through a pointer and never inlined, so that all code is called alike.
    #[inline(never)]
    pub fn cost(&self, code: &mut dyn FnMut()) -> Cost {
        stack::paint();
        let top = stack_pointer();
        let start = counter();
        code();
        let end = counter();
        let instructions = instructions(end) - instructions(start) - self.empty;
        Cost { instructions, stack: stack::used_below(top) }
    }
}
