//! The lossless optimiser: the same bits for every input, and what was planted is found.

mod builder;
mod plans;
mod planted;
mod random;

use builder::{inputs, model, outputs};
use mote_converter::ir::Removed;
use mote_converter::lossless::optimise;
use mote_converter::program::Program;
use mote_kernels::table::Kernels;

/// The optimised program and what was removed, once both have returned the same on `count` inputs.
fn same(program: &Program, seed: u64, count: usize) -> (Program, Vec<Removed>) {
    let (small, removed) = optimise(program).unwrap_or_else(|e| panic!("{e}"));
    let (before, after) = (model(program), model(&small));
    let inputs = inputs(seed, program.tensors[0].bytes(), count);
    for kernels in [Kernels::naive(), Kernels::best()] {
        let (a, b) = (outputs(&before, kernels, &inputs), outputs(&after, kernels, &inputs));
        let differs = a.iter().zip(&b).position(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}: {removed:#?}\n{program:#?}");
    }
    (small, removed)
}
