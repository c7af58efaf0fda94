//! Takes what the image is made of from the environment:
//!
//! - `MOTE_BOARD`: the board, such as `qemu-m4`
//! - `MOTE_MODEL`: a `.mote` file
//! - `MOTE_BENCHMARK`: the model's name in the protocol, such as `kws01`
//! - `MOTE_FORM`: `compiled` (`include_model!`), `interpreted`, or `empty`, which is everything but a model

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use mote_format::{AlignedBytes, Model, WAYS};
use mote_kernels::ways;

#[path = "../memory/build.rs"]
#[allow(dead_code)]
mod memory;

/// The operators of the benchmark's four models, which the interpreter always has.
const SUITE: [&str; 7] =
    ["Add", "AvgPool2d", "Conv2d", "DepthwiseConv2d", "FullyConnected", "Reshape", "Softmax"];

const FORMS: [&str; 3] = ["compiled", "interpreted", "empty"];

fn main() {
    memory::main();
    asked("MOTE_BOARD");
    println!("cargo:rustc-env=MOTE_BENCHMARK={}", asked("MOTE_BENCHMARK"));
    let form = asked("MOTE_FORM");
    assert!(FORMS.contains(&form.as_str()), "MOTE_FORM={form}: there are {FORMS:?}");
    println!("cargo:rustc-check-cfg=cfg(compiled, interpreted, empty)");
    println!("cargo:rustc-cfg={form}");

    let path = asked("MOTE_MODEL");
    println!("cargo:rerun-if-changed={path}");
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("MOTE_MODEL={path}: {error}"));
    let bytes = AlignedBytes::new(&bytes);
    let model = Model::new_checked(&bytes).unwrap_or_else(|error| panic!("MOTE_MODEL={path}: {error}"));
    let names: BTreeSet<&str> = model.steps().map(|step| step.op.name()).chain(SUITE).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let out = Path::new(&out);
    fs::write(out.join("model.mote"), &*bytes).expect("OUT_DIR can be written");
    let more = ways::of_model(&model) & !ways::USUAL;
    let more: Vec<&str> =
        WAYS.iter().enumerate().filter(|(way, _)| more >> way & 1 == 1).map(|(_, &way)| way).collect();
    let operators = format!("mote_runtime::operators![{}; {}]", names.join(", "), more.join(", "));
    fs::write(out.join("operators.rs"), operators).expect("OUT_DIR can be written");
}

fn asked(name: &str) -> String {
    println!("cargo:rerun-if-env-changed={name}");
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set; `cargo xtask mlperf` sets it"))
}
