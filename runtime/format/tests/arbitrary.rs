//! Any byte string loads or is refused, and what loads can be asked anything: nothing panics.

mod common;

use common::{MODELS, noise, repair, walk::walk, zoo::zoo};
use mote_format::{AlignedBytes, Model};
use proptest::prelude::*;

/// Loads, walks what was accepted, prints what was refused; says whether it was accepted.
fn judge(bytes: &[u8]) -> bool {
    match Model::new_checked(bytes) {
        Ok(model) => walk(&model) > 0,
        Err(error) => {
            assert!(error.at as usize <= bytes.len(), "{error}");
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// A header that passes for one, in front of anything.
fn with_header(mut fields: Vec<u32>, body: Vec<u8>) -> Vec<u8> {
    fields.resize(12, 0);
    let mut bytes = b"MOTE\x01\x00\x40\x00\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(fields.iter().flat_map(|f| f.to_le_bytes()));
    bytes.extend(body);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        judge(&bytes);
        judge(&AlignedBytes::new(&bytes));
        judge(&repair(&bytes));
    }

    #[test]
    fn any_body_behind_a_header(
        fields in prop::collection::vec(prop_oneof![any::<u32>(), 0..200u32, 1..4u32, Just(64u32)], 12),
        body in prop::collection::vec(prop_oneof![any::<u8>(), 0..4u8, Just(0u8)], 0..600),
    ) {
        judge(&repair(&with_header(fields, body)));
    }

    #[test]
    fn any_damage_with_the_checksum_repaired(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..8),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
        (_, model) in prop::sample::select(&MODELS[..]),
    ) {
        let mut bytes = model().finish().to_vec();
        for (at, value, how) in changes {
            let at = at.index(bytes.len());
            bytes[at] = match how {
                0 => value,
                1 => bytes[at] ^ (1 << (value % 8)),
                2 => bytes[at].wrapping_add(value % 5).wrapping_sub(2),
                _ => [0, 1, 0x7F, 0x80, 0xFF][usize::from(value) % 5],
            };
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        judge(&repair(&bytes));
    }
}

/// Every byte of the model set to each of a few values, with the checksum repaired.
#[test]
fn every_byte_changed_alone() {
    for (_, model) in MODELS {
        every_byte(&model().finish());
    }
}

fn every_byte(whole: &AlignedBytes) {
    let (mut accepted, mut bytes) = (0, whole.to_vec());
    for at in 16..whole.len() {
        for value in [0, 1, whole[at] ^ 1, whole[at] ^ 0x80, whole[at].wrapping_add(1), 0x7F, 0xFF] {
            bytes[at] = value;
            accepted += usize::from(judge(&repair(&bytes)));
        }
        bytes[at] = whole[at];
    }
    // Weights, biases, names and the like may change; offsets, shapes and codes hardly.
    assert!(accepted > whole.len(), "{accepted} accepted of {}", 7 * whole.len());
}

/// The checksum alone protects what no rule can know, such as weights.
#[test]
fn every_flipped_bit_is_refused() {
    let mut bytes = zoo().finish();
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!judge(&bytes), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(judge(&bytes));
}

#[test]
fn every_truncation_is_refused() {
    let whole = zoo().finish();
    for length in 0..whole.len() {
        let part = AlignedBytes::new(&whole[..length]);
        let error = Model::new_checked(&part).err().expect("refused");
        let needed = if length < 64 { 64 } else { whole.len() as u32 };
        assert_eq!((error.at, error.reason), (length as u32, mote_format::Reason::Truncated(needed)));
    }
}

/// Long garbage, as from an erased or foreign flash partition.
#[test]
fn garbage() {
    for seed in 0..200 {
        judge(&AlignedBytes::new(&noise(seed, 4096)));
    }
    judge(&AlignedBytes::new(&[0xFF; 4096]));
    judge(&AlignedBytes::new(&[0; 4096]));
    judge(&[]);
}
