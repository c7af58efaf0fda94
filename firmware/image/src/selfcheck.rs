//! What an image does when it is given no model: it runs one of its own, and checks the result and the meter.

use mote_board::{Meter, delay, nop};
use mote_runtime::{Model, Session};

use crate::failure::Failure;
use crate::layers::Layers;
use crate::program::summary;
use crate::report::Report;

/// Constants of a model lie at multiples of 16 bytes.
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

/// A dense layer; the build script says what it computes.
static MODEL: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/selfcheck.mote")));

/// A model with states; its first output is 3 more than the sum of all inputs so far.
static COUNTER: &Aligned<[u8]> =
    &Aligned(*include_bytes!("../../../runtime/format/tests/golden/v1-states.mote"));

const INPUT: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

/// (136·w + 4) / 2 for w = −1, 0, 1, 2; the last is clamped.
const OUTPUT: [i8; 4] = [-66, 2, 70, 127];

/// Runs the built-in model.
pub(crate) fn selfcheck(board: &str, arena: &mut [u8], report: &mut Report) -> Result<(), Failure<'static>> {
    defmt::info!("{=str}: mote {=str}, {=usize} bytes of RAM", board, env!("CARGO_PKG_VERSION"), arena.len());
    defmt::info!("no --model --input --output given: running the self-check");
    report.line("ram_bytes", arena.len());
    let meter = Meter::start();
    check_meter(&meter)?;
    let (model, checking) = meter.take(|| Model::new_checked(&MODEL.0));
    let model = model.map_err(Failure::Model)?;
    let (session, opening) = meter.take(|| Session::new(&model, arena));
    let mut session = session.map_err(Failure::Ram)?;
    feed(&mut session);
    let running = meter.cost(&mut || session.run());
    summary(report, &session, model.arena_bytes(), checking.then(opening), running);
    if !session.outputs().flat_map(|output| output.bytes()).map(|&byte| byte as i8).eq(OUTPUT) {
        return Err(Failure::SelfCheck("the built-in model computed another result"));
    }
    feed(&mut session);
    session.run_with(&mut Layers::new(report));
    take_turns(&model, arena)?;
    defmt::info!("self-check passed");
    Ok(())
}

/// Two models on one arena, the states of one saved while the other has it.
fn take_turns(model: &Model<'_>, arena: &mut [u8]) -> Result<(), Failure<'static>> {
    const LOST: Failure<'static> = Failure::SelfCheck("a state did not outlive another model's turn");
    let counter = Model::new_checked(&COUNTER.0).map_err(Failure::Model)?;
    let mut saved = [0; 64];
    Session::new(&counter, arena).map_err(Failure::Ram)?.save_states(&mut saved).ok_or(LOST)?;
    for total in [3 + 7, 3 + 7 + 7] {
        let mut session = Session::new(model, arena).map_err(Failure::Ram)?;
        feed(&mut session);
        session.run();
        let mut session = Session::resume(&counter, arena).map_err(Failure::Ram)?;
        session.restore_states(&saved).ok_or(LOST)?;
        session.input_mut(0).ok_or(LOST)?.bytes_mut().fill(7);
        session.run();
        session.save_states(&mut saved).ok_or(LOST)?;
        if !session.output(0).is_some_and(|output| output.bytes().iter().all(|&byte| byte == total)) {
            return Err(LOST);
        }
    }
    Ok(())
}

fn feed(session: &mut Session<'_, '_>) {
    if let Some(mut input) = session.input_mut(0) {
        input.bytes_mut().copy_from_slice(&INPUT);
    }
}

/// A loop that is one round longer counts two instructions more, and a `nop` after it one.
fn check_meter(meter: &Meter) -> Result<(), Failure<'static>> {
    let rounds = |n: u32| meter.cost(&mut || delay(n)).instructions;
    let one_more = |n: u32| meter.cost(&mut || (delay(n), nop()).1).instructions;
    let none = rounds(0);
    let exact = (0..100).map(|n| n * n).all(|n| {
        let expected = none + 2 * u64::from(n);
        rounds(n) == expected && one_more(n) == expected + 1
    });
    if exact {
        Ok(())
    } else {
        Err(Failure::SelfCheck("instructions are not counted exactly: -icount shift=6?"))
    }
}
