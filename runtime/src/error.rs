//! What can go wrong once a model has been checked: a small arena or region, and rows that do not fit the input.

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

/// A region of RAM has fewer bytes than the model needs there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RegionTooSmall {
    /// Which one, counted from 0.
    pub region: usize,
    /// Bytes that the model needs there.
    pub needed: usize,
    /// Bytes that were given; 0 for a region that was not given at all.
    pub given: usize,
}

impl fmt::Display for RegionTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, needed, given } = self;
        write!(f, "region {region} has {given} bytes, the model needs {needed} there")
    }
}

impl core::error::Error for RegionTooSmall {}

/// Rows that do not fit the input. Nothing has been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RowsError {
    /// The bytes are not a whole number of rows.
    Length {
        /// Bytes of one row.
        row: usize,
        /// Bytes that were given.
        given: usize,
    },
    /// The input has fewer rows left.
    TooMany {
        /// Rows that are still to come.
        left: usize,
        /// Rows that were given.
        given: usize,
    },
}

impl fmt::Display for RowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { row, given } => {
                write!(f, "{given} bytes are not whole rows of the input, which have {row} each")
            }
            Self::TooMany { left, given } => {
                write!(f, "{given} rows are too many, the input is complete after {left} more")
            }
        }
    }
}

impl core::error::Error for RowsError {}
