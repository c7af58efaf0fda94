//! The program of every image: run the model of one file on the input of another, and report what it cost.
//!
//! The input file may hold several samples, each with all inputs in order; the output file gets their outputs.
//! The first sample is measured: once as it is, then once more step by step, since a hook costs instructions.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use mote_board::{Cost, Memory, Meter};
use mote_runtime::{Hook, Model, Session};
use semihosting::sys::arm_compat::sys_get_cmdline_uninit;

use crate::args::{ArgError, Args};
use crate::failure::Failure;
use crate::files::{Input, Output};
use crate::layers::Layers;
use crate::provoke::provoke;
use crate::report::Report;
use crate::selfcheck::selfcheck;
use crate::shape::row_bytes;

/// Room for the command line, at the start of the memory that stands for flash. A multiple of 16.
const LINE: usize = 4096;

/// Does what the command line says; gives the exit code.
pub(crate) fn run(board: &'static str) -> i32 {
    let Memory { arena, psram } = Memory::take().expect("nothing else takes the memory");
    let (line, flash) = psram.split_at_mut(LINE);
    let args = command_line(line).and_then(|len| Args::parse(line, len)).map_err(Failure::Args);
    let mut report = Report::default();
    let result = args.and_then(|args| {
        report = Report::create(args.report)?;
        report.line("board", board);
        match (args.model, args.input, args.output) {
            (Some(model), Some(input), Some(output)) => {
                execute(load(model, flash)?, [input, output], arena, &mut report)
            }
            _ => {
                args.provoke.map_or(Ok(()), provoke)?;
                selfcheck(board, arena, &mut report)
            }
        }
    });
    match result {
        Ok(()) => 0,
        Err(failure) => {
            report.line("error_kind", failure.kind());
            if let Some((need, have)) = failure.bytes() {
                report.line("need_bytes", need);
                report.line("have_bytes", have);
            }
            report.line("error", &failure);
            defmt::error!("{}", defmt::Display2Format(&failure));
            1
        }
    }
}

/// Copies the command line to the start of `line`; gives its length.
#[inline(never)]
fn command_line(line: &mut [u8]) -> Result<usize, ArgError> {
    let mut words = [MaybeUninit::uninit(); LINE];
    let words = sys_get_cmdline_uninit(&mut words).map_err(|_| ArgError::TooLong)?;
    line.get_mut(..words.len()).ok_or(ArgError::TooLong)?.copy_from_slice(words);
    Ok(words.len())
}

/// Reads the model into the memory that stands for flash; gives the rest of it, too.
fn load<'a>(
    path: &'a CStr,
    flash: &'static mut [u8],
) -> Result<(&'static [u8], &'static mut [u8]), Failure<'a>> {
    let mut file = Input::open(path)?;
    let (model, room) = (file.bytes, flash.len());
    let (bytes, rest) = flash.split_at_mut_checked(model).ok_or(Failure::Flash { model, room })?;
    file.read(bytes)?;
    Ok((bytes, rest))
}

/// Runs the model in `bytes` on every sample of the input file. An input that is fed by rows waits in `sensor`.
fn execute<'a>(
    (bytes, sensor): (&[u8], &mut [u8]),
    [input, output]: [&'a CStr; 2],
    arena: &mut [u8],
    report: &mut Report,
) -> Result<(), Failure<'a>> {
    let meter = Meter::start();
    let (model, checking) = meter.take(|| Model::new_checked(bytes));
    let model = model.map_err(Failure::Model)?;
    let (session, opening) = meter.take(|| Session::new(&model, arena));
    let mut session = session.map_err(Failure::Ram)?;

    let mut file = Input::open(input)?;
    let samples = samples(&model, file.bytes)?;
    let mut results = Output::create(output)?;
    for sample in 0..samples {
        let rows = feed(&model, &mut session, &mut file, sensor)?;
        if sample == 0 {
            let running = meter.cost(&mut || run_on(&mut session, rows, &mut ()));
            summary(report, &session, model.arena_bytes(), checking.then(opening), running);
        } else {
            run_on(&mut session, rows, &mut ());
        }
        for output in session.outputs() {
            results.write(output.bytes())?;
        }
    }
    report.line("samples", samples);
    let rows = feed(&model, &mut session, &mut Input::open(input)?, sensor)?;
    run_on(&mut session, rows, &mut Layers::new(report));
    Ok(())
}

/// One inference, on the inputs that are in the arena or on these rows. The file has as many as the input.
fn run_on(session: &mut Session<'_, '_>, rows: Option<&[u8]>, hook: &mut impl Hook) {
    match rows {
        None => session.run_with(hook),
        Some(rows) => session.push_rows_with(rows, hook).map_or((), |_| ()),
    }
}

/// How many samples an input file of `file` bytes holds.
fn samples(model: &Model<'_>, file: usize) -> Result<usize, Failure<'static>> {
    let sample: usize = model.inputs().map(|info| info.bytes()).sum();
    match file.checked_div(sample) {
        Some(samples) if samples > 0 && file == samples * sample => Ok(samples),
        _ => Err(Failure::Samples { file, sample }),
    }
}

/// Reads one sample, row by row, into the inputs; gives the rows of one that is fed by rows.
fn feed<'a, 's>(
    model: &Model<'_>,
    session: &mut Session<'_, '_>,
    file: &mut Input<'a>,
    sensor: &'s mut [u8],
) -> Result<Option<&'s [u8]>, Failure<'a>> {
    for (at, info) in model.inputs().enumerate() {
        let row = row_bytes(info.shape.dims(), info.bytes());
        match session.input_mut(at) {
            Some(mut input) => file.fill(input.bytes_mut(), row)?,
            None => {
                let (model, room) = (info.bytes(), sensor.len());
                let rows = sensor.get_mut(..model).ok_or(Failure::Flash { model, room })?;
                file.fill(rows, row)?;
                return Ok(Some(rows));
            }
        }
    }
    Ok(None)
}

/// Reports what checking and opening the model took, and what running it took.
pub(crate) fn summary(
    report: &mut Report,
    session: &Session<'_, '_>,
    arena: usize,
    loading: Cost,
    running: Cost,
) {
    report.line("isa", session.isa());
    report.line("arena_bytes", arena);
    report.line("instructions", running.instructions);
    report.line("stack_bytes", running.stack);
    report.line("load_instructions", loading.instructions);
    report.line("load_stack_bytes", loading.stack);
    defmt::info!(
        "{=str}: {=u64} instructions, {=u32} bytes of stack, arena {=usize} bytes",
        session.isa(),
        running.instructions,
        running.stack,
        arena
    );
}
