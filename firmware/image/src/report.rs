//! The report: `key=value` lines in a file of the host, for programs to read. Without a file it goes nowhere.

use core::ffi::CStr;
use core::fmt::{self, Display, Write as _};

use semihosting::fs::File;
use semihosting::io::Write as _;

use crate::failure::{Act, Failure};

/// The report of one run.
#[derive(Default)]
pub(crate) struct Report {
    file: Option<File>,
}

impl Report {
    pub(crate) fn create(path: Option<&CStr>) -> Result<Self, Failure<'_>> {
        let create = |path| File::create(path).map_err(|error| Failure::file(Act::Create, path, error));
        Ok(Self { file: path.map(create).transpose()? })
    }

    /// Appends `key=value`. A report that cannot be written is incomplete; its reader will notice.
    pub(crate) fn line(&mut self, key: &str, value: impl Display) {
        self.text(format_args!("{key}={value}\n"));
    }

    /// Appends text.
    pub(crate) fn text(&mut self, text: fmt::Arguments<'_>) {
        if let Some(file) = &mut self.file {
            let mut line = Line { bytes: [0; 256], len: 0, file };
            let _ = line.write_fmt(text);
            line.flush();
        }
    }
}

/// Gathers the pieces of a line, since each write of its own stops the emulator.
struct Line<'a> {
    bytes: [u8; 256],
    len: usize,
    file: &'a mut File,
}

impl Line<'_> {
    fn flush(&mut self) {
        let _ = self.file.write_all(&self.bytes[..self.len]);
        self.len = 0;
    }
}

impl fmt::Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.len == self.bytes.len() {
                self.flush();
            }
            self.bytes[self.len] = byte;
            self.len += 1;
        }
        Ok(())
    }
}
