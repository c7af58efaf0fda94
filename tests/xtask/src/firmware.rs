//! `cargo xtask firmware`: builds images. Only their paths go to standard output, for other programs to read.

use std::fs;

use anyhow::{Context, Result};

use crate::boards::{Board, firmware};
use crate::shell::run as start;
use crate::toolchain::Toolchain;

/// Builds the images of `boards`, or of all when there are none, and prints their paths.
pub(crate) fn run(boards: &[Board], print: bool) -> Result<()> {
    let boards = if boards.is_empty() { Board::ALL } else { boards };
    if !print {
        boards.iter().try_for_each(|&board| build(board))?;
    }
    for board in boards {
        println!("{}", board.image().display());
    }
    Ok(())
}

/// Builds one image and puts it where [`Board::image`] says.
pub(crate) fn build(board: Board) -> Result<()> {
    let toolchain = Toolchain::of(board.target())?;
    eprintln!("xtask: {} for {} by {}", board.name(), board.target(), toolchain.describe());
    let target = firmware().join("target");
    start(toolchain.build(board.target(), &board.folder())?.arg("--target-dir").arg(&target))?;
    let built = target.join(board.target()).join("release").join(board.name());
    // Moved into place whole: another process may be running the image that is there.
    let image = board.image();
    let fresh = image.with_extension(std::process::id().to_string());
    fs::create_dir_all(target.join("images"))?;
    fs::copy(&built, &fresh).with_context(|| format!("the build left no {}", built.display()))?;
    fs::rename(&fresh, &image)?;
    Ok(())
}
