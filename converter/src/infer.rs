//! Inferences on this machine, whichever way a model takes its input: one, or those of a program that is no file yet.

use crate::data::Sample;
use crate::encode::{Metadata, encode};
use crate::error::{Error, Result};
use crate::plan::{Request, plan};
use mote_runtime::{Hook, Model, Program, Session, TensorInfo, TensorMut};
use ndarray::ArrayViewD;

/// Real values as the bytes of a model's input.
pub fn input_bytes(info: TensorInfo, reals: impl IntoIterator<Item = f32>) -> Vec<u8> {
    let mut bytes = vec![0; info.bytes()];
    TensorMut::over(info, &mut bytes).fill(reals);
    bytes
}

/// A sample as the bytes of all inputs of a model, one after the other.
pub fn sample_bytes(model: &Model<'_>, sample: &Sample) -> Vec<u8> {
    let reals = sample.inputs();
    let one = |(info, x): (TensorInfo, &ArrayViewD<'_, f32>)| input_bytes(info, x.iter().copied());
    model.inputs().zip(&reals).flat_map(one).collect()
}

/// Runs the model on the bytes of its inputs, one after the other; `hook` hears of each step.
pub fn infer<'m, P: Program<'m>>(
    session: &mut Session<'m, '_, P>,
    inputs: &[u8],
    hook: &mut impl Hook,
) -> Result<()> {
    let mut count = 1;
    let mut length = 0;
    while let Some(input) = session.input_mut(count) {
        length += input.info().bytes();
        count += 1;
    }
    let (input, mut others) = inputs.split_at(inputs.len().saturating_sub(length));
    for i in 1..count {
        let Some(mut other) = session.input_mut(i) else { break };
        let (bytes, rest) = others.split_at(other.info().bytes().min(others.len()));
        if let Some(to) = other.bytes_mut().get_mut(..bytes.len()) {
            to.copy_from_slice(bytes);
        }
        others = rest;
    }
    let left = session.push_rows_with(input, hook).map_err(|e| Error::internal(e.to_string()))?;
    if left > 0 { Err(Error::internal(format!("the input lacks {left} rows"))) } else { Ok(()) }
}

/// Runs a program on samples. `to` is given the hook, which hears of each step, the sample's place among them, and the reals of
/// each output with the scale that they are rounded to.
pub(crate) fn run_samples<'s, H: Hook>(
    program: &crate::program::Program,
    samples: impl IntoIterator<Item = &'s Sample>,
    hook: &mut H,
    mut to: impl FnMut(&mut H, usize, Vec<(Vec<f32>, f32)>),
) -> Result<()> {
    let mut samples = samples.into_iter().enumerate().peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    let bytes = encode(program, &plan(program, &Request::FAST)?, &Metadata::default())?;
    let model = Model::new_checked(&bytes).map_err(|e| Error::internal(e.to_string()))?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).map_err(|e| Error::internal(e.to_string()))?;
    for (i, sample) in samples {
        infer(&mut session, &sample_bytes(&model, sample), hook)?;
        let outputs = session.outputs().map(|o| (o.reals().collect(), o.info().quant.scale));
        to(hook, i, outputs.collect());
    }
    Ok(())
}
