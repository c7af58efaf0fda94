//! Dense layers: Gemm and MatMul with constant weights. Weights are stored as `[n, k]`.

use super::attributes::Call;
use super::build::{Import, Lowered};
use crate::ir::Op;
use ndarray::{ArcArray, Axis, Ix2, IxDyn};

/// Gemm.
pub(crate) fn gemm<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    if call.flag("transA", false)? {
        return Err("transA is set".to_owned());
    }
    let x = im.operand(call, 0)?;
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
    if beta != 1.0 {
        return Err(format!("beta = {beta} with a C that is not one number per output"));
    }
    let shape = im.result_shape(call)?;
    let product = im.step(call, "product", Op::FullyConnected, &[x, w], &shape)?;
    im.emit(call, Op::Add, &[product, c])
}

/// MatMul. All axes of the first operand but the last count as rows.
pub(crate) fn mat_mul<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    let b = im.floats(call, 1)?.ok_or("it has no second matrix")?;
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
    let product = im.step(call, "product", Op::FullyConnected, &[flat, w], &[rows, outputs])?;
    im.emit(call, Op::Reshape, &[product])
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
