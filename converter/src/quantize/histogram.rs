//! What is remembered of the values of one tensor: extremes, and counts in bins that widen as the range grows. Which range
//! follows is `calibrate`'s.

/// Bins on each side of zero.
const HALF: usize = 2048;

/// Counts of values around zero. The bins' width doubles, two bins becoming one, when a value lies outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    min: f32,
    max: f32,
    width: f32,
    counts: Vec<u64>,
    /// Sums of the smallest and the largest values of each sample, and the number of samples.
    sums: [f64; 2],
    samples: u32,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            min: f32::INFINITY,
            max: f32::NEG_INFINITY,
            width: 0.0,
            counts: vec![0; 2 * HALF],
            sums: [0.0; 2],
            samples: 0,
        }
    }
}

impl Histogram {
    /// Counts the finite values of one sample.
    pub fn add(&mut self, values: impl IntoIterator<Item = f32>) {
        let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
        for v in values.into_iter().filter(|v| v.is_finite()) {
            min = min.min(v);
            max = max.max(v);
            self.widen(v.abs());
            let bin = if self.width > 0.0 { (v / self.width).floor() as i64 } else { 0 };
            let at = (bin + HALF as i64).clamp(0, 2 * HALF as i64 - 1);
            self.counts[at as usize] += 1;
        }
        if min <= max {
            self.min = self.min.min(min);
            self.max = self.max.max(max);
            self.sums = [self.sums[0] + f64::from(min), self.sums[1] + f64::from(max)];
            self.samples += 1;
        }
    }

    /// Makes room for a magnitude.
    fn widen(&mut self, magnitude: f32) {
        if self.width == 0.0 && magnitude > 0.0 {
            self.width = (magnitude / HALF as f32).max(f32::MIN_POSITIVE);
        }
        while magnitude >= self.width * HALF as f32 && magnitude > 0.0 {
            let mut merged = vec![0; 2 * HALF];
            for (i, &n) in self.counts.iter().enumerate() {
                merged[HALF / 2 + i / 2] += n;
            }
            self.counts = merged;
            self.width *= 2.0;
        }
    }

    /// Smallest and largest value, or `None` when none was counted.
    pub fn extremes(&self) -> Option<(f32, f32)> {
        (self.min <= self.max).then_some((self.min, self.max))
    }

    /// Means of the samples' smallest and largest values.
    pub fn average(&self) -> Option<(f32, f32)> {
        let mean = |sum: f64| (sum / f64::from(self.samples)) as f32;
        (self.samples > 0).then(|| (mean(self.sums[0]), mean(self.sums[1])))
    }

    /// The middle of each bin that is not empty, in order, and its count.
    pub fn bins(&self) -> impl Iterator<Item = (f32, u64)> {
        let middle = |bin: usize| (bin as f32 + 0.5 - HALF as f32) * self.width;
        self.counts.iter().enumerate().filter(|(_, n)| **n > 0).map(move |(bin, &n)| (middle(bin), n))
    }

    /// Bounds outside which at most `fraction` of the values lie, half of them on each side.
    pub fn bounds(&self, fraction: f64) -> Option<(f32, f32)> {
        let (min, max) = self.extremes()?;
        let total: u64 = self.counts.iter().sum();
        let spare = (total as f64 * fraction / 2.0) as u64;
        let edge = |bin: usize| (bin as f32 - HALF as f32) * self.width;
        let cut = |counts: &mut dyn Iterator<Item = &u64>| {
            let mut seen = 0;
            counts
                .take_while(|&&n| {
                    seen += n;
                    seen <= spare
                })
                .count()
        };
        let low = edge(cut(&mut self.counts.iter()));
        let high = edge(2 * HALF - cut(&mut self.counts.iter().rev()));
        Some((low.max(min), high.min(max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_leave_out_the_outliers() {
        let mut h = Histogram::default();
        h.add((0..10_000).map(|i| i as f32 / 10_000.0 - 0.5));
        h.add([1000.0, -50.0]);
        assert_eq!(h.extremes(), Some((-50.0, 1000.0)));
        let (low, high) = h.bounds(0.001).unwrap_or_default();
        assert!((-1.0..=-0.49).contains(&low) && (0.49..=1.0).contains(&high), "{low} {high}");
        assert_eq!(h.bounds(0.0), Some((-50.0, 1000.0)));
    }

    #[test]
    fn zeros_and_nothing() {
        let mut h = Histogram::default();
        assert_eq!(h.bounds(0.1), None);
        h.add([0.0, 0.0]);
        assert_eq!(h.bounds(0.1), Some((0.0, 0.0)));
    }
}
