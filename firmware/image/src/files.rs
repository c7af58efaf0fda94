//! The host's files, over semihosting. An input file is a [`Source`]: it delivers rows as a sensor would.

use core::ffi::CStr;

use mote_source::{FillError, Source};
use semihosting::fs::File;
use semihosting::io::{self, Read, Write};

use crate::failure::{Act, Failure};

/// A file that is read from its beginning.
pub(crate) struct Input<'a> {
    file: File,
    path: &'a CStr,
    /// Its length.
    pub(crate) bytes: usize,
}

impl<'a> Input<'a> {
    pub(crate) fn open(path: &'a CStr) -> Result<Self, Failure<'a>> {
        let failed = |error| Failure::file(Act::Open, path, error);
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len() as usize;
        Ok(Self { file, path, bytes })
    }

    /// Reads the next bytes into the whole of `buffer`.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<(), Failure<'a>> {
        self.file.read_exact(buffer).map_err(|error| Failure::file(Act::Read, self.path, error))
    }

    /// Fills `buffer` with the next rows of `row_bytes`.
    pub(crate) fn fill(&mut self, buffer: &mut [u8], row_bytes: usize) -> Result<(), Failure<'a>> {
        mote_source::fill(self, buffer, row_bytes).map_err(|error| match error {
            FillError::Source { error, .. } => Failure::file(Act::Read, self.path, error),
            FillError::Shape { .. } => {
                Failure::file(Act::Read, self.path, io::ErrorKind::InvalidInput.into())
            }
        })
    }
}

impl Source for Input<'_> {
    type Error = io::Error;

    /// A file is always ready. Its end is an error.
    fn poll_row(&mut self, row: &mut [u8]) -> nb::Result<(), io::Error> {
        Ok(self.file.read_exact(row)?)
    }
}

/// A file that is written from its beginning.
pub(crate) struct Output<'a> {
    file: File,
    path: &'a CStr,
}

impl<'a> Output<'a> {
    pub(crate) fn create(path: &'a CStr) -> Result<Self, Failure<'a>> {
        let file = File::create(path).map_err(|error| Failure::file(Act::Create, path, error))?;
        Ok(Self { file, path })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure<'a>> {
        self.file.write_all(bytes).map_err(|error| Failure::file(Act::Write, self.path, error))
    }
}
