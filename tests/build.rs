//! Makes the models that tests include while they are compiled.

use std::path::Path;
use std::{env, fs};

use mote_format::*;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let mut model = tiny();
    let write = |name: &str, model: &ModelWriter| {
        fs::write(Path::new(&out).join(name), &*model.finish()).expect("OUT_DIR can be written");
    };
    write("tiny.mote", &model);
    let region = |name: &str, end| RegionSpec { name: name.into(), moved: 0, cost: 1, end };
    model.regions = vec![region("fast", 64), region("slow", model.arena)];
    write("regions.mote", &model);
}

/// Eight reals to four classes, their scores and the best of them.
fn tiny() -> ModelWriter {
    let tensor = |name: &str, dtype, dims: &[u32], offset| TensorSpec {
        name: name.into(),
        dtype,
        dims: dims.to_vec(),
        quant: Quant { scale: 0.25, zero: 3 },
        offset,
    };
    let mut model = ModelWriter::default();
    model.name = "tiny".into();
    model.arena = 144;
    let words = |v: [i32; 4]| v.map(i32::to_le_bytes).concat();
    let weights: Vec<u8> = (0..32).map(|i| (i * 37 % 256) as u8).collect();
    let dense = FullyConnected {
        weights: model.constant(&weights),
        bias: model.constant(&words([100, -200, 300, 0])),
        requant: Requant {
            round: Rounding::Single,
            mult: model.constant(&words([1 << 30, 3 << 28, 1 << 29, 1 << 30])),
            shift: model.constant(&[251, 250, 252, 251]),
            min: -128,
            max: 127,
        },
    };
    model.tensors = vec![
        tensor("x", DType::F32, &[1, 8], 0),
        tensor("q", DType::I8, &[1, 8], 32),
        tensor("y", DType::I8, &[1, 4], 48),
        tensor("scores", DType::F32, &[1, 4], 0),
        tensor("best", DType::I32, &[1], 64),
    ];
    let step = |op, input| StepSpec { op, inputs: vec![input], scratch: (80, 64) };
    model.steps = vec![
        step(Op::Quantize(Quantize {}), 0),
        step(Op::FullyConnected(dense), 1),
        step(Op::Dequantize(Dequantize {}), 2),
        step(Op::ArgMax(ArgMax {}), 2),
    ];
    model.outputs = vec![3, 4];
    model.labels = vec![(0, ["cat", "dog", "fox", "owl"].map(String::from).to_vec())];
    model
}
