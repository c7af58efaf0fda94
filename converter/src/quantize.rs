//! From the float graph and what was observed of it to an int8 program.
//!
//! ```text
//! samples ─ observe ─▶ range of every value ─ params ─▶ scale and zero point ─ lower ─▶ program
//! ```

mod histogram;
mod lower;
mod observe;
mod params;
pub(crate) mod weights;

pub use histogram::Histogram;
pub use lower::lower;
pub use observe::{Observations, observe};
pub use params::{Params, Range, assign};

use crate::error::{Error, Result};

/// How the range of an activation follows from the values seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Calibration {
    /// The smallest and the largest value.
    MinMax,
    /// Bounds that leave out the given fraction of values, split between both ends.
    Percentile(f64),
}

/// What activations are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activations {
    /// Int8, with a zero point of their own.
    #[default]
    Int8,
    /// Int16, with zero point 0.
    Int16,
}

impl std::str::FromStr for Calibration {
    type Err = Error;

    /// `minmax`, `percentile` (99.99) or `percentile:P` with P in percent.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            Error::new("cannot read the calibration method")
                .at(format!("\"{text}\""))
                .cause("it is neither minmax nor percentile:P with 50 < P <= 100")
                .remedy("use for example --calibration percentile:99.99")
        };
        let percent = match text.split_once(':') {
            None if text == "minmax" => return Ok(Calibration::MinMax),
            None if text == "percentile" => 99.99,
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
