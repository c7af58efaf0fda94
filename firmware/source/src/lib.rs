//! Where a board's input comes from: a [`Source`] delivers rows of bytes, and says so when the next one is
//! not there yet.
//!
//! - [`SpiRows`] reads them from a sensor on an SPI bus, over `embedded-hal`.
//! - [`Filler`] gathers rows into a tensor without blocking; [`fill`] does so and waits.
//!
//! What the bytes mean (scale, zero point, colour order) is not decided here: rows arrive as the sensor
//! sends them.

#![no_std]

mod fill;
mod spi;

pub use fill::{FillError, Filler, fill};
pub use spi::{SpiRows, SpiRowsError};

/// An input that arrives row by row.
pub trait Source {
    /// What can go wrong while a row is read.
    type Error;

    /// Reads the next row into the whole of `row`, or says [`nb::Error::WouldBlock`] while it is not there.
    ///
    /// `WouldBlock` loses no row: the next call reads the one that this call waited for. When it did not
    /// succeed, what `row` holds is unspecified.
    fn poll_row(&mut self, row: &mut [u8]) -> nb::Result<(), Self::Error>;
}

impl<S: Source + ?Sized> Source for &mut S {
    type Error = S::Error;

    fn poll_row(&mut self, row: &mut [u8]) -> nb::Result<(), Self::Error> {
        (**self).poll_row(row)
    }
}
