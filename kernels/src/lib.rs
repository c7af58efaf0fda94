//! How an operator computes, on every instruction set, with the same bits.
//!
//! Layers, lowest first: [`quant`] (sums to int8; [`sums16`] to int16), [`view`] (what a kernel is given), [`isa`]
//! (micro-kernels per instruction set), `ops` (each operator written once, generic over [`isa::Isa`]), [`ways`] (which of
//! an operator's ways a step takes), [`table`] (operators × instruction sets). Shapes and arities are proven by
//! `mote-format`'s check before a kernel is called.

#![no_std]

#[cfg(feature = "std")]
extern crate std;

pub mod fixed16;
pub mod indexed;
pub mod inverse_sqrt;
pub mod isa;
#[cfg(feature = "std")]
pub mod naming;
mod ops;
#[cfg(feature = "std")]
pub mod packed;
pub mod quant;
pub mod sums16;
pub mod table;
pub mod view;
pub mod ways;

pub use mote_format as format;
