//! Students made of a teacher: the same network with fewer of its blocks.
//!
//! A block is a layer that mixes channels, with the depthwise one before it and all without weights after it; or a residual sum
//! with everything that it goes around. Those whose result has the shape of what they read can be left out.

use crate::error::{Error, Result};
use crate::ir::{Graph, Node, Op, ValueId};
use std::ops::Range;

/// The teacher with a share of the blocks that keep their shape; the others go, evenly over the depth.
pub fn shallower(teacher: &Graph, share: f64) -> Result<Graph> {
    let refuse = |cause: &str| {
        Err(Error::new("cannot make a student")
            .at(format!("--depth {share}"))
            .cause(cause)
            .remedy("give a share from 0 to 1, of a network with blocks that keep their input's shape"))
    };
    if !(0.0..=1.0).contains(&share) {
        return refuse("it is a share of the teacher's blocks");
    }
    let even: Vec<Block> = blocks(teacher).into_iter().filter(|b| b.keeps_shape(teacher)).collect();
    if even.is_empty() {
        return refuse("the teacher has no block that can be left out");
    }
    let kept = (even.len() as f64 * share).round() as usize;
    let goes = |i: &usize| (i + 1) * kept / even.len() == i * kept / even.len();
    let gone: Vec<&Block> = (0..even.len()).filter(goes).map(|i| &even[i]).collect();
    let mut student = teacher.clone();
    // From the end, since a block that goes may begin where another one that goes has ended.
    for block in gone.into_iter().rev() {
        student.nodes.drain(block.nodes.clone());
        let reads = student.nodes.iter_mut().flat_map(|n| &mut n.inputs).filter(|id| **id == block.end);
        reads.for_each(|id| *id = block.start);
    }
    student.check()?;
    Ok(student)
}

/// Nodes that follow one another, between two values through which everything passes.
#[derive(Debug, Clone, PartialEq)]
struct Block {
    start: ValueId,
    end: ValueId,
    nodes: Range<usize>,
}

impl Block {
    fn any(&self, graph: &Graph, is: fn(&Node) -> bool) -> bool {
        graph.nodes[self.nodes.clone()].iter().any(is)
    }

    fn keeps_shape(&self, graph: &Graph) -> bool {
        let shapes = [self.start, self.end].map(|id| graph.shape(id));
        self.any(graph, mixes) && shapes[0] == shapes[1] && !graph.outputs.contains(&self.end)
    }
}

fn mixes(node: &Node) -> bool {
    node.op.is_layer() && !matches!(node.op, Op::Conv { groups: 2.., .. })
}

fn blocks(graph: &Graph) -> Vec<Block> {
    let mut all: Vec<Block> = Vec::new();
    let Some(&input) = graph.inputs.first() else { return all };
    let last_read = |id: ValueId| graph.consumers(id).last().copied().unwrap_or(0);
    let (mut start, mut first, mut open) = (input, 0, last_read(input));
    for (index, node) in graph.nodes.iter().enumerate() {
        // What was computed before is still to be read.
        if open > index {
            open = open.max(last_read(node.output));
            continue;
        }
        let cell = Block { start, end: node.output, nodes: first..index + 1 };
        (start, first, open) = (node.output, index + 1, last_read(node.output));
        match all.last_mut() {
            Some(block) if !cell.any(graph, |node| node.op.is_layer()) || !block.any(graph, mixes) => {
                (block.end, block.nodes.end) = (cell.end, cell.nodes.end);
            }
            _ => all.push(cell),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{self, InputShapes};

    #[test]
    fn the_example_has_one_block_to_leave_out() {
        let bytes = std::fs::read("../examples/models/fashion.onnx").expect("the example network");
        let graph = import::onnx(&bytes, &InputShapes::default()).expect("it is imported");
        assert_eq!(shallower(&graph, 1.0).expect("nothing goes"), graph);
        let student = shallower(&graph, 0.0).expect("the residual block goes");
        let went: Vec<&Node> =
            graph.nodes.iter().filter(|n| !student.nodes.iter().any(|s| s.name == n.name)).collect();
        assert!(
            went.iter().any(|n| matches!(n.op, Op::Add)) && went.iter().filter(|n| mixes(n)).count() == 2
        );
        assert!(went.iter().all(|n| n.name.contains("block2")), "{went:?}");
        assert!(shallower(&student, 0.0).is_err() && shallower(&graph, 1.5).is_err());
    }
}
