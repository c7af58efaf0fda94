//! Loads any bytes, and runs what loads: no panic, no memory error, the same bits on every instruction set.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mote_format::AlignedBytes;
use mote_runtime::{Kernels, Model, Op, Session, macs};

#[path = "../../tests/common/walk.rs"]
mod walk;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = Model::new_checked(&AlignedBytes::new(bytes)) {
        assert!(error.at as usize <= bytes.len() && !error.to_string().is_empty());
    }
    let bytes = repair(bytes);
    let Ok(model) = Model::new_checked(&bytes) else { return };
    walk::walk(model.format());
    if model.arena_bytes() > 1 << 20 || work(&model) > 2_000_000 {
        return;
    }
    let expected = infer(&model, Kernels::naive());
    for kernels in Kernels::available() {
        assert!(infer(&model, kernels) == expected, "{} differs", kernels.name());
    }
});

/// The header's length and checksum made right; the CRC is written here again, bit by bit.
fn repair(bytes: &[u8]) -> AlignedBytes {
    let mut out = AlignedBytes::new(bytes);
    if out.len() >= 64 {
        let length = (out.len() as u32).to_le_bytes();
        out[8..12].copy_from_slice(&length);
        let crc = !out[16..].iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(
                crc ^ u32::from(byte),
                |c, _| {
                    if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 }
                },
            )
        });
        out[12..16].copy_from_slice(&crc.to_le_bytes());
    }
    out
}

/// A bound on what running the model costs.
fn work(model: &Model<'_>) -> u64 {
    let format = model.format();
    let elements = |id| format.tensor(id).map_or(0, |t| t.shape.elements() as u64);
    let step_work = |step: mote_format::StepInfo<'_>| {
        let window = match step.op {
            Op::MaxPool2d(p) => u64::from(p.kh) * u64::from(p.kw),
            Op::AvgPool2d(p) => u64::from(p.kh) * u64::from(p.kw),
            Op::SumPool2d(p) => u64::from(p.kh) * u64::from(p.kw),
            Op::MaxPool2d16(p) => u64::from(p.kh) * u64::from(p.kw),
            Op::AvgPool2d16(p) => u64::from(p.kh) * u64::from(p.kw),
            Op::SumPool2d16(p) => u64::from(p.kh) * u64::from(p.kw),
            _ => 1,
        };
        let inputs: u64 = step.inputs.iter().map(elements).sum();
        inputs + elements(step.output) * window + macs(format, &step)
    };
    format.steps().map(step_work).sum()
}

/// Every output's bytes.
fn infer(model: &Model<'_>, kernels: &'static Kernels) -> Vec<u8> {
    let mut arena = vec![0x5A; model.arena_bytes()];
    let mut session = Session::with_kernels(model, &mut arena, kernels).expect("an arena of the exact size");
    let fill = |bytes: &mut [u8], i: usize| {
        bytes.iter_mut().enumerate().for_each(|(k, b)| *b = (k * 37 + i * 11) as u8);
    };
    for i in 1..model.inputs().count() {
        fill(session.input_mut(i).expect("the first one alone is fed by rows").bytes_mut(), i);
    }
    let mut first = vec![0; model.inputs().next().map_or(0, |x| x.bytes())];
    fill(&mut first, 0);
    let _ = session.push_rows(&first);
    session.outputs().flat_map(|t| t.bytes()).copied().collect()
}
