//! Plain text for people: tables, numbers, bars, pictures. Standard output that has gone away ends the program quietly.

use crate::error::{Error, Result};
use ndarray::ArrayD;
use std::io::{IsTerminal, Write};

/// Prints a line.
pub(super) fn line(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) => Err(Error::new("cannot print").cause(e.to_string()).remedy("check where the output goes")),
        Ok(()) => Ok(()),
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A share of 1 as a percentage with two digits.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}

/// Rows under a heading, columns as wide as they need to be. The first column and those whose heading starts with `<`
/// are flush left, the others right.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let left = |c: usize| c == 0 || heading[c].starts_with('<');
    let heading: Vec<String> = heading.iter().map(|h| h.trim_start_matches('<').to_owned()).collect();
    let all = || std::iter::once(&heading).chain(rows);
    let widths: Vec<usize> =
        (0..heading.len()).map(|c| all().map(|r| r[c].chars().count()).max().unwrap_or(0)).collect();
    let render = |row: &Vec<String>| {
        let cell = |c: usize| {
            let (text, width) = (&row[c], widths[c]);
            if left(c) { format!("{text:<width$}") } else { format!("{text:>width$}") }
        };
        (0..row.len()).map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(render).collect::<Vec<_>>().join("\n")
}

/// An image of one or three channels, values from `low` to `high`, two rows of pixels a line: coloured half blocks on a
/// terminal, shades of ink elsewhere.
pub(super) fn picture(image: &ArrayD<f32>, low: f32, high: f32) -> Vec<String> {
    let &[h, w, c] = image.shape() else { return Vec::new() };
    let level = |y: usize, x: usize, k: usize| {
        let value = if y < h { image[[y, x, k.min(c - 1)]] } else { low };
        ((value - low) / (high - low) * 255.0).clamp(0.0, 255.0) as u8
    };
    let rows = (0..h).step_by(2);
    if !std::io::stdout().is_terminal() {
        const INK: &[u8] = b" .:-=+*#%@";
        let shade = |y: usize, x: usize| usize::from(level(y, x, 0) / 2 + level(y + 1, x, 0) / 2);
        let ink = |y: usize, x: usize| char::from(INK[shade(y, x) * INK.len() / 256]);
        return rows.map(|y| (0..w).map(|x| ink(y, x)).collect()).collect();
    }
    let colour = |y: usize, x: usize| [0, 1, 2].map(|k| level(y, x, k).to_string()).join(";");
    let cell = |y: usize, x: usize| format!("\x1b[38;2;{}m\x1b[48;2;{}m▀", colour(y, x), colour(y + 1, x));
    rows.map(|y| (0..w).map(|x| cell(y, x)).collect::<String>() + "\x1b[0m").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_columns() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        let text = table(&["name", "n"], &[vec!["a".into(), "1".into()], vec!["long".into(), "22".into()]]);
        assert_eq!(text, "name   n\na      1\nlong  22");
    }
}
