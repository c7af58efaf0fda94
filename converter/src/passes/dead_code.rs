//! Takes out what no output depends on, and numbers the remaining values anew.

use crate::error::Result;
use crate::ir::{Graph, Removed, ValueId};

/// Graph rule.
pub(crate) fn remove(graph: &Graph) -> Result<Graph> {
    let mut graph = graph.clone();
    let mut needed = vec![false; graph.values.len()];
    graph.outputs.iter().chain(&graph.inputs).for_each(|id| needed[id.0] = true);
    let mut kept = Vec::new();
    for node in graph.nodes.drain(..).rev() {
        if needed[node.output.0] {
            node.inputs.iter().for_each(|id| needed[id.0] = true);
            kept.push(node);
        } else {
            let (op, reason) = (node.op.name().to_owned(), "its result is not used".to_owned());
            graph.removed.push(Removed { node: node.name, op, reason });
        }
    }
    kept.reverse();
    graph.nodes = kept;
    let mut number = vec![ValueId(0); needed.len()];
    let mut values = Vec::new();
    for (id, value) in graph.values.drain(..).enumerate() {
        if needed[id] {
            number[id] = ValueId(values.len());
            values.push(value);
        }
    }
    graph.values = values;
    let renumber = |id: &mut ValueId| *id = number[id.0];
    graph.inputs.iter_mut().for_each(renumber);
    graph.outputs.iter_mut().for_each(renumber);
    for node in &mut graph.nodes {
        node.inputs.iter_mut().for_each(renumber);
        renumber(&mut node.output);
    }
    Ok(graph)
}
