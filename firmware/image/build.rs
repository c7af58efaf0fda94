//! Makes the model of the self-check: a dense layer of 16 inputs and 4 outputs.
//!
//! Output `o` is the sum of the inputs times `o - 1`, plus 4, halved: small numbers that anyone can check, out
//! of the operator that every instruction set has a kernel for.

use std::path::Path;
use std::{env, fs};

use mote_format::{
    DType, FullyConnected, ModelWriter, Op, Quant, Requant, Rounding, Shape, StepSpec, TensorSpec,
};

const INPUTS: u32 = 16;
const OUTPUTS: u32 = 4;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("selfcheck.mote"), &*model()).expect("OUT_DIR can be written");
}

fn model() -> impl std::ops::Deref<Target = [u8]> {
    let mut model = ModelWriter::default();
    model.name = "self-check".into();
    let weights: Vec<u8> = (0..OUTPUTS).flat_map(|o| [(o as u8).wrapping_sub(1); INPUTS as usize]).collect();
    let bias: Vec<u8> = [4i32; OUTPUTS as usize].iter().flat_map(|b| b.to_le_bytes()).collect();
    let halves: Vec<u8> = [1i32 << 30; OUTPUTS as usize].iter().flat_map(|m| m.to_le_bytes()).collect();
    let op = Op::FullyConnected(FullyConnected {
        weights: model.constant(&weights),
        bias: model.constant(&bias),
        requant: Requant {
            mult: model.constant(&halves),
            shift: model.constant(&[0; OUTPUTS as usize]),
            round: Rounding::Single,
            min: -128,
            max: 127,
        },
    });
    model.tensors = vec![tensor(INPUTS, 0), tensor(OUTPUTS, 16)];
    let shape = |elements| Shape::new(&[1, elements]).expect("a small shape");
    let scratch = mote_kernels::table::scratch(&op, &shape(INPUTS), &shape(OUTPUTS)) as u32;
    model.arena = 32 + scratch;
    model.steps = vec![StepSpec { op, inputs: vec![0], scratch: (32, scratch) }];
    model.outputs = vec![1];
    model.finish()
}

fn tensor(elements: u32, offset: u32) -> TensorSpec {
    TensorSpec {
        name: String::new(),
        dtype: DType::I8,
        dims: vec![1, elements],
        quant: Quant { scale: 1.0, zero: 0 },
        offset,
    }
}
