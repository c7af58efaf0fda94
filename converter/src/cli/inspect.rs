//! `mote inspect`.

use super::Json;
use super::convert::{lossless, proof, regions};
use super::text::{line, table, thousands};
use crate::error::Result;
use crate::model_file;
use crate::report::ModelReport;
use crate::timeline::{Timeline, Use};
use clap::Args;
use mote_format::WAYS;
use mote_kernels::ways;
use mote_runtime::Model;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Columns of the memory chart.
const WIDTH: usize = 64;

/// Arguments of `mote inspect`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mote inspect net.mote\n  mote inspect net.mote --html memory.html\n  mote inspect net.mote --json | jq .arena_bytes"
)]
pub(super) struct Inspect {
    /// The model
    model: PathBuf,
    /// Also draw what every byte of the arena holds at every time, as a page for a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    json: Json,
}

pub(super) fn main(args: &Inspect) -> Result<()> {
    let bytes = model_file::read(&args.model)?;
    let model = model_file::parse(&args.model, &bytes)?;
    let report = ModelReport::new(&model, &[]);
    let timeline = Timeline::new(&model);
    if let Some(path) = &args.html {
        model_file::write(path, timeline.html(&report.name).as_bytes())?;
    }
    if args.json.print(&report)? {
        return Ok(());
    }
    line(&format!(
        "{}: {} bytes, weights and tables {}, arena {}{}, {} MACs\n",
        report.name,
        thousands(report.model_bytes as u64),
        thousands(report.weight_bytes as u64),
        thousands(report.arena_bytes as u64),
        match report.state_bytes {
            0 => String::new(),
            bytes => format!(" (of these {} states)", thousands(bytes as u64)),
        },
        thousands(report.macs)
    ))?;
    if let Some(text) = proof(&report) {
        line(&format!("arena: {text}"))?;
    }
    if let Some(text) = regions(&report) {
        line(&text)?;
    }
    if let Some(text) = lossless(&report) {
        line(&(text + "\n"))?;
    }
    line(&ends(&model))?;
    line(&operators(&report))?;
    line(&linked(&model))?;
    line(&memory(&timeline))?;
    removed(&report)
}

/// Inputs, states and outputs.
fn ends(model: &Model<'_>) -> String {
    let row = |kind: &str, t: mote_runtime::TensorInfo| {
        let dims = t.shape.dims().iter().map(u32::to_string).collect::<Vec<_>>().join("x");
        let quant = format!("{:e}, zero {}", t.quant.scale, t.quant.zero);
        vec![kind.to_owned(), model.name(&t).to_owned(), dims, format!("{:?}", t.dtype).to_lowercase(), quant]
    };
    let inputs = model.inputs().map(|t| row("input", t));
    let states =
        model.format().states().filter_map(|s| model.format().tensor(s.tensor)).map(|t| row("state", t));
    let rows: Vec<_> = inputs.chain(states).chain(model.outputs().map(|t| row("output", t))).collect();
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
                o.weights.unwrap_or("-").to_owned(),
                format!("{:.3e}", o.scale),
                o.zero.to_string(),
                thousands(o.macs),
            ]
        })
        .collect();
    table(&["step", "<operator", "<output", "<shape", "<weights", "scale", "zero", "MACs"], &rows) + "\n"
}

/// What an interpreter for this model links.
fn linked(model: &Model<'_>) -> String {
    let model = model.format();
    let names: BTreeSet<&str> = model.steps().map(|step| step.op.name()).collect();
    let more = ways::of_model(model) & !ways::USUAL;
    let more: Vec<&str> =
        (0..).zip(WAYS).filter(|(way, _)| more >> way & 1 == 1).map(|(_, name)| name).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    let more = if more.is_empty() { String::new() } else { format!("; {}", more.join(", ")) };
    format!("interpreted by operators![{names}{more}]\n")
}

/// A row per step: the arena from its first to its last byte, each live tensor as the letter of the step that wrote it,
/// `#` for scratch, `¦` where another region begins.
fn memory(timeline: &Timeline) -> String {
    let arena = timeline.arena.max(1);
    let letter = |id: u16| char::from(b"abcdefghijklmnopqrstuvwxyz"[usize::from(id) % 26]);
    let mut out = format!(
        "memory: one column is {} bytes, # is scratch; at most {} bytes are in use at one time, {} are lost to packing\n",
        thousands(arena.div_ceil(WIDTH) as u64),
        thousands(timeline.most_used() as u64),
        thousands((timeline.arena - timeline.most_used()) as u64)
    );
    let outputs = timeline.spans.iter().filter(|s| s.usage == Use::Output);
    for (k, written) in outputs.enumerate() {
        let mut row = [' '; WIDTH];
        for span in timeline.at(k + 1) {
            let columns =
                span.bytes.start * WIDTH / arena..(span.bytes.end * WIDTH).div_ceil(arena).min(WIDTH);
            let with = span.tensor.map_or('#', letter);
            row[columns].fill(if span == written { with.to_ascii_uppercase() } else { with });
        }
        for (_, region) in timeline.regions.iter().skip(1) {
            let border = &mut row[(region.start * WIDTH / arena).min(WIDTH - 1)];
            if *border == ' ' {
                *border = '¦';
            }
        }
        let bar: String = row.iter().collect();
        out += &format!(
            "{k:>4} |{bar}| {:>9}  {} {}{}{}\n",
            thousands(timeline.used(k + 1) as u64),
            written.tensor.map_or('#', letter).to_ascii_uppercase(),
            written.name,
            if written.note.is_empty() { "" } else { ": " },
            written.note
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
