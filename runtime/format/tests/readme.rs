//! The operator table of this crate's README is the one in the code.

mod common;

use std::fmt::Write;
use std::path::Path;

use mote_format::OPERATOR_TABLE;

#[test]
fn operator_table() {
    let steps = common::steps();
    let mut table = String::from("| Code | Operator | Inputs | In place | Parameters | Computes |\n");
    table.push_str("|--:|---|---|---|---|---|\n");
    for row in OPERATOR_TABLE {
        let (few, most) = row.arity;
        let inputs = if few == most { few.to_string() } else { format!("{few}–{most}") };
        let parameters: Vec<String> =
            row.parameters.iter().map(|(name, ty)| format!("`{name}: {}`", ty.replace(' ', ""))).collect();
        let parameters = if parameters.is_empty() { "—".into() } else { parameters.join(", ") };
        let (code, name, doc) = (row.code, row.name, row.doc.trim());
        let doc = doc.split_whitespace().collect::<Vec<_>>().join(" ");
        let step = steps.iter().find(|s| s.op.code() == code).expect("the models use every operator");
        let in_place = if step.op.in_place() { "yes" } else { "" };
        writeln!(table, "| {code} | {name} | {inputs} | {in_place} | {parameters} | {doc} |")
            .expect("memory");
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    common::readme::section(&readme, "operators", &table);
}
