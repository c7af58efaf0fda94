//! What tract infers about every tensor before anything runs: shape, element type, and the value
//! where that does not depend on the input.

use super::guard::guarded;
use super::infer::infer;
use super::model::{Parsed, damaged, parse, tract_cause};
use crate::error::{Error, Result};
use crate::ir;
use ndarray::ArrayD;
use std::collections::HashMap;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;

/// A model for a microcontroller has no tensor of more elements than this; a damaged one may.
const MOST_ELEMENTS: usize = 1 << 27;

/// What is known about one tensor.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) shape: Option<Vec<usize>>,
    pub(crate) kind: Option<DatumType>,
    pub(crate) konst: Option<Arc<Tensor>>,
}

/// What is known about all tensors, by name, and the first contradiction found on the way.
pub(crate) struct Facts {
    by_name: HashMap<String, Fact>,
    pub(crate) contradiction: Option<String>,
}

impl Facts {
    pub(crate) fn get(&self, name: &str) -> Option<&Fact> {
        self.by_name.get(name)
    }
}

/// Lets tract infer. Operators it does not know leave gaps; so does a contradiction, which is kept
/// for later since an unsupported operator may be behind it.
pub(crate) fn analyse(proto: &ModelProto) -> Result<Facts> {
    let Parsed { mut model, outlets } = parse(proto)?;
    let contradiction = infer(&mut model, proto, &outlets);
    let mut late = HashMap::new();
    for (name, &outlet) in &outlets {
        let fact = model.outlet_fact(outlet).map_err(|e| damaged(tract_cause(&e)))?;
        if let Ok(Some(shape)) = fact.shape.as_concrete_finite() {
            check_size(name, &shape)?;
        }
    }
    if contradiction.is_none() {
        guarded(|| fold_large(&model, &mut late)).map_err(damaged)?;
    }
    let mut by_name = HashMap::new();
    for (name, outlet) in outlets {
        let fact = model.outlet_fact(outlet).map_err(|e| damaged(tract_cause(&e)))?;
        let konst = fact.value.concretize().or_else(|| late.get(&outlet).cloned());
        let shape = match &konst {
            Some(t) => Some(t.shape().to_vec()),
            None => fact.shape.as_concrete_finite().ok().flatten().map(|s| s.to_vec()),
        };
        by_name.insert(name, Fact { shape, kind: fact.datum_type.concretize(), konst });
    }
    Ok(Facts { by_name, contradiction })
}

fn check_size(name: &str, shape: &[usize]) -> Result<()> {
    match shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) {
        Some(n) if n <= MOST_ELEMENTS => Ok(()),
        _ => Err(Error::new("a tensor of the model is too large")
            .at(format!("tensor \"{name}\""))
            .cause(format!("shape {shape:?} has more than {MOST_ELEMENTS} elements"))
            .remedy("check the file; give a smaller --input-shape")),
    }
}

/// Computes what depends on constants alone but is above tract's own limit for folding. Only for a
/// graph without contradictions and for results of a known shape: tract's operators rely on what
/// their inference has established. Never more than the largest tensor altogether.
fn fold_large(model: &InferenceModel, late: &mut HashMap<OutletId, Arc<Tensor>>) {
    let Ok(order) = model.eval_order() else { return };
    let mut room = MOST_ELEMENTS;
    for id in order {
        let node = model.node(id);
        let known = |o: &OutletId| {
            let fact = model.outlet_fact(*o).ok()?;
            fact.value.concretize().or_else(|| late.get(o).cloned())
        };
        let done = |o: &Outlet<InferenceFact>| o.fact.value.concretize().is_some();
        let open = |o: &Outlet<InferenceFact>| !matches!(o.fact.shape.as_concrete_finite(), Ok(Some(_)));
        if node.inputs.is_empty() || node.outputs.iter().all(done) || node.outputs.iter().any(open) {
            continue;
        }
        let Some(inputs) = node.inputs.iter().map(known).collect::<Option<Vec<_>>>() else { continue };
        let volume = |o: &Outlet<InferenceFact>| -> usize {
            let shape = o.fact.shape.as_concrete_finite().ok().flatten();
            shape.map_or(0, |s| s.iter().product())
        };
        let Some(left) = room.checked_sub(node.outputs.iter().map(volume).sum()) else { return };
        room = left;
        let inputs = inputs.into_iter().map(|t| t.into_tvalue()).collect();
        if let Ok(Some(outputs)) = node.op.eval_out_of_plan(inputs) {
            for (slot, value) in outputs.into_iter().enumerate() {
                late.insert(OutletId::new(id, slot), value.into_arc_tensor());
            }
        }
    }
}

/// A constant of tract as one of the graph: floats as they are, everything countable as `i64`.
pub(crate) fn to_ir(tensor: &Tensor) -> Result<ir::Tensor, String> {
    let kind = tensor.datum_type();
    let failed = |e: TractError| format!("a constant of type {kind:?} cannot be used: {e}");
    if kind.is_float() {
        let tensor = tensor.cast_to::<f32>().map_err(failed)?;
        let array: ArrayD<f32> = tensor.to_plain_array_view::<f32>().map_err(failed)?.to_owned();
        Ok(array.into())
    } else {
        let tensor = tensor.cast_to::<i64>().map_err(failed)?;
        let array: ArrayD<i64> = tensor.to_plain_array_view::<i64>().map_err(failed)?.to_owned();
        Ok(array.into())
    }
}
