//! The first bytes, 64 where the RAM is one piece: what the file is, and where its sections lie.
//!
//! ```text
//!   0 magic    4 bytes "MOTE"
//!   4 version  u16
//!   6 header   u16  length of this header, 64 and 4 more for each border
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
//!  64 borders  u32 each: where a region of the RAM ends and the next begins, a multiple of 4
//! ```

use core::ops::Range;

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
/// The RAM has at most this many regions.
pub const MAX_REGIONS: usize = 8;
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
    /// Bytes of this header.
    pub(crate) header_len: u16,
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
        let length = usize::from(header.header_len);
        let known = (HEADER..HEADER + 4 * MAX_REGIONS).contains(&length) && length.is_multiple_of(4);
        if !known || (header.length as usize) < length {
            return Err(refuse(6, Reason::Header));
        }
        let whole = slice(bytes, 0, header.length as usize)
            .ok_or(refuse(bytes.len() as u32, Reason::Truncated(header.length)))?;
        if u32_at(head, 12) != Some(crc32(&whole[16..])) {
            return Err(refuse(12, Reason::Checksum));
        }
        header.check()?;
        header.check_borders(whole)?;
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
            header_len: u16_at(head, 6)?,
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
            if !inside || at % align != 0 || at < self.header_len.into() {
                return refuse(field, Reason::Section);
            }
        }
        Ok(())
    }

    /// Where the regions of the RAM begin and end: they lie one behind the other.
    pub(crate) fn regions<'a>(&self, bytes: &'a [u8]) -> Regions<'a> {
        let borders = slice(bytes, HEADER, usize::from(self.header_len) - HEADER).unwrap_or(&[]);
        Regions { borders, from: 0, arena: Some(self.arena) }
    }

    fn check_borders(&self, bytes: &[u8]) -> Result<(), Error> {
        let sound = self.regions(bytes).all(|r| r.start <= r.end && r.start.is_multiple_of(4));
        if sound { Ok(()) } else { Err(Error { at: HEADER as u32, reason: Reason::Header }) }
    }
}

/// The regions of RAM that a model was planned for, in order. The bytes of the arena are numbered through from the first
/// byte of the first region to the last of the last one; no tensor and no scratch lies in two.
#[derive(Debug, Clone)]
pub struct Regions<'a> {
    borders: &'a [u8],
    from: u32,
    /// The end of the last region, until that has been given.
    arena: Option<u32>,
}

impl Iterator for Regions<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let end = match u32_at(self.borders, 0) {
            Some(border) => border,
            None => self.arena.take()?,
        };
        self.borders = self.borders.get(4..).unwrap_or(&[]);
        let start = core::mem::replace(&mut self.from, end);
        Some(start as usize..end as usize)
    }
}
