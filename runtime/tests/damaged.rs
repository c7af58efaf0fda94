//! Models damaged at random, their checksums repaired: what the check still accepts runs on every instruction set
//! without a panic, and with the same bits.

#[path = "../format/tests/common/mod.rs"]
mod common;

use common::{MODELS, noise, repair};
use mote_format::{Op, StepInfo};
use mote_runtime::{Kernels, Model, Session};
use proptest::prelude::*;
use proptest::sample::Index;

/// A bound on what a step may cost: elements of the output times what each reads.
fn work(model: &Model<'_>, step: &StepInfo<'_>) -> u64 {
    let elements = |id| model.format().tensor(id).map_or(0, |t| t.shape.elements() as u64);
    let window = match step.op {
        Op::MaxPool2d(p) => u64::from(p.kh) * u64::from(p.kw),
        Op::AvgPool2d(p) => u64::from(p.kh) * u64::from(p.kw),
        Op::SumPool2d(p) => u64::from(p.kh) * u64::from(p.kw),
        Op::MaxPool2d16(p) => u64::from(p.kh) * u64::from(p.kw),
        Op::AvgPool2d16(p) => u64::from(p.kh) * u64::from(p.kw),
        Op::SumPool2d16(p) => u64::from(p.kh) * u64::from(p.kw),
        Op::TopK(_) => step.inputs.iter().map(elements).sum(),
        // Every output has a patch of its own, whatever it meets.
        Op::TransposeConv2d(p) => u64::from(p.kh) * u64::from(p.kw) * 64,
        _ => 1,
    };
    let inputs: u64 = step.inputs.iter().map(elements).sum();
    inputs + elements(step.output) * window + mote_runtime::macs(model.format(), step)
}

/// Every output's bytes on one instruction set.
fn infer(model: &Model<'_>, kernels: &'static Kernels) -> Vec<u8> {
    let mut arena = noise(1, model.arena_bytes());
    let mut session = Session::with_kernels(model, &mut arena, kernels).expect("an arena of the exact size");
    let mut outputs = Vec::new();
    // The second run reads the states that the first one left.
    for run in 0..1 + model.format().states().count().min(1) as u64 {
        for i in 0..model.inputs().count() {
            let mut input = session.input_mut(i).expect("counted");
            let bytes = noise(10 * run + i as u64 + 2, input.info().bytes());
            input.bytes_mut().copy_from_slice(&bytes);
        }
        session.run();
        outputs.extend(session.outputs().flat_map(|t| t.bytes()));
    }
    outputs
}

/// Says whether the model was accepted and run.
fn judge(bytes: &[u8]) -> bool {
    let bytes = repair(bytes);
    let Ok(model) = Model::new_checked(&bytes) else { return false };
    let work: u64 = model.format().steps().map(|step| work(&model, &step)).sum();
    if model.arena_bytes() > 1 << 20 || work > 10_000_000 {
        return false;
    }
    let expected = infer(&model, Kernels::naive());
    for kernels in Kernels::available() {
        assert_eq!(infer(&model, kernels), expected, "{}", kernels.name());
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn damage(
        changes in prop::collection::vec((any::<Index>(), any::<u8>(), 0..4u8), 1..4),
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
        judge(&bytes);
    }
}

/// Every byte of the tensor and step records changed alone to a few values.
#[test]
fn every_byte_of_the_records() {
    for (_, model) in MODELS {
        every_byte(&model().finish());
    }
}

fn every_byte(whole: &[u8]) {
    let constants = u32::from_le_bytes(whole[44..48].try_into().expect("four bytes")) as usize;
    let (mut ran, mut bytes) = (0, whole.to_vec());
    for at in 16..constants {
        for value in [0, 1, whole[at] ^ 1, whole[at].wrapping_add(1), whole[at].wrapping_sub(1), 0x7F, 0x80] {
            bytes[at] = value;
            ran += usize::from(judge(&bytes));
        }
        bytes[at] = whole[at];
    }
    assert!(ran > 200, "only {ran} damaged models were accepted and run");
}
