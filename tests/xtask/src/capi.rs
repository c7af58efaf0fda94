//! `cargo xtask capi`: the library for C programs, built for a board's target. Only its path goes to standard output.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::boards::{Board, firmware};
use crate::shell::{root, run as start};
use crate::toolchain::Toolchain;

/// What the library is to hold beside the interpreter.
#[derive(clap::Args)]
pub(crate) struct Capi {
    /// The board
    board: Board,
    /// A model that becomes part of the library, under its file's name
    #[arg(long)]
    model: Option<PathBuf>,
}

pub(crate) fn run(args: &Capi) -> Result<()> {
    let target = args.board.target();
    let toolchain = Toolchain::of(target)?;
    eprintln!("xtask: mote-capi for {target} by {}", toolchain.describe());
    let folder = firmware().join("target/capi");
    let mut build = toolchain.build(target, &root())?;
    build.args(["--package", "mote-capi", "--target-dir"]).arg(&folder);
    // One object file of what is used, as in the images.
    build.env("CARGO_PROFILE_RELEASE_LTO", "fat").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
    if let Some(model) = &args.model {
        let model = fs::canonicalize(model).with_context(|| format!("cannot read {}", model.display()))?;
        build.args(["--features", "model"]).env("MOTE_MODEL", &model);
        build.env("MOTE_NAME", model.file_stem().unwrap_or_default());
    }
    start(&mut build)?;
    println!("{}", folder.join(target).join("release/libmote_capi.a").display());
    Ok(())
}
