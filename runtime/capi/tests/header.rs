//! The header that C programs include is the one that the library's source says.

use std::fs;
use std::path::Path;

#[test]
fn the_header_is_that_of_the_source() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(here.join("cbindgen.toml")).expect("a configuration");
    let bindings = cbindgen::Builder::new().with_src(here.join("src/ffi.rs")).with_config(config).generate();
    let mut text = Vec::new();
    bindings.expect("the source is read").write(&mut text);
    let header = here.join("include/mote.h");
    if std::env::var_os("MOTE_BLESS").is_some() {
        fs::write(&header, &text).expect("the header can be written");
    }
    let there = fs::read_to_string(&header).unwrap_or_default();
    assert_eq!(there, String::from_utf8(text).expect("text"), "MOTE_BLESS=1 writes it anew");
}
