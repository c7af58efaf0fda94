//! C programs with mote in them, built by gcc, run in QEMU: the bits of the host. Without the tools these tests say so
//! and do nothing, unless `MOTE_REQUIRE_QEMU` is set.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use mote_kernels::table::Kernels;
use mote_runtime::Model;
use mote_tests::{Case, outputs};

const COMPILER: &str = "arm-none-eabi-gcc";
const EMULATOR: &str = "qemu-system-arm";

/// Whether to go on; says why not.
fn tools() -> bool {
    let there = |tool: &str| {
        Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    let missing: Vec<_> = [COMPILER, EMULATOR].into_iter().filter(|tool| !there(tool)).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(std::env::var_os("MOTE_REQUIRE_QEMU").is_none(), "required and not installed: {missing:?}");
    eprintln!("skipped: {missing:?} not installed");
    false
}

fn done(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(out.status.success(), "{command:?}: {} {}", out.status, String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

#[test]
fn c_programs_give_the_bits_of_the_host() {
    if !tools() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let case = Case::fashion();
    let converted = case.convert();
    let model = Model::new_checked(&converted.bytes).expect("a model");
    let inputs = case.inputs(&model, 2);
    let expected = outputs(&model, Kernels::best(), &inputs);
    for name in ["fashion.mote", "model.mote"] {
        fs::write(here.join(name), &*converted.bytes).expect("room");
    }
    let cargo = |words: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(&root).args(words);
        cargo
    };
    // With the features of the workspace, as this test was built: its dependencies are there.
    done(&mut cargo(&["build", "--quiet", "--workspace", "--bin", "mote"]));
    let program = std::env::current_exe().expect("this test").with_file_name("../mote");
    let header = here.join("fashion.h");
    done(Command::new(program).args(["header", "-o"]).arg(&header).arg(here.join("fashion.mote")));
    let library = done(cargo(&["xtask", "capi", "qemu-m4", "--model"]).arg(here.join("fashion.mote")));

    for program in ["included", "interpreter"] {
        let elf = here.join(program);
        let mut compiler = Command::new(COMPILER);
        compiler.args(["-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-Os", "-ffreestanding"]);
        compiler.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-nostdlib", "-Wl,--gc-sections", "-T"]);
        compiler.arg(root.join("examples/c/board.ld")).arg("-I").arg(here);
        compiler.arg("-I").arg(root.join("runtime/capi/include"));
        compiler.arg(root.join("examples/c").join(program).with_extension("c"));
        compiler.arg(root.join("examples/c/board.c")).arg(library.trim()).args(["-lgcc", "-o"]).arg(&elf);
        done(&mut compiler);
        for (input, expected) in inputs.iter().zip(&expected) {
            fs::write(here.join("input.bin"), input).expect("room");
            let mut emulator = Command::new(EMULATOR);
            emulator.args(["-machine", "mps2-an386", "-cpu", "cortex-m4", "-nographic", "-monitor", "none"]);
            emulator.args(["-serial", "null", "-semihosting-config", "enable=on,target=native", "-kernel"]);
            done(emulator.arg(&elf).current_dir(here).stdin(Stdio::null()));
            assert_eq!(&fs::read(here.join("output.bin")).expect("an output"), expected, "{program}");
        }
    }
}
