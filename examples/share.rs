//! Runs an inference in small portions, so that other work is never held up for long.

use mote_format::AlignedBytes;
use mote_runtime::{Model, Session};
use std::error::Error;

/// Multiply-accumulates between two looks at the other work.
const PORTION: u64 = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    let [model, ..] = mote_examples::arguments();
    let bytes = AlignedBytes::new(&std::fs::read(model)?);
    let model = Model::new_checked(&bytes)?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena)?;

    // An executor would go to sleep or serve a button here; `nb::block!` would wait for the end.
    let mut pauses = 0;
    while let Err(nb::Error::WouldBlock) = session.step(PORTION) {
        pauses += 1;
    }
    println!("one inference with {pauses} pauses for other work");
    Ok(())
}
