//! Models that are part of the program: typed inputs and outputs, budgets.

use mote_format::AlignedBytes;
use mote_runtime::{Arena, DType, Model, Session, include_model};

include_model!(Tiny = "$OUT_DIR/tiny.mote", ram = 144);
include_model!(Split = "$OUT_DIR/regions.mote");

#[test]
fn inputs_and_outputs_are_arrays() {
    let bytes = AlignedBytes::new(include_bytes!(concat!(env!("OUT_DIR"), "/tiny.mote")));
    let model = Model::new_checked(&bytes).expect("a model");
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).expect("room");
    let reals: [f32; 8] = core::array::from_fn(|i| i as f32 * 2.3 - 7.0);
    session.input_mut(0).expect("an input").fill(reals);
    session.run();
    let expected: Vec<Vec<f32>> = session.outputs().map(|t| t.reals().collect()).collect();

    let mut included = Arena::<{ Tiny::ARENA }>::new();
    let (scores, best) = Tiny::run(&mut included, &reals);
    assert_eq!([scores.to_vec(), vec![best[0] as f32]], *expected);
    assert_eq!(Tiny::LABELS[best[0] as usize], ["cat", "dog", "fox", "owl"][expected[1][0] as usize]);
    *Tiny::input(&mut included) = reals;
    assert_eq!(Tiny::run_in_place(&mut included).0.to_vec(), expected[0]);
    assert_eq!(Tiny::INPUT.shape.dims(), [1, 8]);
    assert_eq!(Tiny::OUTPUTS[1].dtype, DType::I32);
}

/// A model in two regions of RAM takes an arena for each, and says what the same model says in one.
#[test]
fn regions_are_arenas_of_their_own() {
    let reals: [f32; 8] = core::array::from_fn(|i| i as f32 * 2.3 - 7.0);
    let mut arena = Arena::<{ Tiny::ARENA }>::new();
    let mut fast = Arena::<{ Split::ARENA_FAST }>::new();
    // One that is larger than it needs to be.
    let mut slow = Arena::<{ Split::ARENA_SLOW + 100 }>::new();
    assert_eq!((Split::ARENA_FAST, Split::ARENA_SLOW, Split::ARENA), (64, 80, 144));
    let expected = Tiny::run(&mut arena, &reals);
    assert_eq!(Split::run(&mut fast, &mut slow, &reals), expected);
    Split::input(&mut fast)[0] = 9.0;
    assert_ne!(Split::run_in_place(&mut fast, &mut slow), expected);
    assert!(Split::session(&mut fast, &mut slow).outputs().count() == 2);
}
