//! Hears of each step: its kernel, its time, its multiply-accumulates.

use mote_format::AlignedBytes;
use mote_runtime::{Hook, Model, Session, Step};
use std::error::Error;
use std::time::Instant;

/// Prints a line per step.
struct Print(Instant);

impl Hook for Print {
    fn before(&mut self, _: &Step<'_>) {
        self.0 = Instant::now();
    }

    fn after(&mut self, step: &Step<'_>) {
        let time = self.0.elapsed();
        println!(
            "{:<20} {:<28} {:>9} MACs {time:>12.1?}",
            step.name(),
            step.kernel().to_string(),
            step.macs()
        );
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let [model, ..] = mote_examples::arguments();
    let bytes = AlignedBytes::new(&std::fs::read(model)?);
    let model = Model::new_checked(&bytes)?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena)?;
    session.run_with(&mut Print(Instant::now()));
    Ok(())
}
