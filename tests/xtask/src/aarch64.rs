//! The kernels on AArch64: their suites, cross-compiled, on the processors that QEMU emulates, and a program that runs a
//! model there. Nothing that needs the converter is built.

use std::process::Command;

use anyhow::Result;

use crate::shell::{root, run as start, succeeds};
use crate::toolchain::Toolchain;

/// The target.
pub(crate) const TARGET: &str = "aarch64-unknown-linux-gnu";

/// The linker and the emulator, and Debian's packages of them; a C library belongs to the linker's.
pub(crate) const TOOLS: [(&str, &[&str]); 2] = [
    ("aarch64-linux-gnu-gcc", &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]),
    ("qemu-aarch64", &["qemu-user"]),
];

/// Processors, and the fastest instruction set of each.
const PROCESSORS: [(&str, &str); 4] =
    [("cortex-a53", "neon"), ("cortex-a72", "neon"), ("cortex-a76", "dotprod"), (MOST, "dotprod")];

/// Random cases of an operator, so that all processors together take a minute.
const CASES: &str = "60";

/// The processor that has everything.
const MOST: &str = "max";

pub(crate) fn has(tool: &str) -> bool {
    succeeds(Command::new(tool).arg("--version"))
}

fn emulator(processor: &str) -> String {
    format!("qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu {processor}")
}

fn cargo(arguments: &[&str]) -> Result<Command> {
    let mut command = Toolchain::of(TARGET)?.cargo(arguments, "std,panic_abort")?;
    command.current_dir(root()).args(["--target", TARGET]);
    command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", TOOLS[0].0);
    Ok(command)
}

/// The suites of the kernels and of the runtime on each processor, which fail where its instruction set is not used.
pub(crate) fn suites() -> Result<Vec<Command>> {
    let suite = |(processor, isa): (&str, &str)| {
        let mut command = cargo(&["test", "--package", "mote-kernels", "--package", "mote-runtime"])?;
        command.args(["--test", "differential", "--test", "host", "--test", "golden"]);
        command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", emulator(processor));
        command.env("MOTE_REQUIRE_ISA", isa).env("PROPTEST_CASES", CASES);
        if processor != MOST {
            // On the last processor, which has all instruction sets, these take half a minute.
            command.args(["--", "--skip", "layers_of_real_networks"]);
        }
        Ok(command)
    };
    PROCESSORS.into_iter().map(suite).collect()
}

/// Builds the program that runs a model; how to start it, by processor, one a line.
pub(crate) fn runners() -> Result<String> {
    start(&mut cargo(&["build", "--package", "mote-runtime", "--example", "infer"])?)?;
    let program = root().join("target").join(TARGET).join("debug/examples/infer");
    let line = |(processor, _): (&str, &str)| format!("{} {}", emulator(processor), program.display());
    Ok(PROCESSORS.map(line).join("\n"))
}
