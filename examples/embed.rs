//! A model in flash and an arena of fixed size, as on a microcontroller: no allocation, no files.

use mote_runtime::{Aligned, Model, Session};
use std::error::Error;

/// In firmware this is a file of the project; here it is the one that keeps old models loading.
static MODEL: &Aligned<[u8]> = &Aligned(*include_bytes!("../runtime/format/tests/golden/v1.mote"));

/// `mote inspect` says how much a model needs.
const ARENA: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let model = Model::new_checked(&MODEL.0)?;
    let mut arena = [0; ARENA];
    let mut session = Session::new(&model, &mut arena)?;
    session.run();
    println!("{} of {ARENA} bytes used, {} steps", model.arena_bytes(), model.format().steps_len());
    Ok(())
}
