//! Runs a float graph in naive loops, in either layout, sharing no code with the converter: images
//! and weights are brought into channels-first order, computed, and brought back.

use mote_converter::ir::{Graph, Layout, Node, Op, Tensor, Window};
use ndarray::{ArrayD, Axis, IxDyn, Slice};

type T = ArrayD<f32>;

/// All values, by index; `None` for what is not computed or not a float.
pub(crate) fn run(graph: &Graph, inputs: &[T]) -> Vec<Option<T>> {
    let mut values: Vec<Option<T>> = graph
        .values
        .iter()
        .map(|v| match &v.konst {
            Some(Tensor::F32(t)) => Some(t.to_owned().into_owned()),
            _ => None,
        })
        .collect();
    for (id, x) in graph.inputs.iter().zip(inputs) {
        values[id.0] = Some(x.clone());
    }
    for node in &graph.nodes {
        let operands: Vec<&T> = node.inputs.iter().map(|i| values[i.0].as_ref().unwrap()).collect();
        let shape = graph.shape(node.output);
        let mut y = compute(graph.layout, node, &operands, shape);
        if let Some(clamp) = node.clamp {
            y.mapv_inplace(|x| x.max(clamp.min).min(clamp.max));
        }
        assert_eq!(y.shape(), shape, "{} ({})", node.name, node.op);
        values[node.output.0] = Some(y);
    }
    values
}

fn permuted(x: &T, perm: &[usize]) -> T {
    x.view().permuted_axes(perm).as_standard_layout().into_owned()
}

/// Into channels-first; weights `[o, h, w, i]` go the same way.
fn nchw(layout: Layout, x: &T) -> T {
    if layout == Layout::Nhwc { permuted(x, &[0, 3, 1, 2]) } else { x.clone() }
}

fn back(layout: Layout, x: &T) -> T {
    if layout == Layout::Nhwc { permuted(x, &[0, 2, 3, 1]) } else { x.clone() }
}

fn compute(layout: Layout, node: &Node, x: &[&T], shape: &[usize]) -> T {
    let image = |f: &dyn Fn(&T) -> T| back(layout, &f(&nchw(layout, x[0])));
    match &node.op {
        Op::Conv { stride, dilation, pads, groups } => {
            let w = nchw(layout, x[1]);
            let kernel = [w.shape()[2], w.shape()[3]];
            let window = Window { kernel, stride: *stride, dilation: *dilation, pads: *pads };
            image(&|i| conv(i, &w, x.get(2).copied(), &window, *groups))
        }
        Op::ConvTranspose { stride, cut } => {
            let w = nchw(layout, x[1]);
            let &[n, a, b, c] = shape else { panic!() };
            let shape = if layout == Layout::Nhwc { [n, c, a, b] } else { [n, a, b, c] };
            image(&|i| conv_transpose(i, &w, x.get(2).copied(), *stride, *cut, shape))
        }
        Op::MaxPool(w) => image(&|i| pool(i, w, |v| v.iter().copied().fold(f32::NEG_INFINITY, f32::max))),
        Op::AveragePool(w) => image(&|i| pool(i, w, |v| v.iter().sum::<f32>() / v.len() as f32)),
        Op::SumPool(w) => image(&|i| pool(i, w, |v| v.iter().sum())),
        Op::FullyConnected => dense(x),
        Op::BatchNorm { epsilon } => batch_norm(layout, x, *epsilon),
        Op::Add => binary(x, shape, |a, b| a + b),
        Op::Sub => binary(x, shape, |a, b| a - b),
        Op::Mul => binary(x, shape, |a, b| a * b),
        Op::Div => binary(x, shape, |a, b| a / b),
        Op::Maximum => binary(x, shape, f32::max),
        Op::Minimum => binary(x, shape, f32::min),
        Op::PRelu => binary(x, shape, |a, b| if a < 0.0 { a * b } else { a }),
        Op::Activation(f) => x[0].mapv(|v| f.eval(v)),
        Op::Function(f) => x[0].mapv(|v| f.eval(v)),
        Op::Softmax { axis } => softmax(x[0], *axis),
        Op::TopK { axis, indices, .. } => top_k(x[0], *axis, *indices, shape),
        Op::ArgMax { axis, keepdims } => arg_max(x[0], *axis, *keepdims),
        Op::Slice { begin, steps, counts } => {
            let at = |i: &IxDyn| -> Vec<usize> {
                let from = |d: usize| (begin[d] as i64 + i[d] as i64 * steps[d]) as usize;
                (0..counts.len()).map(from).collect()
            };
            T::from_shape_fn(IxDyn(counts), |i| x[0][IxDyn(&at(&i))])
        }
        Op::Gather { axis, indices } => x[0].select(Axis(*axis), indices),
        Op::Resize { rows, cols } => image(&|i| {
            let shape = [i.shape()[0], i.shape()[1], rows.len(), cols.len()];
            let mix = |a: f32, b: f32, share: f32| a * (1.0 - share) + b * share;
            T::from_shape_fn(IxDyn(&shape), |at| {
                let (row, col) = (rows[at[2]], cols[at[3]]);
                let line =
                    |y: usize| mix(i[[at[0], at[1], y, col.near]], i[[at[0], at[1], y, col.far]], col.share);
                mix(line(row.near), line(row.far), row.share)
            })
        }),
        Op::Concat { axis } => {
            let views: Vec<_> = x.iter().map(|t| t.view()).collect();
            ndarray::concatenate(Axis(*axis), &views).unwrap()
        }
        Op::Pad { before, value, .. } => pad(x[0], before, *value, shape),
        Op::Reshape => x[0].as_standard_layout().into_owned().into_shape_with_order(shape).unwrap(),
        Op::Transpose { perm } => permuted(x[0], perm),
        Op::Identity => x[0].clone(),
    }
}

/// Each pixel is added to its window of the result, in rows and columns that are cut off afterwards.
fn conv_transpose(
    x: &T,
    w: &T,
    bias: Option<&T>,
    stride: [usize; 2],
    cut: [usize; 2],
    shape: [usize; 4],
) -> T {
    let mut y = T::from_shape_fn(IxDyn(&shape), |at| bias.map_or(0.0, |b| b[at[1]]));
    for (at, &v) in x.indexed_iter() {
        for (tap, &weight) in w.indexed_iter().filter(|(tap, _)| tap[1] == at[1]) {
            let place = |axis: usize| (at[axis + 2] * stride[axis] + tap[axis + 2]).checked_sub(cut[axis]);
            let (Some(row), Some(column)) = (place(0), place(1)) else { continue };
            if let Some(sum) = y.get_mut([at[0], tap[0], row, column]) {
                *sum += v * weight;
            }
        }
    }
    y
}

fn top_k(x: &T, axis: usize, indices: bool, shape: &[usize]) -> T {
    let mut y = T::zeros(IxDyn(shape));
    for (lane, mut best) in x.lanes(Axis(axis)).into_iter().zip(y.lanes_mut(Axis(axis))) {
        let mut order: Vec<usize> = (0..lane.len()).collect();
        order.sort_by(|&a, &b| lane[b].total_cmp(&lane[a]));
        let value = |i: usize| if indices { order[i] as f32 } else { lane[order[i]] };
        best.iter_mut().enumerate().for_each(|(i, b)| *b = value(i));
    }
    y
}

fn batch_norm(layout: Layout, x: &[&T], epsilon: f32) -> T {
    let axis = if layout == Layout::Nhwc && x[0].ndim() == 4 { 3 } else { 1 };
    let mut y = x[0].clone();
    for (c, mut lane) in y.axis_iter_mut(Axis(axis)).enumerate() {
        let scale = x[1][c] / (x[4][c] + epsilon).sqrt();
        lane.mapv_inplace(|v| (v - x[3][c]) * scale + x[2][c]);
    }
    y
}

fn arg_max(x: &T, axis: usize, keepdims: bool) -> T {
    let best = x.map_axis(Axis(axis), |lane| {
        (0..lane.len()).rev().max_by(|&a, &b| lane[a].total_cmp(&lane[b])).unwrap() as f32
    });
    if keepdims { best.insert_axis(Axis(axis)) } else { best }
}

fn pad(x: &T, before: &[usize], value: f32, shape: &[usize]) -> T {
    let mut y = T::from_elem(IxDyn(shape), value);
    y.slice_each_axis_mut(|a| {
        let start = before[a.axis.index()];
        Slice::from(start..start + x.shape()[a.axis.index()])
    })
    .assign(x);
    y
}

fn binary(x: &[&T], shape: &[usize], f: impl Fn(f32, f32) -> f32) -> T {
    let (a, b) = (x[0].broadcast(shape).unwrap(), x[1].broadcast(shape).unwrap());
    ndarray::Zip::from(&a).and(&b).map_collect(|&a, &b| f(a, b))
}

fn dense(x: &[&T]) -> T {
    let (rows, k, n) = (x[0].shape()[0], x[0].shape()[1], x[1].shape()[0]);
    T::from_shape_fn(IxDyn(&[rows, n]), |i| {
        let sum: f32 = (0..k).map(|j| x[0][[i[0], j]] * x[1][[i[1], j]]).sum();
        sum + x.get(2).map_or(0.0, |b| b[i[1]])
    })
}

fn softmax(x: &T, axis: usize) -> T {
    let mut y = x.clone();
    for mut lane in y.lanes_mut(Axis(axis)) {
        let top = lane.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        lane.mapv_inplace(|v| (v - top).exp());
        let sum = lane.sum();
        lane.mapv_inplace(|v| v / sum);
    }
    y
}

/// The pixel that tap `t` of window `o` falls on, unless that is padding.
fn tap(w: &Window, axis: usize, o: usize, t: usize, size: usize) -> Option<usize> {
    (o * w.stride[axis] + t * w.dilation[axis]).checked_sub(w.pads[axis]).filter(|&p| p < size)
}

fn extent(w: &Window, axis: usize, size: usize) -> usize {
    let reach = (w.kernel[axis] - 1) * w.dilation[axis] + 1;
    (size + w.pads[axis] + w.pads[axis + 2] - reach) / w.stride[axis] + 1
}

fn conv(x: &T, w: &T, bias: Option<&T>, window: &Window, groups: usize) -> T {
    let &[n, c, height, width] = x.shape() else { panic!() };
    let &[o, per_group, kh, kw] = w.shape() else { panic!() };
    let (rows, columns) = (extent(window, 0, height), extent(window, 1, width));
    assert_eq!(per_group * groups, c);
    let mut y = T::zeros(IxDyn(&[n, o, rows, columns]));
    // Plain slices: unoptimized, indexing through a shape takes most of the time.
    let (x, w) = (x.as_standard_layout(), w.as_standard_layout());
    let (xs, ws, ys) = (x.as_slice().unwrap(), w.as_slice().unwrap(), y.as_slice_mut().unwrap());
    for (at, sum) in ys.iter_mut().enumerate() {
        let (column, row) = (at % columns, at / columns % rows);
        let (out, image) = (at / columns / rows % o, at / columns / rows / o);
        let first = image * c + out / (o / groups) * per_group;
        *sum = bias.map_or(0.0, |b| b[out]);
        for (dy, dx) in (0..kh).flat_map(|dy| (0..kw).map(move |dx| (dy, dx))) {
            let (py, px) = (tap(window, 0, row, dy, height), tap(window, 1, column, dx, width));
            let (Some(py), Some(px)) = (py, px) else { continue };
            let (mut i, mut j) = ((first * height + py) * width + px, (out * per_group * kh + dy) * kw + dx);
            for _ in 0..per_group {
                *sum += xs[i] * ws[j];
                i += height * width;
                j += kh * kw;
            }
        }
    }
    y
}

fn pool(x: &T, w: &Window, f: impl Fn(&[f32]) -> f32) -> T {
    let &[n, c, height, width] = x.shape() else { panic!() };
    let shape = [n, c, extent(w, 0, height), extent(w, 1, width)];
    T::from_shape_fn(IxDyn(&shape), |i| {
        let mut seen = Vec::new();
        for (dy, dx) in (0..w.kernel[0]).flat_map(|dy| (0..w.kernel[1]).map(move |dx| (dy, dx))) {
            if let (Some(y), Some(z)) = (tap(w, 0, i[2], dy, height), tap(w, 1, i[3], dx, width)) {
                seen.push(x[[i[0], i[1], y, z]]);
            }
        }
        f(&seen)
    })
}
