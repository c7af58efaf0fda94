//! What is remembered of the values of one tensor: extremes, and counts in bins that widen as the range grows.

/// Bins on each side of zero.
const HALF: usize = 2048;

/// Counts of values around zero. The bins' width doubles, two bins becoming one, when a value lies outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    min: f32,
    max: f32,
    width: f32,
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { min: f32::INFINITY, max: f32::NEG_INFINITY, width: 0.0, counts: vec![0; 2 * HALF] }
    }
}

impl Histogram {
    /// Counts finite values.
    pub fn add(&mut self, values: impl IntoIterator<Item = f32>) {
        for v in values.into_iter().filter(|v| v.is_finite()) {
            self.min = self.min.min(v);
            self.max = self.max.max(v);
            self.widen(v.abs());
            let bin = if self.width > 0.0 { (v / self.width).floor() as i64 } else { 0 };
            let at = (bin + HALF as i64).clamp(0, 2 * HALF as i64 - 1);
            self.counts[at as usize] += 1;
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
