//! Alignment of a model that is part of the program, and of its arena.

/// Starts at a multiple of 16 bytes, as a model must.
///
/// ```
/// use mote_runtime::Aligned;
/// static MODEL: &Aligned<[u8]> = &Aligned(*b"the bytes of a model: include_bytes!(\"net.mote\")");
/// assert_eq!(MODEL.0.as_ptr().addr() % 16, 0);
/// ```
#[derive(Debug, Clone, Copy)]
#[repr(C, align(16))]
pub struct Aligned<T: ?Sized>(pub T);

/// The RAM of a model, as `include_model!` wants it.
pub type Arena<const N: usize> = Aligned<[u8; N]>;

impl<const N: usize> Arena<N> {
    /// Zeros.
    pub const fn new() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self::new()
    }
}
