//! One inference on this machine, whichever way the model takes its input.

use crate::error::{Error, Result};
use mote_runtime::{Hook, Program, Session, TensorInfo, TensorMut};

/// Real values as the bytes of a model's input.
pub fn input_bytes(info: TensorInfo, reals: impl IntoIterator<Item = f32>) -> Vec<u8> {
    let mut bytes = vec![0; info.bytes()];
    TensorMut::over(info, &mut bytes).fill(reals);
    bytes
}

/// Runs the model on the bytes of its input; `hook` hears of each step.
pub fn infer<'m, P: Program<'m>>(
    session: &mut Session<'m, '_, P>,
    input: &[u8],
    hook: &mut impl Hook,
) -> Result<()> {
    let left = session.push_rows_with(input, hook).map_err(|e| Error::internal(e.to_string()))?;
    if left > 0 { Err(Error::internal(format!("the input lacks {left} rows"))) } else { Ok(()) }
}
