//! What a file writes as several operators on one value becomes one function, which is a table on the device: SiLU as
//! x·sigmoid(x), GELU by the error function, hard swish as x·relu6(x + 3)/6, and whatever else depends on a single value
//! and on numbers.

use super::patch::{Patch, View};
use crate::error::Result;
use crate::ir::{Formula, Node, Op, Term, ValueId};
use std::collections::HashMap;

/// Node rule. A quantized file says which values lie between its operators; they stay apart.
pub(crate) fn rule(view: &View<'_>, index: usize) -> Result<Option<Patch>> {
    if !view.graph.given.tensors.is_empty() {
        return Ok(None);
    }
    let Some((inside, x)) = cut(view, index) else { return Ok(None) };
    let nodes: Vec<&Node> = inside.iter().map(|&i| &view.graph.nodes[i]).collect();
    if !nodes.iter().any(|n| bends(view, n)) {
        return Ok(None);
    }
    let Some(formula) = formula(view, &nodes, x) else { return Ok(None) };
    let root = &view.graph.nodes[index];
    let mut patch = Patch::new(view);
    for (&i, node) in inside.iter().zip(&nodes) {
        patch.drop(i);
        if i != index {
            patch.removed(node, format!("part of the function \"{}\"", root.name));
        }
    }
    patch.node(Node { op: Op::Function(formula), inputs: vec![x], clamp: None, ..root.clone() });
    Ok(Some(patch))
}

/// The most nodes up to this one that depend on one value alone and whose results nobody else reads, in order; and that
/// value.
fn cut(view: &View<'_>, root: usize) -> Option<(Vec<usize>, ValueId)> {
    let mut inside = vec![root];
    let mut leaves = operands(view, root)?;
    let mut best = None;
    loop {
        if let ([x], true) = (&leaves[..], inside.len() > 1) {
            best = Some((inside.clone(), *x));
        }
        // Latest first: whoever reads a result comes after it.
        let next = leaves.iter().enumerate().filter_map(|(k, &leaf)| {
            let (at, _) = view.producer(leaf)?;
            let ours = view.graph.consumers(leaf).iter().all(|reader| inside.contains(reader));
            let operands = operands(view, at).filter(|_| ours && !view.is_output(leaf))?;
            Some((at, k, operands))
        });
        let Some((at, k, operands)) = next.max_by_key(|&(at, ..)| at) else { break };
        leaves.remove(k);
        leaves.extend(operands);
        leaves.sort_unstable();
        leaves.dedup();
        inside.push(at);
    }
    best.map(|(mut inside, x)| {
        inside.sort_unstable();
        (inside, x)
    })
}

/// The computed operands of an element-wise node whose others are numbers; `None` for all other nodes.
fn operands(view: &View<'_>, index: usize) -> Option<Vec<ValueId>> {
    let node = &view.graph.nodes[index];
    let elementwise = matches!(
        node.op,
        Op::Activation(_)
            | Op::Function(_)
            | Op::Add
            | Op::Sub
            | Op::Mul
            | Op::Div
            | Op::Maximum
            | Op::Minimum
    );
    let mut computed: Vec<ValueId> =
        node.inputs.iter().copied().filter(|&id| number(view, id).is_none()).collect();
    computed.sort_unstable();
    computed.dedup();
    let shape = view.shape(node.output);
    let whole = |&id: &ValueId| view.graph.konst(id).is_none() && view.shape(id) == shape;
    (elementwise && !computed.is_empty() && computed.iter().all(whole)).then_some(computed)
}

/// A constant of one element.
fn number(view: &View<'_>, id: ValueId) -> Option<f32> {
    view.graph.konst(id).filter(|c| c.len() == 1)?.first().copied()
}

/// Whether a node is more than a factor, a shift or a bound, for which there are operators as good as a table.
fn bends(view: &View<'_>, node: &Node) -> bool {
    match &node.op {
        Op::Activation(a) => a.as_clamp().is_none(),
        Op::Function(_) => true,
        Op::Div if number(view, node.inputs[0]).is_some() => true,
        _ => node.inputs.iter().all(|&id| number(view, id).is_none()),
    }
}

fn formula(view: &View<'_>, nodes: &[&Node], x: ValueId) -> Option<Formula> {
    let mut formula = Formula::default();
    let mut known = HashMap::from([(x, 0)]);
    for node in nodes {
        let mut at = Vec::new();
        for &id in &node.inputs {
            at.push(match number(view, id) {
                Some(c) => formula.push(Term::Constant(c)),
                None => *known.get(&id)?,
            });
        }
        let mut result = match (&node.op, &at[..]) {
            (Op::Activation(f), &[a]) => formula.push(Term::Apply(*f, a)),
            (Op::Function(f), &[a]) => formula.append(f, a),
            (Op::Add, &[a, b]) => formula.push(Term::Add(a, b)),
            (Op::Sub, &[a, b]) => formula.push(Term::Sub(a, b)),
            (Op::Mul, &[a, b]) => formula.push(Term::Mul(a, b)),
            (Op::Div, &[a, b]) => formula.push(Term::Div(a, b)),
            (Op::Maximum, &[a, b]) => formula.push(Term::Maximum(a, b)),
            (Op::Minimum, &[a, b]) => formula.push(Term::Minimum(a, b)),
            _ => return None,
        };
        if let Some(clamp) = node.clamp {
            result = formula.push(Term::Clamp(clamp, result));
        }
        known.insert(node.output, result);
    }
    Some(formula)
}
