//! Tables in README files that are made from the code: compared, or rewritten when `MOTE_BLESS=1`.

use std::path::Path;

/// Whether expected files are to be rewritten.
pub(crate) fn bless() -> bool {
    std::env::var_os("MOTE_BLESS").is_some_and(|v| v == "1")
}

/// The text between `<!-- NAME -->` and `<!-- end of NAME -->` in the file is `expected`.
pub(crate) fn section(file: &Path, name: &str, expected: &str) {
    let text = std::fs::read_to_string(file).expect("the README can be read");
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let start = text.find(&open).expect("the opening mark is there") + open.len();
    let end = start + text[start..].find(&close).expect("the closing mark is there");
    if bless() {
        std::fs::write(file, format!("{}{expected}{}", &text[..start], &text[end..])).expect("writable");
        return;
    }
    assert!(
        &text[start..end] == expected,
        "the section `{name}` of {} is stale; `MOTE_BLESS=1 cargo test` rewrites it. Expected:\n{expected}",
        file.display()
    );
}
