//! What a mote model *is*: its bytes, its operators, and the checks that make it safe to run.
//!
//! [`Model::new_checked`] accepts or refuses any byte string. After it nothing in a model can be out of
//! bounds, of the wrong shape, or used before it is written. How an operator computes is `mote-kernels`;
//! when it runs is `mote-runtime`. The bytes are drawn in this crate's README.

#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;

mod bytes;
mod check;
mod crc;
mod error;
mod field;
mod header;
mod lockstep;
mod meta;
mod model;
mod operator;
#[macro_use]
mod ops;
mod palette;
mod rows;
mod rules;
mod tensor;
#[cfg(feature = "alloc")]
mod write;

pub use error::{Error, Reason, WAYS};
pub use field::{Const, Pads, Requant, Requant16, Rounding, Scale, Stride};
pub use header::{ALIGN, MAGIC, MAX_REGIONS, MAX_STEPS, MAX_TENSORS, Regions, VERSION, VERSIONS};
pub use lockstep::{Call, Calls, Group, Groups, Growth, MAX_CALL_ROWS, MAX_GROUP, Progress};
pub use meta::{Bound, Labels, NamedRegion, NamedRegions, Original, Preparation, Removed};
pub use model::{Ids, Model, State, StepInfo, Steps};
pub use operator::{Operator, OperatorRow, Reader};
pub use ops::*;
#[cfg(feature = "alloc")]
pub use palette::palette_rows;
pub use palette::{INT4, PALETTE, palette_index, palette_row};
pub use rows::{Bands, Image, RowWindow};
pub use tensor::{DType, MAX_RANK, Quant, Shape, TensorInfo};
#[cfg(feature = "alloc")]
pub use write::{AlignedBytes, GroupSpec, ModelWriter, RegionSpec, StateSpec, StepSpec, TensorSpec};

/// An operator reads at most this many tensors.
pub const MAX_INPUTS: usize = 8;
