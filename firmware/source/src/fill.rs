//! Gathering rows into a buffer. Knows no bus: any [`Source`] will do.
//!
//! Invariant: a row is counted only when its source has delivered it whole.

use core::fmt;

use crate::Source;

/// Why a buffer was not filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillError<E> {
    /// The buffer is not a whole number of rows.
    Shape {
        /// The buffer's length.
        buffer: usize,
        /// The row's length.
        row: usize,
    },
    /// The source failed.
    Source {
        /// The row it failed in, from 0.
        row: usize,
        /// Its error.
        error: E,
    },
}

impl<E: fmt::Display> fmt::Display for FillError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { buffer, row } => {
                write!(f, "a buffer of {buffer} bytes is not a whole number of rows of {row} bytes")
            }
            Self::Source { row, error } => write!(f, "row {row}: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for FillError<E> {}

/// A buffer being filled. Keeps its place between calls, so that an executor can do other things meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Filler {
    row_bytes: usize,
    rows: usize,
}

impl Filler {
    /// Starts at the first row.
    pub const fn new(row_bytes: usize) -> Self {
        Self { row_bytes, rows: 0 }
    }

    /// The rows that have arrived.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Takes the rows that are there. Done when `buffer` is full; the next call then begins it anew.
    ///
    /// `buffer` must be the same from call to call. After an error the same row is asked for again.
    pub fn poll<S: Source>(
        &mut self,
        source: &mut S,
        buffer: &mut [u8],
    ) -> nb::Result<(), FillError<S::Error>> {
        let shape = FillError::Shape { buffer: buffer.len(), row: self.row_bytes };
        if self.row_bytes == 0 || !buffer.len().is_multiple_of(self.row_bytes) {
            return Err(nb::Error::Other(shape));
        }
        for row in buffer.chunks_exact_mut(self.row_bytes).skip(self.rows) {
            let failed = |error| FillError::Source { row: self.rows, error };
            source.poll_row(row).map_err(|error| error.map(failed))?;
            self.rows += 1;
        }
        self.rows = 0;
        Ok(())
    }
}

/// Fills `buffer` with rows of `row_bytes`, polling until each is there.
pub fn fill<S: Source>(
    source: &mut S,
    buffer: &mut [u8],
    row_bytes: usize,
) -> Result<(), FillError<S::Error>> {
    let mut filler = Filler::new(row_bytes);
    nb::block!(filler.poll(source, buffer))
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;

    use super::*;

    /// Row `n` is full of `n`; every second poll finds nothing.
    struct Every2nd {
        polls: u8,
    }

    impl Source for Every2nd {
        type Error = Infallible;

        fn poll_row(&mut self, row: &mut [u8]) -> nb::Result<(), Infallible> {
            self.polls += 1;
            if self.polls % 2 == 1 {
                return Err(nb::Error::WouldBlock);
            }
            row.fill(self.polls / 2 - 1);
            Ok(())
        }
    }

    #[test]
    fn fill_waits_for_every_row() {
        let mut buffer = [9; 6];
        fill(&mut Every2nd { polls: 0 }, &mut buffer, 2).unwrap();
        assert_eq!(buffer, [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn a_filler_keeps_its_place() {
        let (mut source, mut filler, mut buffer) = (Every2nd { polls: 1 }, Filler::new(3), [9; 6]);
        assert_eq!(filler.poll(&mut source, &mut buffer), Err(nb::Error::WouldBlock));
        assert_eq!((filler.rows(), buffer), (1, [0, 0, 0, 9, 9, 9]));
        assert_eq!(filler.poll(&mut source, &mut buffer), Ok(()));
        assert_eq!((filler.rows(), buffer), (0, [0, 0, 0, 1, 1, 1]));
    }

    #[test]
    fn only_whole_rows_are_filled() {
        for (bytes, row) in [(5, 2), (1, 2), (4, 0)] {
            let error = fill(&mut Every2nd { polls: 0 }, &mut [0; 8][..bytes], row).unwrap_err();
            assert_eq!(error, FillError::Shape { buffer: bytes, row });
        }
        assert_eq!(fill(&mut Every2nd { polls: 0 }, &mut [], 2), Ok(()));
    }
}
