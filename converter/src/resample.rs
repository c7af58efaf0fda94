//! Where the samples of a resized image lie: the tables of the format's `Resize`. What importers agree on is that each
//! output row or column mixes two of the input; they differ in which, and in what arithmetic.

use crate::quantize::weights::i32s;
use mote_format::{Const, ModelWriter};

/// Units of a share in the integer profiles.
pub(crate) const ONE: i64 = 1024;

/// Two rows or columns, and the share of the second: 0..=[`ONE`], or the bits of a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) near: usize,
    pub(crate) far: usize,
    pub(crate) share: i32,
}

impl Sample {
    /// One row or column alone.
    pub(crate) fn at(near: usize) -> Self {
        Self { near, far: near, share: 0 }
    }
}

/// Stores a table; `None` where an image is larger than its entries can say.
pub(crate) fn store(writer: &mut ModelWriter, samples: &[Sample]) -> Option<Const> {
    let mut words = Vec::new();
    for s in samples {
        let (near, far) = (u16::try_from(s.near).ok()?, u16::try_from(s.far).ok()?);
        words.extend([(u32::from(near) | u32::from(far) << 16) as i32, s.share]);
    }
    Some(i32s(writer, words.into_iter()))
}
