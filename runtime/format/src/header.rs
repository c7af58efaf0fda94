//! The first 64 bytes: what the file is, and where its sections lie.
//!
//! ```text
//!   0 magic    4 bytes "MOTE"
//!   4 version  u16
//!   6 header   u16  length of this header, 64
//!   8 length   u32  bytes of the whole file
//!  12 crc      u32  CRC-32 of bytes 16..length
//!  16 arena    u32  bytes of RAM that one inference needs
//!  20 tensors  u32  offset of the tensor records
//!  24 n_tensors u16
//!  26 n_steps  u16
//!  28 steps    u32  offset of the step records
//!  32 steps_len u32
//!  36 n_inputs u16
//!  38 n_outputs u16
//!  40 outputs  u32  offset of u16 tensor indices (inputs are tensors 0..n_inputs), then two per
//!                 state, then the schedule
//!  44 consts   u32  offset of the constants, a multiple of 16
//!  48 consts_len u32
//!  52 meta     u32  offset of the metadata
//!  56 meta_len u32
//!  60 n_states u16  they are the tensors behind the inputs
//!  62 schedule u16 bytes of the schedule, an even number; see `lockstep`
//! ```

use crate::bytes::{slice, u16_at, u32_at};
use crate::crc::crc32;
use crate::error::{Error, Reason};

/// The first four bytes of every model.
pub const MAGIC: [u8; 4] = *b"MOTE";
/// The version that the writer writes.
pub const VERSION: u16 = 1;
/// The versions that the reader accepts.
pub const VERSIONS: &[u16] = &[1];
/// A model and each of its constants start at a multiple of this many bytes.
pub const ALIGN: usize = 16;
/// A model has at most this many tensors.
pub const MAX_TENSORS: usize = 4096;
/// A model has at most this many steps.
pub const MAX_STEPS: usize = 4096;

pub(crate) const HEADER: usize = 64;

/// The header with every section known to lie inside the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) length: u32,
    pub(crate) arena: u32,
    pub(crate) tensors: u32,
    pub(crate) n_tensors: u16,
    pub(crate) n_steps: u16,
    pub(crate) steps: u32,
    pub(crate) steps_len: u32,
    pub(crate) n_inputs: u16,
    pub(crate) n_outputs: u16,
    pub(crate) outputs: u32,
    pub(crate) consts: u32,
    pub(crate) consts_len: u32,
    pub(crate) meta: u32,
    pub(crate) meta_len: u32,
    pub(crate) n_states: u16,
    pub(crate) schedule_len: u16,
}

impl Header {
    /// Reads and checks the header and the checksum.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let refuse = |at, reason| Error { at, reason };
        let head: &[u8; HEADER] =
            bytes.first_chunk().ok_or(refuse(bytes.len() as u32, Reason::Truncated(HEADER as u32)))?;
        if head[..4] != MAGIC {
            return Err(refuse(0, Reason::NotAModel));
        }
        if !bytes.as_ptr().addr().is_multiple_of(ALIGN) {
            return Err(refuse(0, Reason::Misaligned(ALIGN as u32)));
        }
        let header = Self::fields(head).ok_or(refuse(0, Reason::Header))?;
        let version = u16_at(head, 4).unwrap_or(0);
        if !VERSIONS.contains(&version) {
            return Err(refuse(4, Reason::Version(version)));
        }
        if u16_at(head, 6) != Some(HEADER as u16) || (header.length as usize) < HEADER {
            return Err(refuse(6, Reason::Header));
        }
        let whole = slice(bytes, 0, header.length as usize)
            .ok_or(refuse(bytes.len() as u32, Reason::Truncated(header.length)))?;
        if u32_at(head, 12) != Some(crc32(&whole[16..])) {
            return Err(refuse(12, Reason::Checksum));
        }
        header.check()?;
        Ok(header)
    }

    fn fields(head: &[u8; HEADER]) -> Option<Self> {
        Some(Self {
            length: u32_at(head, 8)?,
            arena: u32_at(head, 16)?,
            tensors: u32_at(head, 20)?,
            n_tensors: u16_at(head, 24)?,
            n_steps: u16_at(head, 26)?,
            steps: u32_at(head, 28)?,
            steps_len: u32_at(head, 32)?,
            n_inputs: u16_at(head, 36)?,
            n_outputs: u16_at(head, 38)?,
            outputs: u32_at(head, 40)?,
            consts: u32_at(head, 44)?,
            consts_len: u32_at(head, 48)?,
            meta: u32_at(head, 52)?,
            meta_len: u32_at(head, 56)?,
            n_states: u16_at(head, 60)?,
            schedule_len: u16_at(head, 62)?,
        })
    }

    /// Tensors that are there before the first step: inputs and states. Step `k` writes the `k`-th behind them.
    pub(crate) fn given(&self) -> u16 {
        self.n_inputs + self.n_states
    }

    /// Bytes of the lists of outputs and states, behind which the schedule lies.
    pub(crate) fn lists_len(&self) -> u32 {
        2 * u32::from(self.n_outputs) + 4 * u32::from(self.n_states)
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |at, reason| Err(Error { at, reason });
        if usize::from(self.n_tensors) > MAX_TENSORS
            || usize::from(self.n_steps) > MAX_STEPS
            || u32::from(self.n_inputs) + u32::from(self.n_states) > u32::from(self.n_tensors)
            || self.n_inputs == 0
            || self.n_outputs == 0
            || self.arena > i32::MAX as u32
            || !self.schedule_len.is_multiple_of(2)
        {
            return refuse(16, Reason::Header);
        }
        let tensors_len = u32::from(self.n_tensors) * crate::tensor::RECORD as u32;
        for (field, at, len, align) in [
            (20, self.tensors, tensors_len, 4),
            (28, self.steps, self.steps_len, 4),
            (40, self.outputs, self.lists_len() + u32::from(self.schedule_len), 2),
            (44, self.consts, self.consts_len, ALIGN as u32),
            (52, self.meta, self.meta_len, 4),
        ] {
            let inside = at.checked_add(len).is_some_and(|end| end <= self.length);
            if !inside || at % align != 0 || (at as usize) < HEADER {
                return refuse(field, Reason::Section);
            }
        }
        Ok(())
    }
}
