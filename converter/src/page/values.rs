//! How the values of each layer are spread in the float network, and what rounding makes of them.

use crate::report::ModelReport;
use crate::timeline::escape;
use std::fmt::Write;

/// Extents of a drawing.
const WIDTH: usize = 192;
const HEIGHT: usize = 32;

/// A row a layer: values as they are, and as they are stored.
pub(super) fn section(page: &mut String, report: &ModelReport) {
    if report.values.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Values before and after rounding</h2>\n<p>How often each value occurs in the calibration samples, drawn as the \
         cube root of its share: in the float network, and rounded to the 256 values of the layer. What is cut off piles up at \
         an end.</p>\n<div class=\"wide\"><table><tr><th>layer</th><th>smallest</th><th>before</th><th>after</th>\
         <th>largest</th><th>cut off</th></tr>\n",
    );
    for v in &report.values {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{:.3}</td><td>{}</td><td>{}</td><td>{:.3}</td><td>{:.3} %</td></tr>",
            escape(&v.layer),
            v.min,
            drawing(&v.before, "#4e79a7"),
            drawing(&v.after, "#f28e2b"),
            v.max,
            100.0 * v.cut_off
        );
    }
    page.push_str("</table></div>\n");
}

/// A column for each share.
fn drawing(shares: &[f32], colour: &str) -> String {
    let most = shares.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let width = WIDTH / shares.len().max(1);
    let mut path = String::new();
    for (i, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        let height = (HEIGHT as f32 * (share / most).cbrt()).max(1.0);
        let _ = write!(path, "M{} {HEIGHT}v-{height:.1}h{width}v{height:.1}z", i * width);
    }
    format!(
        "<svg width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\"><path fill=\"{colour}\" d=\"{path}\"/></svg>"
    )
}
