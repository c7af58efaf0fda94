//! A graph as text, one line a node; for debugging and for messages.

use super::{Graph, Node};
use std::fmt;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "graph \"{}\" {:?}", self.name, self.layout)?;
        for &id in &self.inputs {
            writeln!(f, "  input {} {:?}", self.value(id).name, self.shape(id))?;
        }
        for node in &self.nodes {
            writeln!(f, "  {}", self.node_line(node))?;
        }
        for &id in &self.outputs {
            writeln!(f, "  output {} {:?}", self.value(id).name, self.shape(id))?;
        }
        Ok(())
    }
}

impl Graph {
    fn node_line(&self, node: &Node) -> String {
        let inputs: Vec<String> = node
            .inputs
            .iter()
            .map(|&i| {
                let value = self.value(i);
                let mark = if value.konst.is_some() { "const " } else { "" };
                format!("{mark}{} {:?}", value.name, value.shape)
            })
            .collect();
        let clamp = node.clamp.map_or(String::new(), |c| format!(" clamp {}..{}", c.min, c.max));
        let output = self.value(node.output);
        format!("{} {:?} = {}({}){clamp}", output.name, output.shape, node.op, inputs.join(", "))
    }
}
