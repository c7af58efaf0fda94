//! Build script of every image: the memory and the linker scripts of its board. They are given here rather than in
//! RUSTFLAGS, which would rebuild `core` for each set of flags.
//!
//! The board is the package's name, or that in `MOTE_BOARD` for a package that is built for several; those have no log.

use std::path::Path;
use std::{env, fs};

/// Writes what the linker of the package needs.
pub fn main() {
    println!("cargo:rerun-if-env-changed=MOTE_BOARD");
    println!("cargo:rerun-if-changed=../memory");
    let package = env::var("CARGO_PKG_NAME").expect("cargo sets the package's name");
    let chosen = env::var("MOTE_BOARD").ok();
    let log = chosen.is_none().then_some("defmt.x");
    let (memory, script) = match chosen.unwrap_or(package).as_str() {
        "qemu-m7" => ("an500", "link.x"),
        "qemu-m33" => ("an505", "link.x"),
        "qemu-riscv" => ("virt", "memory.x"),
        _ => ("an385", "link.x"),
    };
    let here = Path::new("../memory").canonicalize().expect("firmware/memory lies beside the image's crate");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::copy(here.join(memory).with_extension("x"), Path::new(&out).join("memory.x")).expect("a memory map");
    println!("cargo:rustc-link-search={out}");
    println!("cargo:rustc-link-search={}", here.display());
    for script in [script].into_iter().chain(log) {
        println!("cargo:rustc-link-arg-bins=-T{script}");
    }
}
