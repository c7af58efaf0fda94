//! From the histogram of a tensor to its range: one way per method, and the choice between them. What is measured on the
//! whole network is `search`'s.

use super::histogram::Histogram;
use super::params::Range;
use crate::error::{Error, Result};
use mote_format::Quant;

/// How the range of an activation follows from the values seen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Calibration {
    /// For each tensor the method below whose range costs least on its histogram; with equalized channels and corrected
    /// biases. Each of these only where it brings the outputs closer to the float network's.
    #[default]
    Auto,
    /// The smallest and the largest value.
    MinMax,
    /// Means of the samples' smallest and largest values.
    Average,
    /// Bounds that leave out the given fraction of values, split between both ends.
    Percentile(f64),
    /// Least mean squared error of the values in the histogram.
    Mse,
    /// Least Kullback-Leibler divergence of the integers' distribution from the values'.
    Entropy,
}

/// The methods that `Auto` chooses from.
const CANDIDATES: [Calibration; 6] = [
    Calibration::MinMax,
    Calibration::Average,
    Calibration::Percentile(1e-4),
    Calibration::Percentile(1e-3),
    Calibration::Mse,
    Calibration::Entropy,
];

/// The power of the error by which `Auto` judges: above 2, so that cutting off a large value, on which classes and boxes
/// hang, costs more than its square.
const POWER: i32 = 3;

/// Steps in which a search narrows a range, and the share of the range that is left at the end.
const STEPS: usize = 24;
const NARROWEST: f32 = 0.25;

impl std::str::FromStr for Calibration {
    type Err = Error;

    /// `auto`, `minmax`, `average`, `mse`, `entropy`, `percentile` (99.99) or `percentile:P` with P in percent.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            Error::new("cannot read the calibration method")
                .at(format!("\"{text}\""))
                .cause("it is none of auto, minmax, average, mse, entropy, and not percentile:P with 50 < P <= 100")
                .remedy("leave it out, or use for example --calibration percentile:99.99")
        };
        let percent = match text.split_once(':') {
            None => match text {
                "auto" => return Ok(Calibration::Auto),
                "minmax" => return Ok(Calibration::MinMax),
                "average" => return Ok(Calibration::Average),
                "mse" => return Ok(Calibration::Mse),
                "entropy" => return Ok(Calibration::Entropy),
                "percentile" => 99.99,
                _ => return Err(refuse()),
            },
            Some(("percentile", p)) => p.parse().map_err(|_| refuse())?,
            _ => return Err(refuse()),
        };
        if percent > 50.0 && percent <= 100.0 {
            Ok(Calibration::Percentile(1.0 - percent / 100.0))
        } else {
            Err(refuse())
        }
    }
}

impl Calibration {
    /// The range of a tensor, or `None` when no value of it was seen.
    pub fn range(self, seen: &Histogram) -> Option<Range> {
        let of = |(min, max)| Range { min, max };
        match self {
            Calibration::MinMax => seen.extremes().map(of),
            Calibration::Average => seen.average().map(of),
            Calibration::Percentile(fraction) => seen.bounds(fraction).map(of),
            Calibration::Mse => narrowed(seen, |bins, range| error(bins, range.quant(), 2)),
            Calibration::Entropy => narrowed(seen, divergence),
            Calibration::Auto => {
                let bins: Vec<_> = seen.bins().collect();
                let cost = |range: &Range| error(&bins, range.quant(), POWER);
                let ranges = CANDIDATES.iter().filter_map(|method| method.range(seen));
                ranges.min_by(|a, b| cost(a).total_cmp(&cost(b)))
            }
        }
    }
}

/// The range of least cost, found by moving one end inward and then the other, twice.
fn narrowed(seen: &Histogram, cost: impl Fn(&[(f32, u64)], Range) -> f64) -> Option<Range> {
    let (min, max) = seen.extremes()?;
    let bins: Vec<_> = seen.bins().collect();
    let share = |k: usize| 1.0 - (1.0 - NARROWEST) * k as f32 / STEPS as f32;
    let mut best = Range { min: min.min(0.0), max: max.max(0.0) };
    let (widest, mut least) = (best, cost(&bins, best));
    for _ in 0..2 {
        for upper in [true, false] {
            for k in 0..=STEPS {
                let range = if upper {
                    Range { max: widest.max * share(k), ..best }
                } else {
                    Range { min: widest.min * share(k), ..best }
                };
                let found = if range == best { least } else { cost(&bins, range) };
                if found < least {
                    (best, least) = (range, found);
                }
            }
        }
    }
    Some(best)
}

/// Sum of the errors' magnitudes, raised to a power.
fn error(bins: &[(f32, u64)], quant: Quant, power: i32) -> f64 {
    let one = |&(value, count): &(f32, u64)| {
        let real = (integer(value, quant) - quant.zero as f32) * quant.scale;
        f64::from((value - real).abs().powi(power)) * count as f64
    };
    bins.iter().map(one).sum()
}

/// The integer of a value.
fn integer(value: f32, quant: Quant) -> f32 {
    (value / quant.scale + quant.zero as f32).round().clamp(-128.0, 127.0)
}

/// Σ p·ln(p / q), with `p` the values' distribution, what lies outside counted at the ends, and `q` what is left of it when
/// the values of each integer are spread evenly over the bins that it stands for (Migacz, "8-bit inference with TensorRT",
/// 2017).
fn divergence(bins: &[(f32, u64)], range: Range) -> f64 {
    let quant = range.quant();
    let (mut inside, mut members, mut all) = ([0f64; 256], [0f64; 256], [0f64; 256]);
    let slot = |value: f32| (integer(value, quant) + 128.0) as usize;
    let (low, high) = ((-128 - quant.zero) as f32 * quant.scale, (127 - quant.zero) as f32 * quant.scale);
    let within = |value: f32| (low - quant.scale / 2.0..=high + quant.scale / 2.0).contains(&value);
    for &(value, count) in bins {
        all[slot(value)] += count as f64;
        if within(value) {
            inside[slot(value)] += count as f64;
            members[slot(value)] += 1.0;
        }
    }
    let (total, kept) = (all.iter().sum::<f64>(), inside.iter().sum::<f64>());
    let outside = |slot: usize| all[slot] - inside[slot];
    let mut sum = 0.0;
    for (i, &(value, count)) in bins.iter().enumerate().filter(|(_, bin)| within(bin.0)) {
        let at = slot(value);
        let first = i == 0 || !within(bins[i - 1].0);
        let last = i + 1 == bins.len() || !within(bins[i + 1].0);
        let mut p = count as f64;
        p += if first && at == slot(low) { outside(at) } else { 0.0 };
        p += if last && at == slot(high) && !(first && at == slot(low)) { outside(at) } else { 0.0 };
        let q = inside[at] / members[at] / kept;
        sum += p / total * (p / total / q).ln();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most values near zero, and some far away.
    fn outliers(far: f32) -> Histogram {
        let mut seen = Histogram::default();
        for sample in 0..20 {
            let wave = (0..1000).map(|i| ((i * 37 + sample * 11) as f32 * 0.618).fract() - 0.3);
            seen.add(wave);
        }
        seen.add([far]);
        seen
    }

    #[test]
    fn every_method_has_its_range() {
        let seen = outliers(40.0);
        let range = |method: Calibration| method.range(&seen).expect("values");
        assert_eq!(range(Calibration::MinMax).max, 40.0);
        assert!((2.0..3.0).contains(&range(Calibration::Average).max), "{:?}", range(Calibration::Average));
        assert!(range(Calibration::Percentile(1e-3)).max < 1.0);
        for method in [Calibration::Mse, Calibration::Entropy] {
            assert!(range(method).max < 40.0, "{method:?} {:?}", range(method));
        }
    }

    #[test]
    fn auto_costs_no_more_than_any_candidate() {
        for far in [0.5, 2.0, 40.0, 1000.0] {
            let seen = outliers(far);
            let bins: Vec<_> = seen.bins().collect();
            let cost = |m: Calibration| error(&bins, m.range(&seen).expect("values").quant(), POWER);
            let auto = cost(Calibration::Auto);
            assert!(CANDIDATES.iter().all(|&m| auto <= cost(m)), "{far}");
            assert!(auto < cost(Calibration::Percentile(0.5)), "{far}");
        }
    }

    #[test]
    fn evenly_spread_values_are_not_cut_off() {
        let mut seen = Histogram::default();
        seen.add((0..10_000).map(|i| i as f32 / 10_000.0));
        for method in [Calibration::Mse, Calibration::Entropy, Calibration::Auto] {
            let range = method.range(&seen).expect("values");
            assert!(range.max > 0.95 && range.min == 0.0, "{method:?} {range:?}");
        }
        assert_eq!(Calibration::Auto.range(&Histogram::default()), None);
    }

    #[test]
    fn names() {
        for (text, method) in
            [("auto", Calibration::Auto), ("mse", Calibration::Mse), ("entropy", Calibration::Entropy)]
        {
            assert_eq!(text.parse::<Calibration>().ok(), Some(method));
        }
        for text in ["", "kl", "percentile:40", "percentile:x", "mse:2"] {
            assert!(text.parse::<Calibration>().is_err(), "{text}");
        }
    }
}
