//! A sensor on an SPI bus that raises a line when its next row can be read. The bus, chip select and pins
//! are `embedded-hal`'s; what a sensor needs to be set up is its driver's business.
//!
//! Invariant: one row is one SPI transaction, made only while the line is high.

use core::fmt;

use embedded_hal::digital::InputPin;
use embedded_hal::spi::SpiDevice;

use crate::Source;

/// Why a row could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpiRowsError<S, P> {
    /// The SPI transaction failed.
    Spi(S),
    /// The data-ready line could not be read.
    Ready(P),
    /// The sensor sends rows of another length; nothing was read.
    RowLength {
        /// What the sensor sends.
        sensor: usize,
        /// What was asked for.
        asked: usize,
    },
}

impl<S: fmt::Debug, P: fmt::Debug> fmt::Display for SpiRowsError<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spi(error) => write!(f, "SPI transaction failed: {error:?}"),
            Self::Ready(error) => write!(f, "data-ready line failed: {error:?}"),
            Self::RowLength { sensor, asked } => {
                write!(f, "the sensor sends rows of {sensor} bytes, not {asked}")
            }
        }
    }
}

impl<S: fmt::Debug, P: fmt::Debug> core::error::Error for SpiRowsError<S, P> {}

/// Rows from a sensor on an SPI bus.
#[derive(Debug)]
pub struct SpiRows<SPI, READY> {
    spi: SPI,
    ready: READY,
    row_bytes: usize,
}

impl<SPI, READY> SpiRows<SPI, READY> {
    /// A sensor that sends rows of `row_bytes` and holds `ready` high while one waits.
    pub const fn new(spi: SPI, ready: READY, row_bytes: usize) -> Self {
        Self { spi, ready, row_bytes }
    }

    /// Gives back the bus device and the pin.
    pub fn release(self) -> (SPI, READY) {
        (self.spi, self.ready)
    }
}

impl<SPI: SpiDevice, READY: InputPin> Source for SpiRows<SPI, READY> {
    type Error = SpiRowsError<SPI::Error, READY::Error>;

    fn poll_row(&mut self, row: &mut [u8]) -> nb::Result<(), Self::Error> {
        if row.len() != self.row_bytes {
            let lengths = SpiRowsError::RowLength { sensor: self.row_bytes, asked: row.len() };
            return Err(nb::Error::Other(lengths));
        }
        if self.ready.is_low().map_err(SpiRowsError::Ready)? {
            return Err(nb::Error::WouldBlock);
        }
        self.spi.read(row).map_err(SpiRowsError::Spi)?;
        Ok(())
    }
}
