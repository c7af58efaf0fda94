//! What the lossless optimiser makes of trained networks. Needs the folder of trained models; says so when it is absent.

use mote_converter::encode::{Metadata, encode};
use mote_converter::lossless::optimise;
use mote_converter::plan::plan;
use mote_converter::program::Program;
use mote_converter::tflite;
use mote_format::{AlignedBytes, Op};
use mote_kernels::table::Kernels;
use mote_runtime::{Model, macs};
use mote_tests::{outputs, shared};

fn encoded(program: &Program) -> AlignedBytes {
    let plan = plan(program, &Default::default()).unwrap_or_else(|e| panic!("{e}"));
    encode(program, &plan, &Metadata::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// Multiply-accumulates, weights, and bytes of the arena.
fn size(model: &Model<'_>) -> (u64, u32, usize) {
    let weights = |op| match op {
        Op::Conv2d(p) => p.weights.len,
        Op::DepthwiseConv2d(p) => p.weights.len,
        Op::FullyConnected(p) => p.weights.len,
        _ => 0,
    };
    let steps = || model.format().steps();
    let macs = steps().map(|s| macs(model.format(), &s)).sum();
    (macs, steps().map(|s| weights(s.op)).sum(), model.arena_bytes())
}

/// Noise, extremes and ramps in turn.
fn inputs(length: usize, count: usize) -> Vec<Vec<u8>> {
    // Knuth's MMIX.
    let mut state = 1u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let mut byte = |i: usize, j: usize| match i % 4 {
        0 | 1 => noise(),
        2 => [0x80, 0x7f][usize::from(noise() & 1)],
        _ => (i * 5 + j / (1 + i % 97)) as u8,
    };
    (0..count).map(|i| (0..length).map(|j| byte(i, j)).collect()).collect()
}

#[test]
fn less_to_compute_and_the_same_bits() {
    let Some(shared) = shared() else { return };
    let models =
        [("kws_ref_model", 300), ("pretrainedResnet_quant", 100), ("vww_96_int8", 2000), ("ad01_int8", 1000)];
    for (name, count) in models {
        let path = shared.join("models/mlperf_tiny").join(name).with_extension("tflite");
        let program =
            tflite::program(&std::fs::read(path).expect("a model")).unwrap_or_else(|e| panic!("{e}"));
        let small = optimise(&program).unwrap_or_else(|e| panic!("{e}")).0;
        let [whole, small] = [encoded(&program), encoded(&small)];
        let [whole, small] = [&whole, &small].map(|bytes| Model::new_checked(bytes).expect("a model"));
        let inputs = inputs(whole.inputs().next().expect("an input").bytes(), count);
        let [all, left] = [&whole, &small].map(|model| outputs(model, Kernels::best(), &inputs));
        let differ = all.iter().zip(&left).filter(|(a, b)| a != b).count();
        println!("{name}: {:?} to {:?}, {differ} of {count} inputs differ", size(&whole), size(&small));
        assert_eq!(differ, 0, "{name}");
        if name == "vww_96_int8" {
            let (macs, weights, _) = size(&small);
            assert!(macs <= 3_800_000 && weights <= 32_000, "{macs} MACs, {weights} weights");
        }
    }
}
