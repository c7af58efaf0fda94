//! Runs a mote model in an arena: no allocation, no unsafe code, nothing that can fail after the start.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let bytes: &[u8] = &[];
//! use mote_runtime::{Model, Session};
//!
//! let model = Model::new_checked(bytes)?;            // every offset, shape and live range is proven here
//! let mut arena = [0; 16 * 1024];                    // model.arena_bytes() says how much
//! let mut session = Session::new(&model, &mut arena)?;
//! session.input_mut(0).ok_or("no input")?.bytes_mut().fill(0);
//! session.run();
//! let best = session.output(0).ok_or("no output")?.top::<1>();
//! # Ok(()) }
//! ```
//!
//! What a model is lives in `mote-format`, how an operator computes in `mote-kernels`. Here lives *when* it runs,
//! and on which bytes.

#![no_std]

#[cfg(feature = "std")]
extern crate std;

mod aligned;
mod bind;
mod cursor;
mod error;
#[cfg(feature = "std")]
mod host;
mod included;
mod model;
mod operators;
mod program;
mod ram;
mod session;
mod step;
mod tensor;

pub use aligned::{Aligned, Arena};
pub use error::{ArenaTooSmall, RegionTooSmall, RowsError};
#[cfg(feature = "std")]
pub use host::{Host, micro_kernel};
#[cfg(feature = "macros")]
pub use included::include_model;
pub use included::{Facts, Included};
pub use model::Model;
pub use mote_format::{DType, Error, Labels, Op, Preparation, Quant, Reason, Shape, TensorInfo};
pub use mote_kernels::table::Kernels;
pub use operators::Operators;
pub use program::{Program, Tensors};
pub use session::Session;
pub use step::{Hook, Kernel, Step, macs};
pub use tensor::{Class, Tensor, TensorMut};

/// What the macros' expansions name.
#[doc(hidden)]
pub mod linked {
    pub use mote_format::{self as format, Operator};
    pub use mote_kernels::table::{Columns, Computed};
    pub use mote_kernels::ways;

    pub use crate::included::{place, place_mut};
    pub use core::marker::PhantomData;

    pub use crate::{Aligned, Arena, Facts, Included, Session};
}
