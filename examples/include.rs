//! A model as a type of the program: checked while it is compiled, nothing to decode or to refuse when it runs.
//!
//! `mote demo` makes the model; then `cargo run --example include -p mote-examples --features demo`.

use mote_runtime::{Arena, Tensor, include_model};
use std::error::Error;

include_model!(pub Fashion = "../target/demo/fashion.mote", ram = 16_384, flash = 65_536);

/// Its RAM, as a static of the program.
static ARENA: std::sync::Mutex<Arena<{ Fashion::ARENA }>> = std::sync::Mutex::new(Arena::new());

fn main() -> Result<(), Box<dyn Error>> {
    let [_, labels, image] = mote_examples::arguments();
    let labels = std::fs::read_to_string(labels)?;
    let labels: Vec<&str> = labels.lines().collect();
    let pixels = image::open(image)?.to_luma8();

    // The input is an array of as many int8 as the network takes; scale and zero point are constants.
    let quant = Fashion::INPUT.quant;
    let real = |pixel: &u8| f32::from(*pixel) / 255.0;
    let mut input = [0; _];
    for (q, pixel) in input.iter_mut().zip(pixels.iter()) {
        *q = ((real(pixel) / quant.scale).round() as i32 + quant.zero).clamp(-128, 127) as i8;
    }
    let mut arena = ARENA.lock().map_err(|_| "another run has failed")?;
    let output = Fashion::run(&mut arena, &input);
    let bytes = output.map(|q| q as u8);
    for class in Tensor::new(Fashion::OUTPUT, &bytes).top::<3>() {
        println!("{:>5.1} %  {}", 100.0 * class.value, labels.get(class.index).unwrap_or(&"?"));
    }
    Ok(())
}
