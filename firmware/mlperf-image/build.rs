//! Takes what the image is made of from the environment: `MOTE_BOARD`, `MOTE_MODEL` (a `.mote` file) and
//! `MOTE_BENCHMARK` (the model's name in the protocol, such as `kws01`).

use std::path::Path;
use std::{env, fs};

#[path = "../memory/build.rs"]
#[allow(dead_code)]
mod memory;

fn main() {
    memory::main();
    let model = asked("MOTE_MODEL");
    println!("cargo:rerun-if-changed={model}");
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let copied = fs::copy(&model, Path::new(&out).join("model.mote"));
    copied.unwrap_or_else(|error| panic!("MOTE_MODEL={model}: {error}"));
    println!("cargo:rustc-env=MOTE_BENCHMARK={}", asked("MOTE_BENCHMARK"));
    asked("MOTE_BOARD");
}

fn asked(name: &str) -> String {
    println!("cargo:rerun-if-env-changed={name}");
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set; `cargo xtask mlperf` sets it"))
}
