//! A converted model explained on one page without anything from elsewhere, for the browser of a phone or a desk: what it
//! costs, how far each layer is from the float network, the graph, the memory over time, and what is got wrong. It
//! shows what others have measured; nothing is computed here but sums.

mod graph;
mod layers;
mod values;

use crate::cli::text::{percent, thousands};
use crate::evaluate::Accuracy;
use crate::report::ModelReport;
use crate::timeline::{self, Timeline, escape};
use mote_runtime::Model;
use std::fmt::Write;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;padding:1em;max-width:1100px;color:#222;background:#fff}\
h1{font-size:1.5em;overflow-wrap:anywhere}h2{font-size:1.15em;margin:2em 0 .4em;border-top:1px solid #ddd;padding-top:1em}\
p{margin:.3em 0 .8em}.wide{overflow-x:auto}table{border-collapse:collapse;font-size:14px}\
td,th{padding:.25em .7em;text-align:right;white-space:nowrap}td:first-child,th:first-child{text-align:left}\
tr:nth-child(even) td{background:#f6f6f6}.numbers{display:flex;flex-wrap:wrap;gap:.6em}\
.numbers div{flex:1 1 9em;background:#f2f5f9;border-radius:8px;padding:.6em .9em}.numbers b{display:block;font-size:1.25em}\
.bar{display:inline-block;height:.7em;background:#4e79a7;vertical-align:baseline}table tr td.bad{background:#e15759;color:#fff}\
table.confusion td{min-width:2.2em;text-align:center;padding:.25em .3em}@media(max-width:600px){td,th{padding:.25em .45em}table{font-size:13px}}";

/// What the page shows.
pub struct Page<'a> {
    /// The model.
    pub model: &'a Model<'a>,
    /// What is known of it.
    pub report: &'a ModelReport,
    /// Of the float network, where there is one.
    pub float: Option<&'a Accuracy>,
    /// Of the model, where there are samples to judge by.
    pub int8: Option<&'a Accuracy>,
}

impl Page<'_> {
    /// The page.
    pub fn html(&self) -> String {
        let name = escape(&self.report.name);
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" \
             content=\"width=device-width,initial-scale=1\"/><title>{name}: report</title>\
             <style>{STYLE}{}</style></head><body>\n<h1>{name}</h1>\n",
            timeline::STYLE
        );
        self.numbers(&mut page);
        self.accuracy(&mut page);
        layers::section(&mut page, self.model, self.report);
        values::section(&mut page, self.report);
        graph::section(&mut page, self.model);
        page.push_str("<h2>Memory over time</h2>\n");
        page.push_str(&Timeline::new(self.model).section());
        page + "</body></html>\n"
    }

    fn numbers(&self, page: &mut String) {
        let report = self.report;
        let mut tiles = vec![
            (thousands(report.model_bytes as u64), "bytes of flash"),
            (thousands(report.arena_bytes as u64), "bytes of RAM"),
            (thousands(report.macs), "multiply-accumulates"),
        ];
        tiles.extend(self.int8.map(|a| (percent(a.top1), "right answers")));
        page.push_str("<div class=\"numbers\">");
        for (number, what) in tiles {
            let _ = write!(page, "<div><b>{number}</b>{what}</div>");
        }
        page.push_str("</div>\n");
    }

    fn accuracy(&self, page: &mut String) {
        let Some(int8) = self.int8 else { return };
        let _ = write!(
            page,
            "<h2>Accuracy</h2>\n<div class=\"wide\"><table><tr><th>on {} samples</th><th>top-1</th><th>top-5</th>\
             <th>loss</th></tr>\n",
            int8.samples
        );
        let float = self.float.map(|float| ("float", float));
        for (name, a) in float.into_iter().chain([("this model", int8)]) {
            let (top1, top5) = (percent(a.top1), percent(a.top5));
            let _ = writeln!(
                page,
                "<tr><td>{name}</td><td>{top1}</td><td>{top5}</td><td>{:.4}</td></tr>",
                a.loss
            );
        }
        page.push_str("</table></div>\n");
        self.confusion(page, int8);
    }

    /// Rows are what samples are, columns what they are taken for.
    fn confusion(&self, page: &mut String, accuracy: &Accuracy) {
        if accuracy.confusion.is_empty() {
            return;
        }
        let labels = self.model.labels(0);
        let name = |c: usize| {
            let label = labels.as_ref().and_then(|l| l.clone().nth(c));
            label.map_or_else(|| c.to_string(), escape)
        };
        let _ = write!(
            page,
            "<h2>What is taken for what</h2>\n<p>Rows are the samples of a class, columns the answers.</p>\n\
             <div class=\"wide\"><table class=\"confusion\"><tr><th></th>"
        );
        for c in 0..accuracy.confusion.len() {
            let _ = write!(page, "<th title=\"{}\">{c}</th>", name(c));
        }
        page.push_str("<th>precision</th><th>recall</th><th>F1</th></tr>\n");
        for (c, (row, class)) in accuracy.confusion.iter().zip(&accuracy.classes).enumerate() {
            let _ = write!(page, "<tr><th>{c} {}</th>", name(c));
            for (answer, &count) in row.iter().enumerate() {
                let colour = if answer == c { "89,161,79" } else { "225,87,89" };
                let depth = count as f64 / class.samples.max(1) as f64;
                let _ = write!(page, "<td style=\"background:rgba({colour},{depth:.2})\">{count}</td>");
            }
            for share in [class.precision, class.recall, class.f1] {
                let _ = write!(page, "<td>{}</td>", share.map_or("-".into(), percent));
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</table></div>\n");
    }
}
