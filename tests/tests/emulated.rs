//! The same bytes on emulated boards: every output bit equals the host's. Without QEMU these tests say so and do nothing,
//! unless `MOTE_REQUIRE_QEMU` is set.

use mote_converter::board::{BOARDS, Board, emulator_present};
use mote_kernels::table::Kernels;
use mote_runtime::Model;
use mote_tests::{Case, outputs};

#[test]
fn boards_give_the_bits_of_the_host() {
    if !emulator_present() {
        assert!(std::env::var_os("MOTE_REQUIRE_QEMU").is_none(), "QEMU is required and not installed");
        eprintln!("skipped: qemu-system-arm is not installed");
        return;
    }
    let case = Case::fashion();
    let converted = case.convert();
    let model = Model::new_checked(&converted.bytes).expect("a model");
    let inputs = case.inputs(&model, 20);
    let expected = outputs(&model, Kernels::named("scalar").expect("plain Rust"), &inputs);
    for name in BOARDS {
        let board = Board::open(name).unwrap_or_else(|e| panic!("{e}"));
        let run = board.run(&model, &inputs).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(run.outputs, expected, "{name}");
        assert_eq!(run.isa, if *name == "qemu-m4" { "arm-dsp" } else { "scalar" });
        assert_eq!(run.layers.len(), usize::from(model.format().steps_len()));
        let sum: u64 = run.layers.iter().map(|l| l.instructions).sum();
        assert!(
            sum <= run.instructions + 1000 && run.instructions < sum + sum / 20 + 20_000,
            "{sum} {run:?}"
        );
        assert!(run.stack_bytes > 0 && run.stack_bytes < 16 * 1024, "{run:?}");
    }
}
