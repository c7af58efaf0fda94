//! Operators that take parts of a tensor, and those that cut dimensions into blocks: data moves, nothing is computed.

use super::file::{Node, Tensor};
use super::lower::Lowering;
use crate::error::Result;
use crate::program::Operand;
use crate::walk::Walk;
use mote_format::{Gather, MAX_RANK, Op as Kernel, Pad, Reshape};
use tract_tflite::tflite::MirrorPadMode;

/// What is taken along one dimension.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) begin: usize,
    pub(super) step: i64,
    pub(super) count: usize,
}

/// Appends the step that takes a way through input `i` to output `k`; both have one scale, or none.
pub(super) fn take<'a>(
    l: &mut Lowering<'a>,
    node: &Node<'a>,
    (i, k): (usize, usize),
    way: &Walk,
) -> Result<()> {
    let (x, y) = (l.input(node, i)?, l.output_at(node, k)?);
    l.same_values(node, x, y)?;
    let input = l.place(node, i, &x.dims)?;
    let op = way.op().ok_or_else(|| l.refuse(node, "it moves along more than six dimensions"))?;
    l.push_output(node, k, op, &[input])
}

/// An error where the file's shape of output `k` is another.
fn expect<'a>(l: &Lowering<'a>, node: &Node<'a>, k: usize, dims: &[usize]) -> Result<()> {
    let y = l.output_at(node, k)?;
    if y.dims == dims {
        return Ok(());
    }
    Err(l.refuse(node, format!("its output is {:?} in the file and {dims:?} computed", y.dims)))
}

/// The dimension that a number means, counted from the end where it is negative.
pub(super) fn axis(l: &Lowering<'_>, node: &Node<'_>, value: i64, rank: usize) -> Result<usize> {
    let at = if value < 0 { value.saturating_add(rank as i64) } else { value };
    let at = usize::try_from(at).ok().filter(|&a| a < rank);
    at.ok_or_else(|| l.refuse(node, format!("its axis is {value} of {rank} dimensions")))
}

/// An input with elements.
fn source<'a>(l: &Lowering<'a>, node: &Node<'a>, i: usize) -> Result<&'a Tensor<'a>> {
    let x = l.input(node, i)?;
    if x.dims.contains(&0) {
        return Err(l.refuse(node, format!("its input has the shape {:?}", x.dims)));
    }
    Ok(x)
}

pub(super) fn strided_slice<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let x = source(l, node, 0)?;
    let bounds = [l.integers(node, 1)?, l.integers(node, 2)?, l.integers(node, 3)?];
    let (taken, y) = strided(node, &x.dims, &bounds).map_err(|cause| l.refuse(node, cause))?;
    let way = (taken.iter().enumerate())
        .fold(Walk::over(&x.dims), |way, (d, part)| way.slice(d, part.begin, part.step, part.count));
    expect(l, node, 0, &y)?;
    take(l, node, (0, 0), &way)
}

/// What STRIDED_SLICE takes of each dimension, and the shape that comes out. The masks are numpy's: a bit an entry of begin,
/// end and strides.
pub(super) fn strided(
    node: &Node<'_>,
    dims: &[usize],
    [begin, end, strides]: &[Vec<i64>; 3],
) -> Result<(Vec<Part>, Vec<usize>), String> {
    let options = node.options.builtin_options_as_strided_slice_options().ok_or("its options are missing")?;
    let entries = begin.len();
    let set = |mask: i32, i: usize| i < 32 && mask >> i & 1 == 1;
    let (whole, new) = (options.ellipsis_mask(), options.new_axis_mask());
    let used = (0..entries).filter(|&i| !set(whole, i) && (!set(new, i))).count();
    let sound = end.len() == entries && strides.len() == entries && used <= dims.len() && entries <= 32;
    if !sound || !strides.iter().all(|&s| s != 0) || whole.count_ones() > 1 {
        return Err(format!("it takes {begin:?} to {end:?} by {strides:?} of {dims:?}"));
    }
    let all = |&count: &usize| Part { begin: 0, step: 1, count };
    let mut taken: Vec<Part> = dims.iter().map(all).collect();
    let (mut d, mut y) = (0, Vec::new());
    for i in 0..entries {
        if set(whole, i) {
            let rest = dims.len() - used;
            y.extend(&dims[d..d + rest]);
            d += rest;
            continue;
        }
        if set(new, i) {
            y.push(1);
            continue;
        }
        let shrink = set(options.shrink_axis_mask(), i);
        let bounds = [
            (!set(options.begin_mask(), i) || shrink).then_some(begin[i]),
            (!set(options.end_mask(), i)).then_some(end[i]),
        ];
        taken[d] = part(dims[d], bounds, strides[i], shrink)
            .ok_or_else(|| format!("it takes nothing of dimension {d} of {dims:?}"))?;
        if !shrink {
            y.push(taken[d].count);
        }
        d += 1;
    }
    y.extend(&dims[d..]);
    Ok((taken, y))
}

/// Begin and end as numbers that count from the end where they are negative, and are held inside; open where there is
/// none. A dimension that is dropped has one element. `None` where nothing is taken.
fn part(length: usize, [begin, end]: [Option<i64>; 2], step: i64, shrink: bool) -> Option<Part> {
    let length = length as i64;
    let inside = |v: i64| {
        let v = if v < 0 { v.saturating_add(length) } else { v };
        if step > 0 { v.clamp(0, length) } else { v.clamp(-1, length - 1) }
    };
    let (first, last) = if step > 0 { (0, length) } else { (length - 1, -1) };
    let begin = begin.map_or(first, inside);
    let end = end.map_or(last, inside);
    let count = if shrink { 1 } else { ((end - begin) as f64 / step as f64).ceil() as i64 };
    let exists = count > 0 && (0..length).contains(&begin);
    exists.then_some(Part { begin: begin as usize, step, count: count as usize })
}

pub(super) fn slice<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, begin, size) = (source(l, node, 0)?, l.integers(node, 1)?, l.integers(node, 2)?);
    let (mut way, mut y) = (Walk::over(&x.dims), Vec::new());
    let cause = || format!("it takes {size:?} from {begin:?} of {:?}", x.dims);
    if begin.len() != x.dims.len() || size.len() != x.dims.len() {
        return Err(l.refuse(node, cause()));
    }
    for (d, &length) in x.dims.iter().enumerate() {
        let rest = usize::try_from(begin[d]).ok().and_then(|b| length.checked_sub(b)).unwrap_or(0);
        let count = if size[d] == -1 { rest } else { usize::try_from(size[d]).unwrap_or(0) };
        if count == 0 || count > rest {
            return Err(l.refuse(node, cause()));
        }
        way = way.slice(d, begin[d] as usize, 1, count);
        y.push(count);
    }
    expect(l, node, 0, &y)?;
    take(l, node, (0, 0), &way)
}

pub(super) fn split<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, count) = (source(l, node, 1)?, node.outputs.len());
    let axis = only_axis(l, node, 0, x)?;
    if count == 0 || !x.dims[axis].is_multiple_of(count) {
        return Err(l.refuse(node, format!("{:?} has no {count} equal parts on axis {axis}", x.dims)));
    }
    parts(l, node, 1, axis, &vec![x.dims[axis] / count; count])
}

pub(super) fn split_v<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, sizes) = (source(l, node, 0)?, l.integers(node, 1)?);
    let axis = only_axis(l, node, 2, x)?;
    let known: Vec<usize> = sizes.iter().map(|&s| usize::try_from(s).unwrap_or(0)).collect();
    let rest = known.iter().try_fold(x.dims[axis], |rest, &s| rest.checked_sub(s));
    let rest = rest.filter(|&r| r == 0 || sizes.iter().filter(|&&s| s == -1).count() == 1);
    let rest = rest.ok_or_else(|| l.refuse(node, format!("its parts are {sizes:?} of {:?}", x.dims)))?;
    let sizes: Vec<usize> =
        sizes.iter().zip(known).map(|(&s, known)| if s == -1 { rest } else { known }).collect();
    parts(l, node, 0, axis, &sizes)
}

/// The axis that input `i` holds.
fn only_axis(l: &Lowering<'_>, node: &Node<'_>, i: usize, x: &Tensor<'_>) -> Result<usize> {
    match l.integers(node, i)?[..] {
        [a] => axis(l, node, a, x.dims.len()),
        ref many => Err(l.refuse(node, format!("its axes are {many:?}"))),
    }
}

/// Parts of input `i` along an axis, an output each.
fn parts<'a>(l: &mut Lowering<'a>, node: &Node<'a>, i: usize, axis: usize, sizes: &[usize]) -> Result<()> {
    let x = l.input(node, i)?;
    if sizes.len() != node.outputs.len() || sizes.contains(&0) || sizes.iter().sum::<usize>() != x.dims[axis]
    {
        let cause = format!("it makes {} outputs of {sizes:?} of {:?}", node.outputs.len(), x.dims);
        return Err(l.refuse(node, cause));
    }
    let mut begin = 0;
    for (k, &size) in sizes.iter().enumerate() {
        let mut y = x.dims.clone();
        y[axis] = size;
        expect(l, node, k, &y)?;
        take(l, node, (i, k), &Walk::over(&x.dims).slice(axis, begin, 1, size))?;
        begin += size;
    }
    Ok(())
}

/// The whole, several times along each axis.
pub(super) fn tile<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, counts) = (source(l, node, 0)?, l.integers(node, 1)?);
    let counts: Option<Vec<usize>> = counts.iter().map(|&c| u16::try_from(c).ok().map(usize::from)).collect();
    let counts = counts.filter(|c| c.len() == x.dims.len() && !c.contains(&0));
    let counts = counts.ok_or_else(|| l.refuse(node, format!("it repeats {:?}", x.dims)))?;
    let y: Option<Vec<usize>> = x.dims.iter().zip(&counts).map(|(&d, &c)| d.checked_mul(c)).collect();
    expect(l, node, 0, &y.unwrap_or_default())?;
    let way = counts.iter().enumerate().rev().fold(Walk::over(&x.dims), |way, (d, &c)| way.repeat(d, c));
    take(l, node, (0, 0), &way)
}

/// Dimensions of one element as long as the output's.
pub(super) fn broadcast_to<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, y) = (source(l, node, 0)?, &l.output(node)?.dims);
    let missing = y.len().checked_sub(x.dims.len());
    let missing = missing.ok_or_else(|| l.refuse(node, format!("{:?} does not become {y:?}", x.dims)))?;
    let wide = [vec![1; missing], x.dims.clone()].concat();
    if !wide.iter().zip(y).all(|(&from, &to)| to > 0 && (from == to || from == 1)) {
        return Err(l.refuse(node, format!("{:?} does not become {y:?}", x.dims)));
    }
    let longer = wide.iter().zip(y).enumerate().rev().filter(|(_, (from, to))| from != to);
    let way = longer.fold(Walk::over(&wide), |way, (d, (_, &to))| way.repeat(d, to));
    take(l, node, (0, 0), &way)
}

/// The other way round along some axes.
pub(super) fn reverse<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let x = source(l, node, 0)?;
    let (mut way, mut turned) = (Walk::over(&x.dims), vec![false; x.dims.len()]);
    for value in l.integers(node, 1)? {
        let d = axis(l, node, value, x.dims.len())?;
        if std::mem::replace(&mut turned[d], true) {
            return Err(l.refuse(node, format!("it names dimension {d} twice")));
        }
        way = way.slice(d, x.dims[d] - 1, -1, x.dims[d]);
    }
    expect(l, node, 0, &x.dims)?;
    take(l, node, (0, 0), &way)
}

/// Each slice along an axis, without the axis.
pub(super) fn unpack<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_unpack_options())?;
    let x = source(l, node, 0)?;
    let axis = axis(l, node, options.axis().into(), x.dims.len())?;
    if x.dims[axis] != node.outputs.len() {
        return Err(l.refuse(node, format!("it makes {} outputs of {:?}", node.outputs.len(), x.dims)));
    }
    let mut y = x.dims.clone();
    y.remove(axis);
    for k in 0..node.outputs.len() {
        expect(l, node, k, &y)?;
        take(l, node, (0, k), &Walk::over(&x.dims).slice(axis, k, 1, 1))?;
    }
    Ok(())
}

/// Slices by a constant list; equal steps need no list.
pub(super) fn gather<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_gather_options())?;
    let (x, list, indices) = (source(l, node, 0)?, l.input(node, 1)?, l.integers(node, 1)?);
    let axis = axis(l, node, options.axis().into(), x.dims.len())?;
    let inside: Option<Vec<u16>> = indices.iter().map(|&i| u16::try_from(i).ok()).collect();
    let inside = inside.filter(|all| !all.is_empty() && all.iter().all(|&i| usize::from(i) < x.dims[axis]));
    let Some(inside) = inside.filter(|_| options.batch_dims() == 0) else {
        return Err(l.refuse(node, format!("it takes {indices:?} of axis {axis} of {:?}", x.dims)));
    };
    expect(l, node, 0, &[&x.dims[..axis], &list.dims, &x.dims[axis + 1..]].concat())?;
    let step = if indices.len() > 1 { indices[1] - indices[0] } else { 1 };
    if indices.windows(2).all(|w| w[1] - w[0] == step) {
        let way = Walk::over(&x.dims).slice(axis, inside[0].into(), step, indices.len());
        return take(l, node, (0, 0), &way);
    }
    l.same_values(node, x, l.output(node)?)?;
    let input = l.place(node, 0, &x.dims)?;
    let gather = picking(l, node, axis, &inside)?;
    l.push(node, gather, &[input])
}

/// The operator that takes these indices of an axis.
fn picking(l: &mut Lowering<'_>, node: &Node<'_>, axis: usize, indices: &[u16]) -> Result<Kernel> {
    let bytes: Vec<u8> = indices.iter().flat_map(|i| i.to_le_bytes()).collect();
    let indices = l.program.writer.constant(&bytes);
    Ok(Kernel::Gather(Gather { axis: l.narrow(node, "axis", axis as i64)?, indices }))
}

/// The border holds what lies inside, mirrored: behind the outermost elements or with them.
pub(super) fn mirror_pad<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_mirror_pad_options())?;
    let (x, amounts) = (source(l, node, 0)?, l.integers(node, 1)?);
    let skip = match options.mode() {
        MirrorPadMode::REFLECT => 1,
        MirrorPadMode::SYMMETRIC => 0,
        other => return Err(l.refuse(node, format!("its mode is {}", other.0))),
    };
    let along = |(&n, sides): (&usize, &[i64])| {
        let most = n.checked_sub(skip)?;
        let [before, after] = [sides[0], sides[1]].map(|s| usize::try_from(s).ok().filter(|&s| s <= most));
        let front = (skip..before? + skip).rev();
        let back = (n - skip - after?..n - skip).rev();
        Some(front.chain(0..n).chain(back).collect())
    };
    let lists: Option<Vec<Vec<usize>>> = (amounts.len() == 2 * x.dims.len())
        .then(|| x.dims.iter().zip(amounts.chunks_exact(2)).map(along).collect())
        .flatten();
    match lists {
        Some(lists) => along_axes(l, node, &lists),
        None => Err(l.refuse(node, format!("it adds {amounts:?} to {:?}", x.dims))),
    }
}

/// Takes a list of indices along each axis of input 0, axis by axis.
pub(super) fn along_axes<'a>(l: &mut Lowering<'a>, node: &Node<'a>, lists: &[Vec<usize>]) -> Result<()> {
    let (x, mut dims) = (source(l, node, 0)?, lists.iter().map(Vec::len).collect::<Vec<_>>());
    expect(l, node, 0, &dims)?;
    l.keeps_scale(node, 0)?;
    dims.clone_from(&x.dims);
    let mut input = l.place(node, 0, &dims)?;
    let moving = |(axis, list): (usize, &Vec<usize>)| !list.iter().copied().eq(0..x.dims[axis]);
    let mut axes: Vec<usize> =
        lists.iter().enumerate().filter(|&a| moving(a)).map(|(axis, _)| axis).collect();
    let Some(last) = axes.pop() else { return l.push(node, Kernel::Reshape(Reshape {}), &[input]) };
    let op = |l: &mut Lowering<'a>, axis: usize| {
        let narrow = |&i: &usize| l.narrow::<u16>(node, "index", i as i64);
        let indices = lists[axis].iter().map(narrow).collect::<Result<Vec<_>>>()?;
        picking(l, node, axis, &indices)
    };
    for axis in axes {
        let gather = op(l, axis)?;
        dims[axis] = lists[axis].len();
        input = l.push_shaped(node, gather, &[input], &dims)?;
    }
    let gather = op(l, last)?;
    l.push(node, gather, &[input])
}

/// The size of the blocks of an image whose dimensions are given.
fn block(l: &Lowering<'_>, node: &Node<'_>, size: i32, fits: impl Fn(usize) -> bool) -> Result<usize> {
    let block = usize::try_from(size).ok().filter(|&b| b > 0 && fits(b));
    block.ok_or_else(|| l.refuse(node, format!("its block size is {size}")))
}

/// Channels become blocks of pixels.
pub(super) fn depth_to_space<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_depth_to_space_options())?;
    let [n, h, w, c] = super::window::image(l, node)?;
    let b = block(l, node, options.block_size(), |b| b.checked_mul(b).is_some_and(|b| c.is_multiple_of(b)))?;
    expect(l, node, 0, &[n, h * b, w * b, c / b / b])?;
    let way = Walk::over(&[n, h, w, c]).split(3, &[b, b, c / b / b]).turn(&[0, 1, 3, 2, 4, 5]);
    take(l, node, (0, 0), &way)
}

/// Blocks of pixels become channels.
pub(super) fn space_to_depth<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_space_to_depth_options())?;
    let [n, h, w, c] = super::window::image(l, node)?;
    let b = block(l, node, options.block_size(), |b| h.is_multiple_of(b) && w.is_multiple_of(b))?;
    expect(l, node, 0, &[n, h / b, w / b, c * b * b])?;
    let way = Walk::over(&[n, h, w, c]).split(2, &[w / b, b]).split(1, &[h / b, b]).turn(&[0, 1, 3, 2, 4, 5]);
    take(l, node, (0, 0), &way)
}

/// Sizes of blocks and pairs of amounts, one a dimension between batch and the rest.
pub(super) fn blocks(l: &Lowering<'_>, node: &Node<'_>) -> Result<Vec<(usize, [usize; 2])>> {
    let (x, sizes, amounts) = (l.input(node, 0)?, l.integers(node, 1)?, l.integers(node, 2)?);
    let narrow = |&v: &i64| u16::try_from(v).ok().map(usize::from);
    let sizes: Option<Vec<usize>> = sizes.iter().map(narrow).collect();
    let amounts: Option<Vec<usize>> = amounts.iter().map(narrow).collect();
    let (sizes, amounts) = (sizes.unwrap_or_default(), amounts.unwrap_or_default());
    let sound = !sizes.is_empty() && !sizes.contains(&0) && amounts.len() == 2 * sizes.len();
    if !sound || sizes.len() >= x.dims.len() || x.dims.contains(&0) || x.dims.len() > MAX_RANK {
        return Err(l.refuse(node, format!("its blocks are {sizes:?} with {amounts:?} of {:?}", x.dims)));
    }
    Ok(sizes.into_iter().zip(amounts.as_chunks().0.iter().copied()).collect())
}

/// Pads, then spreads the pixels of each block over the batch.
pub(super) fn space_to_batch<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, blocks) = (l.input(node, 0)?, blocks(l, node)?);
    let zero = l.keeps_scale(node, 0)?.zero;
    let (mut before, mut padded) = ([0; MAX_RANK], x.dims.clone());
    for (d, &(size, [front, back])) in (1..).zip(&blocks) {
        before[d] = front as u16;
        padded[d] += front + back;
        if !padded[d].is_multiple_of(size) {
            return Err(l.refuse(node, format!("{padded:?} has no whole blocks of {size}")));
        }
    }
    let (mut input, _) = l.operand(node, 0)?;
    if padded != x.dims {
        let pad = Kernel::Pad(Pad { before, value: l.narrow(node, "zero point", zero.into())? });
        input = l.push_shaped(node, pad, &[input], &padded)?;
    }
    // Each dimension as pairs (blocks, inside); the insides come first, in front of the batch.
    let mut way = Walk::over(&padded);
    for (i, &(size, _)) in blocks.iter().enumerate().rev() {
        way = way.split(i + 1, &[padded[i + 1] / size, size]);
    }
    let count = blocks.len();
    let inner = (0..count).map(|i| 2 + 2 * i);
    let outer = std::iter::once(0).chain((0..count).map(|i| 1 + 2 * i));
    let rest = 1 + 2 * count..x.dims.len() + count;
    let order: Vec<usize> = inner.chain(outer).chain(rest).collect();
    let volume: usize = blocks.iter().map(|b| b.0).product();
    let mut y = padded;
    y[0] *= volume;
    blocks.iter().zip(&mut y[1..]).for_each(|(&(size, _), y)| *y /= size);
    expect(l, node, 0, &y)?;
    moved(l, node, input, &way.turn(&order), None)
}

/// Gathers the pixels of each block from the batch, then crops.
pub(super) fn batch_to_space<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, blocks) = (l.input(node, 0)?, blocks(l, node)?);
    l.keeps_scale(node, 0)?;
    let volume: usize = blocks.iter().map(|b| b.0).product();
    let mut whole = x.dims.clone();
    if !whole[0].is_multiple_of(volume) {
        return Err(l.refuse(node, format!("a batch of {} has no blocks of {volume}", whole[0])));
    }
    whole[0] /= volume;
    blocks.iter().zip(&mut whole[1..]).for_each(|(&(size, _), y)| *y *= size);
    let (mut y, mut crop) = (whole.clone(), Walk::over(&whole));
    for (d, &(_, [front, back])) in (1..).zip(&blocks) {
        let left = whole[d].checked_sub(front + back).filter(|&n| n > 0);
        y[d] = left.ok_or_else(|| l.refuse(node, format!("it crops {front} and {back} of {whole:?}")))?;
        crop = crop.slice(d, front, 1, y[d]);
    }
    expect(l, node, 0, &y)?;
    let count = blocks.len();
    let batch: Vec<usize> = blocks.iter().map(|b| b.0).chain([whole[0]]).collect();
    // The batch, then pairs (blocks, inside) of each dimension, then the rest.
    let pairs = (0..count).flat_map(|i| [count + 1 + i, i]);
    let rest = 2 * count + 1..x.dims.len() + count;
    let order: Vec<usize> = std::iter::once(count).chain(pairs).chain(rest).collect();
    let way = Walk::over(&x.dims).split(0, &batch).turn(&order);
    let (input, _) = l.operand(node, 0)?;
    moved(l, node, input, &way, (y != whole).then_some((&whole, &crop)))
}

/// Appends the way, and behind it a crop of the shape that comes out.
fn moved<'a>(
    l: &mut Lowering<'a>,
    node: &Node<'a>,
    input: Operand,
    way: &Walk,
    crop: Option<(&[usize], &Walk)>,
) -> Result<()> {
    let steps = || way.op().zip(crop.map_or(way.op(), |(_, crop)| crop.op()));
    let (op, last) = steps().ok_or_else(|| l.refuse(node, "it moves along more than six dimensions"))?;
    match crop {
        None => l.push(node, op, &[input]),
        Some((dims, _)) => {
            let whole = l.push_shaped(node, op, &[input], dims)?;
            l.push(node, last, &[whole])
        }
    }
}
