//! A model that the compiler has laid out gives the bits of the interpreter on the same file.

#[path = "../format/tests/common/mod.rs"]
mod common;

use common::noise;
use mote_format::AlignedBytes;
use mote_runtime::{Arena, Hook, Model, Program, Session, Step, include_model};

include_model!(
    /// Every operator once.
    Zoo = "../format/tests/golden/v1.mote",
    ram = 4096,
    flash = 65_536,
);

const FILE: &[u8] = include_bytes!("../format/tests/golden/v1.mote");

/// Fills the inputs, runs, gives the outputs.
fn infer<'m, P: Program<'m>>(
    mut session: Session<'m, '_, P>,
    seed: u64,
    hook: &mut impl Hook,
) -> Vec<Vec<u8>> {
    for i in 0.. {
        let Some(mut input) = session.input_mut(i) else { break };
        let values = noise(seed + i as u64, input.bytes_mut().len());
        input.fill(values.into_iter().map(|v| f32::from(v as i8) / 20.0));
    }
    session.run_with(hook);
    session.outputs().map(|t| t.bytes().to_vec()).collect()
}

#[test]
fn the_bits_are_those_of_the_interpreter() {
    let bytes = AlignedBytes::new(FILE);
    let model = Model::new_checked(&bytes).expect("a model");
    let mut arena = vec![0; model.arena_bytes()];
    let mut included = Arena::<{ Zoo::ARENA }>::new();
    for seed in 0..20 {
        let session = Session::new(&model, &mut arena).expect("room");
        let expected = infer(session, seed, &mut ());
        assert_eq!(infer(Zoo::session(&mut included), seed, &mut ()), expected, "seed {seed}");
    }
}

#[test]
fn the_numbers_are_those_of_the_file() {
    let bytes = AlignedBytes::new(FILE);
    let model = Model::new_checked(&bytes).expect("a model");
    assert_eq!(Zoo::ARENA, model.arena_bytes());
    assert_eq!(Zoo::CONSTANTS, model.format().constant_bytes());
    let same = |ours: &[mote_runtime::TensorInfo], theirs: Vec<mote_runtime::TensorInfo>| {
        let unnamed: Vec<_> = theirs.into_iter().map(|t| mote_runtime::TensorInfo { name: 0, ..t }).collect();
        assert_eq!(ours, unnamed);
    };
    same(&Zoo::INPUTS, model.inputs().collect());
    same(&Zoo::OUTPUTS, model.outputs().collect());
}

#[test]
fn a_hook_hears_of_the_same_steps() {
    #[derive(Default)]
    struct Heard(Vec<(u16, &'static str, u64, Vec<u8>)>);
    impl Hook for Heard {
        fn after(&mut self, step: &Step<'_>) {
            self.0.push((step.index(), step.op().name(), step.macs(), step.output().bytes().to_vec()));
        }
    }
    let bytes = AlignedBytes::new(FILE);
    let model = Model::new_checked(&bytes).expect("a model");
    let mut arena = vec![0; model.arena_bytes()];
    let (mut of_file, mut of_program) = (Heard::default(), Heard::default());
    infer(Session::new(&model, &mut arena).expect("room"), 3, &mut of_file);
    infer(Zoo::session(&mut Arena::<{ Zoo::ARENA + 64 }>::new()), 3, &mut of_program);
    assert!(!of_file.0.is_empty());
    assert_eq!(of_program.0, of_file.0);
}
