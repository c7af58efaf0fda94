//! Makes a quantized program smaller without changing a bit of what it returns.
//!
//! ```text
//! program ─ ranges.rs ─▶ interval of every channel ─ keep.rs ─▶ channels that matter ─ shrink.rs ─▶ smaller program
//!         ─ ranges.rs ─▶ interval of every channel ─ steps.rs ▶ without steps that change nothing
//! ```
//!
//! A channel whose interval is one value is constant: what it adds to the layers behind it goes into their biases. One
//! that no layer gives weight to is dead. Both go, through everything that keeps channels apart. `docs/lossless.md`
//! tells it to users; `explain.rs` says for one model what went and why.

mod explain;
mod flow;
mod interval;
mod keep;
mod layer;
mod palette;
mod ranges;
mod rebuild;
mod shrink;
mod steps;

use crate::error::Result;
use crate::ir::Removed;
use crate::program::Program;

pub use palette::with_palettes;

/// The program with the same outputs for every input and as little as possible to compute, and what has been removed.
pub fn optimise(program: &Program) -> Result<(Program, Vec<Removed>)> {
    let ranges = ranges::ranges(program)?;
    let flows: Vec<_> = (0..program.steps.len()).map(|k| flow::Flow::of(program, k)).collect();
    let keep = keep::Keep::of(program, &flows, &ranges);
    let mut removed = explain::explain(program, &flows, &ranges, &keep);
    let program = shrink::shrink(program, &flows, &ranges, &keep)?;
    let (program, redundant) = steps::drop_redundant(&program, &ranges::ranges(&program)?)?;
    removed.extend(redundant);
    Ok((program, removed))
}
