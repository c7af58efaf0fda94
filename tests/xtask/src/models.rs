//! The example model, converted, and run on boards for its cost. What it computes there is for the tests to check.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::boards::{Board, firmware};
use crate::shell::{cargo, root, typed};

/// What one run of the model costs on a board.
pub(crate) struct Cost {
    pub(crate) isa: String,
    pub(crate) instructions: u64,
    pub(crate) arena_bytes: u64,
    pub(crate) stack_bytes: u64,
}

/// Converts the example; gives the model's path.
pub(crate) fn model() -> Result<PathBuf> {
    let (from, to) = (root().join("examples/models"), folder()?.join("fashion.mote"));
    let mut mote = mote();
    mote.arg("convert").arg(from.join("fashion.onnx")).arg("--calib").arg(from.join("fashion_calib.npz"));
    json(mote.args(["--scale", "1/255", "--json", "-o"]).arg(&to))?;
    Ok(to)
}

/// Runs the model at `path` on the first image.
pub(crate) fn cost(path: &Path, board: Board) -> Result<Cost> {
    let input = folder()?.join("black.npy");
    fs::write(&input, black())?;
    let mut mote = mote();
    mote.arg("run").arg(path).arg("--input").arg(&input).args(["--on", board.name(), "--json"]);
    mote.env("MOTE_IMAGES", firmware().join("target/images"));
    let outcome = json(&mut mote)?;
    let number =
        |key: &str| outcome[key].as_u64().with_context(|| format!("`mote run --json` gave no {key}"));
    Ok(Cost {
        isa: outcome["isa"].as_str().unwrap_or_default().into(),
        instructions: number("instructions")?,
        arena_bytes: number("arena_bytes")?,
        stack_bytes: number("stack_bytes")?,
    })
}

fn folder() -> Result<PathBuf> {
    let folder = root().join("target/xtask");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The `mote` of this checkout, in the profile that the tests build.
fn mote() -> Command {
    let mut command = cargo(&root());
    command.args(["run", "--quiet", "--package", "mote-converter", "--bin", "mote", "--"]);
    command
}

fn json(command: &mut Command) -> Result<Value> {
    let output = command.output().with_context(|| format!("cannot start `{}`", typed(command)))?;
    if !output.status.success() {
        bail!("`{}` failed:\n{}", typed(command), String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("`{}` printed no JSON", typed(command)))
}

/// A black image as a `.npy` file: 28 × 28 bytes, one channel.
fn black() -> Vec<u8> {
    const HEADER: &str = "{'descr': '|u1', 'fortran_order': False, 'shape': (28, 28, 1), }";
    const PREFIX: usize = 10;
    let padded = (PREFIX + HEADER.len() + 1).next_multiple_of(64);
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(((padded - PREFIX) as u16).to_le_bytes());
    file.extend(HEADER.bytes());
    file.resize(padded - 1, b' ');
    file.push(b'\n');
    file.resize(padded + 28 * 28, 0);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_npy_header_fills_whole_blocks() {
        let file = black();
        assert_eq!(file.len(), 128 + 784);
        assert_eq!(&file[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert_eq!(file[127], b'\n');
    }
}
