//! Where a model comes from: import, passes, and what calibration needs.

pub mod data;
pub mod error;
pub mod import;
pub mod ir;
pub mod passes;
pub mod progress;
pub mod reference;
