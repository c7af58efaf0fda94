//! Walks the file's nodes and builds the graph. A node whose result is known already leaves a
//! constant; every other goes to its row in `operators.rs`.
//!
//! Refusals are collected, so that the user sees all of them at once.

use super::attributes::Call;
use super::facts::{Facts, to_ir};
use super::model::{damaged, input_names, node_name, opset};
use super::operators;
use crate::error::{Error, Result};
use crate::ir::{self, Graph, Node, Op, Origin, Removed, Value, ValueId};
use ndarray::{ArcArray, IxDyn};
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto};
use tract_onnx::prelude::DatumType;

/// The result of a lowering; `Err` says why the node cannot be imported.
pub(crate) type Lowered<T = ()> = std::result::Result<T, String>;

/// The graph under construction.
pub(crate) struct Import<'a> {
    pub(crate) graph: Graph,
    pub(crate) opset: i64,
    facts: &'a Facts,
    by_name: HashMap<&'a str, ValueId>,
    node_names: HashSet<String>,
}

/// Builds the graph of a decoded model.
pub(crate) fn build(proto: &ModelProto, facts: &Facts) -> Result<Graph> {
    let pb = proto.graph.as_ref().ok_or_else(|| damaged("there is no graph in it"))?;
    let mut import = Import {
        graph: Graph::new(pb.name.clone()),
        opset: opset(proto)?,
        facts,
        by_name: HashMap::new(),
        node_names: HashSet::new(),
    };
    import.inputs(pb)?;
    let used = used_names(pb);
    let mut refused = Refusals::default();
    for node in &pb.node {
        import.node(node, &used, &mut refused);
    }
    refused.into_result(facts)?;
    import.outputs(pb)?;
    import.graph.check()?;
    Ok(import.graph)
}

fn used_names(pb: &GraphProto) -> HashSet<&str> {
    let read = pb.node.iter().flat_map(|n| &n.input).map(String::as_str);
    read.chain(pb.output.iter().map(|o| o.name.as_str())).filter(|n| !n.is_empty()).collect()
}

impl<'a> Import<'a> {
    fn inputs(&mut self, pb: &'a GraphProto) -> Result<()> {
        for name in input_names(pb) {
            let shape = self.facts.get(name).and_then(|f| f.shape.clone());
            let shape = shape.ok_or_else(|| damaged(format!("input \"{name}\" has no shape")))?;
            let id = self.define(name, &shape);
            self.graph.inputs.push(id);
        }
        Ok(())
    }

    fn outputs(&mut self, pb: &'a GraphProto) -> Result<()> {
        for output in &pb.output {
            match self.by_name.get(output.name.as_str()) {
                Some(&id) if self.graph.value(id).konst.is_none() => self.graph.outputs.push(id),
                _ => {
                    return Err(Error::new("an output of the model is constant")
                        .at(format!("output \"{}\"", output.name))
                        .cause("it does not depend on the input")
                        .remedy("remove this output from the model"));
                }
            }
        }
        Ok(())
    }

    fn node(&mut self, pb: &'a NodeProto, used: &HashSet<&str>, refused: &mut Refusals) {
        let name = self.unique(node_name(pb));
        self.graph.imported.insert(name.clone(), pb.op_type.clone());
        let results: Vec<&str> = pb.output.iter().map(String::as_str).filter(|n| used.contains(n)).collect();
        if results.iter().all(|n| self.facts.get(n).is_some_and(|f| f.konst.is_some())) {
            if pb.op_type != "Constant" {
                let reason = if results.is_empty() { "its result is not used" } else { "constant" };
                self.removed(&name, &pb.op_type, reason);
            }
            return;
        }
        if pb.input.iter().any(|i| refused.tensors.contains(i)) {
            // Its operand is missing for a reason that is told already; only its own name matters.
            if operators::find(pb).is_none() {
                refused.add(&name, pb, None);
            }
            refused.tensors.extend(pb.output.iter().cloned());
            return;
        }
        let outcome = match operators::find(pb) {
            None => Err(None),
            Some(row)
                if !row.has_many()
                    && (results.len() > 1 || pb.output.first().is_none_or(|o| o != results[0])) =>
            {
                Err(Some("only its first result can be used".to_owned()))
            }
            Some(row) => (row.lower)(self, &Call { name: name.clone(), pb }).map_err(Some),
        };
        if let Err(reason) = outcome {
            refused.add(&name, pb, reason);
            refused.tensors.extend(pb.output.iter().cloned());
        }
    }

    fn unique(&mut self, name: &str) -> String {
        let name = ir::fresh(ir::short_name(name), |n| self.node_names.contains(n));
        self.node_names.insert(name.clone());
        name
    }

    /// Notes a node that leaves nothing to run.
    pub(crate) fn removed(&mut self, node: &str, op: &str, reason: &str) {
        self.graph.removed.push(Removed { node: node.into(), op: op.into(), reason: reason.into() });
    }

    fn define(&mut self, name: &'a str, shape: &[usize]) -> ValueId {
        let origin = Some(Origin::of(name, shape));
        self.graph.values.push(Value { name: name.into(), shape: shape.to_vec(), konst: None, origin });
        let id = ValueId(self.graph.values.len() - 1);
        self.by_name.insert(name, id);
        id
    }

    /// Operand `i`, if it is given.
    pub(crate) fn given(&mut self, call: &Call<'a>, i: usize) -> Lowered<Option<ValueId>> {
        let Some(name) = call.pb.input.get(i).map(String::as_str).filter(|n| !n.is_empty()) else {
            return Ok(None);
        };
        if let Some(&id) = self.by_name.get(name) {
            return Ok(Some(id));
        }
        let konst = self.facts.get(name).and_then(|f| f.konst.clone());
        let konst = konst.ok_or_else(|| format!("its input \"{name}\" is not known"))?;
        let konst = to_ir(&konst)?;
        let id = self.define(name, konst.shape());
        self.graph.values[id.0].konst = Some(konst);
        self.graph.values[id.0].origin = None;
        Ok(Some(id))
    }

    /// Operand `i`, which must be a float tensor.
    pub(crate) fn operand(&mut self, call: &Call<'a>, i: usize) -> Lowered<ValueId> {
        let id = self.given(call, i)?.ok_or_else(|| format!("its input {i} is missing"))?;
        let kind = call.pb.input.get(i).and_then(|n| self.facts.get(n)).and_then(|f| f.kind);
        match kind {
            Some(DatumType::F32) | None => Ok(id),
            Some(kind) => Err(format!("it computes with {kind:?}, only float32 is possible")),
        }
    }

    /// Operand `i` as constant floats, if it is given.
    pub(crate) fn floats(&mut self, call: &Call<'a>, i: usize) -> Lowered<Option<ArcArray<f32, IxDyn>>> {
        let Some(id) = self.given(call, i)? else { return Ok(None) };
        match self.graph.konst(id) {
            Some(t) => Ok(Some(t.clone())),
            None => {
                Err(format!("its input \"{}\" is computed, a constant is needed", self.graph.value(id).name))
            }
        }
    }

    /// Operand `i` as a constant number, if it is given.
    pub(crate) fn number(&mut self, call: &Call<'a>, i: usize) -> Lowered<Option<f32>> {
        match self.floats(call, i)? {
            None => Ok(None),
            Some(t) if t.len() == 1 => Ok(t.first().copied()),
            Some(t) => Err(format!("its input {i} has shape {:?}, a single number is needed", t.shape())),
        }
    }

    /// Operand `i` as constant integers, if it is given.
    pub(crate) fn integers(&mut self, call: &Call<'a>, i: usize) -> Lowered<Option<Vec<i64>>> {
        let Some(id) = self.given(call, i)? else { return Ok(None) };
        match self.graph.value(id).konst.as_ref().and_then(ir::Tensor::as_i64) {
            Some(t) => Ok(Some(t.iter().copied().collect())),
            None => Err(format!("its input {i} is not a constant list of integers")),
        }
    }

    /// Shape of the node's first result as tract inferred it.
    pub(crate) fn result_shape(&self, call: &Call<'a>) -> Lowered<Vec<usize>> {
        let name = call.pb.output.first().map_or("", String::as_str);
        let shape = self.facts.get(name).and_then(|f| f.shape.clone());
        let shape = shape.ok_or("the shape of its result could not be inferred")?;
        if shape.contains(&0) {
            return Err(format!("its result of shape {shape:?} is empty"));
        }
        Ok(shape)
    }

    /// Adds the node that computes the ONNX node's result. Its shape must be what tract inferred.
    pub(crate) fn emit(&mut self, call: &Call<'a>, op: Op, inputs: &[ValueId]) -> Lowered {
        let shape = self.result_shape(call)?;
        let name = call.pb.output.first().ok_or("it has no result")?;
        let output = self.define(name, &shape);
        self.push(call.name.clone(), op, inputs, output)
    }

    /// Adds the node that computes result `k` of several; nothing where the model does not name it.
    pub(crate) fn emit_at(&mut self, call: &Call<'a>, k: usize, op: Op, inputs: &[ValueId]) -> Lowered {
        let Some(name) = call.pb.output.get(k).filter(|n| !n.is_empty()) else { return Ok(()) };
        let shape = self.facts.get(name).and_then(|f| f.shape.clone());
        let shape =
            shape.filter(|s| !s.contains(&0)).ok_or("the shapes of its results could not be inferred")?;
        let output = self.define(name, &shape);
        let node = if k == 0 { call.name.clone() } else { self.unique(&format!("{}_{k}", call.name)) };
        self.push(node, op, inputs, output)
    }

    /// Adds a node for an intermediate result that has no name in the file.
    pub(crate) fn step(
        &mut self,
        call: &Call<'a>,
        suffix: &str,
        op: Op,
        inputs: &[ValueId],
        shape: &[usize],
    ) -> Lowered<ValueId> {
        let facts = self.facts;
        let base = ir::fresh(&format!("{}_{suffix}", call.name), |n| facts.get(n).is_some());
        let name = self.unique(&base);
        let output = self.graph.add_value(&name, shape, None);
        self.push(name, op, inputs, output)?;
        Ok(output)
    }

    /// Adds a node for the elements of the ONNX node's first result, in their order but in another shape.
    pub(crate) fn reshaped(
        &mut self,
        call: &Call<'a>,
        suffix: &str,
        op: Op,
        inputs: &[ValueId],
        shape: &[usize],
    ) -> Lowered<ValueId> {
        let id = self.step(call, suffix, op, inputs, shape)?;
        let name = call.pb.output.first().ok_or("it has no result")?;
        self.graph.values[id.0].origin = Some(Origin::of(name, &self.result_shape(call)?));
        Ok(id)
    }

    fn push(&mut self, name: String, op: Op, inputs: &[ValueId], output: ValueId) -> Lowered {
        let broken = |id: &&ValueId| self.graph.konst(**id).is_some_and(|t| t.iter().any(|x| !x.is_finite()));
        if let Some(&id) = inputs.iter().find(broken) {
            return Err(format!("its constant \"{}\" holds NaN or infinity", self.graph.value(id).name));
        }
        let node = Node { name, op, inputs: inputs.to_vec(), output, clamp: None };
        let shape = ir::infer(&self.graph, &node)?;
        if shape != self.graph.shape(output) {
            return Err(format!("its result has shape {:?}, expected {shape:?}", self.graph.shape(output)));
        }
        self.graph.nodes.push(node);
        Ok(())
    }
}

/// The nodes that cannot be imported, and the tensors that are missing because of them.
#[derive(Default)]
struct Refusals {
    tensors: HashSet<String>,
    /// Operator, reason, and the nodes that share them.
    groups: Vec<(String, String, Vec<String>)>,
    unknown: bool,
}

impl Refusals {
    /// `reason` is `None` when the operator as such is not known.
    fn add(&mut self, name: &str, pb: &NodeProto, reason: Option<String>) {
        let domain = if pb.domain.is_empty() { String::new() } else { format!("{}.", pb.domain) };
        let op = format!("{domain}{}", pb.op_type);
        self.unknown |= reason.is_none();
        let reason = reason.unwrap_or_else(|| "not supported".to_owned());
        let name = format!("\"{name}\"");
        match self.groups.iter_mut().find(|g| g.0 == op && g.1 == reason) {
            Some(group) => group.2.push(name),
            None => self.groups.push((op, reason, vec![name])),
        }
    }

    fn into_result(self, facts: &Facts) -> Result<()> {
        let count: usize = self.groups.iter().map(|g| g.2.len()).sum();
        let what = match (count, &facts.contradiction) {
            (0, None) => return Ok(()),
            (0, Some(cause)) => return Err(damaged(cause.clone())),
            (1, _) => "one node of the model cannot be imported".to_owned(),
            _ => format!("{count} nodes of the model cannot be imported"),
        };
        let line = |(op, reason, nodes): &(String, String, Vec<String>)| match &nodes[..] {
            [node] => format!("node {node} ({op}): {reason}"),
            _ => format!("{} nodes ({op}): {reason}: {}", nodes.len(), nodes.join(", ")),
        };
        let mut cause: Vec<String> = self.groups.iter().map(line).collect();
        if !self.unknown {
            cause.extend(facts.contradiction.iter().map(|c| format!("inference: {c}")));
        }
        Err(Error::new(what).cause(cause.join("\n")).remedy(format!(
            "replace these nodes by supported operators, or cut the model before them\nsupported: {}",
            operators::names()
        )))
    }
}
