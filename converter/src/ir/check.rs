//! Proof that a graph is one: run after import and after every pass.
//!
//! What holds afterwards: every id points into the graph, names are unique, nodes come after what
//! they read, each value is made once, and each shape is the one its operator gives.

use super::{Graph, Node, ValueId, shape};
use crate::error::{Error, Result};
use std::collections::HashSet;

impl Graph {
    /// Accepts the graph or says what is wrong with it.
    pub fn check(&self) -> Result<()> {
        self.check_ids()?;
        self.check_names()?;
        self.check_values()?;
        let mut known = vec![false; self.values.len()];
        for (known, value) in known.iter_mut().zip(&self.values) {
            *known = value.konst.is_some();
        }
        for &id in &self.inputs {
            if std::mem::replace(&mut known[id.0], true) {
                return Err(wrong(format!("input \"{}\" is constant or listed twice", self.value(id).name)));
            }
        }
        for node in &self.nodes {
            self.check_node(node, &mut known)?;
        }
        match self.outputs.iter().find(|id| !known[id.0]) {
            Some(&id) => Err(wrong(format!("nothing computes the output \"{}\"", self.value(id).name))),
            None => Ok(()),
        }
    }

    fn check_ids(&self) -> Result<()> {
        let of_nodes = self.nodes.iter().flat_map(|n| n.inputs.iter().chain([&n.output]));
        match self.inputs.iter().chain(&self.outputs).chain(of_nodes).find(|id| id.0 >= self.values.len()) {
            Some(ValueId(id)) => Err(wrong(format!("value {id} of {}", self.values.len()))),
            None => Ok(()),
        }
    }

    fn check_names(&self) -> Result<()> {
        let mut seen = HashSet::new();
        if let Some(v) = self.values.iter().find(|v| !seen.insert(v.name.as_str())) {
            return Err(wrong(format!("two values are called \"{}\"", v.name)));
        }
        seen.clear();
        match self.nodes.iter().find(|n| !seen.insert(n.name.as_str())) {
            Some(n) => Err(wrong(format!("two nodes are called \"{}\"", n.name))),
            None => Ok(()),
        }
    }

    fn check_values(&self) -> Result<()> {
        for value in &self.values {
            if shape::volume(&value.shape).is_none() {
                return Err(wrong(format!("\"{}\" of shape {:?} is too large", value.name, value.shape)));
            }
            if let Some(konst) = &value.konst
                && konst.shape() != value.shape
            {
                return Err(wrong(format!(
                    "constant \"{}\" has shape {:?}, declared {:?}",
                    value.name,
                    konst.shape(),
                    value.shape
                )));
            }
        }
        Ok(())
    }

    fn check_node(&self, node: &Node, known: &mut [bool]) -> Result<()> {
        let fail = |cause: String| Err(wrong(cause).at_node(&node.name, node.op.name()));
        if let Some(&id) = node.inputs.iter().find(|id| !known[id.0]) {
            return fail(format!("it reads \"{}\" before that is computed", self.value(id).name));
        }
        if std::mem::replace(&mut known[node.output.0], true) {
            return fail(format!("it computes \"{}\" again", self.value(node.output).name));
        }
        if node.clamp.is_some_and(|c| c.min.is_nan() || c.max.is_nan() || c.min > c.max) {
            return fail(format!("its bounds {:?} are empty", node.clamp));
        }
        match shape::infer(self, node) {
            Ok(shape) if shape == self.shape(node.output) => Ok(()),
            Ok(shape) => fail(format!(
                "it gives shape {shape:?}, but \"{}\" has {:?}",
                self.value(node.output).name,
                self.shape(node.output)
            )),
            Err(cause) => fail(cause),
        }
    }
}

fn wrong(cause: String) -> Error {
    Error::internal(cause)
}

#[cfg(test)]
mod tests {
    use crate::ir::{Activation, Graph, Node, Op};

    fn relu() -> Graph {
        let mut g = Graph::new("g");
        let x = g.add_value("x", &[1, 4], None);
        let y = g.add_value("y", &[1, 4], None);
        let op = Op::Activation(Activation::Relu);
        g.nodes.push(Node { name: "relu".into(), op, inputs: vec![x], output: y, clamp: None });
        g.inputs = vec![x];
        g.outputs = vec![y];
        g
    }

    #[test]
    fn a_sound_graph_passes() {
        assert_eq!(relu().check(), Ok(()));
    }

    #[test]
    fn each_defect_is_found() {
        let mut g = relu();
        g.nodes[0].output.0 = 7;
        assert!(g.check().is_err(), "dangling id");
        let mut g = relu();
        g.values[1].name = "x".into();
        assert!(g.check().is_err(), "name used twice");
        let mut g = relu();
        g.values[1].shape = vec![4, 1];
        assert!(g.check().is_err(), "wrong shape");
        let mut g = relu();
        g.inputs.clear();
        assert!(g.check().is_err(), "read before computed");
        let mut g = relu();
        g.nodes.clear();
        assert!(g.check().is_err(), "output not computed");
        let mut g = relu();
        g.nodes[0].inputs.clear();
        assert!(g.check().is_err(), "arity");
    }
}
