//! Documentation that is made from the code: compared, or rewritten when `MOTE_BLESS=1`.

#[path = "../../runtime/format/tests/common/readme.rs"]
mod readme;

use mote_converter::{import, tflite};
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
