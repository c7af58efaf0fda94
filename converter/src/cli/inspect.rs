//! `mote inspect`.

use super::Json;
use super::convert::lossless;
use super::text::{line, table, thousands};
use crate::error::Result;
use crate::model_file;
use crate::report::ModelReport;
use clap::Args;
use mote_runtime::Model;
use std::path::PathBuf;

/// Columns of the memory chart.
const WIDTH: usize = 64;

/// Arguments of `mote inspect`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mote inspect net.mote\n  mote inspect net.mote --json | jq .arena_bytes"
)]
pub(super) struct Inspect {
    /// The model
    model: PathBuf,
    #[command(flatten)]
    json: Json,
}

pub(super) fn main(args: &Inspect) -> Result<()> {
    let bytes = model_file::read(&args.model)?;
    let model = model_file::parse(&args.model, &bytes)?;
    let report = ModelReport::new(&model, &[]);
    if args.json.print(&report)? {
        return Ok(());
    }
    line(&format!(
        "{}: {} bytes, weights and tables {}, arena {}, {} MACs\n",
        report.name,
        thousands(report.model_bytes as u64),
        thousands(report.weight_bytes as u64),
        thousands(report.arena_bytes as u64),
        thousands(report.macs)
    ))?;
    if let Some(text) = lossless(&report) {
        line(&(text + "\n"))?;
    }
    line(&ends(&model))?;
    line(&operators(&report))?;
    line(&memory(&model))?;
    removed(&report)
}

/// Inputs and outputs.
fn ends(model: &Model<'_>) -> String {
    let row = |kind: &str, t: mote_runtime::TensorInfo| {
        let dims = t.shape.dims().iter().map(u32::to_string).collect::<Vec<_>>().join("x");
        let quant = format!("{:e}, zero {}", t.quant.scale, t.quant.zero);
        vec![kind.to_owned(), model.name(&t).to_owned(), dims, format!("{:?}", t.dtype).to_lowercase(), quant]
    };
    let inputs = model.inputs().map(|t| row("input", t));
    let rows: Vec<_> = inputs.chain(model.outputs().map(|t| row("output", t))).collect();
    table(&["", "<name", "<shape", "<type", "<scale"], &rows) + "\n"
}

fn operators(report: &ModelReport) -> String {
    let rows: Vec<_> = report
        .operators
        .iter()
        .enumerate()
        .map(|(i, o)| {
            let shape = o.shape.iter().map(u32::to_string).collect::<Vec<_>>().join("x");
            vec![
                i.to_string(),
                o.op.to_owned(),
                o.name.clone(),
                shape,
                format!("{:.3e}", o.scale),
                o.zero.to_string(),
                thousands(o.macs),
            ]
        })
        .collect();
    table(&["step", "<operator", "<output", "<shape", "scale", "zero", "MACs"], &rows) + "\n"
}

/// A row per step: the arena from its first to its last byte, each live tensor as the letter of the step that wrote it,
/// `#` for scratch.
fn memory(model: &Model<'_>) -> String {
    let format = model.format();
    let arena = model.arena_bytes().max(1);
    let letter = |id: u16| char::from(b"abcdefghijklmnopqrstuvwxyz"[usize::from(id) % 26]);
    let mut out =
        format!("memory: one column is {} bytes, # is scratch\n", thousands(arena.div_ceil(WIDTH) as u64));
    for step in format.steps() {
        let mut row = [' '; WIDTH];
        let mut live = step.scratch_len as usize;
        let mut paint = |range: std::ops::Range<usize>, with: char| {
            let columns = range.start * WIDTH / arena..(range.end * WIDTH).div_ceil(arena).min(WIDTH);
            row[columns].fill(with);
        };
        for id in 0..format.tensors() {
            let Some(t) = format.tensor(id).filter(|t| t.live_at(step.index + 1)) else { continue };
            paint(t.range(), if id == step.output { letter(id).to_ascii_uppercase() } else { letter(id) });
            live += t.bytes();
        }
        if step.scratch_len > 0 {
            paint(step.scratch_at as usize..(step.scratch_at + step.scratch_len) as usize, '#');
        }
        let bar: String = row.iter().collect();
        let name = format.tensor(step.output).map_or("", |t| format.tensor_name(&t));
        out += &format!(
            "{:>4} |{bar}| {:>9}  {} {name}\n",
            step.index,
            thousands(live as u64),
            letter(step.output).to_ascii_uppercase()
        );
    }
    out
}

fn removed(report: &ModelReport) -> Result<()> {
    if report.removed.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> =
        report.removed.iter().map(|r| vec![r.node.clone(), r.op.clone(), r.reason.clone()]).collect();
    line(&table(&["removed or smaller", "<operator", "<because"], &rows))
}
