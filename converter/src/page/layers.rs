//! What each layer costs, and how far it is from the float network.

use crate::cli::text::thousands;
use crate::report::ModelReport;
use crate::timeline::escape;
use mote_runtime::Model;
use std::collections::HashSet;
use std::fmt::Write;

/// Below so many dB, a layer's noise is a hundredth of its signal.
const NOISY: f32 = 20.0;

/// A table with a row a layer.
pub(super) fn section(page: &mut String, model: &Model<'_>, report: &ModelReport) {
    let flash = flash(model);
    let most = |values: &mut dyn Iterator<Item = u64>| values.max().unwrap_or(0).max(1);
    let (most_flash, most_macs) =
        (most(&mut flash.iter().copied()), most(&mut report.operators.iter().map(|o| o.macs)));
    page.push_str(
        "<h2>Layers</h2>\n<p>SQNR is signal over quantization noise against the float network; red is below 20 dB. \
         Flash is what a layer is the first to read.</p>\n<div class=\"wide\"><table><tr><th>layer</th>\
         <th>SQNR dB</th><th>operator</th><th>flash</th><th></th><th>MACs</th><th></th></tr>\n",
    );
    for (o, &flash) in report.operators.iter().zip(&flash) {
        let class = if o.sqnr_db.is_some_and(|db| db < NOISY) { " class=\"bad\"" } else { "" };
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td{class}>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&o.name),
            o.sqnr_db.map_or("-".into(), |db| format!("{db:.1}")),
            o.op,
            thousands(flash),
            bar(flash, most_flash),
            thousands(o.macs),
            bar(o.macs, most_macs)
        );
    }
    page.push_str("</table></div>\n");
}

fn bar(part: u64, most: u64) -> String {
    let width = 100.0 * part as f64 / most as f64;
    format!(
        "<span style=\"display:block;width:100px;text-align:left\"><span class=\"bar\" style=\"width:{width:.0}px\"></span></span>"
    )
}

/// Bytes of weights, tables and constant inputs that each step is the first to read.
fn flash(model: &Model<'_>) -> Vec<u64> {
    let format = model.format();
    let mut seen = HashSet::new();
    let mut bytes = Vec::new();
    for step in format.steps() {
        let mut read: Vec<(u32, u64)> = Vec::new();
        let constants = step.inputs.iter().filter_map(|id| format.tensor(id)).filter(|t| t.constant);
        read.extend(constants.map(|t| (t.offset, t.bytes() as u64)));
        let mut op = step.op;
        op.each_const(&mut |c| read.push((c.at, c.len.into())));
        bytes
            .push(read.into_iter().filter(|&(at, len)| len > 0 && seen.insert(at)).map(|(_, len)| len).sum());
    }
    bytes
}
