//! `cargo xtask emulate`: what `cargo run --release` does in a board's folder, also where rustup has no library
//! for its target.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::boards::{Board, firmware};
use crate::firmware::build;

/// Builds the board's image and runs it with `args`.
pub(crate) fn run(board: Board, args: &[String]) -> Result<()> {
    build(board)?;
    let status = command(board).args(args).status().context("cannot start firmware/run-qemu.sh")?;
    if !status.success() {
        bail!("the image ended with {status}");
    }
    Ok(())
}

/// The command that runs the board's image as it was last built.
pub(crate) fn command(board: Board) -> Command {
    let mut command = Command::new(firmware().join("run-qemu.sh"));
    command.arg(board.name()).arg(board.image());
    command
}
