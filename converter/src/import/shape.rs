//! Operators that move elements without computing: reshapes, transposition, joining; and
//! those that are supported only as long as they leave nothing to run.

use super::attributes::{Call, axis_within};
use super::build::{Import, Lowered};
use crate::ir::{Op, is_permutation};
use tract_onnx::pb::tensor_proto::DataType;

/// Operators that must have been computed already.
pub(crate) fn constant_only<'a>(_: &mut Import<'a>, _: &Call<'a>) -> Lowered {
    Err("its result depends on the model's input; it is supported only where constant".to_owned())
}

/// Identity and Dropout.
pub(crate) fn identity<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    im.emit(call, Op::Identity, &[x])
}

/// Cast between float types, which are all one here.
pub(crate) fn cast<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let to = call.int("to")?.unwrap_or(0);
    if to != DataType::Float as i64 {
        return constant_only(im, call);
    }
    identity(im, call)
}

/// Reshape, Flatten, Squeeze, Unsqueeze: the shape is what tract inferred.
pub(crate) fn reshape<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    im.emit(call, Op::Reshape, &[x])
}

/// Transpose.
pub(crate) fn transpose<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    let rank = im.graph.shape(x).len();
    let perm: Vec<usize> = match call.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(list) => list.iter().map(|&p| axis_within(p, rank)).collect::<Lowered<_>>()?,
    };
    if !is_permutation(&perm, rank) {
        return Err(format!("its perm {perm:?} does not fit {rank} axes"));
    }
    im.emit(call, Op::Transpose { perm }, &[x])
}

/// Concat.
pub(crate) fn concat<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let inputs = (0..call.pb.input.len()).map(|i| im.operand(call, i)).collect::<Lowered<Vec<_>>>()?;
    let first = inputs.first().ok_or("it has no input")?;
    let axis = axis_within(call.int("axis")?.ok_or("it has no axis")?, im.graph.shape(*first).len())?;
    im.emit(call, Op::Concat { axis }, &inputs)
}
