//! Where a model comes from: import, passes, and what calibration needs.

pub mod bench;
pub mod board;
pub mod build;
pub mod cli;
pub mod convert;
pub mod data;
pub mod encode;
pub mod error;
pub mod evaluate;
pub mod export;
pub mod import;
pub mod infer;
mod interpolated;
pub mod ir;
pub mod lossless;
pub mod model_file;
pub mod page;
pub mod passes;
mod phases;
pub mod plan;
pub mod program;
pub mod progress;
mod proto;
pub mod quantize;
pub mod recode;
pub mod reference;
pub mod report;
mod resample;
pub mod sensitivity;
pub mod tflite;
pub mod timeline;
#[cfg(feature = "train")]
pub mod train;
pub mod verify;
mod walk;
