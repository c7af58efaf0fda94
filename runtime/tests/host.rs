//! A model made ready for a host has the bits of the plain model, on every instruction set and any number of threads.

#[path = "../format/tests/common/mod.rs"]
mod common;

use common::noise;
use mote_format::AlignedBytes;
use mote_runtime::{Host, Kernels, Model, Program, Session};

/// The outputs of some inferences one after the other.
fn outputs<'m, P: Program<'m>>(model: &'m P, kernels: &'static Kernels) -> Vec<Vec<u8>> {
    let mut arena = noise(5, model.arena_bytes());
    let mut session = Session::with_kernels(model, &mut arena, kernels).expect("large enough");
    let mut all = Vec::new();
    for seed in 0..4 {
        for i in 0..usize::from(model.inputs()) {
            let mut input = session.input_mut(i).expect("an input");
            let bytes = noise(10 * seed + i as u64, input.bytes_mut().len());
            input.bytes_mut().copy_from_slice(&bytes);
        }
        session.run();
        all.extend(session.outputs().map(|o| o.bytes().to_vec()));
    }
    all
}

fn check(bytes: &AlignedBytes) {
    let model = Model::new_checked(bytes).unwrap_or_else(|e| panic!("{e}"));
    let expected = outputs(&model, Kernels::naive());
    for kernels in Kernels::available() {
        for threads in [1, 2, 5] {
            let host = Host::new(&model, kernels, threads);
            assert_eq!(outputs(&host, kernels), expected, "{} with {threads} threads", kernels.name());
        }
    }
}

/// Every operator, states, unsigned bytes.
#[test]
fn all_models() {
    for (_, builder) in common::MODELS {
        check(&builder().finish());
    }
}

#[test]
fn steps_in_lockstep_run_whole() {
    check(&common::lockstep::lockstep(false).finish());
}

#[cfg(target_arch = "x86_64")]
#[test]
fn layers_have_packed_weights() {
    if !std::is_x86_feature_detected!("avx2") {
        return;
    }
    let bytes = common::zoo::zoo().finish();
    let model = Model::new_checked(&bytes).expect("a model");
    assert!(Host::new(&model, Kernels::best(), 1).packed_bytes() > 0);
    assert_eq!(Host::new(&model, Kernels::named("scalar").expect("always"), 1).packed_bytes(), 0);
}
