//! `cargo xtask test`: everything that can be checked here, section by section; the first that fails ends it.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::boards::{Board, firmware};
use crate::firmware::build;
use crate::mlperf::{Form, Image};
use crate::shell::{cargo, root, run as start, watch};
use crate::toolchain::has_library;
use crate::{aarch64, emulate, models, setup, sizes};

/// A random suite's cases in a full test; proptest's own default is 256.
const MANY_CASES: &str = "2560";

/// What the sections share.
#[derive(Default)]
struct Run {
    full: bool,
    passed: u64,
    /// How the program that runs a model on AArch64 is started.
    aarch64: String,
    times: Vec<(&'static str, Duration)>,
}

type Section = (&'static str, fn(&mut Run) -> Result<()>);

const SECTIONS: [Section; 9] = [
    ("setup", |_| setup::run()),
    ("format", |_| format()),
    ("lint", |_| lint()),
    ("firmware tests on the host", firmware_tests),
    ("firmware images", |_| Board::ALL.iter().try_for_each(|&board| build(board))),
    ("self-checks in QEMU", self_checks),
    ("AArch64 in QEMU", emulated_suites),
    ("tests", tests),
    ("documentation tests", documentation),
];

/// Runs all sections, then sums up.
pub(crate) fn run(full: bool) -> Result<()> {
    let mut run = Run { full, ..Run::default() };
    for (at, (name, section)) in SECTIONS.into_iter().enumerate() {
        eprintln!("\n=== {}/{} {name}", at + 1, SECTIONS.len());
        let begin = Instant::now();
        section(&mut run).with_context(|| format!("section {} of {}, {name}", at + 1, SECTIONS.len()))?;
        run.times.push((name, begin.elapsed()));
        eprintln!("=== {name}: {:.1} s", begin.elapsed().as_secs_f32());
    }
    println!("\n=== summary");
    let sizes = sizes::run(sizes::Options::default());
    for (name, time) in &run.times {
        println!("{:>7.1} s  {name}", time.as_secs_f32());
    }
    println!("{:>7.1} s  in all", run.times.iter().map(|(_, time)| time.as_secs_f32()).sum::<f32>());
    println!("{} passed, 0 failed", run.passed);
    sizes
}

fn format() -> Result<()> {
    start(cargo(&root()).args(["fmt", "--all", "--check"]))?;
    start(cargo(&firmware()).args(["fmt", "--all", "--check"]))
}

/// Clippy over all that the active toolchain can build.
fn lint() -> Result<()> {
    const STRICT: [&str; 3] = ["--", "-D", "warnings"];
    start(cargo(&root()).args(["clippy", "--quiet", "--workspace", "--all-targets"]).args(STRICT))?;
    start(cargo(&firmware()).args(["clippy", "--quiet", "--all-targets"]).args(STRICT))?;
    for board in Board::ALL {
        if has_library(board.target()) {
            start(cargo(&board.folder()).args(["clippy", "--quiet", "--release"]).args(STRICT))?;
        } else {
            eprintln!("{}: not linted, the active toolchain has no {}", board.name(), board.target());
        }
    }
    let board = Board::ALL[0];
    if has_library(board.target()) {
        let model = models::example()?;
        for form in Form::ALL {
            let image = Image { board, model: model.path.clone(), benchmark: model.name.clone(), form };
            let mut clippy = cargo(&firmware().join("mlperf-image"));
            clippy.args(["clippy", "--quiet", "--release", "--target", board.target()]).args(STRICT);
            start(image.choose(&mut clippy)?)?;
        }
    }
    Ok(())
}

fn firmware_tests(run: &mut Run) -> Result<()> {
    run.count(cargo(&firmware()).args(["test", "--quiet"]))
}

/// Each image checks itself, and tells of a panic, a fault and a stack overflow.
fn self_checks(run: &mut Run) -> Result<()> {
    for &board in Board::ALL {
        start(&mut emulate::command(board))
            .with_context(|| format!("{} failed its self-check", board.name()))?;
        for (kind, told) in
            [("panic", "provoked"), ("fault", "hard fault at"), ("overflow", "stack overflow")]
        {
            let mut command = emulate::command(board);
            let ended = command.args(["--provoke", kind]).output()?;
            let text = String::from_utf8_lossy(&ended.stderr);
            ensure!(
                ended.status.code() == Some(101) && text.contains(told),
                "{}: a provoked {kind} ended with {} and said: {text}",
                board.name(),
                ended.status
            );
        }
        run.passed += 4;
    }
    eprintln!("panics, faults and stack overflows are reported");
    Ok(())
}

fn emulated_suites(run: &mut Run) -> Result<()> {
    run.aarch64 = aarch64::runners()?;
    aarch64::suites()?.iter_mut().try_for_each(|suite| run.count(suite))
}

fn tests(run: &mut Run) -> Result<()> {
    let mut command = cargo(&root());
    let nextest = setup::has_nextest();
    command.args(if nextest { ["nextest", "run"].as_slice() } else { &["test", "--all-targets"] });
    command.args(["--workspace", "--no-fail-fast"]);
    if run.full {
        command.args(if nextest { ["--run-ignored", "all"] } else { ["--", "--include-ignored"] });
    }
    if run.full {
        command.env("PROPTEST_CASES", MANY_CASES);
    }
    run.count(&mut command)
}

fn documentation(run: &mut Run) -> Result<()> {
    run.count(cargo(&root()).args(["test", "--quiet", "--workspace", "--doc"]))
}

impl Run {
    /// Runs tests, with the emulator required and the images as they were just built, and counts them.
    fn count(&mut self, command: &mut Command) -> Result<()> {
        command.env("MOTE_REQUIRE_QEMU", "1").env("MOTE_IMAGES", firmware().join("target/images"));
        command.env("MOTE_AARCH64", &self.aarch64);
        let mut passed = 0;
        watch(command, |line| passed += self::passed(line))?;
        ensure!(passed > 0, "no test ran");
        self.passed += passed;
        Ok(())
    }
}

/// The number of passed tests that a summary line of cargo test or nextest gives; 0 for any other line.
fn passed(line: &str) -> u64 {
    let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
    let summary = line.starts_with("test result:") || line.trim_start().starts_with("Summary [");
    let count = words.windows(2).find(|pair| pair[1] == "passed").and_then(|pair| pair[0].parse().ok());
    if summary { count.unwrap_or(0) } else { 0 }
}

#[cfg(test)]
mod tests_of_the_counting {
    use super::passed;

    #[test]
    fn summaries_are_counted_and_nothing_else() {
        assert_eq!(passed("test result: ok. 12 passed; 0 failed; 1 ignored; finished in 0.1s"), 12);
        assert_eq!(passed("     Summary [   0.012s] 34 tests run: 34 passed (1 slow), 2 skipped"), 34);
        assert_eq!(passed("     Summary [   0.012s] 34 tests run: 33 passed, 1 failed, 0 skipped"), 33);
        assert_eq!(passed("test a::b ... ok"), 0);
        assert_eq!(passed("  5 passed"), 0);
    }
}
