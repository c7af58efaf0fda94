//! The session as its user sees it: inputs and outputs, hooks, runs in steps, repeated and parallel use.

#[path = "../format/tests/common/mod.rs"]
mod common;

use common::{noise, zoo::zoo};
use mote_format::{AlignedBytes, WAYS, for_each_op};
use mote_kernels::ways;
use mote_runtime::{
    ArenaTooSmall, DType, Error, Hook, Kernels, Model, Operators, Reason, Session, Step, macs, operators,
};

/// Fills the zoo's two inputs from a seed.
fn feed(session: &mut Session<'_, '_>, seed: u64) {
    let mut image = session.input_mut(0).expect("an image");
    image.bytes_mut().copy_from_slice(&noise(seed, 144));
    let mut reals = session.input_mut(1).expect("reals");
    assert_eq!(reals.info().dtype, DType::F32);
    reals.fill(noise(seed + 1, 12).into_iter().map(|v| f32::from(v as i8) / 20.0));
}

fn outputs(session: &Session<'_, '_>) -> Vec<Vec<u8>> {
    session.outputs().map(|t| t.bytes().to_vec()).collect()
}

/// The outputs of one run on a fresh arena full of garbage.
fn infer(model: &Model<'_>, kernels: &'static Kernels, seed: u64) -> Vec<Vec<u8>> {
    let mut arena = noise(seed + 2, model.arena_bytes());
    let mut session = Session::with_kernels(model, &mut arena, kernels).expect("large enough");
    feed(&mut session, seed);
    session.run();
    outputs(&session)
}

#[test]
fn every_instruction_set_gives_the_same_bits() -> Result<(), Error> {
    let bytes = zoo().finish();
    let model = Model::new_checked(&bytes)?;
    let mut differ = 0;
    for seed in 0..20 {
        let expected = infer(&model, Kernels::naive(), seed);
        for kernels in Kernels::available() {
            assert_eq!(infer(&model, kernels, seed), expected, "{} seed {seed}", kernels.name());
        }
        differ += usize::from(infer(&model, Kernels::best(), seed + 1) != expected);
    }
    assert!(differ > 15, "the outputs depend on the inputs");
    Ok(())
}

#[test]
fn repeated_runs_on_one_arena() -> Result<(), Error> {
    let bytes = zoo().finish();
    let model = Model::new_checked(&bytes)?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).expect("large enough");
    for seed in [3, 4, 3, 3, 5, 4] {
        feed(&mut session, seed);
        session.run();
        assert_eq!(outputs(&session), infer(&model, Kernels::naive(), seed));
    }
    Ok(())
}

#[test]
fn stepping_gives_the_bits_of_a_run() -> Result<(), Error> {
    let bytes = zoo().finish();
    let model = Model::new_checked(&bytes)?;
    let expected = infer(&model, Kernels::naive(), 7);
    let total: u64 = model.format().steps().map(|s| macs(model.format(), &s).max(1)).sum();
    let steps = usize::from(model.format().steps_len());
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).expect("large enough");
    for (budget, calls) in
        [(0, Some(steps)), (1, Some(steps)), (500, None), (total, Some(1)), (u64::MAX, Some(1))]
    {
        // Twice: after the last call the next one starts anew.
        for _ in 0..2 {
            feed(&mut session, 7);
            let mut made = 1;
            while let Err(nb::Error::WouldBlock) = session.step(budget) {
                made += 1;
            }
            assert_eq!(outputs(&session), expected, "budget {budget}");
            assert!(calls.is_none_or(|calls| calls == made), "budget {budget}: {made} calls");
            assert!(made <= steps);
        }
    }
    feed(&mut session, 8);
    assert!(session.step(1).is_err());
    feed(&mut session, 7);
    session.run();
    assert_eq!(outputs(&session), expected, "a run starts from the beginning");
    Ok(())
}

#[derive(Default)]
struct Log {
    events: Vec<(u16, bool, String)>,
    macs: u64,
    kernels: Vec<String>,
    last: Vec<u8>,
}

impl Hook for Log {
    fn before(&mut self, step: &Step<'_>) {
        self.events.push((step.index(), false, step.name().into()));
    }

    fn after(&mut self, step: &Step<'_>) {
        self.events.push((step.index(), true, step.name().into()));
        self.macs += step.macs();
        self.kernels.push(step.kernel().to_string());
        self.last = step.output().bytes().to_vec();
        assert!(step.name().starts_with(step.op().name()));
        assert_eq!(step.kernel().isa, step.isa());
    }
}

#[test]
fn hooks_hear_of_each_step_before_and_after() -> Result<(), Error> {
    let bytes = zoo().finish();
    let model = Model::new_checked(&bytes)?;
    let mut arena = vec![0; model.arena_bytes()];
    let slowest = Kernels::available().next().expect("at least one");
    let mut session = Session::with_kernels(&model, &mut arena, slowest).expect("large enough");
    assert_eq!(session.isa(), slowest.name());
    feed(&mut session, 1);
    let mut log = Log::default();
    session.run_with(&mut log);
    let steps = model.format().steps_len();
    let names = (0..steps).map(|k| model.format().tensor(2 + k).expect("an output"));
    let names: Vec<&str> = names.map(|t| model.name(&t)).collect();
    let expected = (0..steps).flat_map(|k| [(k, false), (k, true)]);
    let expected: Vec<_> = expected.map(|(k, after)| (k, after, names[usize::from(k)].to_string())).collect();
    assert_eq!(log.events, expected);
    let convolutions = 96 * 9 * 2 + 192 * 9 + 12 * 12;
    assert_eq!(log.macs, convolutions + 5 * 4, "convolutions and the dense layer");
    assert_eq!(log.kernels[2], format!("conv2d-i8-{}", slowest.name()));
    assert_eq!(log.last, outputs(&session)[2], "the last step wrote the last output");
    Ok(())
}

#[test]
fn an_arena_one_byte_too_small() -> Result<(), Error> {
    let bytes = zoo().finish();
    let model = Model::new_checked(&bytes)?;
    let needed = model.arena_bytes();
    let mut arena = vec![0; needed - 1];
    let error = Session::new(&model, &mut arena).err().expect("refused");
    assert_eq!(error, ArenaTooSmall { needed, given: needed - 1 });
    let text = format!("the arena has {} bytes, the model needs {needed}: 1 more", needed - 1);
    assert_eq!(error.to_string(), text);
    Ok(())
}

/// Nothing outside the model's part of the arena is touched, and the arena may start anywhere.
#[test]
fn a_larger_arena_keeps_its_rest() -> Result<(), Error> {
    let bytes = zoo().finish();
    let model = Model::new_checked(&bytes)?;
    let expected = infer(&model, Kernels::naive(), 9);
    for offset in 0..5 {
        let mut memory = vec![0xA5; model.arena_bytes() + 64];
        let mut session = Session::new(&model, &mut memory[offset..]).expect("large enough");
        feed(&mut session, 9);
        session.run();
        assert_eq!(outputs(&session), expected);
        let used = offset..offset + model.arena_bytes();
        assert!(memory.iter().enumerate().all(|(i, &b)| used.contains(&i) || b == 0xA5));
    }
    Ok(())
}

#[test]
fn two_sessions_of_one_model() -> Result<(), Error> {
    let bytes = zoo().finish();
    let model = Model::new_checked(&bytes)?;
    let (mut one, mut two) = (vec![1; model.arena_bytes()], vec![2; model.arena_bytes()]);
    let mut one = Session::new(&model, &mut one).expect("large enough");
    let mut two = Session::new(&model, &mut two).expect("large enough");
    feed(&mut one, 11);
    feed(&mut two, 12);
    while one.step(0).is_err() {
        // Interleaved, step by step.
        let _ = two.step(0);
    }
    two.run();
    assert_eq!(outputs(&one), infer(&model, Kernels::naive(), 11));
    feed(&mut two, 12);
    two.run();
    assert_eq!(outputs(&two), infer(&model, Kernels::naive(), 12));
    Ok(())
}

#[test]
fn what_is_not_there() -> Result<(), Error> {
    let bytes = zoo().finish();
    let model = Model::new_checked(&bytes)?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).expect("large enough");
    assert!(session.input_mut(2).is_none() && session.output(3).is_none());
    assert!(Kernels::named("abacus").is_none());
    assert_eq!((model.inputs().count(), model.outputs().count()), (2, 3));
    assert_eq!(model.labels(0).map(|l| l.count()), Some(5));
    assert!(model.preparation(1).is_some_and(|p| p.mean(0) == 0.5));
    Ok(())
}

/// The runtime refuses a model whose scratch is smaller than its kernels need.
#[test]
fn scratch_too_small() {
    let mut writer = zoo().place();
    writer.steps[2].scratch.1 = 162;
    let bytes: AlignedBytes = writer.finish();
    let at = mote_format::Model::new_checked(&bytes).ok().and_then(|m| m.steps().nth(2)).expect("fine").at;
    let error = Model::new_checked(&bytes).err().expect("refused");
    assert_eq!((error.at, error.reason), (at, Reason::Scratch(163)));
    assert!(error.to_string().ends_with("a scratch buffer is too small, 163 bytes are needed"));
}

/// A program without a way of computing that a step takes names it; with the way named in turn, it runs the model.
#[test]
fn a_program_of_few_ways_refuses_the_others_by_name() -> Result<(), Error> {
    macro_rules! every {
        ($($op:ident $module:ident;)*) => {
            static USUAL: Operators = operators![$($op),*];
            static NAMED: Operators = operators![$($op),*; LONG, GROUPS, PIXELS, ELEMENTS, SHORT];
        };
    }
    for_each_op!(every);
    let bytes = zoo().finish();
    let model = Model::with_operators(&bytes, &NAMED)?;
    let more = ways::of_model(model.format()) & !ways::USUAL;
    let error = Model::with_operators(&bytes, &USUAL).err().expect("refused");
    assert!(model.format().steps().any(|step| step.at == error.at), "{error}");
    let Reason::MissingWay(way) = error.reason else { panic!("{error}") };
    assert!(more >> way & 1 == 1, "{error}");
    let name = WAYS[usize::from(way)];
    assert!(error.to_string().ends_with(&format!("operators![…; {name}]")), "{error}");
    Ok(())
}

#[test]
fn a_program_of_few_operators_refuses_the_others_by_name() -> Result<(), Error> {
    static FEW: Operators = operators![Conv2d, Reshape];
    let bytes = zoo().finish();
    let model = Model::new_checked(&bytes)?;
    let missing = model.format().steps().find(|s| !["Conv2d", "Reshape"].contains(&s.op.name()));
    let missing = missing.expect("the zoo has more operators");
    let error = Model::with_operators(&bytes, &FEW).err().expect("refused");
    assert_eq!(error, Error { at: missing.at, reason: Reason::MissingOperator(missing.op.code()) });
    assert!(error.to_string().contains(missing.op.name()), "{error}");
    Ok(())
}
