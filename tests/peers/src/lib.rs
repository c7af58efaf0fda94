//! The protocol between `cargo xtask peers` and a runner, which holds one network ready: it says `ready`, then for each
//! line with a number of milliseconds runs the network for about as long and answers with the shortest time of an
//! inference in nanoseconds. `runner.py` beside this crate speaks it for the engines that Python reaches.

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

/// What a runner may fail with.
pub type Failure = Box<dyn std::error::Error>;

/// Answers what is asked on standard input until it ends.
pub fn serve(mut inference: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    inference()?;
    say("ready")?;
    for line in io::stdin().lock().lines() {
        let time = Duration::from_millis(line?.trim().parse()?);
        let (begin, mut best) = (Instant::now(), Duration::MAX);
        while best == Duration::MAX || begin.elapsed() < time {
            let start = Instant::now();
            inference()?;
            best = best.min(start.elapsed());
        }
        say(&best.as_nanos().to_string())?;
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
