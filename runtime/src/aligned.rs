//! Alignment of a model that is part of the program.

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
