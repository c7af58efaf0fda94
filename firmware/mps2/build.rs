//! Build script of every image for an MPS2 board: its memory and its linker scripts. They are given here
//! rather than in RUSTFLAGS, which would rebuild `core` for each set of flags.

use std::path::Path;

fn main() {
    let here = Path::new("../mps2").canonicalize().expect("firmware/mps2 lies beside the board's crate");
    println!("cargo:rustc-link-search={}", here.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    println!("cargo:rerun-if-changed=../mps2");
}
