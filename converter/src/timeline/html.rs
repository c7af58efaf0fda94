//! A timeline as one page without anything from elsewhere: time to the right, a column a step; the arena upwards, from
//! its first byte. Every rectangle says what it is when it is pointed at.

use super::{Span, Timeline, Use};
use std::fmt::Write;

/// Width of one time, height of the whole arena, and room around the chart.
const COLUMN: usize = 36;
const HEIGHT: usize = 560;
const LEFT: usize = 90;
const TOP: usize = 30;
const BOTTOM: usize = 190;

const BODY: &str = "body{font:14px system-ui,sans-serif;margin:2em;color:#222}\
table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right}td:first-child,th:first-child{text-align:left}";

/// What the chart needs.
pub(crate) const STYLE: &str = "svg{font:11px system-ui,sans-serif}\
rect{stroke:#fff;stroke-width:.6}rect:hover{stroke:#000;stroke-width:1.5}line{stroke:#999}\
.input{fill:#4e79a7}.state{fill:#b07aa1}.output{fill:#59a14f}.odd{fill:#8cbf88}.scratch{fill:url(#hatch)}\
.peak{stroke:#e15759;stroke-dasharray:6 3}.used{stroke:#f28e2b;stroke-dasharray:2 3}\
.region{stroke:#000}\
table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right}td:first-child,th:first-child{text-align:left}";

impl Timeline {
    /// The page.
    pub fn html(&self, title: &str) -> String {
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><title>{0}: memory</title>\
             <style>{BODY}{STYLE}</style></head><body>\n<h1>{0}: every byte of the arena</h1>\n<p>Arena {1} bytes; at \
             most {2} hold something at one time, so {3} are lost to packing. Time goes to the right, a column a \
             step; hatched is scratch.</p>\n",
            escape(title),
            self.arena,
            self.most_used(),
            self.arena - self.most_used(),
        );
        self.chart(&mut page);
        self.table(&mut page);
        page + "</body></html>\n"
    }

    /// The chart alone, for a page that has [`STYLE`].
    pub(crate) fn section(&self) -> String {
        let mut section = String::from("<div class=\"wide\">");
        self.chart(&mut section);
        section + "</div>\n"
    }

    fn y(&self, byte: usize) -> f64 {
        TOP as f64 + HEIGHT as f64 * (1.0 - byte as f64 / self.arena.max(1) as f64)
    }

    fn chart(&self, page: &mut String) {
        let times = self.steps.len() + 2;
        let (width, height) = (LEFT + COLUMN * times + 20, TOP + HEIGHT + BOTTOM);
        let right = LEFT + COLUMN * times;
        let hatch = "<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
                     <path d=\"M0 6L6 0\" stroke=\"#555\"/></pattern></defs>";
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">{hatch}\n"
        );
        for (i, span) in self.spans.iter().enumerate() {
            self.rectangle(&mut svg, i, span);
        }
        for (class, bytes, text) in
            [("peak", self.arena, "arena"), ("used", self.most_used(), "used at most")]
        {
            let y = self.y(bytes);
            let _ = writeln!(
                svg,
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\">\
                 <title>{text}: {bytes} bytes</title></line><text x=\"4\" y=\"{:.1}\">{bytes}</text>",
                y + 4.0
            );
        }
        let named = self.regions.iter().filter(|(name, region)| !name.is_empty() && !region.is_empty());
        for (name, region) in named {
            let (top, bottom, name) = (self.y(region.end), self.y(region.start), escape(name));
            let _ = writeln!(
                svg,
                "<line class=\"region\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{top:.1}\" y2=\"{top:.1}\">\
                 <title>{name}: {} bytes</title></line><text x=\"4\" y=\"{:.1}\">{name}</text>",
                region.len(),
                (top + bottom) / 2.0
            );
        }
        let names = ["inputs"].into_iter().chain(self.steps.iter().map(|s| &*s.0)).chain(["outputs"]);
        for (time, name) in names.enumerate() {
            let (x, y) = (LEFT + COLUMN * time + COLUMN / 2, TOP + HEIGHT + 12);
            let _ = writeln!(
                svg,
                "<text x=\"{x}\" y=\"{y}\" transform=\"rotate(55 {x} {y})\">{}</text>",
                escape(name)
            );
        }
        page.push_str(&svg);
        page.push_str("</svg>\n");
    }

    fn rectangle(&self, svg: &mut String, i: usize, span: &Span) {
        let Span { usage, name, note, bytes, times, .. } = span;
        let class = match usage {
            Use::Input => "input",
            Use::State => "state",
            Use::Output if i % 2 == 1 => "output odd",
            Use::Output => "output",
            Use::Scratch => "scratch",
        };
        let (x, width) = (LEFT + COLUMN * times.0, COLUMN * (times.1 - times.0 + 1));
        let (top, height) = (self.y(bytes.end), self.y(bytes.start) - self.y(bytes.end));
        let what = if *usage == Use::Scratch { "scratch of " } else { "" };
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{top:.2}\" width=\"{width}\" height=\"{height:.2}\" \
             fill-opacity=\"0.8\"><title>{what}{}\nbytes {} to {}: {}\ntimes {} to {}\n{}</title></rect>",
            escape(name),
            bytes.start,
            bytes.end,
            bytes.len(),
            times.0,
            times.1,
            escape(note)
        );
    }

    /// The same in words.
    fn table(&self, page: &mut String) {
        page.push_str("<table><tr><th>step</th><th>operator</th><th>bytes in use</th></tr>\n");
        for (k, (name, op)) in self.steps.iter().enumerate() {
            let _ = writeln!(
                page,
                "<tr><td>{k} {}</td><td>{op}</td><td>{}</td></tr>",
                escape(name),
                self.used(k + 1)
            );
        }
        page.push_str("</table>\n");
    }
}

/// Text that means itself in a page.
pub(crate) fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Other control characters have no place in a page.
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            c => out.push(c),
        }
        out
    })
}
