//! Steps in lockstep give the bits of steps that run whole, whether the input is there or comes row by row; what does
//! not fit is refused.

#[path = "../format/tests/common/mod.rs"]
mod common;

use common::lockstep::{apart, lockstep, whole};
use common::{noise, repair};
use mote_format::{AlignedBytes, ModelWriter};
use mote_runtime::{Hook, Kernels, Model, RowsError, Session, Step};

const ROW: usize = 8;
const HEIGHT: usize = 9;

/// The output for the input of a seed, pushed `rows` rows at a time.
fn pushed(bytes: &AlignedBytes, kernels: &'static Kernels, seed: u64, rows: usize) -> Vec<u8> {
    let model = Model::new_checked(bytes).unwrap_or_else(|e| panic!("{e}"));
    let mut arena = noise(seed + 1, model.arena_bytes());
    let mut session = Session::with_kernels(&model, &mut arena, kernels).expect("large enough");
    let (input, mut left) = (noise(seed, ROW * HEIGHT), HEIGHT);
    for part in input.chunks(ROW * rows) {
        left -= part.len() / ROW;
        assert_eq!(session.push_rows(part), Ok(left));
    }
    session.output(0).expect("an output").bytes().to_vec()
}

#[test]
fn the_same_bits_in_any_order() {
    let expected: Vec<_> =
        (0..9).map(|seed| pushed(&whole().finish(), Kernels::naive(), seed, HEIGHT)).collect();
    assert!(expected.windows(2).all(|w| w[0] != w[1]), "the outputs depend on the inputs");
    for bytes in [whole().finish(), lockstep(false).finish(), lockstep(true).finish()] {
        for kernels in Kernels::available().chain([Kernels::naive()]) {
            for (seed, expected) in (0..).zip(&expected) {
                for rows in [1, 2, 4, HEIGHT] {
                    assert_eq!(&pushed(&bytes, kernels, seed, rows), expected, "{} {rows}", kernels.name());
                }
            }
        }
    }
}

#[test]
fn lockstep_takes_less_memory() {
    let arena = |writer: ModelWriter| writer.arena;
    assert!(arena(lockstep(true)) < arena(lockstep(false)) && arena(lockstep(false)) < arena(whole()));
}

/// Several inferences over one arena, in one go and in portions.
#[test]
fn runs_and_portions() {
    let bytes = lockstep(false).finish();
    let model = Model::new_checked(&bytes).expect("a model");
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).expect("large enough");
    for seed in [1, 2, 1, 3] {
        let expected = pushed(&whole().finish(), Kernels::naive(), seed, HEIGHT);
        let input = noise(seed, ROW * HEIGHT);
        session.input_mut(0).expect("whole").bytes_mut().copy_from_slice(&input);
        session.run();
        assert_eq!(session.output(0).expect("one").bytes(), expected);
        session.input_mut(0).expect("whole").bytes_mut().copy_from_slice(&input);
        let mut portions = 1;
        while session.step(1).is_err() {
            portions += 1;
        }
        assert_eq!((session.output(0).expect("one").bytes(), portions), (&expected[..], 4 * HEIGHT + 1));
    }
}

/// The parts that a hook hears of, put together, are the tensors of the model that runs whole.
#[test]
fn hooks_hear_of_every_row() {
    #[derive(Default, PartialEq, Debug)]
    struct Parts(Vec<Vec<u8>>, u64);
    impl Hook for Parts {
        fn after(&mut self, step: &Step<'_>) {
            let index = usize::from(step.index());
            self.0.resize(self.0.len().max(index + 1), Vec::new());
            assert_eq!(self.0[index].len(), step.offset());
            self.0[index].extend(step.output().bytes());
            self.1 += step.macs();
        }
    }
    let parts = |writer: ModelWriter| {
        let bytes = writer.finish();
        let model = Model::new_checked(&bytes).expect("a model");
        let mut arena = vec![0; model.arena_bytes()];
        let mut session = Session::new(&model, &mut arena).expect("large enough");
        let mut parts = Parts::default();
        assert_eq!(session.push_rows_with(&noise(5, ROW * HEIGHT), &mut parts), Ok(0));
        parts
    };
    assert_eq!(parts(lockstep(true)), parts(whole()));
    assert_eq!(parts(lockstep(false)), parts(whole()));
}

#[test]
fn rows_that_do_not_fit() {
    let bytes = lockstep(true).finish();
    let model = Model::new_checked(&bytes).expect("a model");
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).expect("large enough");
    assert!(session.input_mut(0).is_none(), "it is never there as a whole");
    assert_eq!(session.push_rows(&[0; 7]), Err(RowsError::Length { row: 8, given: 7 }));
    assert_eq!(session.push_rows(&[0; 16]), Ok(7));
    let error = session.push_rows(&[0; 64]).expect_err("eight");
    assert_eq!(error, RowsError::TooMany { left: 7, given: 8 });
    assert_eq!(error.to_string(), "8 rows are too many, the input is complete after 7 more");
    session.reset();
    assert_eq!(session.push_rows(&[0; 72]), Ok(0), "a reset forgets the rows");
    assert_eq!(session.push_rows(&[0; 8]), Ok(8), "the next image");
}

#[test]
fn whole_tensors_in_lockstep() {
    let mut writer = lockstep(false);
    writer.kept.clear();
    apart(&mut writer);
    let best = Kernels::best();
    assert_eq!(pushed(&writer.finish(), best, 1, HEIGHT), pushed(&whole().finish(), best, 1, HEIGHT));
}

/// Two models in turn over one piece of memory, as large as the larger one wants.
#[test]
fn two_models_share_one_arena() {
    let (one, two) = (lockstep(true).finish(), whole().finish());
    let expected = |seed| pushed(&two, Kernels::naive(), seed, HEIGHT);
    let models = [&one, &two].map(|bytes| Model::new_checked(bytes).expect("a model"));
    let most = models.iter().map(Model::arena_bytes).max().unwrap_or(0);
    let mut arena = vec![0; most];
    for seed in 0..6 {
        let model = &models[seed as usize % 2];
        let mut session = Session::new(model, &mut arena).expect("large enough for both");
        assert_eq!(session.push_rows(&noise(seed, ROW * HEIGHT)), Ok(0));
        assert_eq!(session.output(0).expect("one").bytes(), expected(seed));
    }
}

/// Damage that is accepted runs without a panic, with the same bits on every instruction set.
#[test]
fn damaged_schedules() {
    let whole = lockstep(true).finish();
    let constants = u32::from_le_bytes(whole[44..48].try_into().expect("four bytes")) as usize;
    let (mut ran, mut bytes) = (0, whole.to_vec());
    for at in 16..constants {
        for value in
            [0, 1, whole[at] ^ 1, whole[at] ^ 0x20, whole[at].wrapping_add(1), whole[at].wrapping_sub(1)]
        {
            bytes[at] = value;
            let repaired = repair(&bytes);
            if let Ok(model) = Model::new_checked(&repaired)
                && model.arena_bytes() < 1 << 16
            {
                let outputs = Kernels::available().chain([Kernels::naive()]).map(|k| infer(&model, k));
                let outputs: Vec<_> = outputs.collect();
                assert!(outputs.windows(2).all(|w| w[0] == w[1]), "byte {at}: {value}");
                ran += 1;
            }
        }
        bytes[at] = whole[at];
    }
    assert!(ran > 100, "only {ran} damaged models were accepted and run");
}

fn infer(model: &Model<'_>, kernels: &'static Kernels) -> Vec<u8> {
    let mut arena = noise(1, model.arena_bytes());
    let mut session = Session::with_kernels(model, &mut arena, kernels).expect("large enough");
    let input = noise(2, model.inputs().next().expect("an input").bytes());
    session.push_rows(&input).expect("all of it");
    session.outputs().flat_map(|t| t.bytes().to_vec()).collect()
}
