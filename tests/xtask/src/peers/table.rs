//! Times as tables: for people, for programs, and in the documentation.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::Row;
use super::engine::Engine;
use crate::shell::root;

/// Around the tables in the documentation.
const MARKS: [&str; 2] = ["<!-- peers -->\n", "<!-- end of peers -->\n"];

impl Row {
    fn mote(&self) -> Option<u64> {
        self.times[0]
    }

    /// The shortest time among the others.
    fn best_peer(&self) -> Option<u64> {
        self.times[1..].iter().flatten().min().copied()
    }

    /// mote's time as a part of the best peer's.
    fn ratio(&self) -> Option<f64> {
        Some(self.mote()? as f64 / self.best_peer()? as f64)
    }
}

/// One instruction set as JSON.
pub(super) fn json(isa: &str, rows: &[Row], versions: &[String]) -> Value {
    let networks = rows.iter().map(|row| {
        let times = Engine::ALL.iter().zip(&row.times).filter_map(|(e, t)| Some((e.name(), (*t)?)));
        let times: Map<String, Value> = times.map(|(name, ns)| (name.into(), json!(ns))).collect();
        json!({ "network": row.network, "macs": row.macs, "min_ns": times, "ratio": row.ratio() })
    });
    let versions: Map<String, Value> =
        Engine::ALL.iter().zip(versions).map(|(e, v)| (e.name().into(), json!(v))).collect();
    json!({ "isa": isa, "versions": versions, "networks": networks.collect::<Vec<_>>() })
}

/// One instruction set as a table of Markdown: engines by networks, and mote's part of the best peer's time.
pub(super) fn markdown(isa: &str, rows: &[Row], versions: &[String]) -> String {
    let line =
        |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let head = [format!("{isa}: GMAC/s (µs)")].into_iter();
    let mut text = line(&mut head.chain(rows.iter().map(|row| row.network.clone())));
    text += &format!("|---|{}\n", "--:|".repeat(rows.len()));
    for (at, engine) in Engine::ALL.iter().enumerate() {
        if rows.iter().all(|row| row.times[at].is_none()) {
            continue;
        }
        let name = [format!("{} {}", engine.name(), versions[at])].into_iter();
        text += &line(&mut name.chain(rows.iter().map(|row| cell(row, at))));
    }
    let ratio = |row: &Row| row.ratio().map_or("–".into(), |ratio| format!("{ratio:.2}"));
    text + &line(&mut ["mote / best peer".to_owned()].into_iter().chain(rows.iter().map(ratio)))
}

/// Speed and time of an engine; the best peer's are bold.
fn cell(row: &Row, at: usize) -> String {
    let Some(ns) = row.times[at] else { return "–".into() };
    let micros = ns as f64 / 1e3;
    let text = format!("{:.0} ({micros:.*})", row.macs as f64 / ns as f64, usize::from(micros < 100.0));
    if at > 0 && row.best_peer() == Some(ns) { format!("**{text}**") } else { text }
}

/// Puts the tables into docs/benchmarks.md.
pub(super) fn write(tables: &str) -> Result<()> {
    let path = root().join("docs/benchmarks.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(MARKS[0]).context("docs/benchmarks.md has no place for tables")?;
    let (_, behind) = rest.split_once(MARKS[1]).context("the place in docs/benchmarks.md has no end")?;
    Ok(std::fs::write(path, format!("{before}{}{tables}{}{behind}", MARKS[0], MARKS[1]))?)
}
