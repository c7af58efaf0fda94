//! From the float graph and what was observed of it to an int8 program.
//!
//! ```text
//! samples ─ observe ─▶ histograms ─ calibrate, params ─▶ scale and zero point ─ lower ─▶ program
//!              └─ equalize ─▶ the same function with channels of like ranges ─┘
//! ```
//!
//! `search` tries what may help and keeps what does.

mod calibrate;
mod equalize;
mod histogram;
mod judge;
mod lower;
mod observe;
mod params;
mod search;
mod spread;
pub(crate) mod weights;

pub use calibrate::Calibration;
pub use equalize::equalize;
pub use histogram::Histogram;
pub(crate) use judge::Judgement;
pub use lower::lower;
pub use observe::{Observations, observe, observe_divided};
pub(crate) use params::keeps_scale;
pub use params::{Params, Range, assign};
pub use search::{Quantized, Trial, search};
pub use spread::{Spread, spreads};

/// What activations are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activations {
    /// Int8, with a zero point of their own.
    #[default]
    Int8,
    /// Int16, with zero point 0.
    Int16,
}
