//! What the suites of the format, the kernels and the runtime share: a builder of small models, models that
//! use every operator, checksum repair, and tables in README files. Nothing here is shipped.

#![allow(dead_code, reason = "each suite uses a part")]

pub(crate) mod annex;
pub(crate) mod builder;
pub(crate) mod lockstep;
pub(crate) mod palette;
pub(crate) mod readme;
pub(crate) mod recurrent;
pub(crate) mod streams;
pub(crate) mod unsigned;
pub(crate) mod walk;
pub(crate) mod words;
pub(crate) mod zoo;

use mote_format::{AlignedBytes, ModelWriter, StepSpec};

/// A golden file's name and its model.
type Named = (&'static str, fn() -> ModelWriter);

/// The models that use every operator, under the names of their golden files. An operator that comes later gets a
/// model here.
pub(crate) const MODELS: [Named; 8] = [
    ("v1", || zoo::zoo().place()),
    ("v1-uint8", || unsigned::unsigned().place()),
    ("v1-annex", || annex::annex().place()),
    ("v1-states", || streams::streams().place()),
    ("v1-recurrent", || recurrent::recurrent().place()),
    ("v1-regions", lockstep::in_regions),
    ("v1-int16", || words::words().place()),
    ("v1-palette", || palette::palette().place()),
];

/// The steps of all of them.
pub(crate) fn steps() -> Vec<StepSpec> {
    MODELS.iter().flat_map(|(_, model)| model().steps).collect()
}

/// CRC-32 bit by bit: written again, not shared with the crate, so that one checks the other.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 })
    })
}

/// Makes the length and the checksum right again after a change, where there is a header to hold them.
pub(crate) fn repair(bytes: &[u8]) -> AlignedBytes {
    let mut out = AlignedBytes::new(bytes);
    if out.len() >= 64 {
        let length = out.len() as u32;
        out[8..12].copy_from_slice(&length.to_le_bytes());
        let crc = crc32(&out[16..]);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
    }
    out
}

/// `n` bytes that look random and are the same everywhere: a 64-bit linear congruential generator.
pub(crate) fn noise(seed: u64, n: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..n).map(|_| next()).collect()
}
