//! Input preparation and how it is written on the command line.

use crate::error::{Error, Result};
use ndarray::ArrayD;

/// Input preparation: `x' = (x − mean) · scale`, per channel or the same for all.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepare {
    /// Subtracted first. One number, or one a channel (the last axis).
    pub mean: Vec<f32>,
    /// Multiplied then. One number, or one a channel (the last axis).
    pub scale: Vec<f32>,
}

impl Default for Prepare {
    fn default() -> Self {
        Prepare { mean: vec![0.0], scale: vec![1.0] }
    }
}

impl Prepare {
    /// Reads lists like `127.5`, `0.485,0.456,0.406` or `1/255`; an absent text means no change.
    pub fn parse(mean: Option<&str>, scale: Option<&str>) -> Result<Self> {
        let none = Prepare::default();
        let mean = mean.map_or(Ok(none.mean), |t| numbers("--mean", t))?;
        let scale = scale.map_or(Ok(none.scale), |t| numbers("--scale", t))?;
        if scale.contains(&0.0) {
            return Err(Error::new("cannot read the input preparation")
                .at("--scale")
                .cause("0 makes every input the same")
                .remedy(
                    "values are multiplied by it after --mean is taken off: for pixels, for example 1/255",
                ));
        }
        Ok(Prepare { mean, scale })
    }

    /// Whether it leaves every value as it is.
    pub fn is_identity(&self) -> bool {
        self.mean.iter().all(|&m| m == 0.0) && self.scale.iter().all(|&s| s == 1.0)
    }

    /// Refuses lists that are neither one number nor one for each of `channels`.
    pub fn check(&self, channels: usize) -> Result<()> {
        for (option, list) in [("--mean", &self.mean), ("--scale", &self.scale)] {
            if list.len() != 1 && list.len() != channels {
                return Err(Error::new("the input preparation does not fit the model")
                    .at(option)
                    .cause(format!("{} numbers for {channels} channels", list.len()))
                    .remedy("give one number, or one for each channel"));
            }
        }
        Ok(())
    }

    /// Prepares a sample in place.
    pub fn apply(&self, x: &mut ArrayD<f32>) {
        if self.is_identity() {
            return;
        }
        let channels = x.shape().last().copied().unwrap_or(1);
        for (i, value) in x.iter_mut().enumerate() {
            let pick = |list: &[f32]| list[(i % channels) % list.len()];
            *value = (*value - pick(&self.mean)) * pick(&self.scale);
        }
    }
}

fn numbers(option: &str, text: &str) -> Result<Vec<f32>> {
    text.split(',').map(number).collect::<Option<Vec<f32>>>().ok_or_else(|| {
        Error::new("cannot read the input preparation")
            .at(format!("{option} {text}"))
            .cause("it is not a list of finite numbers")
            .remedy("write it like 127.5, like 0.485,0.456,0.406 or like 1/255")
    })
}

fn number(text: &str) -> Option<f32> {
    let (numerator, denominator) = match text.split_once('/') {
        Some((n, d)) => (n, d.trim().parse::<f64>().ok()?),
        None => (text, 1.0),
    };
    let value = (numerator.trim().parse::<f64>().ok()? / denominator) as f32;
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fractions_and_lists() {
        let p = Prepare::parse(Some("127.5"), Some("1/255, -2 / 4")).unwrap();
        assert_eq!((p.mean, p.scale), (vec![127.5], vec![1.0 / 255.0, -0.5]));
        for bad in ["", "1,", "1/0", "a", "nan", "1e99"] {
            assert!(Prepare::parse(Some(bad), None).is_err(), "{bad}");
        }
        assert!(Prepare::parse(None, None).unwrap().is_identity());
    }

    #[test]
    fn channels_are_the_last_axis() {
        let p = Prepare { mean: vec![1.0, 2.0], scale: vec![10.0] };
        let mut x = ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0]]).into_dyn();
        p.apply(&mut x);
        assert_eq!(x, ndarray::arr2(&[[0.0, 0.0], [20.0, 20.0]]).into_dyn());
        assert!(p.check(2).is_ok() && p.check(3).is_err());
    }
}
