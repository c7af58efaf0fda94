//! States carry from one inference to the next, and are what they were at the start after a reset.

#[path = "../format/tests/common/mod.rs"]
mod common;

use common::{
    noise,
    streams::{LENGTH, streams},
};
use mote_format::Error;
use mote_runtime::{Kernels, Model, Session};

fn run(session: &mut Session<'_, '_>, input: &[i8]) -> Vec<i8> {
    let bytes: Vec<u8> = input.iter().map(|&v| v as u8).collect();
    session.input_mut(0).expect("an input").bytes_mut().copy_from_slice(&bytes);
    session.run();
    session.outputs().flat_map(|o| o.bytes().iter().map(|&b| b as i8).collect::<Vec<_>>()).collect()
}

/// What the model says, one call after the other, as a plain loop.
#[derive(Clone)]
struct Oracle {
    total: [i8; LENGTH],
    last: [i8; LENGTH],
}

impl Oracle {
    fn new() -> Self {
        Oracle { total: [3; LENGTH], last: [5; LENGTH] }
    }

    fn run(&mut self, x: &[i8]) -> Vec<i8> {
        let both = (0..LENGTH).map(|i| self.last[i].saturating_add(i as i8 + 1).saturating_add(x[i]));
        let both: Vec<i8> = both.collect();
        for (total, &x) in self.total.iter_mut().zip(x) {
            let real = i32::from(*total) - 3 + i32::from(x);
            *total = (real + 3).clamp(-128, 127) as i8;
        }
        self.last.copy_from_slice(x);
        [&self.total[..], &both].concat()
    }
}

fn inputs() -> Vec<Vec<i8>> {
    (0..12).map(|seed| noise(seed, LENGTH).into_iter().map(|b| b as i8 / 8).collect()).collect()
}

#[test]
fn a_sequence_of_calls_is_a_loop() -> Result<(), Error> {
    let bytes = streams().finish();
    let model = Model::new_checked(&bytes)?;
    for kernels in Kernels::available().chain([Kernels::naive()]) {
        let mut arena = noise(7, model.arena_bytes());
        let mut session = Session::with_kernels(&model, &mut arena, kernels).expect("large enough");
        for _ in 0..2 {
            let mut oracle = Oracle::new();
            for x in inputs() {
                assert_eq!(run(&mut session, &x), oracle.run(&x), "{}", kernels.name());
            }
            session.reset();
        }
    }
    Ok(())
}

#[test]
fn a_run_in_parts_carries_the_same_states() -> Result<(), Error> {
    let bytes = streams().finish();
    let model = Model::new_checked(&bytes)?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).expect("large enough");
    let mut oracle = Oracle::new();
    for x in inputs() {
        let stored: Vec<u8> = x.iter().map(|&v| v as u8).collect();
        session.input_mut(0).expect("an input").bytes_mut().copy_from_slice(&stored);
        while session.step(1).is_err() {}
        let ours: Vec<u8> = session.outputs().flat_map(|o| o.bytes().to_vec()).collect();
        assert_eq!(ours, oracle.run(&x).iter().map(|&v| v as u8).collect::<Vec<_>>());
    }
    Ok(())
}

#[test]
fn a_run_left_in_the_middle_is_forgotten_by_a_reset() -> Result<(), Error> {
    let bytes = streams().finish();
    let model = Model::new_checked(&bytes)?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).expect("large enough");
    session.input_mut(0).expect("an input").bytes_mut().fill(9);
    assert!(session.step(1).is_err(), "there is more to do");
    session.reset();
    let mut oracle = Oracle::new();
    for x in inputs() {
        assert_eq!(run(&mut session, &x), oracle.run(&x));
    }
    Ok(())
}

#[test]
fn sessions_do_not_share_states() -> Result<(), Error> {
    let bytes = streams().finish();
    let model = Model::new_checked(&bytes)?;
    let (mut one, mut two) = (vec![1; model.arena_bytes()], vec![2; model.arena_bytes()]);
    let mut one = Session::new(&model, &mut one).expect("large enough");
    let mut two = Session::new(&model, &mut two).expect("large enough");
    let (mut first, mut second) = (Oracle::new(), Oracle::new());
    for (i, x) in inputs().iter().enumerate() {
        assert_eq!(run(&mut one, x), first.run(x));
        if i % 3 == 0 {
            assert_eq!(run(&mut two, x), second.run(x));
        }
    }
    Ok(())
}

/// Models that run in turn over one arena, each with its states saved while another has it.
#[test]
fn models_take_turns_on_one_arena() -> Result<(), Error> {
    let (streams, zoo) = (streams().finish(), common::zoo::zoo().finish());
    let (model, other) = (Model::new_checked(&streams)?, Model::new_checked(&zoo)?);
    let mut arena = vec![0; model.arena_bytes().max(other.arena_bytes())];
    let session = Session::new(&model, &mut arena).expect("large enough");
    let mut saved = vec![0; session.state_bytes()];
    assert_eq!(session.save_states(&mut saved), Some(3 * LENGTH));
    assert_eq!(session.save_states(&mut saved[1..]), None);
    let mut oracle = Oracle::new();
    for (i, x) in inputs().iter().enumerate() {
        let mut session = Session::new(&other, &mut arena).expect("large enough");
        session.input_mut(0).expect("an input").bytes_mut().fill(i as u8);
        session.run();
        let mut session = Session::resume(&model, &mut arena).expect("large enough");
        assert_eq!(session.restore_states(&saved[1..]), None);
        assert_eq!(session.restore_states(&saved), Some(3 * LENGTH));
        assert_eq!(run(&mut session, x), oracle.run(x));
        session.save_states(&mut saved).expect("as long");
    }
    Ok(())
}
