//! Transfer: a trained network with a last layer of its own for other classes.

use super::student::Start;
use crate::error::{Error, Result};
use crate::ir::{Activation, Graph, Op, ValueId};

/// The network with fresh weights in its last layer, which tells so many classes.
pub fn with_head(network: &Graph, classes: usize, seed: u64) -> Result<Graph> {
    let refuse = |cause: String| {
        Err(Error::new("cannot replace the last layer").at(format!("--head {classes}")).cause(cause).remedy(
            "give a number of classes from 2 up, and a network that ends in a dense layer or a convolution, \
             with nothing but a softmax or sigmoid after it",
        ))
    };
    if classes < 2 {
        return refuse("a classifier tells at least two classes".into());
    }
    let is_layer = |op: &Op| matches!(op, Op::FullyConnected | Op::Conv { groups: 1, .. });
    let Some(place) = network.nodes.iter().rposition(|n| is_layer(&n.op)) else {
        return refuse("the network has no layer with weights".into());
    };
    let mut graph = network.clone();
    let before = network.shape(network.nodes[place].output).get(1).copied().unwrap_or(1);
    for node in &network.nodes[place..] {
        let follows = matches!(
            node.op,
            Op::Reshape | Op::Identity | Op::Softmax { .. } | Op::Activation(Activation::Sigmoid)
        );
        let shape = &mut graph.values[node.output.0].shape;
        let axis = shape.iter().position(|&extent| extent == before && extent > 1);
        let axis = axis.or((shape.len() > 1).then_some(1));
        match axis {
            Some(axis) if follows || node.name == network.nodes[place].name => shape[axis] = classes,
            _ => return refuse(format!("\"{}\" comes after the last layer", node.name)),
        }
    }
    let inputs: Vec<ValueId> = network.nodes[place].inputs.clone();
    for (&id, start) in inputs[1..].iter().zip([Start::Random, Start::All(0.0)]) {
        let mut shape = network.shape(id).to_vec();
        if let Some(outputs) = shape.first_mut() {
            *outputs = classes;
        }
        graph.set(id, &shape, start, seed);
    }
    graph.check()?;
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{self, InputShapes};

    #[test]
    fn only_the_last_layer_changes() {
        let bytes = std::fs::read("../examples/models/fashion.onnx").expect("the example network");
        let graph = import::onnx(&bytes, &InputShapes::default()).expect("it is imported");
        let other = with_head(&graph, 4, 1).expect("it is replaced");
        assert_eq!(other.shape(other.outputs[0]), [1, 4]);
        let differ = graph.values.iter().zip(&other.values).filter(|(a, b)| a.konst != b.konst).count();
        assert_eq!(differ, 2);
        assert!(with_head(&graph, 1, 1).is_err());
    }
}
