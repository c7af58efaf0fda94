//! Where a fault happened. It ends in a panic that says no more than that, since text with numbers in it takes code that
//! not every image has; those that have it ask here.

use core::sync::atomic::{AtomicU32, Ordering};

/// Where a fault happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The instruction.
    pub pc: u32,
    /// The return address in its register: often the function's caller.
    pub caller: u32,
}

static PC: AtomicU32 = AtomicU32::new(0);
static CALLER: AtomicU32 = AtomicU32::new(0);

impl Fault {
    /// The fault that the program panics of, if it is one.
    pub fn last() -> Option<Self> {
        let pc = PC.load(Ordering::Relaxed);
        (pc != 0).then(|| Self { pc, caller: CALLER.load(Ordering::Relaxed) })
    }
}

/// Notes the fault and panics.
pub(crate) fn happened(pc: u32, caller: u32) -> ! {
    PC.store(pc, Ordering::Relaxed);
    CALLER.store(caller, Ordering::Relaxed);
    panic!("hard fault")
}
