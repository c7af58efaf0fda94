//! Reductions, which are pooling with one window; softmax, argmax and topk.

use super::attributes::{Call, axis_within};
use super::build::{Import, Lowered};
use super::conv::Image;
use crate::ir::{Op, ValueId, Window};

/// ReduceMean.
pub(crate) fn mean<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    reduce(im, call, Op::AveragePool)
}

/// ReduceSum.
pub(crate) fn sum<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    reduce(im, call, Op::SumPool)
}

/// ReduceMax.
pub(crate) fn max<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    reduce(im, call, Op::MaxPool)
}

/// A reduction over axes 2 and 3, over 1 and 2 of a graph that keeps its channels last, or over any others.
fn reduce<'a>(im: &mut Import<'a>, call: &Call<'a>, op: fn(Window) -> Op) -> Lowered {
    let x = im.operand(call, 0)?;
    let rank = im.graph.shape(x).len();
    let mut axes = axes(im, call, rank)?;
    axes.sort_unstable();
    axes.dedup();
    if axes.is_empty() {
        return im.emit(call, Op::Identity, &[x]);
    }
    if rank == 4 && axes == [1, 2] {
        let &[n, h, w, c] = im.graph.shape(x) else { return Err("its input is not an image".to_owned()) };
        let perm = vec![0, 3, 1, 2];
        let channels_first = im.step(call, "nchw", Op::Transpose { perm }, &[x], &[n, c, h, w])?;
        let pooled = op(Window::global(h, w));
        let pooled = im.reshaped(call, "pooled", pooled, &[channels_first], &[n, c, 1, 1])?;
        return im.emit(call, Op::Reshape, &[pooled]);
    }
    if !(3..=4).contains(&rank) || axes[0] < 2 {
        return over_any(im, call, op, x, &axes);
    }
    let image = Image::of(im, call, x)?;
    let kernel = match rank {
        3 => [1, image.size[1]],
        _ => [0, 1].map(|i| if axes.contains(&(i + 2)) { image.size[i] } else { 1 }),
    };
    let window = Window { kernel, ..Window::global(1, 1) };
    let mut shape = im.graph.shape(image.value).to_vec();
    for i in 0..2 {
        shape[2 + i] = shape[2 + i] + 1 - kernel[i];
    }
    let pooled = im.reshaped(call, "pooled", op(window), &[image.value], &shape)?;
    im.emit(call, Op::Reshape, &[pooled])
}

/// Reduced axes become the rows of an image of one column, the others its channels, where they lie in this order; else the
/// others become the rows, and the reduced axes the columns of an image of one channel.
fn over_any<'a>(
    im: &mut Import<'a>,
    call: &Call<'a>,
    op: fn(Window) -> Op,
    x: ValueId,
    axes: &[usize],
) -> Lowered {
    let shape = im.graph.shape(x).to_vec();
    let kept: Vec<usize> = (0..shape.len()).filter(|a| !axes.contains(a)).collect();
    let extent = |axes: &[usize]| axes.iter().map(|&a| shape[a]).product::<usize>();
    let (rows, columns) = (extent(&kept), extent(axes));
    let first = [axes, &kept].concat();
    let in_place = first.iter().filter(|&&a| shape[a] > 1).is_sorted();
    let (x, window, pooled) = if in_place {
        let x = im.step(call, "rows", Op::Reshape, &[x], &[1, columns, 1, rows])?;
        let perm = vec![0, 3, 1, 2];
        let x = im.step(call, "nchw", Op::Transpose { perm }, &[x], &[1, rows, columns, 1])?;
        (x, Window::global(columns, 1), [1, rows, 1, 1])
    } else {
        // Channels last is how images will lie.
        let mut axes = axes.to_vec();
        axes.sort_by_key(|&a| (shape.len() == 4 && a == 1, a));
        let perm = [&kept[..], &axes].concat();
        let turned: Vec<usize> = perm.iter().map(|&a| shape[a]).collect();
        let x = im.step(call, "turned", Op::Transpose { perm }, &[x], &turned)?;
        let x = im.step(call, "rows", Op::Reshape, &[x], &[1, 1, rows, columns])?;
        (x, Window::global(1, columns), [1, 1, rows, 1])
    };
    let pooled = im.reshaped(call, "pooled", op(window), &[x], &pooled)?;
    im.emit(call, Op::Reshape, &[pooled])
}

/// The axes: an attribute in older operator sets, an input in newer ones.
fn axes<'a>(im: &mut Import<'a>, call: &Call<'a>, rank: usize) -> Lowered<Vec<usize>> {
    let list = match call.ints("axes")? {
        Some(list) => Some(list.to_vec()),
        None => im.integers(call, 1)?,
    };
    match list {
        Some(list) if !list.is_empty() => list.iter().map(|&a| axis_within(a, rank)).collect(),
        _ if call.flag("noop_with_empty_axes", false)? => Ok(Vec::new()),
        _ => Ok((0..rank).collect()),
    }
}

/// Softmax. Before operator set 13 all axes from `axis` on were one.
pub(crate) fn softmax<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    let shape = im.graph.shape(x).to_vec();
    let default = if im.opset < 13 { 1 } else { -1 };
    let mut axis = axis_within(call.int("axis")?.unwrap_or(default), shape.len())?;
    if im.opset < 13 {
        let mut wide = (axis..shape.len()).filter(|&a| shape[a] > 1);
        axis = wide.next().unwrap_or(axis);
        if wide.next().is_some() {
            let flat = [shape[..axis].iter().product(), shape[axis..].iter().product()];
            let rows = im.step(call, "rows", Op::Reshape, &[x], &flat)?;
            let soft = im.reshaped(call, "soft", Op::Softmax { axis: 1 }, &[rows], &flat)?;
            return im.emit(call, Op::Reshape, &[soft]);
        }
    }
    im.emit(call, Op::Softmax { axis }, &[x])
}

/// ArgMax.
pub(crate) fn arg_max<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    if call.flag("select_last_index", false)? {
        return Err("it wants the last of equal values".to_owned());
    }
    let x = im.operand(call, 0)?;
    let axis = axis_within(call.int("axis")?.unwrap_or(0), im.graph.shape(x).len())?;
    let keepdims = call.flag("keepdims", true)?;
    im.emit(call, Op::ArgMax { axis, keepdims }, &[x])
}

/// TopK: the values, and their indices.
pub(crate) fn top_k<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    if !call.flag("largest", true)? {
        return Err("it wants the smallest values".to_owned());
    }
    let x = im.operand(call, 0)?;
    let axis = axis_within(call.int("axis")?.unwrap_or(-1), im.graph.shape(x).len())?;
    let count = match call.int("k")? {
        Some(k) => Some(k),
        None => im.integers(call, 1)?.and_then(|k| k.first().copied()),
    };
    let count = count.and_then(|k| usize::try_from(k).ok()).ok_or("it has no constant count")?;
    im.emit_at(call, 0, Op::TopK { axis, count, indices: false }, &[x])?;
    im.emit_at(call, 1, Op::TopK { axis, count, indices: true }, &[x])
}
