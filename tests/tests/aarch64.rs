//! The same bits on emulated AArch64 processors, by the program that runs a model without the converter. `cargo xtask test`
//! builds it and says in `MOTE_AARCH64` how it is started, a processor a line; otherwise these tests say so and do
//! nothing.

use mote_kernels::table::Kernels;
use mote_runtime::Model;
use mote_tests::{Case, converted, outputs, shared};
use std::process::Command;

/// Runs a model on every processor, on the best instruction set and on each of its others.
fn check(name: &str, bytes: &[u8], inputs: &[Vec<u8>], expected: &[Vec<u8>]) {
    let Ok(runners) = std::env::var("MOTE_AARCH64") else {
        assert!(std::env::var_os("MOTE_REQUIRE_QEMU").is_none(), "no program for AArch64 was built");
        eprintln!("skipped: no program for AArch64 (cargo xtask test builds it)");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (model, file) = (folder.path().join("model.mote"), folder.path().join("input"));
    std::fs::write(&model, bytes).expect("room");
    for (input, expected) in inputs.iter().zip(expected) {
        std::fs::write(&file, input).expect("room");
        for runner in runners.lines() {
            let mut words = runner.split(' ');
            let mut command = Command::new(words.next().expect("a program"));
            let run = command.args(words).arg(&model).arg(&file).output().expect("QEMU starts");
            assert!(run.status.success(), "{name}: {runner}: {}", String::from_utf8_lossy(&run.stderr));
            assert!(run.stdout == *expected, "{name}: {runner} gives other bits");
        }
    }
}

#[test]
fn the_example_network() {
    let case = Case::fashion();
    let converted = case.convert();
    let model = Model::new_checked(&converted.bytes).expect("a model");
    let inputs = case.inputs(&model, 3);
    check("fashion", &converted.bytes, &inputs, &outputs(&model, Kernels::naive(), &inputs));
}

#[test]
fn trained_networks() {
    let Some(shared) = shared() else { return };
    for name in ["kws_ref_model", "vww_96_int8", "pretrainedResnet_quant", "ad01_int8"] {
        let converted = converted(&shared.join("models/mlperf_tiny").join(name).with_extension("tflite"));
        let model = Model::new_checked(&converted.bytes).expect("a model");
        let length = model.inputs().next().expect("an input").bytes();
        let inputs: Vec<Vec<u8>> = (1..3).map(|seed| noise(seed, length)).collect();
        check(name, &converted.bytes, &inputs, &outputs(&model, Kernels::naive(), &inputs));
    }
}

/// Bytes without order.
fn noise(mut state: u64, length: usize) -> Vec<u8> {
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(next).collect()
}
