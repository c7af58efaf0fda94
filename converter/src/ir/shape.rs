//! How an operator's output shape follows from its inputs, in either layout.
//!
//! Used by `ir/check.rs` to prove a graph and by passes to build one. An `Err` says in words what
//! does not fit.

use super::{Blend, Graph, Layout, Node, Op, Window, is_permutation};

type Shape = Result<Vec<usize>, String>;

/// The shape `node` produces. For a reshape, the declared shape after counting elements.
pub(crate) fn infer(graph: &Graph, node: &Node) -> Shape {
    let (least, most) = node.op.arity();
    if node.inputs.len() < least || node.inputs.len() > most {
        return Err(format!("{} inputs, expected {least} to {most}", node.inputs.len()));
    }
    let shapes: Vec<&[usize]> = node.inputs.iter().map(|&i| graph.shape(i)).collect();
    let x = shapes[0];
    match &node.op {
        Op::Conv { stride, dilation, pads, groups } => {
            let geometry = Window { kernel: [0; 2], stride: *stride, dilation: *dilation, pads: *pads };
            conv(graph.layout, &shapes, geometry, *groups)
        }
        Op::ConvTranspose { stride, cut } => {
            conv_transpose(graph.layout, &shapes, graph.shape(node.output), *stride, *cut)
        }
        Op::FullyConnected => fully_connected(&shapes),
        Op::BatchNorm { .. } => batch_norm(graph.layout, &shapes),
        Op::MaxPool(w) | Op::AveragePool(w) | Op::SumPool(w) => {
            let [n, c, height, width] = image(graph.layout, x)?;
            let out = w.output([height, width]).ok_or("the window does not fit into the image")?;
            Ok(of_image(graph.layout, [n, c, out[0], out[1]]))
        }
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Maximum | Op::Minimum => {
            broadcast(x, shapes[1]).ok_or_else(|| format!("{x:?} and {:?} do not broadcast", shapes[1]))
        }
        Op::PRelu => broadcast(x, shapes[1])
            .filter(|shape| shape == x)
            .ok_or_else(|| format!("its slopes of shape {:?} do not repeat over {x:?}", shapes[1])),
        Op::Activation(_) | Op::Function(_) | Op::Identity => Ok(x.to_vec()),
        Op::Softmax { axis } => axis_of(x, *axis).map(|_| x.to_vec()),
        Op::ArgMax { axis, keepdims } => arg_max(x, *axis, *keepdims),
        Op::TopK { axis, count, .. } => top_k(x, *axis, *count),
        Op::Slice { begin, steps, counts } => slice(x, begin, steps, counts),
        Op::Gather { axis, indices } => gather(x, *axis, indices),
        Op::Resize { rows, cols } => resize(graph.layout, x, rows, cols),
        Op::Concat { axis } => concat(&shapes, *axis),
        Op::Pad { before, after, .. } => pad(x, before, after),
        Op::Reshape => reshape(x, graph.shape(node.output)),
        Op::Transpose { perm } => transpose(x, perm),
    }
}

/// Numpy's broadcast of two shapes.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// Number of elements, unless that overflows.
pub(crate) fn volume(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

/// A rank-4 shape as batch, channels, height, width.
pub(crate) fn image(layout: Layout, shape: &[usize]) -> Result<[usize; 4], String> {
    let &[a, b, c, d] = shape else {
        return Err(format!("expected a rank-4 image, found {shape:?}"));
    };
    Ok(match layout {
        Layout::Nchw => [a, b, c, d],
        Layout::Nhwc => [a, d, b, c],
    })
}

fn of_image(layout: Layout, [n, c, h, w]: [usize; 4]) -> Vec<usize> {
    match layout {
        Layout::Nchw => vec![n, c, h, w],
        Layout::Nhwc => vec![n, h, w, c],
    }
}

fn conv(layout: Layout, shapes: &[&[usize]], mut window: Window, groups: usize) -> Shape {
    let [n, channels, height, width] = image(layout, shapes[0])?;
    let [cout, per_group, kh, kw] = image(layout, shapes[1])?;
    window.kernel = [kh, kw];
    if groups == 0 || channels % groups != 0 || cout % groups != 0 || per_group != channels / groups {
        return Err(format!(
            "weights {:?} in {groups} groups do not fit {channels} input channels",
            shapes[1]
        ));
    }
    if shapes.get(2).is_some_and(|b| **b != [cout]) {
        return Err(format!("bias {:?} does not fit {cout} output channels", shapes[2]));
    }
    let out = window.output([height, width]).ok_or("the kernel does not fit into the image")?;
    Ok(of_image(layout, [n, cout, out[0], out[1]]))
}

/// The declared shape, after a look at what the last row and column can reach.
fn conv_transpose(
    layout: Layout,
    shapes: &[&[usize]],
    declared: &[usize],
    stride: [usize; 2],
    cut: [usize; 2],
) -> Shape {
    let ([n, channels, height, width], [m, outputs, rows, columns]) =
        (image(layout, shapes[0])?, image(layout, declared)?);
    let [cout, cin, kh, kw] = image(layout, shapes[1])?;
    if [n, channels, outputs] != [m, cin, cout] {
        return Err(format!("weights {:?} do not make {declared:?} of {:?}", shapes[1], shapes[0]));
    }
    if shapes.get(2).is_some_and(|b| **b != [cout]) {
        return Err(format!("bias {:?} does not fit {cout} output channels", shapes[2]));
    }
    for (axis, (from, to, kernel)) in [(height, rows, kh), (width, columns, kw)].into_iter().enumerate() {
        // With nothing cut off at the end and one step of padding at most.
        let most = (from.checked_sub(1).and_then(|f| f.checked_mul(stride[axis])))
            .and_then(|f| f.checked_add(kernel.max(stride[axis]))?.checked_add(stride[axis]));
        if stride[axis] == 0 || cut[axis] >= kernel || to == 0 || most.is_none_or(|most| to > most) {
            return Err(format!("{from} pixels in steps of {} do not make {to}", stride[axis]));
        }
    }
    Ok(declared.to_vec())
}

fn fully_connected(shapes: &[&[usize]]) -> Shape {
    let (&[rows, k], &[n, wk]) = (shapes[0], shapes[1]) else {
        return Err(format!("expected two matrices, found {:?} and {:?}", shapes[0], shapes[1]));
    };
    if k != wk {
        return Err(format!("rows of {k} against weights of {wk}"));
    }
    if shapes.get(2).is_some_and(|b| **b != [n]) {
        return Err(format!("bias {:?} does not fit {n} outputs", shapes[2]));
    }
    Ok(vec![rows, n])
}

fn batch_norm(layout: Layout, shapes: &[&[usize]]) -> Shape {
    let x = shapes[0];
    let channels = axis_of(x, layout.channel_axis(x.len()))?;
    match shapes[1..].iter().find(|s| ***s != [channels]) {
        Some(s) => Err(format!("parameters {s:?} do not fit {channels} channels")),
        None => Ok(x.to_vec()),
    }
}

fn axis_of(shape: &[usize], axis: usize) -> Result<usize, String> {
    shape.get(axis).copied().ok_or_else(|| format!("axis {axis} of a value of shape {shape:?}"))
}

fn arg_max(x: &[usize], axis: usize, keepdims: bool) -> Shape {
    axis_of(x, axis)?;
    let mut out = x.to_vec();
    if keepdims {
        out[axis] = 1;
    } else {
        out.remove(axis);
    }
    Ok(out)
}

fn top_k(x: &[usize], axis: usize, count: usize) -> Shape {
    if count == 0 || count > axis_of(x, axis)? {
        return Err(format!("the largest {count} along axis {axis} of {x:?}"));
    }
    let mut out = x.to_vec();
    out[axis] = count;
    Ok(out)
}

fn slice(x: &[usize], begin: &[usize], steps: &[i64], counts: &[usize]) -> Shape {
    let inside = |d: usize| {
        let last = counts[d].checked_sub(1)? as i64;
        let last = i64::try_from(begin[d]).ok()?.checked_add(last.checked_mul(steps[d])?)?;
        (begin[d] < x[d] && (0..x[d] as i64).contains(&last)).then_some(())
    };
    let fits = [begin.len(), steps.len(), counts.len()] == [x.len(); 3];
    match fits && (0..x.len()).all(|d| inside(d).is_some()) {
        true => Ok(counts.to_vec()),
        false => Err(format!("{counts:?} from {begin:?} by {steps:?} is no part of {x:?}")),
    }
}

fn gather(x: &[usize], axis: usize, indices: &[usize]) -> Shape {
    let length = axis_of(x, axis)?;
    if indices.iter().any(|&i| i >= length) || indices.is_empty() {
        return Err(format!("{indices:?} of axis {axis} of {x:?}"));
    }
    let mut out = x.to_vec();
    out[axis] = indices.len();
    Ok(out)
}

fn resize(layout: Layout, x: &[usize], rows: &[Blend], cols: &[Blend]) -> Shape {
    let [n, c, height, width] = image(layout, x)?;
    let fits = |blends: &[Blend], length: usize| {
        let good = |b: &Blend| b.near < length && b.far < length && (0.0..=1.0).contains(&b.share);
        !blends.is_empty() && blends.iter().all(good)
    };
    match fits(rows, height) && fits(cols, width) {
        true => Ok(of_image(layout, [n, c, rows.len(), cols.len()])),
        false => Err(format!("rows and columns outside of {x:?}")),
    }
}

fn concat(shapes: &[&[usize]], axis: usize) -> Shape {
    let mut out = shapes[0].to_vec();
    axis_of(&out, axis)?;
    for next in &shapes[1..] {
        let fits = next.len() == out.len() && (0..out.len()).all(|i| i == axis || next[i] == out[i]);
        if !fits {
            return Err(format!("{next:?} does not join {out:?} along axis {axis}"));
        }
        out[axis] = out[axis].checked_add(next[axis]).ok_or("too many elements")?;
    }
    Ok(out)
}

fn pad(x: &[usize], before: &[usize], after: &[usize]) -> Shape {
    if before.len() != x.len() || after.len() != x.len() {
        return Err(format!("{} and {} paddings for shape {x:?}", before.len(), after.len()));
    }
    (0..x.len())
        .map(|i| x[i].checked_add(before[i])?.checked_add(after[i]))
        .collect::<Option<_>>()
        .ok_or_else(|| "too much padding".to_owned())
}

fn reshape(x: &[usize], to: &[usize]) -> Shape {
    if volume(x).is_none() || volume(x) != volume(to) {
        return Err(format!("{x:?} and {to:?} have different numbers of elements"));
    }
    Ok(to.to_vec())
}

fn transpose(x: &[usize], perm: &[usize]) -> Shape {
    if !is_permutation(perm, x.len()) {
        return Err(format!("{perm:?} does not permute the axes of {x:?}"));
    }
    Ok(perm.iter().map(|&p| x[p]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_is_numpys() {
        assert_eq!(broadcast(&[1, 3, 4], &[3, 1]), Some(vec![1, 3, 4]));
        assert_eq!(broadcast(&[], &[2]), Some(vec![2]));
        assert_eq!(broadcast(&[2], &[3]), None);
    }

    #[test]
    fn windows_of_zero_stride_or_extent_are_refused() {
        let w = Window { kernel: [2, 2], stride: [0, 1], dilation: [1, 1], pads: [0; 4] };
        assert_eq!(w.output([4, 4]), None);
        let w = Window { kernel: [0, 2], stride: [1, 1], ..w };
        assert_eq!(w.output([4, 4]), None);
        let w = Window { kernel: [3, 3], stride: [2, 2], dilation: [2, 1], pads: [1, 0, 0, 1] };
        assert_eq!(w.output([5, 5]), Some([1, 2]));
    }
}
