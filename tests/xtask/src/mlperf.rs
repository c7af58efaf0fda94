//! `cargo xtask mlperf`: images of one model behind MLPerf Tiny's serial protocol, built, and run in QEMU with the
//! serial port where a runner finds it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::boards::{Board, firmware};
use crate::shell::run as start;
use crate::toolchain::Toolchain;

/// How the model is part of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Form {
    /// By `include_model!`: laid out as constants, with the kernels of its own operators
    Compiled,
    /// As a file that the interpreter reads, with the operators of the benchmark's models
    Interpreted,
    /// Not at all: what everything else weighs
    Empty,
}

impl Form {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Compiled, Self::Interpreted, Self::Empty];

    /// Its name on the command line and in the build script.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Compiled => "compiled",
            Self::Interpreted => "interpreted",
            Self::Empty => "empty",
        }
    }
}

/// What an image is made of.
#[derive(Args, Clone, Debug)]
pub(crate) struct Image {
    /// The board
    pub(crate) board: Board,
    /// The model, a `.mote` file
    pub(crate) model: PathBuf,
    /// The model's name in the protocol: kws01, vww01, ic01, ad01, or another for a classifier of images
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) benchmark: String,
    /// How the model is part of the image
    #[arg(long, value_enum, default_value = "compiled")]
    pub(crate) form: Form,
}

/// Builds the image, then prints its path or runs it with its serial port on `serial`, as QEMU names it.
pub(crate) fn run(image: &Image, only_build: bool, serial: &str) -> Result<()> {
    let path = image.build()?;
    if only_build {
        println!("{}", path.display());
        return Ok(());
    }
    let status = command(image.board, &path, serial).status().context("cannot start firmware/run-qemu.sh")?;
    if status.success() { Ok(()) } else { bail!("the image ended with {status}") }
}

/// The command that runs an image.
pub(crate) fn command(board: Board, image: &Path, serial: &str) -> Command {
    let mut command = Command::new(firmware().join("run-qemu.sh"));
    command.arg(board.name()).arg(image).env("MOTE_QEMU_SERIAL", serial);
    command
}

impl Image {
    /// Tells a command of cargo which image it is about.
    pub(crate) fn choose<'c>(&self, cargo: &'c mut Command) -> Result<&'c mut Command> {
        let model = self.model.canonicalize();
        let model = model.with_context(|| format!("no model at {}", self.model.display()))?;
        cargo.env("MOTE_BOARD", self.board.name()).env("MOTE_MODEL", model);
        Ok(cargo.env("MOTE_FORM", self.form.name()).env("MOTE_BENCHMARK", &self.benchmark))
    }

    /// Builds it; gives its path.
    pub(crate) fn build(&self) -> Result<PathBuf> {
        let Self { board, benchmark, form, .. } = self;
        let target = firmware().join("target");
        let images = target.join("images");
        fs::create_dir_all(&images)?;
        // All images are built as the same package: nobody else's may come between the build and the copy.
        let lock = File::create(target.join("mlperf.lock"))?;
        lock.lock()?;
        let toolchain = Toolchain::of(board.target())?;
        eprintln!("xtask: {benchmark}, {}, for {} by {}", form.name(), board.name(), toolchain.describe());
        let mut build = toolchain.build(board.target(), &firmware().join("mlperf-image"))?;
        build.arg("--target-dir").arg(&target);
        start(self.choose(&mut build)?)?;
        let built = target.join(board.target()).join("release/mlperf-image");
        let image = images.join(format!("{}-{benchmark}-{}", board.name(), form.name()));
        let fresh = image.with_extension(std::process::id().to_string());
        fs::copy(&built, &fresh).with_context(|| format!("the build left no {}", built.display()))?;
        fs::rename(&fresh, &image)?;
        Ok(image)
    }
}
