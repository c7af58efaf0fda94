//! The one thing that can go wrong once a model has been checked.

use core::fmt;

/// The arena has fewer bytes than the model needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ArenaTooSmall {
    /// Bytes that the model needs.
    pub needed: usize,
    /// Bytes that were given.
    pub given: usize,
}

impl fmt::Display for ArenaTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needed, given } = self;
        write!(
            f,
            "the arena has {given} bytes, the model needs {needed}: {} more",
            needed.saturating_sub(*given)
        )
    }
}

impl core::error::Error for ArenaTooSmall {}
