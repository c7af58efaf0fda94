//! Inference of shapes and constant values by tract, one node after another.
//!
//! tract's own loop would do, but some of its operators read the channel axis of an image without
//! looking whether there is one. A damaged file must not get that far, so each node's operand is
//! looked at before its turn; a model that went through here is safe to hand to tract's optimizer.

use super::guard::guarded;
use super::model::tract_cause;
use std::collections::HashMap;
use tract_onnx::pb::{ModelProto, NodeProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::{Factoid, InferenceOp};
use tract_onnx::tract_hir::internal::{TractResult, bail};

/// Infers all it can, and says which contradiction it met first, if any.
pub(crate) fn infer(
    model: &mut InferenceModel,
    proto: &ModelProto,
    outlets: &HashMap<String, OutletId>,
) -> Option<String> {
    let mut nodes: HashMap<usize, &NodeProto> = HashMap::new();
    for pb in proto.graph.iter().flat_map(|g| &g.node) {
        let outlet = pb.output.iter().find_map(|o| outlets.get(o));
        nodes.extend(outlet.map(|o| (o.node, pb)));
    }
    // Facts travel forwards; the few that travel backwards are there after another round.
    const ROUNDS: usize = 4;
    let mut contradiction = None;
    for _ in 0..ROUNDS {
        let mut changed = false;
        for id in 0..model.nodes().len() {
            match guarded(|| step(model, id, nodes.get(&id).copied())) {
                Ok(Ok(news)) => changed |= news,
                Ok(Err(e)) => _ = contradiction.get_or_insert(describe(model, id, &tract_cause(&e))),
                Err(panic) => _ = contradiction.get_or_insert(describe(model, id, &panic)),
            }
        }
        if !changed || contradiction.is_some() {
            break;
        }
    }
    contradiction
}

fn describe(model: &InferenceModel, id: usize, cause: &str) -> String {
    format!("node \"{}\": {cause}", model.node(id).name)
}

/// One node: what it says about its operands and results. Whether that was news.
fn step(model: &mut InferenceModel, id: usize, pb: Option<&NodeProto>) -> TractResult<bool> {
    let node = model.node(id);
    let (inputs, outputs) = model.node_facts(id)?;
    let (inputs, outputs): (Vec<_>, Vec<_>) =
        (inputs.into_iter().cloned().collect(), outputs.into_iter().cloned().collect());
    if outputs.len() != node.op.nboutputs()? {
        bail!("it has {} results", outputs.len());
    }
    let rank = inputs.first().and_then(|x: &InferenceFact| x.shape.rank().concretize());
    match (pb.map_or(0, |pb| least_rank(&pb.op_type)), rank) {
        (0, _) => {}
        (_, None) => return Ok(false),
        (least, Some(rank)) if rank < least => {
            bail!("its input has {rank} axes, at least {least} are needed")
        }
        _ => {}
    }
    let seen = node.op.observe_outlets(model, node)?;
    let observed = seen.iter().map(|&o| model.outlet_fact(o).cloned()).collect::<TractResult<Vec<_>>>()?;
    let operands = node.inputs.to_vec();
    let results = (0..outputs.len()).map(|slot| OutletId::new(id, slot));
    let places: Vec<OutletId> = operands.into_iter().chain(results).chain(seen).collect();
    let op: &mut Box<dyn InferenceOp> = &mut model.node_mut(id).op;
    let (i, o, b) = op.infer(inputs.iter().collect(), outputs.iter().collect(), observed.iter().collect())?;
    let mut changed = false;
    for (place, fact) in places.into_iter().zip(i.into_iter().chain(o).chain(b)) {
        let known = model.outlet_fact(place)?;
        let unified = known.unify(&fact)?;
        if unified != *known {
            model.set_outlet_fact(place, unified)?;
            changed = true;
        }
    }
    Ok(changed)
}

/// The fewest axes that tract's implementation of an operator takes for granted.
fn least_rank(op: &str) -> i64 {
    match op {
        _ if op.contains("Conv") || op.contains("Pool") => 3,
        _ if op.contains("Normalization") || op == "LRN" => 2,
        _ => 0,
    }
}
