//! tract's runner: `run-tract MODEL.onnx`, on one thread, optimized as tract does for running.

use mote_peers::{Failure, serve};
use tract_onnx::prelude::*;

fn main() -> Result<(), Failure> {
    let path = std::env::args().nth(1).ok_or("use: run-tract MODEL.onnx")?;
    let model = tract_onnx::onnx().model_for_path(path)?.into_optimized()?;
    let fact = model.input_fact(0)?;
    let shape = fact.shape.as_concrete().ok_or("the input has no fixed shape")?;
    let input = Tensor::zero_dt(fact.datum_type, shape)?;
    let plan = model.into_runnable()?;
    serve(|| {
        plan.run(tvec!(input.clone().into()))?;
        Ok(())
    })
}
