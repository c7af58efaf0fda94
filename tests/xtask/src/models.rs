//! The models whose images are weighed: the example, and MLPerf Tiny's four where they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::{cargo, root, run as start, typed};

/// A converted model.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// Its name, for the benchmark's models that in MLPerf Tiny's protocol.
    pub(crate) name: String,
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// Bytes of its constants.
    pub(crate) weights: u64,
    /// Bytes of RAM for activations and scratch.
    pub(crate) arena: u64,
    /// Bytes of the largest scratch buffer, part of the arena.
    pub(crate) scratch: u64,
}

/// The benchmark's models: names in the protocol, and files.
const SUITE: [(&str, &str); 4] = [
    ("kws01", "kws_ref_model.tflite"),
    ("ic01", "pretrainedResnet_quant.tflite"),
    ("vww01", "vww_96_int8.tflite"),
    ("ad01", "ad01_int8.tflite"),
];

/// The example of the repository.
pub(crate) fn example() -> Result<Model> {
    let from = root().join("examples/models");
    let calib = from.join("fashion_calib.npz");
    convert(
        "fashion",
        &from.join("fashion.onnx"),
        &["--scale".into(), "1/255".into(), "--calib".into(), calib],
    )
}

/// The benchmark's network of this name, without the number of the protocol, where it is.
pub(crate) fn published(name: &str) -> Option<PathBuf> {
    let (_, file) = SUITE.iter().find(|(full, _)| full.strip_suffix("01") == Some(name))?;
    Some(suite_folder().join(file)).filter(|path| path.is_file())
}

/// Where the benchmark's models are looked for.
fn suite_folder() -> PathBuf {
    let shared = std::env::var_os("MOTE_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    shared.join("models/mlperf_tiny")
}

/// The benchmark's models, in `MOTE_SHARED` or beside the checkout; none, and a word on it, where they are not.
pub(crate) fn suite() -> Result<Vec<Model>> {
    let folder = suite_folder();
    if !folder.is_dir() {
        eprintln!("xtask: no models of MLPerf Tiny at {} (set MOTE_SHARED): left out", folder.display());
        return Ok(Vec::new());
    }
    SUITE.iter().map(|(name, file)| convert(name, &folder.join(file), &[])).collect()
}

/// Converts a network and reads what the converter knows of the model.
pub(crate) fn convert(name: &str, network: &Path, options: &[PathBuf]) -> Result<Model> {
    let folder = root().join("target/xtask");
    fs::create_dir_all(&folder)?;
    let path = folder.join(name).with_extension("mote");
    json(mote()?.arg("convert").arg(network).args(options).args(["--json", "-o"]).arg(&path))?;
    let facts = json(mote()?.arg("inspect").arg(&path).arg("--json"))?;
    let number =
        |key: &str| facts[key].as_u64().with_context(|| format!("`mote inspect --json` gave no {key}"));
    let layers = facts["operators"].as_array().context("`mote inspect --json` gave no operators")?;
    let scratch = layers.iter().filter_map(|layer| layer["scratch_bytes"].as_u64()).max().unwrap_or(0);
    let (bytes, weights, arena) = (number("model_bytes")?, number("weight_bytes")?, number("arena_bytes")?);
    Ok(Model { name: name.into(), path, bytes, weights, arena, scratch })
}

/// The `mote` of this checkout, built with the features of the whole workspace as the tests are, so that its dependencies
/// are compiled once. It lies where this program lies.
fn mote() -> Result<Command> {
    start(cargo(&root()).args(["build", "--quiet", "--workspace", "--bin", "mote"]))?;
    Ok(Command::new(std::env::current_exe()?.with_file_name("mote")))
}

fn json(command: &mut Command) -> Result<Value> {
    let output = command.output().with_context(|| format!("cannot start `{}`", typed(command)))?;
    if !output.status.success() {
        bail!("`{}` failed:\n{}", typed(command), String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("`{}` printed no JSON", typed(command)))
}
