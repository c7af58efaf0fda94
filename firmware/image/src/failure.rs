//! Why the program could not do what it was asked to: one value for the log, the report and the exit code.

use core::ffi::CStr;
use core::fmt;

use mote_runtime::ArenaTooSmall;
use semihosting::io;

use crate::args::ArgError;

/// What was being done with a file.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    Open,
    Read,
    Create,
    Write,
}

/// Why there is no result.
pub(crate) enum Failure<'a> {
    /// The command line makes no sense.
    Args(ArgError),
    /// A file could not be used.
    File { act: Act, path: &'a CStr, error: io::Error },
    /// The model does not fit into the memory that stands for flash.
    Flash { model: usize, room: usize },
    /// The bytes are no model.
    Model(mote_runtime::Error),
    /// The arena does not fit into RAM.
    Ram(ArenaTooSmall),
    /// The input file is not a whole number of samples.
    Samples { file: usize, sample: usize },
    /// The self-check got another result than it should.
    SelfCheck(&'static str),
}

impl<'a> Failure<'a> {
    pub(crate) fn file(act: Act, path: &'a CStr, error: io::Error) -> Self {
        Self::File { act, path, error }
    }

    /// One word for programs that read the report.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Args(_) => "args",
            Self::File { .. } => "file",
            Self::Flash { .. } => "flash",
            Self::Model(_) => "model",
            Self::Ram(_) => "ram",
            Self::Samples { .. } => "samples",
            Self::SelfCheck(_) => "selfcheck",
        }
    }

    /// What did not fit: needed and available bytes.
    pub(crate) fn bytes(&self) -> Option<(usize, usize)> {
        match *self {
            Self::Flash { model, room } => Some((model, room)),
            Self::Ram(ArenaTooSmall { needed, given }) => Some((needed, given)),
            _ => None,
        }
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Args(error) => error.fmt(f),
            Self::File { act, path, ref error } => {
                let act = match act {
                    Act::Open => "open",
                    Act::Read => "read",
                    Act::Create => "create",
                    Act::Write => "write",
                };
                write!(f, "cannot {act} {}: {error}", path.to_str().unwrap_or("a file"))
            }
            Self::Flash { model, room } => {
                write!(f, "the model of {model} bytes exceeds the board's {room} by {} bytes", model - room)
            }
            Self::Model(ref error) => write!(f, "not a usable model: {error}"),
            Self::Ram(ArenaTooSmall { needed, given }) => {
                let more = needed.saturating_sub(given);
                write!(f, "the arena of {needed} bytes exceeds the board's {given} by {more} bytes")
            }
            Self::Samples { file, sample } => {
                write!(
                    f,
                    "the input file has {file} bytes, which is no multiple of the {sample} that one run takes"
                )
            }
            Self::SelfCheck(what) => write!(f, "self-check failed: {what}"),
        }
    }
}
