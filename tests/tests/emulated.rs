//! The same bytes on emulated boards: every output bit equals the host's. Without QEMU these tests say so and do nothing,
//! unless `MOTE_REQUIRE_QEMU` is set.

use mote_converter::board::{BOARDS, Board, emulator_present};
use mote_converter::progress::Progress;
use mote_format::{DType, MaxPool2d, ModelWriter, Op, Pads, Quant, StepSpec, Stride, TensorSpec};
use mote_kernels::table::Kernels;
use mote_runtime::Model;
use mote_tests::{Case, outputs};

/// Whether to go on; says why not.
fn emulated() -> bool {
    let missing: Vec<_> = BOARDS.iter().filter(|board| !emulator_present(board)).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(
        std::env::var_os("MOTE_REQUIRE_QEMU").is_none(),
        "QEMU is required and not installed: {missing:?}"
    );
    eprintln!("skipped: QEMU is not installed for {missing:?}");
    false
}

#[test]
fn boards_give_the_bits_of_the_host() {
    if !emulated() {
        return;
    }
    let case = Case::fashion();
    let converted = case.convert();
    let model = Model::new_checked(&converted.bytes).expect("a model");
    let inputs = case.inputs(&model, 20);
    let expected = outputs(&model, Kernels::named("scalar").expect("plain Rust"), &inputs);
    for name in BOARDS {
        let board = Board::open(name, Progress::Hidden).unwrap_or_else(|e| panic!("{e}"));
        let run = board.run(&model, &inputs).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(run.outputs, expected, "{name}");
        let dsp = ["qemu-m4", "qemu-m7", "qemu-m33"].contains(name);
        assert_eq!(run.isa, if dsp { "arm-dsp" } else { "scalar" }, "{name}");
        assert_eq!(run.layers.len(), usize::from(model.format().steps_len()));
        let sum: u64 = run.layers.iter().map(|l| l.instructions).sum();
        assert!(
            sum <= run.instructions + 1000 && run.instructions < sum + sum / 20 + 20_000,
            "{sum} {run:?}"
        );
        assert!(run.stack_bytes > 0 && run.stack_bytes < 16 * 1024, "{run:?}");
    }
}

/// Weights of four bits are decoded by loops of their own.
#[test]
fn weights_of_four_bits_give_the_bits_of_the_host() {
    if !emulated() {
        return;
    }
    let case = Case::fashion();
    for weights in ["int4", "palette16"] {
        let converted = case.convert_as(&[weights]);
        let model = Model::new_checked(&converted.bytes).expect("a model");
        let inputs = case.inputs(&model, 2);
        let expected = outputs(&model, Kernels::naive(), &inputs);
        for name in BOARDS {
            let board = Board::open(name, Progress::Hidden).unwrap_or_else(|e| panic!("{e}"));
            let run = board.run(&model, &inputs).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(run.outputs, expected, "{weights} on {name}");
        }
    }
}

/// A model whose arena is larger than the board's RAM: one max-pool over an image of 2000 by 2000 pixels.
fn too_large() -> mote_format::AlignedBytes {
    let tensor = |name: &str, side: u32, offset: u32| TensorSpec {
        name: name.into(),
        dtype: DType::I8,
        dims: vec![1, side, side, 1],
        quant: Quant { scale: 1.0, zero: 0 },
        offset,
    };
    let pool = MaxPool2d {
        kh: 2,
        kw: 2,
        stride: Stride { h: 2, w: 2 },
        pads: Pads { top: 0, left: 0, bottom: 0, right: 0 },
        min: -128,
        max: 127,
    };
    let mut writer = ModelWriter::default();
    writer.arena = 5_000_000;
    writer.tensors = vec![tensor("photo", 2000, 0), tensor("half", 1000, 4_000_000)];
    writer.steps = vec![StepSpec { op: Op::MaxPool2d(pool), inputs: vec![0], scratch: (0, 0) }];
    writer.outputs = vec![1];
    writer.finish()
}

#[test]
fn a_model_too_large_for_the_board_is_refused_by_layer_and_size() {
    if !emulated() {
        return;
    }
    let bytes = too_large();
    let model = Model::new_checked(&bytes).expect("a model");
    let board = Board::open("qemu-m3", Progress::Hidden).unwrap_or_else(|e| panic!("{e}"));
    let error = board.run(&model, &[vec![0; 4_000_000]]).expect_err("too large");
    let text = error.to_string();
    for word in ["5000000 bytes exceeds", "RAM by", "\"half\"", "remedy:"] {
        assert!(text.contains(word), "{text}");
    }
}
