//! A node whose operands are all constant becomes a constant. What the file itself holds was folded
//! at import; this is for what other passes leave.

use super::patch::{Patch, View};
use crate::error::Result;
use crate::ir::{Node, Op, Tensor};
use ndarray::{ArrayD, Zip};

/// Node rule.
pub(crate) fn rule(view: &View<'_>, index: usize) -> Result<Option<Patch>> {
    let node = &view.graph.nodes[index];
    if view.is_output(node.output) {
        return Ok(None);
    }
    let operands: Option<Vec<&Tensor>> =
        node.inputs.iter().map(|&id| view.graph.value(id).konst.as_ref()).collect();
    let Some(result) = operands.and_then(|o| eval(node, &o, view.shape(node.output))) else {
        return Ok(None);
    };
    let mut patch = Patch::new(view);
    let konst = patch.konst(&format!("{}_folded", view.graph.value(node.output).name), result);
    patch.drop(index);
    patch.redirect(node.output, konst);
    patch.removed(node, "constant");
    Ok(Some(patch))
}

fn eval(node: &Node, operands: &[&Tensor], shape: &[usize]) -> Option<Tensor> {
    let result = match &node.op {
        Op::Identity => operands[0].clone(),
        Op::Reshape => operands[0].reshaped(shape)?,
        Op::Transpose { perm } => operands[0].transposed(perm)?,
        Op::Activation(f) => operands[0].as_f32()?.mapv(|x| f.eval(x)).into_owned().into(),
        Op::Function(f) => operands[0].as_f32()?.mapv(|x| f.eval(x)).into_owned().into(),
        Op::Add => binary(operands, shape, |a, b| a + b)?,
        Op::Sub => binary(operands, shape, |a, b| a - b)?,
        Op::Mul => binary(operands, shape, |a, b| a * b)?,
        Op::Div => binary(operands, shape, |a, b| a / b)?,
        Op::Maximum => binary(operands, shape, f32::max)?,
        Op::Minimum => binary(operands, shape, f32::min)?,
        _ => return None,
    };
    match (node.clamp, result) {
        (Some(clamp), Tensor::F32(t)) => Some(t.mapv(|x| clamp.apply(x)).into_owned().into()),
        (_, result) => Some(result),
    }
}

fn binary(operands: &[&Tensor], shape: &[usize], f: impl Fn(f32, f32) -> f32) -> Option<Tensor> {
    let (a, b) = (operands[0].as_f32()?, operands[1].as_f32()?);
    let (a, b) = (a.broadcast(shape)?, b.broadcast(shape)?);
    let result: ArrayD<f32> = Zip::from(&a).and(&b).map_collect(|&a, &b| f(a, b));
    Some(result.into())
}
