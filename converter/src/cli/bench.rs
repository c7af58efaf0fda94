//! `mote bench`.

use super::Json;
use super::text::{line, table, thousands};
use crate::error::Result;
use crate::{bench, model_file};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `mote bench`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mote bench net.mote\n  mote bench net.mote --isa scalar --per-layer\n  mote bench net.mote --threads 4"
)]
pub(super) struct Bench {
    /// The model
    model: PathBuf,
    /// Run on this instruction set instead of the fastest one
    #[arg(long, value_name = "NAME")]
    isa: Option<String>,
    /// Let so many threads share each layer
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Also show the time of each layer
    #[arg(long)]
    per_layer: bool,
    #[command(flatten)]
    json: Json,
}

pub(super) fn main(args: &Bench) -> Result<()> {
    let bytes = model_file::read(&args.model)?;
    let model = model_file::parse(&args.model, &bytes)?;
    let result = bench::bench(
        &model,
        model_file::kernels(args.isa.as_deref())?,
        args.threads.into(),
        args.per_layer,
        args.json.progress(),
    )?;
    if args.json.print(&result)? {
        return Ok(());
    }
    if args.per_layer {
        let rows: Vec<_> = result
            .layers
            .iter()
            .map(|l| {
                let rate = if l.macs == 0 {
                    "-".into()
                } else {
                    format!("{:.2}", l.macs as f64 / l.min_ns.max(1) as f64)
                };
                vec![
                    l.name.clone(),
                    l.kernel.clone(),
                    l.micro_kernel.clone(),
                    thousands(l.macs),
                    format!("{:.1}", l.min_ns as f64 / 1e3),
                    rate,
                ]
            })
            .collect();
        line(&table(&["layer", "<kernel", "<micro-kernel", "MACs", "µs", "GMAC/s"], &rows))?;
        line("")?;
    }
    line(&format!(
        "isa     {} ({} thread{})\nmin     {:.1} µs\nmedian  {:.1} µs over {} runs\nMACs    {}\nspeed   {:.2} GMAC/s",
        result.isa,
        result.threads,
        if result.threads == 1 { "" } else { "s" },
        result.min_ns as f64 / 1e3,
        result.median_ns as f64 / 1e3,
        result.runs,
        thousands(result.macs),
        result.gmacs
    ))
}
