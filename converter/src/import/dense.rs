//! Dense layers: Gemm and MatMul with constant weights. Weights are stored as `[n, k]`.

use super::attributes::Call;
use super::build::{Import, Lowered};
use crate::ir::{Op, Origin, ValueId};
use ndarray::{ArcArray, Axis, Ix2, IxDyn};

/// Gemm.
pub(crate) fn gemm<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let mut x = im.operand(call, 0)?;
    if call.flag("transA", false)? {
        let &[k, rows] = im.graph.shape(x) else { return Err("its first input is not a matrix".to_owned()) };
        x = im.step(call, "turned", Op::Transpose { perm: vec![1, 0] }, &[x], &[rows, k])?;
    }
    let b = im.floats(call, 1)?.ok_or("it has no second matrix")?;
    let alpha = call.float("alpha", 1.0)?;
    let weights = matrix(&b, call.flag("transB", false)?)?.mapv(|w| w * alpha);
    let outputs = weights.len_of(Axis(0));
    let w = im.graph.add_const(&format!("{}_weights", call.name), weights.into_dyn());
    let Some(c) = im.given(call, 2)? else { return im.emit(call, Op::FullyConnected, &[x, w]) };
    let beta = call.float("beta", 1.0)?;
    if let Some(bias) = im.graph.konst(c).and_then(|c| as_bias(c, outputs)) {
        let b = im.graph.add_const(&format!("{}_bias", call.name), bias.mapv(|b| b * beta).into_dyn());
        return im.emit(call, Op::FullyConnected, &[x, w, b]);
    }
    Err("its C is neither a number nor one per output".to_owned())
}

/// MatMul. All axes of the first operand but the last count as rows.
pub(crate) fn mat_mul<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let (x, b) = (im.operand(call, 0)?, im.operand(call, 1)?);
    let Some(b) = im.graph.konst(b).cloned() else { return from_the_left(im, call, x, b) };
    let weights = matrix(&squeezed(&b), false)?.into_owned();
    let outputs = weights.len_of(Axis(0));
    let w = im.graph.add_const(&format!("{}_weights", call.name), weights.into_dyn());
    let shape = im.graph.shape(x).to_vec();
    let &[.., k] = &shape[..] else { return Err("its first input is a single number".to_owned()) };
    if shape.len() == 2 && im.result_shape(call)?.len() == 2 {
        return im.emit(call, Op::FullyConnected, &[x, w]);
    }
    let rows = shape[..shape.len() - 1].iter().product();
    let flat = im.step(call, "rows", Op::Reshape, &[x], &[rows, k])?;
    let product = im.reshaped(call, "product", Op::FullyConnected, &[flat, w], &[rows, outputs])?;
    im.emit(call, Op::Reshape, &[product])
}

/// A constant matrix times what is computed: both turned around.
fn from_the_left<'a>(im: &mut Import<'a>, call: &Call<'a>, a: ValueId, x: ValueId) -> Lowered {
    let Some(a) = im.graph.konst(a).cloned() else {
        return Err("both of its matrices are computed; one must be constant".to_owned());
    };
    let weights = matrix(&squeezed(&a), true)?.into_owned();
    let w = im.graph.add_const(&format!("{}_weights", call.name), weights.clone().into_dyn());
    let (shape, result) = (im.graph.shape(x).to_vec(), im.result_shape(call)?);
    let (rank, outputs) = (shape.len(), weights.len_of(Axis(0)));
    if rank < 2 || result.len() != rank {
        return Err(format!("it multiplies {:?} with {shape:?}", a.shape()));
    }
    let turn: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
    let turned: Vec<usize> = turn.iter().map(|&d| shape[d]).collect();
    let (rows, k) = (turned[..rank - 1].iter().product(), turned[rank - 1]);
    let x = im.step(call, "turned", Op::Transpose { perm: turn.clone() }, &[x], &turned)?;
    let x = im.step(call, "rows", Op::Reshape, &[x], &[rows, k])?;
    let product = im.step(call, "product", Op::FullyConnected, &[x, w], &[rows, outputs])?;
    let origin = Origin { perm: turn.clone(), ..Origin::of(&call.pb.output[0], &result) };
    im.graph.values[product.0].origin = Some(origin);
    let back: Vec<usize> = turn.iter().map(|&d| result[d]).collect();
    let back = im.step(call, "back", Op::Reshape, &[product], &back)?;
    im.emit(call, Op::Transpose { perm: turn }, &[back])
}

/// Without leading axes of extent 1.
fn squeezed(t: &ArcArray<f32, IxDyn>) -> ArcArray<f32, IxDyn> {
    let mut t = t.clone();
    while t.ndim() > 2 && t.len_of(Axis(0)) == 1 {
        t = t.index_axis_move(Axis(0), 0);
    }
    t
}

fn matrix(b: &ArcArray<f32, IxDyn>, already: bool) -> Lowered<ArcArray<f32, Ix2>> {
    let shape = b.shape().to_vec();
    let b = b.clone().into_dimensionality::<Ix2>();
    let b = b.map_err(|_| format!("its weights have shape {shape:?}, a matrix is needed"))?;
    Ok(if already { b } else { b.reversed_axes().as_standard_layout().into_owned().into_shared() })
}

/// A bias of one number per output, if that is what `c` broadcasts from.
pub(crate) fn as_bias(c: &ArcArray<f32, IxDyn>, outputs: usize) -> Option<ndarray::Array1<f32>> {
    let leading = c.shape().iter().rev().skip(1).all(|&d| d == 1);
    match c.shape().last() {
        Some(&n) if leading && n == outputs => Some(c.iter().copied().collect()),
        Some(&1) | None if leading => c.first().map(|&v| ndarray::Array1::from_elem(outputs, v)),
        _ => None,
    }
}
