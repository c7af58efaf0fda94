//! Operators that take parts of a tensor, repeat it, or cut it into blocks.

use super::Lowered;
use super::network::{Network, axis};
use crate::proto::{int, size, text};
use crate::tflite::file::Node;
use crate::tflite::slices::{Part, strided};

/// Slice in the file's order of axes; gives what holds it.
fn taken(n: &mut Network<'_>, node: &Node<'_>, plain: &str, parts: &[Part]) -> Lowered<String> {
    let end = |p: &Part| {
        let end = p.begin as i64 + p.step * p.count as i64;
        // In front of the first element, where −1 would be the last one.
        if end < 0 { i64::MIN } else { end }
    };
    let lists = [
        parts.iter().map(|p| p.begin as i64).collect::<Vec<_>>(),
        parts.iter().map(end).collect(),
        (0..parts.len() as i64).collect(),
        parts.iter().map(|p| p.step).collect(),
    ];
    let mut inputs = vec![plain.to_owned()];
    inputs.extend(lists.iter().map(|list| n.integers_as(plain, list)));
    n.step(node, "Slice", &inputs, &[])
}

/// Everything.
fn whole(dims: &[usize]) -> Vec<Part> {
    dims.iter().map(|&count| Part { begin: 0, step: 1, count }).collect()
}

pub(super) fn strided_slice<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let dims = n.input(node, 0)?.dims.clone();
    let bounds = [n.integers(node, 1)?, n.integers(node, 2)?, n.integers(node, 3)?];
    let (parts, y) = strided(node, &dims, &bounds)?;
    let found = &n.output(node)?.dims;
    if *found != y {
        return Err(format!("its output is {found:?} in the file and {y:?} computed"));
    }
    let plain = n.in_order(node, 0)?;
    let plain = taken(n, node, &plain, &parts)?;
    n.emit_shaped(node, node.outputs[0], plain)
}

pub(super) fn slice<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let (dims, begin, size) = (n.input(node, 0)?.dims.clone(), n.integers(node, 1)?, n.integers(node, 2)?);
    let cause = || format!("it takes {size:?} from {begin:?} of {dims:?}");
    if [begin.len(), size.len()] != [dims.len(); 2] {
        return Err(cause());
    }
    let part = |d: usize| {
        let first = usize::try_from(begin[d]).ok()?;
        let rest = dims[d].checked_sub(first)?;
        let count = if size[d] == -1 { rest } else { usize::try_from(size[d]).ok()? };
        (count > 0 && count <= rest).then_some(Part { begin: first, step: 1, count })
    };
    let parts = (0..dims.len()).map(part).collect::<Option<Vec<_>>>().ok_or_else(cause)?;
    let plain = n.in_order(node, 0)?;
    let plain = taken(n, node, &plain, &parts)?;
    n.emit_shaped(node, node.outputs[0], plain)
}

/// The dimension of the file that a number means.
fn place(value: i64, rank: usize) -> Lowered<usize> {
    let from_start = if value < 0 { value.saturating_add(rank as i64) } else { value };
    let found = usize::try_from(from_start).ok().filter(|&a| a < rank);
    found.ok_or_else(|| format!("it has axis {value} of {rank}"))
}

/// The axis that input `i` holds.
fn only_axis(n: &Network<'_>, node: &Node<'_>, i: usize, rank: usize) -> Lowered<usize> {
    match n.integers(node, i)?[..] {
        [a] => place(a, rank),
        ref many => Err(format!("its axes are {many:?}")),
    }
}

pub(super) fn split<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let dims = n.input(node, 1)?.dims.clone();
    let (axis, count) = (only_axis(n, node, 0, dims.len())?, node.outputs.len());
    if count == 0 || !dims[axis].is_multiple_of(count) {
        return Err(format!("{dims:?} has no {count} equal parts on axis {axis}"));
    }
    parts(n, node, 1, axis)
}

pub(super) fn split_v<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let rank = n.input(node, 0)?.dims.len();
    let axis = only_axis(n, node, 2, rank)?;
    parts(n, node, 0, axis)
}

pub(super) fn unpack<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let options = node.options.builtin_options_as_unpack_options().ok_or("its options are missing")?;
    let rank = n.input(node, 0)?.dims.len();
    let axis = place(options.axis().into(), rank)?;
    parts(n, node, 0, axis)
}

/// Parts of input `i` along an axis, as long as their outputs say; of one each where these have no such axis.
fn parts(n: &mut Network<'_>, node: &Node<'_>, i: usize, axis: usize) -> Lowered {
    let dims = n.input(node, i)?.dims.clone();
    let plain = n.in_order(node, i)?;
    let mut begin = 0;
    for &id in &node.outputs {
        let y = n.file.tensors[id].dims.clone();
        let mut parts = whole(&dims);
        let count = if y.len() == dims.len() { y[axis] } else { 1 };
        parts[axis] = Part { begin, step: 1, count };
        let volume: usize = parts.iter().map(|p| p.count).product();
        if count == 0 || begin + count > dims[axis] || volume != y.iter().product::<usize>() {
            return Err(format!("it makes {y:?} of {dims:?} from {begin} on axis {axis}"));
        }
        let part = taken(n, node, &plain, &parts)?;
        n.emit_shaped(node, id, part)?;
        begin += count;
    }
    Ok(())
}

/// Tensors next to each other along a new axis.
pub(super) fn pack<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let options = node.options.builtin_options_as_pack_options().ok_or("its options are missing")?;
    let y = n.output(node)?.dims.clone();
    let axis = place(options.axis().into(), y.len())?;
    let mut one: Vec<i64> = y.iter().map(|&d| d as i64).collect();
    one[axis] = 1;
    let mut inputs = Vec::new();
    for i in 0..node.inputs.len() {
        let plain = n.in_order(node, i)?;
        let shape = n.integers_as(&plain, &one);
        inputs.push(n.step(node, "Reshape", &[plain, shape], &[])?);
    }
    let joined = n.step(node, "Concat", &inputs, &[size("axis", axis)])?;
    n.emit_in_order(node, joined)
}

pub(super) fn gather<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let options = node.options.builtin_options_as_gather_options().ok_or("its options are missing")?;
    if options.batch_dims() != 0 {
        return Err("it has batch dimensions".into());
    }
    let (rank, indices) = (n.input(node, 0)?.dims.len(), n.integers(node, 1)?);
    let axis = place(options.axis().into(), rank)?;
    let plain = n.in_order(node, 0)?;
    let indices = n.integers_as(&plain, &indices);
    let picked = n.step(node, "Gather", &[plain, indices], &[size("axis", axis)])?;
    n.emit_shaped(node, node.outputs[0], picked)
}

/// The other way round along some axes.
pub(super) fn reverse<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let dims = n.input(node, 0)?.dims.clone();
    let mut parts = whole(&dims);
    for a in n.integers(node, 1)? {
        let d = place(a, dims.len())?;
        parts[d] = Part { begin: dims[d].saturating_sub(1), step: -1, count: dims[d] };
    }
    let plain = n.in_order(node, 0)?;
    let plain = taken(n, node, &plain, &parts)?;
    n.emit_in_order(node, plain)
}

pub(super) fn tile<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let (plain, counts) = (n.in_order(node, 0)?, n.integers(node, 1)?);
    let counts = n.integers_as(&plain, &counts);
    let tiled = n.step(node, "Tile", &[plain, counts], &[])?;
    n.emit_in_order(node, tiled)
}

pub(super) fn broadcast<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let plain = n.in_order(node, 0)?;
    let dims: Vec<i64> = n.output(node)?.dims.iter().map(|&d| d as i64).collect();
    let shape = n.integers_as(&plain, &dims);
    let wide = n.step(node, "Expand", &[plain, shape], &[])?;
    n.emit_in_order(node, wide)
}

/// A border that mirrors what is inside, without the edge itself.
pub(super) fn mirror_pad<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let options = node.options.builtin_options_as_mirror_pad_options().ok_or("its options are missing")?;
    if options.mode() != tract_tflite::tflite::MirrorPadMode::REFLECT {
        return Err("its border repeats the edge".into());
    }
    let (amounts, rank) = (n.integers(node, 1)?, n.input(node, 0)?.dims.len());
    if amounts.len() != 2 * rank {
        return Err(format!("it has {} amounts for {rank} dimensions", amounts.len()));
    }
    let sides = [0, 1].map(|side| amounts.iter().skip(side).step_by(2).copied().collect::<Vec<_>>());
    let plain = n.in_order(node, 0)?;
    let pads = n.integers_as(&plain, &sides.concat());
    let padded = n.step(node, "Pad", &[plain, pads], &[text("mode", "reflect")])?;
    n.emit_in_order(node, padded)
}

pub(super) fn depth_to_space<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let options =
        node.options.builtin_options_as_depth_to_space_options().ok_or("its options are missing")?;
    let (x, block) = (n.operand(node, 0)?, usize::try_from(options.block_size()).unwrap_or(0));
    n.emit(node, "DepthToSpace", &[x], &[size("blocksize", block), text("mode", "DCR")])
}

pub(super) fn space_to_depth<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let options =
        node.options.builtin_options_as_space_to_depth_options().ok_or("its options are missing")?;
    let (x, block) = (n.operand(node, 0)?, usize::try_from(options.block_size()).unwrap_or(0));
    n.emit(node, "SpaceToDepth", &[x], &[size("blocksize", block)])
}

/// Along one axis of the file; the index is the output.
pub(super) fn arg_max<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    best(n, node, "ArgMax")
}

pub(super) fn arg_min<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    best(n, node, "ArgMin")
}

fn best(n: &mut Network<'_>, node: &Node<'_>, op: &str) -> Lowered {
    let rank = n.input(node, 0)?.dims.len();
    let axis = only_axis(n, node, 1, rank)?;
    let plain = n.in_order(node, 0)?;
    let found = n.step(node, op, &[plain], &[size("axis", axis), int("keepdims", 0)])?;
    n.emit_in_order(node, found)
}

/// The largest values along the last axis, and their indices.
pub(super) fn top_k<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let (count, rank) = (n.integers(node, 1)?, n.input(node, 0)?.dims.len());
    let [values, indices] = node.outputs[..] else {
        return Err(format!("it has {} outputs", node.outputs.len()));
    };
    let x = n.operand(node, 0)?;
    let count = n.integers_as(&x, &count);
    let places = [values, indices].map(|id| n.name(&n.file.tensors[id].name.clone(), "topk"));
    n.node_of(&places, "TopK", &[x, count], &[size("axis", axis(rank, -1)?)]);
    for (id, place) in [values, indices].into_iter().zip(places) {
        n.emit_to(id, "Identity", &[place], &[])?;
    }
    Ok(())
}

/// Along the last axis.
pub(super) fn l2_normalization<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let (rank, x) = (n.input(node, 0)?.dims.len(), n.operand(node, 0)?);
    n.emit(node, "LpNormalization", &[x], &[size("axis", axis(rank, -1)?), int("p", 2)])
}

/// Along the last axis.
pub(super) fn log_softmax<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let (rank, x) = (n.input(node, 0)?.dims.len(), n.operand(node, 0)?);
    n.emit(node, "LogSoftmax", &[x], &[size("axis", axis(rank, -1)?)])
}
