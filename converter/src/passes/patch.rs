//! What a node rule sees and what it proposes.

use crate::ir::{self, Graph, Node, Origin, Removed, Tensor, Value, ValueId};
use std::collections::HashSet;

/// A graph with its edges looked up.
pub(crate) struct View<'a> {
    pub(crate) graph: &'a Graph,
    producer: Vec<Option<usize>>,
    uses: Vec<usize>,
}

impl<'a> View<'a> {
    pub(crate) fn of(graph: &'a Graph) -> Self {
        let mut producer = vec![None; graph.values.len()];
        let mut uses = vec![0; graph.values.len()];
        for (i, node) in graph.nodes.iter().enumerate() {
            producer[node.output.0] = Some(i);
            node.inputs.iter().for_each(|id| uses[id.0] += 1);
        }
        graph.outputs.iter().for_each(|id| uses[id.0] += 1);
        View { graph, producer, uses }
    }

    /// The node that computes a value.
    pub(crate) fn producer(&self, id: ValueId) -> Option<(usize, &'a Node)> {
        self.producer[id.0].map(|i| (i, &self.graph.nodes[i]))
    }

    /// The node that computes a value, if the value is read in a single place and is no output.
    pub(crate) fn private_producer(&self, id: ValueId) -> Option<(usize, &'a Node)> {
        if self.uses[id.0] == 1 && !self.is_output(id) { self.producer(id) } else { None }
    }

    pub(crate) fn is_output(&self, id: ValueId) -> bool {
        self.graph.outputs.contains(&id)
    }

    pub(crate) fn shape(&self, id: ValueId) -> &'a [usize] {
        self.graph.shape(id)
    }
}

/// A change to a graph: nodes out, nodes and values in, uses redirected.
#[derive(Debug, Default)]
pub(crate) struct Patch {
    known: usize,
    values: Vec<Value>,
    nodes: Vec<Node>,
    dropped: Vec<usize>,
    redirected: Vec<(ValueId, ValueId)>,
    origins: Vec<(ValueId, Option<Origin>)>,
    removed: Vec<Removed>,
}

impl Patch {
    pub(crate) fn new(view: &View<'_>) -> Self {
        Patch { known: view.graph.values.len(), ..Patch::default() }
    }

    /// A new value.
    pub(crate) fn value(&mut self, name: &str, shape: &[usize], origin: Option<Origin>) -> ValueId {
        self.values.push(Value { name: name.into(), shape: shape.to_vec(), konst: None, origin });
        ValueId(self.known + self.values.len() - 1)
    }

    /// A new constant.
    pub(crate) fn konst(&mut self, name: &str, tensor: impl Into<Tensor>) -> ValueId {
        let tensor = tensor.into();
        let id = self.value(name, tensor.shape(), None);
        if let Some(value) = self.values.last_mut() {
            value.konst = Some(tensor);
        }
        id
    }

    /// A new node.
    pub(crate) fn node(&mut self, node: Node) {
        self.nodes.push(node);
    }

    /// Takes a node out.
    pub(crate) fn drop(&mut self, index: usize) {
        self.dropped.push(index);
    }

    /// Whoever read `from` reads `to`.
    pub(crate) fn redirect(&mut self, from: ValueId, to: ValueId) {
        self.redirected.push((from, to));
    }

    /// Gives a value another origin.
    pub(crate) fn origin(&mut self, id: ValueId, origin: Option<Origin>) {
        self.origins.push((id, origin));
    }

    /// Notes why a node of the file is not needed.
    pub(crate) fn removed(&mut self, node: &Node, reason: impl Into<String>) {
        let op = node.op.name().to_owned();
        self.removed.push(Removed { node: node.name.clone(), op, reason: reason.into() });
    }

    /// Makes `node` vanish: whoever read its result reads `x`. A result that the caller reads keeps
    /// its name. `false` when that cannot be, because both ends belong to the caller.
    pub(crate) fn bypass(&mut self, view: &View<'_>, index: usize, x: ValueId) -> bool {
        let output = view.graph.nodes[index].output;
        if !view.is_output(output) {
            self.drop(index);
            self.redirect(output, x);
            // The same value: where only its result is a tensor of the file, the operand is that one.
            let known = &view.graph.value(output).origin;
            if view.graph.value(x).origin.is_none() && view.graph.value(x).konst.is_none() && known.is_some()
            {
                self.origin(x, known.clone());
            }
            return true;
        }
        match view.producer(x) {
            Some((before, producer)) if !view.is_output(x) => {
                self.drop(index);
                self.drop(before);
                self.node(Node { output, ..producer.clone() });
                self.redirect(x, output);
                true
            }
            _ => false,
        }
    }

    /// Makes the change. Names that are taken get a number; nodes are put in order.
    pub(crate) fn apply(mut self, graph: &mut Graph) {
        debug_assert_eq!(self.known, graph.values.len(), "a patch for another graph");
        for mut value in self.values {
            value.name = graph.fresh_name(&value.name);
            graph.values.push(value);
        }
        for (id, origin) in self.origins {
            graph.values[id.0].origin = origin;
        }
        let at = self.dropped.iter().copied().min().unwrap_or(graph.nodes.len());
        self.dropped.sort_unstable();
        self.dropped.dedup();
        for &index in self.dropped.iter().rev() {
            graph.nodes.remove(index);
        }
        let mut names: HashSet<String> = graph.nodes.iter().map(|n| n.name.clone()).collect();
        for node in &mut self.nodes {
            node.name = ir::fresh(&node.name, |n| names.contains(n));
            names.insert(node.name.clone());
        }
        graph.nodes.splice(at..at, self.nodes);
        for (from, to) in self.redirected {
            let swap = |id: &mut ValueId| {
                if *id == from {
                    *id = to;
                }
            };
            graph.nodes.iter_mut().flat_map(|n| &mut n.inputs).for_each(swap);
            graph.outputs.iter_mut().for_each(swap);
        }
        graph.removed.extend(self.removed);
        sort(graph);
    }
}

/// Puts nodes after what they read and otherwise leaves their order. Nodes on a cycle stay last, for
/// the check to find.
fn sort(graph: &mut Graph) {
    let mut known: Vec<bool> = graph.values.iter().map(|v| v.konst.is_some()).collect();
    graph.inputs.iter().for_each(|id| known[id.0] = true);
    let mut waiting = std::mem::take(&mut graph.nodes);
    loop {
        let before = waiting.len();
        let mut later = Vec::new();
        for node in waiting {
            if node.inputs.iter().all(|id| known[id.0]) {
                known[node.output.0] = true;
                graph.nodes.push(node);
            } else {
                later.push(node);
            }
        }
        waiting = later;
        if waiting.is_empty() || waiting.len() == before {
            graph.nodes.append(&mut waiting);
            return;
        }
    }
}
