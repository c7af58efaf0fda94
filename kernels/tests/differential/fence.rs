//! Memory between two pages that may not be touched: whoever reads or writes beside it is stopped by the system.

#![allow(unsafe_code)]

use core::ops::{Deref, DerefMut};
use core::ptr;

/// Whole pages.
pub(crate) struct Fence {
    /// The first page that may not be touched.
    base: *mut libc::c_void,
    page: usize,
    length: usize,
}

impl Fence {
    /// At least so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        // SAFETY: a question.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).expect("pages have a size");
        let length = bytes.max(1).next_multiple_of(page);
        let (kind, none) = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, libc::PROT_NONE);
        // SAFETY: new memory, wherever the system wants it.
        let base = unsafe { libc::mmap(ptr::null_mut(), length + 2 * page, none, kind, -1, 0) };
        assert!(base != libc::MAP_FAILED, "no memory");
        // SAFETY: the pages between the first and the last of that memory, which nobody uses yet.
        let opened =
            unsafe { libc::mprotect(base.byte_add(page), length, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(opened, 0, "no memory");
        Self { base, page, length }
    }
}

impl Deref for Fence {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: readable pages of this value's own.
        unsafe { core::slice::from_raw_parts(self.base.byte_add(self.page).cast(), self.length) }
    }
}

impl DerefMut for Fence {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: writable pages of this value's own.
        unsafe { core::slice::from_raw_parts_mut(self.base.byte_add(self.page).cast(), self.length) }
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        // SAFETY: this value's own mapping, of which nothing is left.
        unsafe { libc::munmap(self.base, self.length + 2 * self.page) };
    }
}
