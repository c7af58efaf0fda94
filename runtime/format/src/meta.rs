//! What a model says of itself beyond what is needed to run it: names, labels, input preparation.
//!
//! The metadata section is a row of records; a reader skips the tags that it does not know.
//!
//! ```text
//!   0 tag u16, 2 zero u16, 4 length u32, 8 payload, then zeros up to a multiple of 4
//!   tag 1  name         UTF-8
//!   tag 2  strings      u16 length + UTF-8, one after the other; tensor records point at them
//!   tag 3  labels       u16 output, u16 count, then strings as above
//!   tag 4  preparation  u16 input, u8 channels-first, u8 n, f32 mean x n, f32 scale x n
//!   tag 5  removed      strings in threes: node, operator, reason
//!   tag 6  original     u64 MACs, u32 constant bytes, u32 arena bytes
//!   tag 7  bound        u32 arena bytes, u64 cost of traffic
//!   tag 8  regions      per region u64 bytes that an inference moves, u32 cost of each, u16 length + UTF-8 name
//! ```

use crate::bytes::{f32_at, slice, u8_at, u16_at, u32_at};
use crate::error::{Error, Reason};
use crate::field::{Field, record};
use crate::header::Header;
use crate::model::Model;

pub(crate) const NAME: u16 = 1;
#[cfg(feature = "alloc")]
pub(crate) const STRINGS: u16 = 2;
pub(crate) const LABELS: u16 = 3;
pub(crate) const PREPARATION: u16 = 4;
pub(crate) const REMOVED: u16 = 5;
pub(crate) const ORIGINAL: u16 = 6;
pub(crate) const BOUND: u16 = 7;
pub(crate) const REGIONS: u16 = 8;

/// A length-prefixed string at an offset of the file, inside the metadata.
pub(crate) fn string<'a>(bytes: &'a [u8], header: &Header, at: u32) -> Option<&'a str> {
    if at < header.meta {
        return None;
    }
    let length = usize::from(u16_at(bytes, at as usize)?);
    core::str::from_utf8(slice(bytes, at as usize + 2, length)?).ok()
}

/// The records, as tag, offset of the payload, payload. Ends early at a malformed one.
struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Records<'a> {
    fn new(model: &Model<'a>) -> Self {
        let header = model.header();
        let at = header.meta as usize;
        Self { bytes: model.bytes(), at, end: at + header.meta_len as usize }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let section = self.bytes.get(..self.end)?;
        let length = u32_at(section, self.at.checked_add(4)?)? as usize;
        let payload = slice(section, self.at + 8, length)?;
        let tag = u16_at(section, self.at)?;
        self.at = self.at + 8 + length.next_multiple_of(4);
        Some((tag, payload))
    }
}

pub(crate) fn check(model: &Model<'_>) -> Result<(), Error> {
    let refuse = |at: usize| Err(Error { at: at as u32, reason: Reason::Metadata });
    let mut records = Records::new(model);
    loop {
        let at = records.at;
        match records.next() {
            Some((PREPARATION, payload)) if !Preparation(payload).plausible() => return refuse(at),
            Some((LABELS, payload)) if payload.len() < 4 => return refuse(at),
            Some((ORIGINAL, payload)) if payload.len() != Original::SIZE => return refuse(at),
            Some((BOUND, payload)) if payload.len() != Bound::SIZE => return refuse(at),
            Some(_) => {}
            None if at == records.end => return Ok(()),
            None => return refuse(at),
        }
    }
}

impl<'a> Model<'a> {
    /// The model's name; empty when it has none.
    pub fn name(&self) -> &'a str {
        let name = Records::new(self).find(|r| r.0 == NAME);
        name.and_then(|r| core::str::from_utf8(r.1).ok()).unwrap_or("")
    }

    /// The class names of an output.
    pub fn labels(&self, output: u16) -> Option<Labels<'a>> {
        let record = Records::new(self).find(|r| r.0 == LABELS && u16_at(r.1, 0) == Some(output))?;
        Some(Labels { rest: record.1.get(4..)?, count: u16_at(record.1, 2)? })
    }

    /// What the converter took out of the original network, and why.
    pub fn removed(&self) -> Removed<'a> {
        Removed { rest: Records::new(self).find(|r| r.0 == REMOVED).map_or(&[], |r| r.1) }
    }

    /// What the model took before steps and channels were removed that its outputs do not depend on.
    pub fn original(&self) -> Option<Original> {
        Original::get(Records::new(self).find(|r| r.0 == ORIGINAL)?.1, 0)
    }

    /// What no plan of its memory goes below.
    pub fn bound(&self) -> Option<Bound> {
        Bound::get(Records::new(self).find(|r| r.0 == BOUND)?.1, 0)
    }

    /// Names and costs of its [regions](Self::regions), in order; none when the RAM is one piece.
    pub fn named_regions(&self) -> NamedRegions<'a> {
        NamedRegions { rest: Records::new(self).find(|r| r.0 == REGIONS).map_or(&[], |r| r.1) }
    }

    /// How raw data becomes an input.
    pub fn preparation(&self, input: u16) -> Option<Preparation<'a>> {
        let record = Records::new(self).find(|r| r.0 == PREPARATION && u16_at(r.1, 0) == Some(input))?;
        Some(Preparation(record.1))
    }
}

record! {
    /// What a model took before steps and channels were removed that its outputs do not depend on.
    Original {
        /// Multiply-accumulate operations of one inference.
        macs: u64,
        /// Bytes of weights, biases, multipliers and tables.
        constant_bytes: u32,
        /// Bytes of RAM.
        arena_bytes: u32,
    }
}

record! {
    /// What no plan of a model's memory goes below.
    Bound {
        /// Bytes of RAM.
        arena_bytes: u32,
        /// With several regions of RAM: the sum over all bytes that an inference moves, each as often as its region
        /// costs.
        cost: u64,
    }
}

/// A region of RAM as its user calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedRegion<'a> {
    /// Its name.
    pub name: &'a str,
    /// Bytes that an inference reads and writes there.
    pub moved: u64,
    /// What it costs to move a byte there, compared with the other regions.
    pub cost: u32,
}

/// Regions in order.
#[derive(Clone)]
pub struct NamedRegions<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for NamedRegions<'a> {
    type Item = NamedRegion<'a>;

    fn next(&mut self) -> Option<NamedRegion<'a>> {
        let (moved, cost) = (u64::get(self.rest, 0)?, u32_at(self.rest, 8)?);
        self.rest = self.rest.get(12..)?;
        Some(NamedRegion { moved, cost, name: take_string(&mut self.rest)? })
    }
}

/// Class names in order.
#[derive(Clone)]
pub struct Labels<'a> {
    rest: &'a [u8],
    count: u16,
}

/// Nodes of the original network that do not run, each as node, operator and reason.
#[derive(Clone)]
pub struct Removed<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Removed<'a> {
    type Item = [&'a str; 3];

    fn next(&mut self) -> Option<[&'a str; 3]> {
        Some([take_string(&mut self.rest)?, take_string(&mut self.rest)?, take_string(&mut self.rest)?])
    }
}

/// The string at the start, which is cut off; empty when it is not UTF-8.
fn take_string<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::from(u16_at(rest, 0)?);
    let text = slice(rest, 2, length)?;
    *rest = rest.get(2 + length..)?;
    Some(core::str::from_utf8(text).unwrap_or(""))
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.count = self.count.checked_sub(1)?;
        take_string(&mut self.rest)
    }
}

/// Input preparation: `x' = (x - mean) * scale`, per channel or with one value for all.
#[derive(Clone, Copy)]
pub struct Preparation<'a>(&'a [u8]);

impl Preparation<'_> {
    /// Whether the original network took channels before rows and columns (NCHW).
    pub fn channels_first(&self) -> bool {
        u8_at(self.0, 2) == Some(1)
    }

    /// Number of values in `mean` and in `scale`.
    pub fn len(&self) -> usize {
        u8_at(self.0, 3).map_or(0, usize::from)
    }

    /// Whether there is nothing to prepare.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Subtracted from channel `c`.
    pub fn mean(&self, c: usize) -> f32 {
        self.value(0, c).unwrap_or(0.0)
    }

    /// Multiplied onto channel `c` after that.
    pub fn scale(&self, c: usize) -> f32 {
        self.value(self.len(), c).unwrap_or(1.0)
    }

    fn value(&self, base: usize, c: usize) -> Option<f32> {
        f32_at(self.0, 4 + 4 * (base + c.min(self.len().checked_sub(1)?)))
    }

    fn plausible(&self) -> bool {
        self.0.len() == 4 + 8 * self.len()
    }
}
