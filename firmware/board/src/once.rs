//! A static that is handed out once.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A value in a static, for one owner.
pub struct Once<T> {
    value: UnsafeCell<T>,
    taken: AtomicBool,
}

// SAFETY: the value is reached through `take` only, which gives it to one caller.
unsafe impl<T: Send> Sync for Once<T> {}

impl<T> Once<T> {
    /// Not yet taken.
    pub const fn new(value: T) -> Self {
        Self { value: UnsafeCell::new(value), taken: AtomicBool::new(false) }
    }

    /// Hands the value out, once.
    #[allow(clippy::mut_from_ref)] // the flag sees to it that there is one such reference
    pub fn take(&'static self) -> Option<&'static mut T> {
        // ARMv6-M has no exchange; with one core and no interrupts nothing comes between the two.
        if self.taken.load(Ordering::Relaxed) {
            return None;
        }
        self.taken.store(true, Ordering::Relaxed);
        // SAFETY: the flag was clear, so no other reference to the value exists or will.
        Some(unsafe { &mut *self.value.get() })
    }
}
