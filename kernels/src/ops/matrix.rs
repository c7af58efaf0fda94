//! Layers that are a matrix product over the input as it lies: dense layers and pointwise convolutions.

use mote_format::{Const, Requant};

use crate::isa::{Isa, Layer, Rows};
use crate::view::Io;

/// Every row of channels of the input times the weights.
/// In a frame of its own as [`own_frame`](crate::isa::own_frame) says, and one for both.
#[cfg_attr(target_arch = "x86_64", inline(always))]
#[cfg_attr(not(target_arch = "x86_64"), inline(never))]
pub(super) fn run<I: Isa>(isa: I, io: &mut Io<'_>, weights: Const, bias: Const, requant: &Requant) {
    let x = &io.x[0];
    let (k, cout) = (x.shape.channels(), io.y.shape.channels());
    let layer = Layer::new(isa, io.i8s(weights), k, io.channels(bias, requant), cout);
    let x = Rows { data: x.i8s(), stride: k, count: x.shape.elements() / k, len: k };
    isa.matrix(x, &layer, bytemuck::cast_slice_mut(&mut *io.scratch), io.y.i8s());
}
