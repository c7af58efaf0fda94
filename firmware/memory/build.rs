//! Build script of every image: the memory and the linker scripts of its board. They are given here rather than in
//! RUSTFLAGS, which would rebuild `core` for each set of flags.
//!
//! The board is the package's name, or that in `MOTE_BOARD` for a package that is built for several.

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-env-changed=MOTE_BOARD");
    println!("cargo:rerun-if-changed=../memory");
    let package = env::var("CARGO_PKG_NAME").expect("cargo sets the package's name");
    let board = env::var("MOTE_BOARD").unwrap_or(package);
    let (memory, scripts): (_, &[&str]) = match board.as_str() {
        "qemu-m7" => ("an500", &["link.x", "defmt.x"]),
        "qemu-m33" => ("an505", &["link.x", "defmt.x"]),
        "qemu-riscv" => ("virt", &["memory.x", "defmt.x"]),
        _ => ("an385", &["link.x", "defmt.x"]),
    };
    let here = Path::new("../memory").canonicalize().expect("firmware/memory lies beside the image's crate");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::copy(here.join(memory).with_extension("x"), Path::new(&out).join("memory.x")).expect("a memory map");
    println!("cargo:rustc-link-search={out}");
    println!("cargo:rustc-link-search={}", here.display());
    for script in scripts {
        println!("cargo:rustc-link-arg-bins=-T{script}");
    }
}
