//! Documentation that is made from the code: compared, or rewritten when `MOTE_BLESS=1`.

#[path = "../../runtime/format/tests/common/readme.rs"]
mod readme;

use mote_converter::import::supported;
use std::path::Path;

#[test]
fn the_table_of_onnx_operators_is_up_to_date() {
    let rows: String = supported().iter().map(|(name, note)| format!("| {name} | {note} |\n")).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operators.md");
    readme::section(&file, "operators", &format!("\n| operator | limits |\n|---|---|\n{rows}\n"));
}
