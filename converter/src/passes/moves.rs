//! Chains of reshapes and transposes become one: two reshapes, two transposes, and transposes that
//! only move axes of extent 1, which are reshapes.

use super::patch::{Patch, View};
use crate::error::Result;
use crate::ir::{Node, Op};

/// Node rule.
pub(crate) fn rule(view: &View<'_>, index: usize) -> Result<Option<Patch>> {
    let node = &view.graph.nodes[index];
    let op = match &node.op {
        Op::Transpose { perm } if keeps_order(perm, view.shape(node.inputs[0])) => {
            return Ok(Some(replaced(view, index, Node { op: Op::Reshape, ..node.clone() })));
        }
        op @ (Op::Transpose { .. } | Op::Reshape) => op,
        _ => return Ok(None),
    };
    let Some((before, first)) = view.producer(node.inputs[0]) else { return Ok(None) };
    let merged = match (&first.op, op) {
        (Op::Reshape, Op::Reshape) => Op::Reshape,
        (Op::Transpose { perm: p }, Op::Transpose { perm: q }) => {
            Op::Transpose { perm: q.iter().map(|&i| p[i]).collect() }
        }
        _ => return Ok(None),
    };
    let merged = Node { op: merged, inputs: first.inputs.clone(), ..node.clone() };
    let mut patch = replaced(view, index, merged);
    if view.private_producer(node.inputs[0]).is_some() {
        patch.drop(before);
        patch.removed(first, format!("merged into \"{}\"", node.name));
    }
    Ok(Some(patch))
}

fn replaced(view: &View<'_>, index: usize, node: Node) -> Patch {
    let mut patch = Patch::new(view);
    patch.drop(index);
    patch.node(node);
    patch
}

/// Whether the axes that are longer than 1 keep their order.
fn keeps_order(perm: &[usize], shape: &[usize]) -> bool {
    let long: Vec<usize> = perm.iter().copied().filter(|&p| shape[p] > 1).collect();
    long.is_sorted()
}

#[cfg(test)]
mod tests {
    use super::keeps_order;

    #[test]
    fn axes_of_extent_one_do_not_count() {
        assert!(keeps_order(&[0, 3, 1, 2], &[1, 1, 1, 64]));
        assert!(keeps_order(&[0, 2, 3, 1], &[1, 1, 5, 4]));
        assert!(!keeps_order(&[0, 2, 3, 1], &[1, 2, 5, 1]));
    }
}
