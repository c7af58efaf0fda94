//! Memory whose start is a multiple of a cache line, and working memory that a thread keeps.

use std::cell::RefCell;
use std::vec::Vec;

use bytemuck::Pod;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Values that start at a multiple of a cache line; zero at first.
#[derive(Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    start: usize,
}

impl Lines {
    /// At least so many values, in whole lines.
    pub(super) fn zeroed<T: Pod>(values: usize) -> Self {
        let length = (values * size_of::<T>()).next_multiple_of(LINE);
        let bytes = std::vec![0; length + LINE];
        let start = bytes.as_ptr().addr().next_multiple_of(LINE) - bytes.as_ptr().addr();
        Self { bytes, start }
    }

    /// Bytes of the values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len().saturating_sub(LINE)
    }

    /// All values.
    pub(super) fn values<T: Pod>(&self) -> &[T] {
        bytemuck::cast_slice(&self.bytes[self.start..][..self.bytes()])
    }

    /// All values, to be written.
    pub(super) fn values_mut<T: Pod>(&mut self) -> &mut [T] {
        let length = self.bytes();
        bytemuck::cast_slice_mut(&mut self.bytes[self.start..][..length])
    }
}

std::thread_local! {
    static WORK: RefCell<Lines> = RefCell::default();
}

/// Calls `f` with working memory of this thread, which holds whatever was left there.
pub(super) fn with_memory<T: Pod, R>(values: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    WORK.with_borrow_mut(|lines| {
        if lines.bytes() < values * size_of::<T>() {
            *lines = Lines::zeroed::<T>(values);
        }
        f(&mut lines.values_mut()[..values])
    })
}
