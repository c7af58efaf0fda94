//! Documentation that is made from the code: compared, or rewritten when `MOTE_BLESS=1`.

#[path = "../../runtime/format/tests/common/readme.rs"]
mod readme;

use mote_converter::{import, tflite};
use serde_json::Value;
use std::path::Path;

#[test]
fn the_table_of_onnx_operators_is_up_to_date() {
    let rows: String =
        import::supported().iter().map(|(name, note)| format!("| {name} | {note} |\n")).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operators.md");
    readme::section(&file, "operators", &format!("\n| operator | limits |\n|---|---|\n{rows}\n"));
}

#[test]
fn the_table_of_tflite_operators_is_up_to_date() {
    let row = |[name, rounding, note]: [&str; 3]| format!("| {name} | {rounding} | {note} |\n");
    let rows: String = tflite::supported().into_iter().map(row).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tflite.md");
    readme::section(
        &file,
        "operators",
        &format!("\n| operator | rounding | limits |\n|---|---|---|\n{rows}\n"),
    );
}

#[test]
fn the_list_of_operators_on_uint8_is_up_to_date() {
    let names: Vec<&str> = tflite::unsigned().collect();
    assert!(names.is_sorted());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tflite.md");
    readme::section(&file, "uint8", &format!("{}.\n", names.join(", ")));
}

#[test]
fn the_table_of_operators_on_int16_is_up_to_date() {
    let row = |[name, rounding, note]: [&str; 3]| format!("| {name} | {rounding} | {note} |\n");
    let rows: String = tflite::words().map(row).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tflite.md");
    readme::section(&file, "int16", &format!("\n| operator | rounding | limits |\n|---|---|---|\n{rows}\n"));
}

#[test]
fn the_table_of_quantized_onnx_operators_is_up_to_date() {
    let row = |[name, float, note]: [&str; 3]| format!("| {name} | {float} | {note} |\n");
    let rows: String = import::supported_quantized().into_iter().map(row).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/onnx-int8.md");
    readme::section(
        &file,
        "operators",
        &format!("\n| operator | as | against ONNX Runtime |\n|---|---|---|\n{rows}\n"),
    );
}

#[test]
fn the_list_of_float_operators_is_up_to_date() {
    let names: Vec<&str> = tflite::float_operators().collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tflite.md");
    readme::section(&file, "float", &format!("{}.\n", names.join(", ")));
}

/// mote's instructions on Cortex-M, from the budgets, beside those of others, which the table itself keeps.
#[test]
fn the_instructions_on_cortex_m_are_those_of_the_budgets() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = here.join("../docs/benchmarks.md");
    let text = std::fs::read_to_string(&file).expect("the document can be read");
    let sizes = std::fs::read_to_string(here.join("sizes.json")).expect("the budgets can be read");
    let sizes: Value = serde_json::from_str(&sizes).expect("the budgets are JSON");
    let millions = |board: &str, model: &str| {
        let of = |image: &&Value| {
            image["board"] == board && image["model"] == model && image["form"] == "compiled"
        };
        let image = sizes["images"].as_array().and_then(|all| all.iter().find(of)).expect("a budget");
        image["instructions"].as_f64().expect("instructions") / 1e6
    };
    let names = ["keyword spotting", "image classification", "visual wake words", "anomaly detection"];
    let mut table = format!("| millions | {} |\n|---|---|---|---|---|\n", names.join(" | "));
    for (core, board) in [("Cortex-M4", "qemu-m4"), ("ARMv6-M code", "qemu-m0")] {
        let name = format!("| {core}, CMSIS-NN | ");
        let peer = text.lines().find(|line| line.starts_with(&name)).expect("a row of CMSIS-NN's");
        let others = peer[name.len()..].split(" | ").map(|cell| cell.trim_end_matches(" |"));
        let others = others.map(|cell| cell.parse::<f64>().expect("a number of millions"));
        let mote = ["kws01", "ic01", "vww01", "ad01"].map(|model| millions(board, model));
        let cells = mote.map(|m| format!("{m:.*}", if m < 2.0 { 3 } else { 2 }));
        let ratios: Vec<_> = others.zip(mote).map(|(other, m)| format!("{:.2}", m / other)).collect();
        assert_eq!(ratios.len(), names.len(), "{peer}");
        table += &format!(
            "{peer}\n| {core}, mote | {} |\n| ratio | {} |\n",
            cells.join(" | "),
            ratios.join(" | ")
        );
    }
    readme::section(&file, "cortex-m", &table);
}
