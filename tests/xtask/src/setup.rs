//! `cargo xtask setup`: what building and testing everything needs beyond Rust. Installs what is missing where it
//! may, and otherwise prints the commands that do.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::aarch64;
use crate::boards::Board;
use crate::shell::{cargo, root, run as start, succeeds, tools};
use crate::toolchain::{Toolchain, ask_rustup_again};

/// The decoder of the images' logs; it must know the version of defmt that the images use.
const DEFMT_PRINT: &str = "1.2.0";

/// Debian's packages for building `core` from source.
const FROM_SOURCE: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// The compiler of the C examples, and Debian's package of it.
const C_COMPILER: (&str, &str) = ("arm-none-eabi-gcc", "gcc-arm-none-eabi");

/// Checks each tool, installs what is missing, checks again.
pub(crate) fn run() -> Result<()> {
    ask_rustup_again();
    let mut packages = BTreeSet::new();
    packages.extend(Board::ALL.iter().filter(|board| !has_emulator(**board)).map(|board| board.emulator().1));
    if without_library().next().is_some() {
        packages.extend(FROM_SOURCE);
    }
    if !has_c_compiler() {
        packages.insert(C_COMPILER.1);
    }
    packages.extend(aarch64::TOOLS.iter().filter(|tool| !aarch64::has(tool.0)).flat_map(|tool| tool.1));
    if !packages.is_empty() {
        install(&packages)?;
    }
    if !has_decoder() {
        let decoder = format!("defmt-print@{DEFMT_PRINT}");
        let mut command = cargo(&root());
        // Not optimized: it builds in half the time, and decodes a few lines.
        start(
            command.args(["install", "--quiet", "--debug", "--locked", "--root"]).arg(tools()).arg(decoder),
        )?;
    }
    report()
}

/// Says what is there, and fails when something still is not.
fn report() -> Result<()> {
    let mut missing = Vec::new();
    let mut tell = |what: &str, there: bool, remedy: &str| {
        eprintln!("  {} {what}", if there { "ok     " } else { "missing" });
        if !there {
            missing.push(format!("{what}: {remedy}"));
        }
    };
    let emulators: BTreeSet<_> =
        Board::ALL.iter().map(|board| (board.emulator().0, has_emulator(*board))).collect();
    for (emulator, there) in emulators {
        tell(emulator, there, "install QEMU's system emulators");
    }
    let targets: BTreeSet<_> =
        Board::ALL.iter().map(|board| board.target()).chain([aarch64::TARGET]).collect();
    for target in targets {
        tell(target, Toolchain::of(target).is_ok(), &format!("rustup target add {target}"));
    }
    for (tool, packages) in aarch64::TOOLS {
        tell(tool, aarch64::has(tool), &format!("install {}", packages.join(" ")));
    }
    tell(C_COMPILER.0, has_c_compiler(), "install Arm's GNU toolchain for bare metal");
    tell("defmt-print", has_decoder(), "cargo install defmt-print");
    if !has_nextest() {
        eprintln!(
            "  not there, not needed: cargo-nextest (cargo install --locked cargo-nextest); cargo test stands in"
        );
    }
    if missing.is_empty() { Ok(()) } else { bail!("still missing:\n  {}", missing.join("\n  ")) }
}

/// The targets that nothing here can build for.
fn without_library() -> impl Iterator<Item = &'static str> {
    let targets = Board::ALL.iter().map(|board| board.target()).chain([aarch64::TARGET]);
    targets.filter(|target| Toolchain::of(target).is_err())
}

fn has_emulator(board: Board) -> bool {
    succeeds(Command::new(board.emulator().0).arg("--version"))
}

fn has_c_compiler() -> bool {
    succeeds(Command::new(C_COMPILER.0).arg("--version"))
}

fn has_decoder() -> bool {
    let ours = tools().join("bin/defmt-print");
    succeeds(Command::new(ours).arg("--version")) || succeeds(Command::new("defmt-print").arg("--version"))
}

/// Whether tests can run under nextest.
pub(crate) fn has_nextest() -> bool {
    succeeds(cargo(&root()).args(["nextest", "--version"]))
}

/// Installs Debian packages, or says how.
fn install(packages: &BTreeSet<&str>) -> Result<()> {
    let names: Vec<&str> = packages.iter().copied().collect();
    let by_hand = format!("apt-get install {}", names.join(" "));
    if !succeeds(Command::new("apt-get").arg("--version")) {
        bail!(
            "missing, and this is no Debian to install it on: {}\n  on Debian it would be: {by_hand}",
            names.join(", ")
        );
    }
    let root = succeeds(Command::new("sh").args(["-c", "test \"$(id -u)\" = 0"]));
    if !root && !succeeds(Command::new("sudo").args(["-n", "true"])) {
        bail!("missing: {}\n  run, then try again: sudo {by_hand}", names.join(", "));
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new(if root { "apt-get" } else { "sudo" });
        if !root {
            command.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments).stdin(std::process::Stdio::null());
        start(&mut command)
    };
    eprintln!("xtask: {by_hand}");
    apt(&["update", "-qq"])?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(&names);
    apt(&arguments).with_context(|| format!("by hand: {by_hand}"))
}
