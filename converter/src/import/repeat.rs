//! Operators that surround a tensor or repeat it. Whatever repeats elements is a gather along each axis.

use super::attributes::Call;
use super::build::{Import, Lowered};
use crate::ir::{Op, ValueId};

/// Pad: amounts as an attribute before operator set 11, as inputs since.
pub(crate) fn pad<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    let shape = im.graph.shape(x).to_vec();
    let (pads, value) = if im.opset < 11 {
        (call.ints("pads")?.map(<[i64]>::to_vec), call.float("value", 0.0)?)
    } else {
        (im.integers(call, 1)?, im.number(call, 2)?.unwrap_or(0.0))
    };
    let pads = pads.ok_or("it has no pads")?;
    if im.given(call, 3)?.is_some() {
        return Err("its pads are for some axes only (input 3); pads for all axes are possible".to_owned());
    }
    let amount = |&p: &i64| usize::try_from(p).ok().filter(|&p| p < 1 << 30);
    let amounts: Option<Vec<usize>> = pads.iter().map(amount).collect();
    let amounts = amounts.filter(|a| a.len() == 2 * shape.len());
    let amounts = amounts.ok_or_else(|| format!("its pads are {pads:?} for {} axes", shape.len()))?;
    let (before, after) = amounts.split_at(shape.len());
    let source: fn(i64, i64) -> i64 = match call.text("mode")?.unwrap_or("constant") {
        "constant" => {
            let op = Op::Pad { before: before.to_vec(), after: after.to_vec(), value };
            return im.emit(call, op, &[x]);
        }
        "edge" => |i, n| i.clamp(0, n - 1),
        "reflect" => |i, n| {
            let period = (2 * (n - 1)).max(1);
            let i = i.rem_euclid(period);
            i.min(period - i)
        },
        mode => return Err(format!("its mode is \"{mode}\"")),
    };
    let along = |axis: usize| {
        let (n, first) = (shape[axis] as i64, -(before[axis] as i64));
        (first..n + after[axis] as i64).map(|i| source(i, n) as usize).collect()
    };
    let indices = (0..shape.len()).map(along).collect();
    gathered(im, call, x, indices)
}

/// Expand: axes of one element repeat. The result's shape is what tract inferred.
pub(crate) fn expand<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let (mut x, result) = (im.operand(call, 0)?, im.result_shape(call)?);
    let shape = im.graph.shape(x).to_vec();
    let missing = result.len().checked_sub(shape.len()).ok_or("its result has fewer axes")?;
    let shape = [vec![1; missing], shape].concat();
    if missing > 0 {
        x = im.step(call, "wide", Op::Reshape, &[x], &shape)?;
    }
    repeated(im, call, x, &shape, &result)
}

/// Tile. The result's shape is what tract inferred.
pub(crate) fn tile<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let (x, result) = (im.operand(call, 0)?, im.result_shape(call)?);
    let shape = im.graph.shape(x).to_vec();
    repeated(im, call, x, &shape, &result)
}

fn repeated<'a>(
    im: &mut Import<'a>,
    call: &Call<'a>,
    x: ValueId,
    shape: &[usize],
    result: &[usize],
) -> Lowered {
    if shape.len() != result.len() || shape.contains(&0) {
        return Err(format!("it makes {result:?} of {shape:?}"));
    }
    let along = |(&n, &out): (&usize, &usize)| (0..out).map(|i| i % n).collect();
    let indices = shape.iter().zip(result).map(along).collect();
    gathered(im, call, x, indices)
}

/// Slices of each axis in the order of a list; axes that stay as they are need no step.
fn gathered<'a>(im: &mut Import<'a>, call: &Call<'a>, mut x: ValueId, indices: Vec<Vec<usize>>) -> Lowered {
    for (axis, indices) in indices.into_iter().enumerate() {
        let mut shape = im.graph.shape(x).to_vec();
        if indices.iter().copied().eq(0..shape[axis]) {
            continue;
        }
        shape[axis] = indices.len();
        x = im.step(call, "repeated", Op::Gather { axis, indices }, &[x], &shape)?;
    }
    im.emit(call, Op::Identity, &[x])
}
