//! `cargo xtask peers`: the same networks through other engines and mote, on one thread, turn by turn in one run.
//!
//! An engine is a runner that holds one network ready (`tests/peers`). All runners of a network are up at once and get
//! the processor in turn, a tenth of a second each, so that whatever else the machine does meets all of them alike; the
//! shortest time of an inference counts. Of the four networks of MLPerf Tiny, mote and LiteRT run the published files
//! where they are; all others are generated, in one shape for all.

mod engine;
mod mask;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::models;
use crate::shell::{cargo, output, root, run as start};
use engine::{Engine, Runner};
use mask::Mask;

/// What `cargo xtask peers` is asked.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Networks, separated by commas
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "kws,vww,ic,ad,mobilenet_v2,resnet18"
    )]
    models: Vec<String>,
    /// Instruction sets that every engine is held to, a table each; unless given, each takes the best that it knows
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    isa: Vec<String>,
    /// Also run tract, whose optimized build takes minutes
    #[arg(long)]
    tract: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write the tables into docs/benchmarks.md
    #[arg(long, conflicts_with = "json")]
    bless: bool,
}

/// Turns of each engine.
const ROUNDS: usize = 30;

/// Shortest times of one network.
struct Row {
    network: String,
    /// Multiply-accumulate operations, before anything is optimized away.
    macs: u64,
    /// Nanoseconds by engine, in the order of [`Engine::ALL`]; `None` where it did not run.
    times: Vec<Option<u64>>,
}

/// Installs, generates and builds what is needed, measures, prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    let bench = Bench::new(options)?;
    let (isas, masked) = match &options.isa[..] {
        [] => (vec![bench.best.clone()], false),
        named => (named.to_vec(), true),
    };
    let mut results = Vec::new();
    for isa in &isas {
        let mask = if masked { Mask::of(isa, &folder())? } else { Mask::none() };
        let rows = options.models.iter().map(|name| bench.measure(name, isa, &mask));
        results.push((isa, rows.collect::<Result<Vec<_>>>()?));
    }
    if options.json {
        let isas = results.iter().map(|(isa, rows)| table::json(isa, rows, &bench.versions));
        println!("{}", json!({ "date": date(), "cpu": cpu(), "isas": isas.collect::<Vec<Value>>() }));
        return Ok(());
    }
    let heading = format!(
        "{}, {}, one thread; `cargo xtask peers{}{} --models {}`.",
        date(),
        cpu(),
        if masked { format!(" --isa {}", isas.join(",")) } else { String::new() },
        if options.tract { " --tract" } else { "" },
        options.models.join(",")
    );
    let tables = results.iter().map(|(isa, rows)| table::markdown(isa, rows, &bench.versions));
    let text = format!("{heading}\n\n{}", tables.collect::<Vec<_>>().join("\n"));
    print!("{text}");
    if options.bless { table::write(&text) } else { Ok(()) }
}

/// What is ready before the first measurement.
struct Bench {
    tract: bool,
    best: String,
    versions: Vec<String>,
}

impl Bench {
    fn new(options: &Options) -> Result<Self> {
        install()?;
        let mut build = cargo(&root());
        build.args(["build", "--release", "--quiet", "--package", "mote-peers"]);
        if options.tract {
            build.args(["--features", "tract"]);
        }
        start(&mut build)?;
        let sets = output(Command::new(engine::built("run-mote")).arg("sets")).context("run-mote failed")?;
        let best = sets.lines().last().context("run-mote named no instruction set")?.to_owned();
        if let Some(other) = options.isa.iter().find(|isa| !sets.lines().any(|set| set == *isa)) {
            bail!("this machine has no {other}; it has {}", sets.lines().collect::<Vec<_>>().join(", "));
        }
        generate(&options.models)?;
        Ok(Self { tract: options.tract, best, versions: engine::versions()? })
    }

    /// Times one network on all engines.
    fn measure(&self, name: &str, isa: &str, mask: &Mask) -> Result<Row> {
        let folder = folder().join("networks");
        let onnx = folder.join(name).with_extension("onnx");
        let published = models::published(name);
        let tflite = published.clone().unwrap_or_else(|| folder.join(name).with_extension("tflite"));
        let mote = models::convert(name, published.as_ref().unwrap_or(&onnx), &[])?.path;
        let mut runners = Vec::new();
        for engine in Engine::ALL {
            let network = match engine {
                Engine::Mote => &mote,
                Engine::LiteRt => &tflite,
                _ => &onnx,
            };
            let runs = network.is_file() && (self.tract || engine != Engine::Tract);
            let runner = runs.then(|| Runner::start(engine, network, isa, mask));
            runners.push(runner.and_then(|r| r.map_err(|e| eprintln!("{engine:?} on {name}: {e:#}")).ok()));
        }
        let mut times = vec![None; runners.len()];
        for _ in 0..ROUNDS {
            for (runner, best) in runners.iter_mut().zip(&mut times) {
                if let Some(runner) = runner {
                    let now = runner.turn()?;
                    *best = Some(best.map_or(now, |best: u64| best.min(now)));
                }
            }
        }
        let macs = folder.join(name).with_extension("macs");
        let macs = fs::read_to_string(&macs).with_context(|| format!("cannot read {}", macs.display()))?;
        eprintln!("{name} on {isa}: {times:?} ns");
        Ok(Row { network: name.into(), macs: macs.trim().parse()?, times })
    }
}

/// Where everything is kept.
fn folder() -> PathBuf {
    root().join("target/peers")
}

/// A script or a list beside the runners.
fn source(name: &str) -> PathBuf {
    root().join("tests/peers").join(name)
}

/// The interpreter that has the engines.
fn python() -> PathBuf {
    folder().join("venv/bin/python3")
}

/// Engines from PyPI, in the versions that are pinned, once.
fn install() -> Result<()> {
    once(&source("requirements-peers.txt"), &folder().join("venv"), || {
        let base = std::env::var_os("MOTE_PYTHON").unwrap_or_else(|| "python3".into());
        start(Command::new(base).args(["-m", "venv", "--clear"]).arg(folder().join("venv")))?;
        let mut pip = Command::new(python());
        start(pip.args(["-m", "pip", "install", "--quiet", "-r"]).arg(source("requirements-peers.txt")))
    })
}

/// Networks from the script, once each.
fn generate(names: &[String]) -> Result<()> {
    let script = source("generate.py");
    for name in names {
        let made = folder().join("networks").join(name);
        once(&script, &made, || {
            eprintln!("generating {name}");
            start(Command::new(python()).arg(&script).arg(folder().join("networks")).arg(name))
        })?;
    }
    Ok(())
}

/// Calls `make` unless `made` was made from this very `source`.
fn once(source: &Path, made: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let stamp = made.with_extension("from");
    let now = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
    if fs::read(&stamp).is_ok_and(|then| then == now) {
        return Ok(());
    }
    make()?;
    if let Some(folder) = stamp.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(&stamp, now)?)
}

fn date() -> String {
    output(Command::new("date").arg("-I")).unwrap_or_default()
}

/// The processor's name.
fn cpu() -> String {
    let facts = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = facts.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.into(), |(_, name)| name.trim().to_owned())
}
