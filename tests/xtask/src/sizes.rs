//! `cargo xtask sizes`: what each image weighs, and what the example model costs on its board.
//!
//! The text of an image is its code and constants. Part of it is the program around the runtime, which reads files
//! and measures; mote's own code is told by the names of its symbols.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use serde_json::{Value, json};

use crate::boards::Board;
use crate::example::{Cost, cost, model};
use crate::firmware::build;

/// The crates whose symbols count as mote's own.
const OWN: [&str; 3] = ["mote_format", "mote_kernels", "mote_runtime"];

/// What an image takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    /// Code and constants.
    text: u64,
    /// Statics in RAM.
    statics: u64,
    /// Code of the crates in [`OWN`], part of the text.
    own: u64,
}

/// Builds all images, measures them, prints.
pub(crate) fn run(json: bool) -> Result<()> {
    Board::ALL.iter().try_for_each(|&board| build(board))?;
    let model = model()?;
    let rows = Board::ALL.iter().map(|&board| Ok((board, size(&board.image())?, cost(&model, board)?)));
    let rows: Vec<_> = rows.collect::<Result<_>>()?;
    if json {
        let boards: Vec<Value> = rows.iter().map(|(board, size, cost)| object(*board, size, cost)).collect();
        println!("{}", json!({ "boards": boards }));
    } else {
        print!("{}", table(&rows));
    }
    Ok(())
}

fn object(board: Board, size: &Size, cost: &Cost) -> Value {
    json!({
        "board": board.name(),
        "text_bytes": size.text,
        "own_text_bytes": size.own,
        "static_bytes": size.statics,
        "isa": cost.isa,
        "instructions": cost.instructions,
        "arena_bytes": cost.arena_bytes,
        "stack_bytes": cost.stack_bytes,
    })
}

fn table(rows: &[(Board, Size, Cost)]) -> String {
    let mut text = format!(
        "{:8} {:8} {:>9} {:>9} {:>9} {:>14} {:>9} {:>9}\n",
        "board", "isa", "text", "of mote", "statics", "instructions", "arena", "stack"
    );
    for (board, size, cost) in rows {
        text += &format!(
            "{:8} {:8} {:>9} {:>9} {:>9} {:>14} {:>9} {:>9}\n",
            board.name(),
            cost.isa,
            size.text,
            size.own,
            size.statics,
            cost.instructions,
            cost.arena_bytes,
            cost.stack_bytes
        );
    }
    text + "text, statics: the image; instructions, arena, stack: one run of the example model\n"
}

/// Reads an image's size from its sections and symbols.
fn size(image: &Path) -> Result<Size> {
    let bytes = fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
    let file = object::File::parse(&*bytes)?;
    let mut size = Size { text: 0, statics: 0, own: 0 };
    for section in file.sections() {
        match section.kind() {
            SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => {
                size.text += section.size();
            }
            SectionKind::Data | SectionKind::UninitializedData => size.statics += section.size(),
            _ => {}
        }
    }
    let own = |name: &str| {
        let name = rustc_demangle::demangle(name).to_string();
        OWN.iter().any(|of| name.contains(of))
    };
    let code = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
    size.own = code.filter(|symbol| symbol.name().is_ok_and(own)).map(|symbol| symbol.size()).sum();
    Ok(size)
}
