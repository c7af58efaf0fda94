//! Measures how long an inference takes on this machine.

use crate::error::{Error, Result};
use crate::infer::infer;
use crate::progress::Progress;
use mote_runtime::{Hook, Host, Kernels, Model, Session, Step};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Measuring goes on for about this long.
const TIME: Duration = Duration::from_millis(1500);
/// At least so many runs.
const RUNS: usize = 5;

/// One layer's share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerTime {
    /// The tensor that the layer writes.
    pub name: String,
    /// Its operator.
    pub op: &'static str,
    /// The kernel that ran.
    pub kernel: String,
    /// The micro-kernel that did its work, and the family of vectors that it ran on.
    pub micro_kernel: String,
    /// Multiply-accumulate operations.
    pub macs: u64,
    /// Shortest time in nanoseconds.
    pub min_ns: u64,
}

/// Times of one inference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bench {
    /// The instruction set.
    pub isa: &'static str,
    /// Threads that worked on one inference.
    pub threads: usize,
    /// Number of inferences measured.
    pub runs: usize,
    /// Shortest time in nanoseconds.
    pub min_ns: u64,
    /// Median time in nanoseconds.
    pub median_ns: u64,
    /// Multiply-accumulate operations.
    pub macs: u64,
    /// Billions of them a second, at the shortest time.
    pub gmacs: f64,
    /// Each layer; empty unless asked for.
    pub layers: Vec<LayerTime>,
}

/// Notes the time of each step, all its calls together.
#[derive(Default)]
struct Stopwatch {
    layers: BTreeMap<u16, LayerTime>,
    started: Option<Instant>,
}

impl Hook for Stopwatch {
    fn before(&mut self, _: &Step<'_>) {
        self.started = Some(Instant::now());
    }

    fn after(&mut self, step: &Step<'_>) {
        let ns = self.started.map_or(0, |s| s.elapsed().as_nanos() as u64);
        let new = || LayerTime {
            name: step.name().to_owned(),
            op: step.op().name(),
            kernel: step.kernel().to_string(),
            micro_kernel: String::new(),
            macs: 0,
            min_ns: 0,
        };
        let layer = self.layers.entry(step.index()).or_insert_with(new);
        layer.min_ns += ns;
        layer.macs += step.macs();
    }
}

/// Runs a model on zeros for a while.
pub fn bench(
    model: &Model<'_>,
    kernels: &'static Kernels,
    threads: usize,
    per_layer: bool,
    progress: Progress,
) -> Result<Bench> {
    let _spinner = progress.spinner("measuring");
    let host = Host::new(model, kernels, threads);
    let mut arena = vec![0; host.arena_bytes()];
    let mut session =
        Session::with_kernels(&host, &mut arena, kernels).map_err(|e| Error::internal(e.to_string()))?;
    let input = vec![0; model.inputs().next().map_or(0, |x| x.bytes())];
    infer(&mut session, &input, &mut ())?;
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < RUNS || begin.elapsed() < TIME {
        let start = Instant::now();
        infer(&mut session, &input, &mut ())?;
        times.push(start.elapsed().as_nanos() as u64);
    }
    let mut layers: Vec<LayerTime> = Vec::new();
    for _ in 0..if per_layer { times.len().min(200) } else { 0 } {
        let mut watch = Stopwatch::default();
        infer(&mut session, &input, &mut watch)?;
        let run: Vec<LayerTime> = watch.layers.into_values().collect();
        for (best, now) in layers.iter_mut().zip(&run) {
            best.min_ns = best.min_ns.min(now.min_ns);
        }
        if layers.is_empty() {
            layers = run;
        }
    }
    for (index, layer) in (0..).zip(&mut layers) {
        let (name, family) = host.micro_kernel(index, kernels.name());
        layer.micro_kernel = format!("{name}, {family}");
    }
    times.sort_unstable();
    let total: u64 = model.format().steps().map(|s| mote_runtime::macs(model.format(), &s)).sum();
    Ok(Bench {
        isa: kernels.name(),
        threads: host.threads(),
        runs: times.len(),
        min_ns: times[0],
        median_ns: times[times.len() / 2],
        macs: total,
        gmacs: total as f64 / times[0].max(1) as f64,
        layers,
    })
}
