//! The engines, and a runner of each: a process that holds one network ready and is given turns.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::mask::Mask;
use super::{python, source};
use crate::shell::{output, root, typed};

/// Milliseconds of a turn.
const TURN: u32 = 100;

/// Something that runs networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Mote,
    LiteRt,
    OnnxRuntime,
    OpenVino,
    Tract,
}

impl Engine {
    /// mote first.
    pub(super) const ALL: [Self; 5] =
        [Self::Mote, Self::LiteRt, Self::OnnxRuntime, Self::OpenVino, Self::Tract];

    /// As people write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mote => "mote",
            Self::LiteRt => "LiteRT",
            Self::OnnxRuntime => "ONNX Runtime",
            Self::OpenVino => "OpenVINO",
            Self::Tract => "tract",
        }
    }
}

/// Where a runner of this workspace is built.
pub(super) fn built(name: &str) -> PathBuf {
    root().join("target/release").join(name)
}

/// The engines' versions, in the order of [`Engine::ALL`].
pub(super) fn versions() -> Result<Vec<String>> {
    let installed = output(Command::new(python()).arg(source("runner.py")).arg("versions"))
        .context("runner.py cannot tell the versions of the engines")?;
    let installed = installed.lines().map(str::to_owned);
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))?;
    let locked = |name: &str| {
        let at = lock.split("\n\n").find(|entry| entry.contains(&format!("name = \"{name}\"\n")));
        at.and_then(|entry| entry.split('"').nth(3)).unwrap_or_default().to_owned()
    };
    Ok([locked("mote-runtime")].into_iter().chain(installed).chain([locked("tract-onnx")]).collect())
}

/// A process with a network.
pub(super) struct Runner {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Runner {
    /// Starts a runner and waits until its network is ready.
    pub(super) fn start(engine: Engine, network: &Path, isa: &str, mask: &Mask) -> Result<Self> {
        let mut command = match engine {
            Engine::Mote => Command::new(built("run-mote")),
            Engine::Tract => mask.command(&built("run-tract")),
            _ => mask.command(&python()),
        };
        match engine {
            Engine::Mote => command.arg(network).arg(isa),
            Engine::Tract => command.arg(network),
            Engine::LiteRt => command.arg(source("runner.py")).arg("litert").arg(network),
            Engine::OnnxRuntime => command.arg(source("runner.py")).arg("onnxruntime").arg(network),
            Engine::OpenVino => command.arg(source("runner.py")).arg("openvino").arg(network),
        };
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.with_context(|| format!("cannot start `{}`", typed(&command)))?;
        let (to, from) = (child.stdin.take().context("no pipe")?, child.stdout.take().context("no pipe")?);
        let mut runner = Self { child, to, from: BufReader::new(from) };
        // An engine may greet before it is ready.
        while runner.line()? != "ready" {}
        Ok(runner)
    }

    /// Lets it run for a while: the shortest time of an inference, in nanoseconds.
    pub(super) fn turn(&mut self) -> Result<u64> {
        writeln!(self.to, "{TURN}")?;
        let line = self.line()?;
        line.parse().with_context(|| format!("a runner answered {line}"))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            bail!("its runner ended ({})", self.child.wait()?);
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
