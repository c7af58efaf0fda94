//! Operators that take parts of a tensor or bring an image to another size, by constants.

use super::attributes::{Call, axis_within};
use super::build::{Import, Lowered};
use crate::ir::{Blend, Op, ValueId};

/// What is taken of a dimension: first index, step, number.
type Part = (usize, i64, usize);

fn slice_of(parts: &[Part]) -> Op {
    Op::Slice {
        begin: parts.iter().map(|p| p.0).collect(),
        steps: parts.iter().map(|p| p.1).collect(),
        counts: parts.iter().map(|p| p.2).collect(),
    }
}

/// Everything.
fn whole(shape: &[usize]) -> Vec<Part> {
    shape.iter().map(|&n| (0, 1, n)).collect()
}

/// Slice: bounds as attributes before operator set 10, as inputs since.
pub(crate) fn slice<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    let shape = im.graph.shape(x).to_vec();
    let list = |im: &mut Import<'a>, i: usize, name: &str| match im.opset < 10 {
        true => Ok(call.ints(name)?.map(<[i64]>::to_vec)),
        false => im.integers(call, i),
    };
    let (starts, ends) = (list(im, 1, "starts")?, list(im, 2, "ends")?);
    let (Some(starts), Some(ends)) = (starts, ends) else { return Err("it has no bounds".to_owned()) };
    let axes = list(im, 3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(im, 4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(format!("its bounds {starts:?}, {ends:?}, axes {axes:?} and steps {steps:?} do not fit"));
    }
    let mut parts = whole(&shape);
    for i in 0..starts.len() {
        let axis = axis_within(axes[i], shape.len())?;
        parts[axis] = part(shape[axis], starts[i], ends[i], steps[i])
            .ok_or_else(|| format!("it takes nothing of axis {axis}, or steps by {}", steps[i]))?;
    }
    im.emit(call, slice_of(&parts), &[x])
}

/// Bounds that count from the end where they are negative, held inside.
fn part(length: usize, start: i64, end: i64, step: i64) -> Option<Part> {
    let length = length as i64;
    let from_end = |v: i64| if v < 0 { v.saturating_add(length) } else { v };
    let (start, end) = match step {
        0 => return None,
        1.. => (from_end(start).clamp(0, length), from_end(end).clamp(0, length)),
        _ => (from_end(start).clamp(0, length - 1), from_end(end).clamp(-1, length - 1)),
    };
    let span = if step > 0 { end - start } else { start - end };
    let count = usize::try_from(span).ok()?.div_ceil(usize::try_from(step.unsigned_abs()).ok()?);
    (count > 0).then_some((start as usize, step, count))
}

/// Split: sizes as an attribute before operator set 13, as an input since; equal parts where there are none.
pub(crate) fn split<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    let shape = im.graph.shape(x).to_vec();
    let axis = axis_within(call.int("axis")?.unwrap_or(0), shape.len())?;
    let given = match call.ints("split")? {
        Some(list) => Some(list.to_vec()),
        None => im.integers(call, 1)?,
    };
    let count = call.pb.output.len();
    let each = shape[axis].div_ceil(count.max(1));
    let equal = || (0..count).map(|k| (shape[axis] - (k * each).min(shape[axis])).min(each)).collect();
    let sizes: Vec<usize> = match given {
        Some(list) => list.iter().map(|&s| usize::try_from(s).unwrap_or(0)).collect(),
        None => equal(),
    };
    if sizes.len() != count || sizes.contains(&0) || sizes.iter().sum::<usize>() != shape[axis] {
        return Err(format!("it makes {count} parts of {sizes:?} of {shape:?} on axis {axis}"));
    }
    let mut begin = 0;
    for (k, size) in sizes.into_iter().enumerate() {
        let mut parts = whole(&shape);
        parts[axis] = (begin, 1, size);
        im.emit_at(call, k, slice_of(&parts), &[x])?;
        begin += size;
    }
    Ok(())
}

/// Gather by constant indices. Equal steps are a slice; a list of more or fewer dimensions than one is reshaped.
pub(crate) fn gather<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    let mut shape = im.graph.shape(x).to_vec();
    let axis = axis_within(call.int("axis")?.unwrap_or(0), shape.len())?;
    let list = im.integers(call, 1)?.ok_or("it has no indices")?;
    let indices = list.iter().map(|&i| axis_within(i, shape[axis])).collect::<Lowered<Vec<_>>>()?;
    let Some(&first) = indices.first() else { return Err("it takes nothing".to_owned()) };
    let step = indices.get(1).map_or(1, |&second| second as i64 - first as i64);
    let even = indices.windows(2).all(|w| w[1] as i64 - w[0] as i64 == step) && step != 0;
    let mut parts = whole(&shape);
    parts[axis] = (first, step, indices.len());
    shape[axis] = indices.len();
    let op = if even { slice_of(&parts) } else { Op::Gather { axis, indices } };
    if im.result_shape(call)? == shape {
        return im.emit(call, op, &[x]);
    }
    let taken = im.step(call, "taken", op, &[x], &shape)?;
    im.emit(call, Op::Reshape, &[taken])
}

/// DepthToSpace and SpaceToDepth: blocks as axes of their own, turned.
pub(crate) fn depth_to_space<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let (x, [n, c, h, w], b) = blocks(im, call)?;
    if !c.is_multiple_of(b * b) {
        return Err(format!("{c} channels have no blocks of {b} x {b}"));
    }
    let depth = c / b / b;
    let (cut, perm) = match call.text("mode")?.unwrap_or("DCR") {
        "DCR" => ([n, b, b, depth, h, w], vec![0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, depth, b, b, h, w], vec![0, 1, 4, 2, 5, 3]),
        mode => return Err(format!("its mode is \"{mode}\"")),
    };
    turned(im, call, x, &cut, perm)
}

pub(crate) fn space_to_depth<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let (x, [n, c, h, w], b) = blocks(im, call)?;
    if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
        return Err(format!("{h} x {w} has no blocks of {b}"));
    }
    turned(im, call, x, &[n, c, h / b, b, w / b, b], vec![0, 3, 5, 1, 2, 4])
}

fn blocks<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered<(ValueId, [usize; 4], usize)> {
    let x = im.operand(call, 0)?;
    let shape = im.graph.shape(x).try_into().map_err(|_| "its input is not an image".to_owned())?;
    let size = call.int("blocksize")?.unwrap_or(0);
    let b = usize::try_from(size).ok().filter(|b| (1..=1024).contains(b));
    Ok((x, shape, b.ok_or_else(|| format!("its blocks are {size} wide"))?))
}

fn turned<'a>(
    im: &mut Import<'a>,
    call: &Call<'a>,
    x: ValueId,
    cut: &[usize; 6],
    perm: Vec<usize>,
) -> Lowered {
    let after: Vec<usize> = perm.iter().map(|&p| cut[p]).collect();
    let apart = im.step(call, "blocks", Op::Reshape, &[x], cut)?;
    let apart = im.step(call, "turned", Op::Transpose { perm }, &[apart], &after)?;
    im.emit(call, Op::Reshape, &[apart])
}

/// Where an output position lies in the input, and which pixel is nearest.
struct Grid<'a> {
    mode: &'a str,
    nearest: Option<&'a str>,
}

/// Resize. Before operator set 11 positions are asymmetric and rounded down.
pub(crate) fn resize<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    let (from, to) = (im.graph.shape(x).to_vec(), im.result_shape(call)?);
    if from.len() != 4 || to.len() != 4 || from[..2] != to[..2] {
        return Err(format!("it makes {to:?} of {from:?}; height and width of an image are possible"));
    }
    let old = im.opset < 11;
    let place = if old { 1 } else { 2 };
    let scales = match call.pb.input.get(place).filter(|n| !n.is_empty()) {
        Some(_) => im.floats(call, place)?.map(|t| t.iter().copied().collect::<Vec<f32>>()),
        None => None,
    };
    let scales = scales.filter(|s| s.len() == 4);
    let default = if old { "asymmetric" } else { "half_pixel" };
    let nearest = match call.text("mode")?.unwrap_or("nearest") {
        "nearest" if old => Some("floor"),
        "nearest" => Some(call.text("nearest_mode")?.unwrap_or("round_prefer_floor")),
        "linear" => None,
        mode => return Err(format!("its mode is \"{mode}\"")),
    };
    let grid = Grid { mode: call.text("coordinate_transformation_mode")?.unwrap_or(default), nearest };
    if call.flag("antialias", false)? || call.int("exclude_outside")?.unwrap_or(0) != 0 {
        return Err("it weighs more than two neighbours".to_owned());
    }
    let mut tables = [Vec::new(), Vec::new()];
    for (i, table) in tables.iter_mut().enumerate() {
        let (input, output) = (from[i + 2], to[i + 2]);
        let scale = scales.as_ref().map_or(output as f64 / input as f64, |s| f64::from(s[i + 2]));
        for o in 0..output {
            table.push(grid.blend(o, input, output, scale)?);
        }
    }
    let [rows, cols] = tables;
    im.emit(call, Op::Resize { rows, cols }, &[x])
}

impl Grid<'_> {
    fn blend(&self, o: usize, input: usize, output: usize, scale: f64) -> Lowered<Blend> {
        let (at, last) = (o as f64, (input - 1) as f64);
        let at = match self.mode {
            "half_pixel" => (at + 0.5) / scale - 0.5,
            "pytorch_half_pixel" if output == 1 => 0.0,
            "pytorch_half_pixel" => (at + 0.5) / scale - 0.5,
            "asymmetric" => at / scale,
            "align_corners" if output == 1 => 0.0,
            "align_corners" => at * last / (output - 1) as f64,
            mode => return Err(format!("its coordinate_transformation_mode is \"{mode}\"")),
        };
        let one = |at: f64| Blend {
            near: at.clamp(0.0, last) as usize,
            far: at.clamp(0.0, last) as usize,
            share: 0.0,
        };
        match self.nearest {
            Some("floor") => Ok(one(at.floor())),
            Some("ceil") => Ok(one(at.ceil())),
            Some("round_prefer_floor") => Ok(one((at - 0.5).ceil())),
            Some("round_prefer_ceil") => Ok(one((at + 0.5).floor())),
            Some(mode) => Err(format!("its nearest_mode is \"{mode}\"")),
            None => {
                let at = at.clamp(0.0, last);
                let (near, far) = (at.floor(), at.ceil());
                Ok(Blend { near: near as usize, far: far as usize, share: (at - near) as f32 })
            }
        }
    }
}
