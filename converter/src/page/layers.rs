//! What each layer costs, and how far it is from the float network.

use crate::cli::text::{percent, thousands};
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
         Flash is what a layer is the first to read.</p>\n",
    );
    if let Some(all) = &report.sensitivity {
        let classes = all.top1.map_or(String::new(), |top1| {
            let what = if all.labelled { "right answers" } else { "answers as the float network's" };
            format!(" and the {} of {what}", percent(top1))
        });
        let _ = writeln!(
            page,
            "<p>&ldquo;If float&rdquo; is what the {:.1} dB of the outputs{classes} would gain if this layer alone were float, \
             on {} samples.</p>",
            all.sqnr_db, all.samples
        );
    }
    let gained = if report.sensitivity.is_some() { "<th>if float dB</th><th>points</th>" } else { "" };
    let _ = writeln!(
        page,
        "<div class=\"wide\"><table><tr><th>layer</th><th>SQNR dB</th>{gained}<th>operator</th><th>weights</th><th>flash</th><th></th>\
         <th>MACs</th><th></th></tr>"
    );
    for (o, &flash) in report.operators.iter().zip(&flash) {
        let class = if o.sqnr_db.is_some_and(|db| db < NOISY) { " class=\"bad\"" } else { "" };
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td{class}>{}</td>{}<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&o.name),
            o.sqnr_db.map_or("-".into(), |db| format!("{db:.1}")),
            gain(report, &o.name),
            o.op,
            o.weights.unwrap_or("-"),
            thousands(flash),
            bar(flash, most_flash),
            thousands(o.macs),
            bar(o.macs, most_macs)
        );
    }
    page.push_str("</table></div>\n");
}

/// What the outputs would gain by a layer in float, where that has been measured.
fn gain(report: &ModelReport, layer: &str) -> String {
    let Some(all) = &report.sensitivity else { return String::new() };
    let found = all.layers.iter().find(|l| l.layer == layer);
    let db = found.map_or("-".into(), |l| format!("{:+.2}", l.gain_db));
    let points = found.and_then(|l| l.gain_top1).map_or("-".into(), |gain| format!("{:+.2}", 100.0 * gain));
    format!("<td>{db}</td><td>{points}</td>")
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
