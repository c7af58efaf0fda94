//! What each image may take: `tests/sizes.json`, written by `cargo xtask sizes --bless`. Whatever grows by more than two
//! percent is an error. Another compiler makes other code, so that only the one that the file names is held to it.
//!
//! The tables of the documents are made of the same file, at the same time.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::boards::Board;
use crate::shell::root;
use crate::sizes::{COLUMNS, Row};
use crate::toolchain::Toolchain;

fn file() -> PathBuf {
    root().join("tests/sizes.json")
}

/// The compiler that makes the images, as it names itself.
fn compiler() -> Result<String> {
    Toolchain::of(Board::ALL[0].target())?.version()
}

/// Takes `rows` as budgets; those of images that were not measured stay.
pub(crate) fn write(rows: &[Row]) -> Result<()> {
    let kept = read().map(|(_, images)| images).unwrap_or_default();
    let mut images: Vec<Value> =
        kept.into_iter().filter(|old| !rows.iter().any(|row| same(row, old))).collect();
    images.extend(rows.iter().map(Row::json));
    images.sort_by_key(|image| ["model", "form", "board"].map(|key| image[key].to_string()));
    let lines: Vec<String> = images.iter().map(|image| format!("    {image}")).collect();
    let text = format!(
        "{{\n  \"compiler\": {},\n  \"images\": [\n{}\n  ]\n}}\n",
        json!(compiler()?),
        lines.join(",\n")
    );
    fs::write(file(), text).context("cannot write tests/sizes.json")?;
    for (document, of) in DOCUMENTS {
        let path = root().join(document);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {document}"))?;
        fs::write(&path, with_table(&text, &images, of)?)?;
    }
    Ok(())
}

/// Which images a document has a table of.
type Choice = fn(&Value) -> bool;

const DOCUMENTS: [(&str, Choice); 2] = [
    ("README.md", |image| image["model"] == "fashion" && image["form"] == "compiled"),
    ("docs/mlperf-tiny.md", |_| true),
];

/// A document with its table as `images` have it, between two marks.
fn with_table(document: &str, images: &[Value], of: Choice) -> Result<String> {
    const MARKS: [&str; 2] =
        ["<!-- sizes: written by cargo xtask sizes --bless -->\n", "<!-- end of sizes -->"];
    let (before, rest) =
        document.split_once(MARKS[0]).context("a document has lost the mark of its table")?;
    let (_, after) = rest.split_once(MARKS[1]).context("a document has lost the end of its table")?;
    let heads = ["model", "form", "board"].into_iter().chain(COLUMNS);
    let mut table = format!("| {} |\n", heads.clone().collect::<Vec<_>>().join(" | "));
    table += &format!("|{}\n", "---|".repeat(heads.clone().count()));
    for image in images.iter().filter(|image| of(image)) {
        let cells = heads.clone().map(|head| match &image[head] {
            Value::String(text) => text.clone(),
            number => grouped(number.as_u64().unwrap_or(0)),
        });
        table += &format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    }
    Ok([before, MARKS[0], &table, MARKS[1], after].concat())
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let start = digits.len() % 3;
    let groups = (0..digits.len().div_ceil(3)).map(|at| {
        let end = if start == 0 { at * 3 + 3 } else { at * 3 + start };
        &digits[end.saturating_sub(3)..end]
    });
    groups.collect::<Vec<_>>().join(",")
}

/// The compiler that the budgets are for, and the budgets.
fn read() -> Result<(String, Vec<Value>)> {
    let text = fs::read_to_string(file()).context("cannot read tests/sizes.json")?;
    let value: Value = serde_json::from_str(&text).context("tests/sizes.json is no JSON")?;
    let compiler = value["compiler"].as_str().context("tests/sizes.json names no compiler")?;
    let images = value["images"].as_array().context("tests/sizes.json has no images")?;
    Ok((compiler.into(), images.clone()))
}

fn same(row: &Row, budget: &Value) -> bool {
    [("model", &row.model), ("board", &row.board), ("form", &row.form)]
        .iter()
        .all(|(key, is)| budget[key] == **is)
}

/// Compares `rows` with their budgets.
pub(crate) fn check(rows: &[Row]) -> Result<()> {
    const BLESS: &str = "if that is meant: cargo xtask sizes --bless";
    let (of, budgets) = read()?;
    let compiler = compiler()?;
    if of != compiler {
        eprintln!("xtask: sizes are not compared: the budgets are for {of}, and this is {compiler}");
        return Ok(());
    }
    let judged: Vec<_> = rows.iter().flat_map(|row| judge(row, &budgets)).collect();
    let (grown, smaller): (Vec<_>, Vec<_>) = judged.into_iter().partition(|(_, grown)| *grown);
    let lines =
        |of: Vec<(String, bool)>| of.into_iter().map(|(text, _)| text).collect::<Vec<_>>().join("\n  ");
    if !smaller.is_empty() {
        eprintln!("xtask: smaller than their budgets ({BLESS}):\n  {}", lines(smaller));
    }
    if grown.is_empty() { Ok(()) } else { bail!("sizes exceed their budgets; {BLESS}\n  {}", lines(grown)) }
}

/// What is to be said of an image, and whether it is an error: a value more than two percent above or below its budget.
fn judge(row: &Row, budgets: &[Value]) -> Vec<(String, bool)> {
    let name = format!("{} {} on {}", row.model, row.form, row.board);
    let Some(budget) = budgets.iter().find(|budget| same(row, budget)) else {
        return vec![(format!("{name}: has no budget"), true)];
    };
    let columns = COLUMNS.iter().zip(row.values);
    let told = columns.filter_map(|(column, value)| {
        let allowed = budget[column].as_u64().unwrap_or(0);
        let text = format!("{name}: {column} {value}, budget {allowed}");
        let (value, allowed) = (u128::from(value) * 100, u128::from(allowed));
        let differs = value > allowed * 102 || value < allowed * 98;
        differs.then_some((text, value > allowed * 100))
    });
    told.collect()
}

impl Toolchain {
    /// The compiler's name of itself.
    pub(crate) fn version(&self) -> Result<String> {
        let mut rustc = match self {
            Self::Active => Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into())),
            Self::BuildStd(bin) => {
                let mut rustc = Command::new(bin.join("rustc"));
                rustc.env_remove("RUSTUP_TOOLCHAIN").env_remove("LD_LIBRARY_PATH");
                rustc
            }
        };
        crate::shell::output(rustc.arg("--version")).context("rustc does not tell its version")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: [u64; COLUMNS.len()]) -> Row {
        Row { model: "net".into(), board: "qemu-m4".into(), form: "compiled".into(), values }
    }

    fn judged(values: [u64; COLUMNS.len()]) -> Vec<(String, bool)> {
        let budget = row([1000, 0, 4, 50, 51, 100, 1, 999, 3_000_000]);
        judge(&row(values), &[json!({ "model": "other" }), budget.json()])
    }

    #[test]
    fn two_percent_more_are_allowed() {
        assert_eq!(judged([1000, 0, 4, 50, 51, 100, 1, 999, 3_000_000]), []);
        assert_eq!(judged([1020, 0, 4, 51, 52, 102, 1, 1000, 3_060_000]), []);
        assert_eq!(judged([980, 0, 4, 49, 50, 98, 1, 990, 2_940_000]), []);
    }

    #[test]
    fn more_is_an_error_and_less_is_told() {
        let grown = judged([1021, 1, 5, 52, 53, 103, 2, 1020, 3_060_001]);
        assert_eq!(grown.len(), COLUMNS.len());
        assert!(grown.iter().all(|(_, error)| *error), "{grown:?}");
        assert_eq!(grown[0].0, "net compiled on qemu-m4: text 1021, budget 1000");
        let smaller = judged([979, 0, 4, 50, 51, 100, 0, 999, 3_000_000]);
        assert_eq!(smaller.iter().map(|(_, error)| *error).collect::<Vec<_>>(), [false, false]);
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (27802343, "27,802,343"), (123456, "123,456")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn the_documents_show_the_budgets() {
        let (_, images) = read().unwrap();
        for (document, of) in DOCUMENTS {
            let text = fs::read_to_string(root().join(document)).unwrap();
            assert_eq!(
                with_table(&text, &images, of).unwrap(),
                text,
                "{document}: cargo xtask sizes --bless"
            );
        }
    }

    #[test]
    fn an_image_without_a_budget_is_an_error() {
        let unknown = Row { board: "qemu-m9".into(), ..row([0; COLUMNS.len()]) };
        assert!(judge(&unknown, &[row([0; COLUMNS.len()]).json()])[0].1);
    }
}
