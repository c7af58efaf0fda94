//! `cargo xtask sizes`: what an image weighs and what an inference costs on its board, for the example and for MLPerf
//! Tiny's models, each held against its budget.
//!
//! The images are those behind the benchmark's serial protocol. What is mote's of an image is what it has more than the
//! same image without a network: code, tables, and what either needs of Rust's libraries.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};
use serde_json::{Map, Value, json};

use crate::boards::Board;
use crate::budget;
use crate::mlperf::{Form, Image, command};
use crate::models::{Model, example, suite};

/// What `cargo xtask sizes` is asked.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Every model on every board, rather than the example on all and the others on the first
    #[arg(long)]
    all: bool,
    /// Take what was measured as the budget
    #[arg(long)]
    bless: bool,
}

/// One image, and one inference on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) model: String,
    pub(crate) board: String,
    pub(crate) form: String,
    /// Values in the order of [`COLUMNS`].
    pub(crate) values: [u64; COLUMNS.len()],
}

/// What is measured of an image: all its code and constants; what of that is the model's constants (or its file), and
/// mote's; RAM for activations and scratch, the largest scratch within it, the peak of the stack, statics beside the
/// arena; all of this RAM; executed instructions of an inference.
pub(crate) const COLUMNS: [&str; 9] =
    ["text", "weights", "mote", "arena", "scratch", "stack", "statics", "ram", "instructions"];

impl Row {
    /// As an object of JSON.
    pub(crate) fn json(&self) -> Value {
        let mut object = Map::new();
        for (key, text) in [("model", &self.model), ("board", &self.board), ("form", &self.form)] {
            object.insert(key.into(), json!(text));
        }
        object.extend(COLUMNS.iter().zip(self.values).map(|(key, value)| ((*key).into(), json!(value))));
        object.into()
    }
}

/// Measures, prints, compares with the budgets or makes them anew.
pub(crate) fn run(options: Options) -> Result<()> {
    let rows = measure(options.all)?;
    if options.json {
        println!("{}", json!({ "images": rows.iter().map(Row::json).collect::<Vec<_>>() }));
    } else {
        print!("{}", table(&rows));
    }
    if options.bless { budget::write(&rows) } else { budget::check(&rows) }
}

/// The images that are measured.
fn images(all: bool) -> Result<Vec<(Model, Board, Form)>> {
    let first = Board::ALL[0];
    let mut images = Vec::new();
    for (at, model) in [example()?].into_iter().chain(suite()?).enumerate() {
        let boards = if all || at == 0 { Board::ALL } else { &[first] };
        images.extend(boards.iter().map(|board| (model.clone(), *board, Form::Compiled)));
        images.push((model, first, Form::Interpreted));
    }
    Ok(images)
}

fn measure(all: bool) -> Result<Vec<Row>> {
    let images = images(all)?;
    let mut empty = Vec::new();
    for board in Board::ALL {
        if let Some((model, ..)) = images.iter().find(|(_, of, _)| of == board) {
            empty.push((*board, build(model, *board, Form::Empty)?.0.text));
        }
    }
    let mut rows = Vec::new();
    for (model, board, form) in &images {
        let (size, path) = build(model, *board, *form)?;
        let [instructions, stack] = cost(*board, &path)?;
        let weights = if *form == Form::Compiled { model.weights } else { model.bytes };
        let without = empty.iter().find(|(of, _)| of == board).map_or(0, |(_, text)| *text);
        let mote = size.text.saturating_sub(weights + without);
        let ram = model.arena + stack + size.statics;
        rows.push(Row {
            model: model.name.clone(),
            board: board.name().into(),
            form: form.name().into(),
            values: [
                size.text,
                weights,
                mote,
                model.arena,
                model.scratch,
                stack,
                size.statics,
                ram,
                instructions,
            ],
        });
    }
    Ok(rows)
}

fn build(model: &Model, board: Board, form: Form) -> Result<(Size, std::path::PathBuf)> {
    let image = Image { board, model: model.path.clone(), benchmark: model.name.clone(), form };
    let path = image.build()?;
    Ok((size(&path)?, path))
}

/// What an image takes, in bytes.
struct Size {
    /// Code, constants and the first values of statics.
    text: u64,
    /// Statics in RAM, but for the arena.
    statics: u64,
}

/// Reads an image's size from its sections and symbols.
fn size(image: &Path) -> Result<Size> {
    let bytes = fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
    let file = object::File::parse(&*bytes)?;
    let mut size = Size { text: 0, statics: 0 };
    for section in file.sections() {
        match section.kind() {
            SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => {
                size.text += section.size();
            }
            SectionKind::Data => {
                size.text += section.size();
                size.statics += section.size();
            }
            SectionKind::UninitializedData => size.statics += section.size(),
            _ => {}
        }
    }
    let arena = file.symbols().find(|symbol| symbol.name().is_ok_and(|name| name.contains("5ARENA")));
    size.statics -= arena.map_or(0, |symbol| symbol.size());
    Ok(size)
}

/// Asks a running image for the instructions and the stack of an inference.
fn cost(board: Board, image: &Path) -> Result<[u64; 2]> {
    // With QEMU's monitor on the same wire, which can end it.
    const END: &str = "\x01x";
    let mut run = command(board, image, "mon:stdio");
    let mut child =
        run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start the emulator")?;
    let (to, from) = (child.stdin.take(), child.stdout.take());
    let (mut to, from) = (to.context("no pipe")?, from.context("no pipe")?);
    let mut lines = BufReader::new(from).lines().map_while(Result::ok);
    let greeted = lines.any(|line| line.trim_end() == "m-ready");
    ensure!(greeted, "{} does not start", image.display());
    write!(to, "cost%")?;
    let answer = lines.find_map(|line| line.trim_end().strip_prefix("m-cost-[").map(str::to_owned));
    write!(to, "{END}")?;
    child.wait()?;
    let answer = answer.with_context(|| format!("{} told no cost", image.display()))?;
    let numbers: Vec<u64> = answer.trim_end_matches(']').split(',').map_while(|n| n.parse().ok()).collect();
    match numbers[..] {
        [instructions, stack] => Ok([instructions, stack]),
        _ => bail!("{} told its cost as {answer}", image.display()),
    }
}

fn table(rows: &[Row]) -> String {
    let widths = [8, 8, 7, 8, 8, 6, 8, 7, 13];
    let mut text = format!("{:8} {:10} {:11}", "model", "board", "form");
    for (column, width) in COLUMNS.iter().zip(widths) {
        text += &format!(" {column:>width$}");
    }
    for row in rows {
        text += &format!("\n{:8} {:10} {:11}", row.model, row.board, row.form);
        for (value, width) in row.values.iter().zip(widths) {
            text += &format!(" {value:>width$}");
        }
    }
    text + "\ntext: all code and constants; weights: the model's part of it; mote: what else it has more than an image\n\
           without a network. ram: arena, which holds the scratch, stack and statics. bytes; instructions of an inference\n"
}
