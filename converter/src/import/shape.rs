//! Operators that move elements without computing: reshapes, transposition, joining, padding; and
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

/// Pad: amounts as an attribute before operator set 11, as inputs since.
pub(crate) fn pad<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    match call.text("mode")?.unwrap_or("constant") {
        "constant" => {}
        mode => return Err(format!("its mode is \"{mode}\"")),
    }
    let x = im.operand(call, 0)?;
    let rank = im.graph.shape(x).len();
    let (pads, value) = if im.opset < 11 {
        (call.ints("pads")?.map(<[i64]>::to_vec), call.float("value", 0.0)?)
    } else {
        (im.integers(call, 1)?, im.number(call, 2)?.unwrap_or(0.0))
    };
    if im.given(call, 3)?.is_some() {
        return Err("its pads are for some axes only (input 3); pads for all axes are possible".to_owned());
    }
    let pads = pads.ok_or("it has no pads")?;
    if pads.len() != 2 * rank {
        return Err(format!("{} pads for {rank} axes", pads.len()));
    }
    let amount =
        |&p: &i64| usize::try_from(p).map_err(|_| format!("its pads are {pads:?}; cutting is not possible"));
    let before = pads[..rank].iter().map(amount).collect::<Lowered<Vec<_>>>()?;
    let after = pads[rank..].iter().map(amount).collect::<Lowered<Vec<_>>>()?;
    im.emit(call, Op::Pad { before, after, value }, &[x])
}
