//! Sixteen levels for weights: int4, which are equal steps of a scale per output, or a palette, whose entries a layer's
//! outputs share and scale. Both minimise the noise that rounding adds to the outputs.

use mote_format::PALETTE;

/// One output's weights on levels: `scale` times `values` is close to what they were.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) scale: f64,
    pub(super) values: Vec<i8>,
}

/// Weights of one output, and how much an error of each counts.
#[derive(Debug, Clone)]
pub(super) struct Weighed {
    pub(super) weights: Vec<i8>,
    pub(super) counts: Vec<f64>,
    /// How much the output counts among others.
    pub(super) output: f64,
}

/// Scales that are tried for int4, between the one that clips nothing and [`NARROWEST`] of it.
const TRIED: usize = 60;
const NARROWEST: f64 = 0.4;

/// Rounds in which a palette and the scales of its outputs are fitted to each other.
const ROUNDS: usize = 4;

impl Weighed {
    fn pairs(&self) -> impl Iterator<Item = (f64, f64)> {
        self.weights.iter().map(|&w| f64::from(w)).zip(self.counts.iter().copied())
    }

    /// The noise of weights on levels.
    fn noise(&self, row: &Row) -> f64 {
        let error =
            |((w, count), &value): ((f64, f64), &i8)| count * (row.scale * f64::from(value) - w).powi(2);
        self.pairs().zip(&row.values).map(error).sum()
    }

    /// The levels `level` gives for a scale, then the scale that suits these best.
    fn fit(&self, scale: f64, level: impl Fn(f64) -> i8) -> Row {
        let values: Vec<i8> = self.weights.iter().map(|&w| level(f64::from(w) / scale)).collect();
        let (mut both, mut own) = (0.0, 0.0);
        for ((w, count), &value) in self.pairs().zip(&values) {
            both += count * w * f64::from(value);
            own += count * f64::from(value).powi(2);
        }
        let best = both / own;
        Row { scale: if best.is_finite() && best > 0.0 { best } else { scale }, values }
    }
}

/// The best of many scales for one output's weights as int4.
pub(super) fn int4(row: &Weighed) -> Row {
    let largest = row.weights.iter().fold(1.0f64, |m, &w| m.max(f64::from(w).abs()));
    let candidates = (0..TRIED).map(|i| {
        let part = 1.0 - (1.0 - NARROWEST) * i as f64 / TRIED as f64;
        row.fit(largest * part / 7.0, |w| w.round().clamp(-8.0, 7.0) as i8)
    });
    let noise = |a: &Row| row.noise(a);
    candidates.min_by(|a, b| noise(a).total_cmp(&noise(b))).unwrap_or(Row { scale: 1.0, values: Vec::new() })
}

/// The outputs of a layer on a palette of their own; the value 0 is in it.
pub(super) fn palette(rows: &[Weighed]) -> Vec<Row> {
    let mut scales = vec![1.0; rows.len()];
    let mut best: Option<(f64, Vec<Row>)> = None;
    for _ in 0..ROUNDS {
        let entries = entries(&spread(rows, &scales));
        let nearest = |w: f64| {
            let distance = |e: i8| (f64::from(e) - w).abs();
            entries.iter().copied().min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
        };
        let fitted: Vec<Row> =
            rows.iter().zip(&scales).map(|(row, &scale)| row.fit(scale, nearest)).collect();
        let noise = rows.iter().zip(&fitted).map(|(row, fitted)| row.output * row.noise(fitted)).sum();
        scales = fitted.iter().map(|row| row.scale).collect();
        if best.as_ref().is_none_or(|(least, _)| noise < *least) {
            best = Some((noise, fitted));
        }
    }
    best.map_or(Vec::new(), |(_, rows)| rows)
}

/// Values of int8 that a palette's entries are taken from.
const VALUES: usize = 255;

/// How much each value from −127 to 127 counts in weights divided by the scales of their outputs.
fn spread(rows: &[Weighed], scales: &[f64]) -> [f64; VALUES] {
    let mut counts = [0.0; VALUES];
    for (row, scale) in rows.iter().zip(scales) {
        for (w, count) in row.pairs() {
            let value = (w / scale).round().clamp(-127.0, 127.0);
            counts[(value + 127.0) as usize] += row.output * scale * scale * count;
        }
    }
    counts
}

/// The entries with the least noise: k-means in one dimension, which has a best solution that dynamic programming finds
/// (Wang and Song 2011, "Ckmeans.1d.dp"). The one closest to 0 becomes 0.
fn entries(counts: &[f64; VALUES]) -> Vec<i8> {
    // Sums of the counts, of these times the values, and times their squares, in front of each value.
    let mut sums = vec![[0.0f64; 3]; VALUES + 1];
    for (i, &count) in counts.iter().enumerate() {
        let value = i as f64 - 127.0;
        sums[i + 1] = [sums[i][0] + count, sums[i][1] + count * value, sums[i][2] + count * value * value];
    }
    let between = |from: usize, to: usize| [0, 1, 2].map(|k| sums[to][k] - sums[from][k]);
    let noise = |from: usize, to: usize| {
        let [count, first, second] = between(from, to);
        if count > 0.0 { (second - first * first / count).max(0.0) } else { 0.0 }
    };
    let mut least: Vec<f64> = (0..=VALUES).map(|to| noise(0, to)).collect();
    let mut starts = vec![vec![0; VALUES + 1]];
    for _ in 1..PALETTE {
        let mut next = (vec![0.0; VALUES + 1], vec![0; VALUES + 1]);
        for to in 0..=VALUES {
            let start = |from: &usize| least[*from] + noise(*from, to);
            let from = (0..=to).min_by(|a, b| start(a).total_cmp(&start(b))).unwrap_or(0);
            (next.0[to], next.1[to]) = (start(&from), from);
        }
        least = next.0;
        starts.push(next.1);
    }
    let (mut to, mut entries) = (VALUES, Vec::new());
    for starts in starts.iter().rev() {
        let [count, first, _] = between(starts[to], to);
        if count > 0.0 {
            entries.push((first / count).round() as i8);
        }
        to = starts[to];
    }
    match entries.iter_mut().min_by_key(|e| e.unsigned_abs()) {
        Some(closest) => *closest = 0,
        None => entries.push(0),
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighed(weights: &[i8]) -> Weighed {
        Weighed { weights: weights.to_vec(), counts: vec![1.0; weights.len()], output: 1.0 }
    }

    #[test]
    fn int4_holds_what_it_can_hold() {
        let row = int4(&weighed(&[-120, -60, 0, 15, 105]));
        assert_eq!((row.scale, row.values), (15.0, vec![-8, -4, 0, 1, 7]));
    }

    /// An outlier that does not count is clipped; one that counts is not.
    #[test]
    fn errors_count_as_they_are_weighed() {
        let mut row = weighed(&[1, 2, 3, 4, 5, 6, 7, 17]);
        row.counts[7] = 0.0;
        assert_eq!(int4(&row).values[..7], [1, 2, 3, 4, 5, 6, 7]);
        row.counts = vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let last = int4(&row);
        assert_eq!(last.scale * f64::from(last.values[7]), 17.0);
    }

    /// Sixteen values, two of them far apart, at another scale in each output, come back exactly.
    #[test]
    fn a_palette_finds_its_entries() {
        let values: Vec<i8> = vec![-127, -100, -64, -50, -30, -12, -7, -2, 0, 3, 9, 17, 31, 60, 90, 127];
        let half: Vec<i8> = values.iter().map(|v| v / 2 * 2 / 2).collect();
        let rows = palette(&[weighed(&values)]);
        assert_eq!((rows[0].scale, &rows[0].values), (1.0, &values));
        let rows = palette(&[weighed(&values), weighed(&half)]);
        let noise: f64 = weighed(&values).noise(&rows[0]) + weighed(&half).noise(&rows[1]);
        assert!(noise < 0.02 * values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>(), "{noise}");
    }
}
