//! The lossless passes over the float graph: their order, and the one driver that applies what they
//! propose and re-checks the graph.
//!
//! A pass is a rule in a file of its own. A *node rule* looks at one node and may propose a
//! [`Patch`]; a *graph rule* makes a new graph. No pass changes a graph by itself.

mod absorb_pad;
mod batch_norm;
mod compose;
mod dead_code;
mod dense_input;
mod fold_constants;
mod fold_scale;
mod fuse_activations;
mod identities;
mod layout;
mod moves;
mod patch;
mod sink;

use crate::error::{Error, Result};
use crate::ir::Graph;
use patch::{Patch, View};

/// One pass.
struct Pass {
    name: &'static str,
    rule: Rule,
}

enum Rule {
    /// What to do about one node, if anything.
    Node(fn(&View<'_>, usize) -> Result<Option<Patch>>),
    /// The whole graph anew.
    Graph(fn(&Graph) -> Result<Graph>),
}

const fn node(name: &'static str, rule: fn(&View<'_>, usize) -> Result<Option<Patch>>) -> Pass {
    Pass { name, rule: Rule::Node(rule) }
}

const fn graph(name: &'static str, rule: fn(&Graph) -> Result<Graph>) -> Pass {
    Pass { name, rule: Rule::Graph(rule) }
}

/// Passes that only ever make the graph simpler; each may open the way for another, so they run
/// until none finds anything.
const SIMPLIFY: &[Pass] = &[
    node("fold_constants", fold_constants::rule),
    node("identities", identities::rule),
    node("moves", moves::rule),
    node("absorb_pad", absorb_pad::rule),
    node("batch_norm", batch_norm::fold),
    node("fold_scale", fold_scale::rule),
    node("sink", sink::rule),
    node("fuse_activations", fuse_activations::rule),
];

/// What is left of batch normalisation once nothing before it could take it in.
const LONE_BATCH_NORM: &[Pass] = &[node("lone_batch_norm", batch_norm::lone)];

/// What is a function of one value becomes one operator. Not before constants are in the layers that can take them.
const COMPOSE: &[Pass] = &[node("compose", compose::rule)];

/// Channels last; transposes that this made are absorbed where that is possible.
const LAYOUT: &[Pass] = &[graph("layout", layout::to_nhwc)];
const AFTER_LAYOUT: &[Pass] = &[node("dense_input", dense_input::rule)];

/// First, so that nothing unused keeps others from merging; and last.
const DEAD_CODE: &[Pass] = &[graph("dead_code", dead_code::remove)];

/// Runs the standard pipeline. The result is in [`Layout::Nhwc`](crate::ir::Layout::Nhwc), holds no
/// `BatchNorm` and no `Identity`, has activations fused where a producer can take them, and passes
/// [`Graph::check`].
///
/// What was taken out is listed in [`Graph::removed`]. A fused node keeps the name of its first
/// part; its output keeps the name of the last part's output. On an error the graph is unchanged.
pub fn run(graph: &mut Graph) -> Result<()> {
    let mut work = graph.clone();
    fold(&mut work)?;
    stable(&mut work, &[COMPOSE])?;
    once(&mut work, LAYOUT)?;
    stable(&mut work, &[SIMPLIFY, AFTER_LAYOUT])?;
    once(&mut work, DEAD_CODE)?;
    name_removed(&mut work);
    *graph = work;
    Ok(())
}

/// The part of the pipeline that leaves the order of axes as it is: layers are folded and activations fused.
pub fn fold(graph: &mut Graph) -> Result<()> {
    graph.check()?;
    let mut work = graph.clone();
    once(&mut work, DEAD_CODE)?;
    stable(&mut work, &[SIMPLIFY])?;
    stable(&mut work, &[LONE_BATCH_NORM])?;
    stable(&mut work, &[SIMPLIFY])?;
    once(&mut work, DEAD_CODE)?;
    *graph = work;
    Ok(())
}

/// Keeps the entries about nodes of the imported file, under the operator that the file names; what
/// import and passes put in themselves is no news when it goes.
fn name_removed(graph: &mut Graph) {
    let imported = &graph.imported;
    graph.removed.retain_mut(|removed| match imported.get(&removed.node) {
        Some(op) => {
            removed.op.clone_from(op);
            true
        }
        None => imported.is_empty(),
    });
}

fn stable(graph: &mut Graph, groups: &[&[Pass]]) -> Result<()> {
    // Every rule removes a node or moves one in a direction in which there is an end; this bound
    // only turns a mistake in a rule into an error.
    let most = 20 + graph.nodes.len();
    for _ in 0..most {
        let mut changed = false;
        for pass in groups.iter().flat_map(|g| g.iter()) {
            changed |= apply(graph, pass)?;
        }
        if !changed {
            return Ok(());
        }
    }
    Err(Error::internal("the passes do not come to an end"))
}

fn once(graph: &mut Graph, passes: &[Pass]) -> Result<()> {
    for pass in passes {
        apply(graph, pass)?;
    }
    Ok(())
}

/// Applies one pass everywhere and re-checks the graph. Says whether anything changed.
fn apply(graph: &mut Graph, pass: &Pass) -> Result<bool> {
    let changed = match pass.rule {
        Rule::Node(rule) => apply_everywhere(graph, rule, pass.name)?,
        Rule::Graph(rule) => {
            let new = rule(graph)?;
            let changed = new != *graph;
            *graph = new;
            changed
        }
    };
    if changed {
        graph.check().map_err(|e| blame(e, pass.name))?;
    }
    Ok(changed)
}

fn apply_everywhere(
    graph: &mut Graph,
    rule: fn(&View<'_>, usize) -> Result<Option<Patch>>,
    name: &str,
) -> Result<bool> {
    let mut changed = false;
    let mut budget = 100 + 10 * graph.nodes.len();
    let mut at = 0;
    while at < graph.nodes.len() {
        let patch = rule(&View::of(graph), at)?;
        match patch {
            None => at += 1,
            Some(patch) => {
                patch.apply(graph);
                changed = true;
                // What was put in may match again, from one node earlier on.
                at = at.saturating_sub(1);
                budget -= 1;
                if budget == 0 {
                    return Err(blame(Error::internal("it does not come to an end"), name));
                }
                if cfg!(debug_assertions) {
                    graph.check().map_err(|e| blame(e, name))?;
                }
            }
        }
    }
    Ok(changed)
}

fn blame(error: Error, pass: &str) -> Error {
    let cause = format!("after the pass {pass}: {}", error.cause);
    error.cause(cause)
}
