//! Loads a model, gives it an image, and reads the best classes.

use mote_format::AlignedBytes;
use mote_runtime::{Model, Session};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let [model, labels, image] = mote_examples::arguments();
    let bytes = AlignedBytes::new(&std::fs::read(model)?);
    let labels = std::fs::read_to_string(labels)?;
    let labels: Vec<&str> = labels.lines().collect();
    let pixels = image::open(image)?.to_luma8();

    // Checking proves everything about the model; from here on only the arena can be too small.
    let model = Model::new_checked(&bytes)?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena)?;

    // The network was trained on pixels from 0 to 1; `fill` rounds them to the input's scale.
    let mut input = session.input_mut(0).ok_or("the model has no input")?;
    input.fill(pixels.iter().map(|&p| f32::from(p) / 255.0));
    session.run();
    for class in session.output(0).ok_or("the model has no output")?.top::<3>() {
        println!("{:>5.1} %  {}", 100.0 * class.value, labels.get(class.index).unwrap_or(&"?"));
    }
    Ok(())
}
