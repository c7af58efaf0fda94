//! Other engines held to a lesser instruction set. They choose their kernels by `cpuid` and have no option in common, so
//! copies of them are patched: each `cpuid` becomes an instruction that does not exist, and a preloaded library answers in
//! its place, without the features that are masked (`tests/peers/isamask.c`). The C library, which is not copied, keeps
//! what it has found.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::engine::built;
use super::{once, python, source};
use crate::shell::run as start;

/// How the runners of other engines are started.
pub(super) struct Mask(Option<Masked>);

struct Masked {
    isa: String,
    folder: PathBuf,
    library: PathBuf,
}

impl Mask {
    /// Engines as they are.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Engines that see no more than an instruction set.
    pub(super) fn of(isa: &str, folder: &Path) -> Result<Self> {
        let masked =
            Masked { isa: isa.into(), folder: folder.join("masked"), library: folder.join("isamask.so") };
        once(&source("isamask.c"), &masked.library, || {
            let mut cc = Command::new("cc");
            start(cc.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&masked.library).arg(source("isamask.c")))
        })?;
        fs::create_dir_all(&masked.folder)?;
        let tract = built("run-tract");
        if tract.is_file() {
            fs::copy(&tract, masked.copy_of(&tract))?;
            masked.patch(&masked.copy_of(&tract))?;
        }
        once(&source("requirements-peers.txt"), &masked.folder.join("venv"), || {
            eprintln!("patching copies of the engines");
            let venv = python().parent().and_then(Path::parent).context("no venv")?.to_owned();
            start(Command::new("cp").arg("-r").arg(venv).arg(&masked.folder))?;
            masked.patch(&masked.folder.join("venv"))
        })?;
        Ok(Self(Some(masked)))
    }

    /// A program that runs so: the interpreter, or tract's runner.
    pub(super) fn command(&self, program: &Path) -> Command {
        let Some(masked) = &self.0 else { return Command::new(program) };
        let mut command = Command::new(masked.copy_of(program));
        command.env("LD_PRELOAD", &masked.library).env("MOTE_ISA_MASK", &masked.isa);
        command
    }
}

impl Masked {
    /// Where the patched copy of a program lies.
    fn copy_of(&self, program: &Path) -> PathBuf {
        let interpreter = (program == python()).then(|| self.folder.join("venv/bin/python3"));
        interpreter.unwrap_or_else(|| self.folder.join(program.file_name().unwrap_or_default()))
    }

    fn patch(&self, path: &Path) -> Result<()> {
        start(Command::new(python()).arg(source("patch_cpuid.py")).arg(path))
    }
}
