//! The micro-kernel that a step comes down to, by the name that it has in this crate's README: for tools that show where
//! time goes. Each choice is that of the operator's own file. Only hosts have it; a board's steps are named by the host.

use mote_format::{Op, Shape};

use crate::isa::{DSP_SLIDES, SCALAR_SLIDES};
use crate::ops;

/// The micro-kernel of the table's kernels for a step on the instruction set of this name, whose shapes are those of the
/// first input and of the output; `scratch` is in bytes.
pub fn micro_kernel(isa: &str, op: &Op, x: &Shape, y: &Shape, scratch: usize) -> &'static str {
    match op {
        Op::Conv2d(p) if ops::conv2d::is_matrix(p) => "matrix",
        Op::Conv2d(_) | Op::TransposeConv2d(_) => "product",
        Op::DepthwiseConv2d(p) => {
            let slides = ops::depthwise_conv2d::slides(p, slides(isa), x.channels(), y.channels());
            if slides { "slide" } else { "depthwise" }
        }
        Op::FullyConnected(_) => "matrix",
        Op::Conv2dAsymmetric(_) | Op::FullyConnectedAsymmetric(_) => "tile",
        Op::DepthwiseConv2dAsymmetric(_) => "depthwise",
        Op::Conv2dPalette(_) | Op::FullyConnectedPalette(_) => "indexed",
        Op::MaxPool2d(_) => "max",
        Op::AvgPool2d(_) | Op::SumPool2d(_) => "sum",
        Op::Add(_) if x == y && scratch > 0 => "scale",
        Op::Lut(_) => "lookup",
        Op::Clamp(_) => "clamp",
        Op::Requantize(_) => "rescale",
        Op::Conv2d16(_) | Op::FullyConnected16(_) => "dot16",
        _ => "plain loop",
    }
}

/// The channels from which on windows slide on a set, of this build or of another: see [`Isa::SLIDES`](crate::isa::Isa).
fn slides(isa: &str) -> Option<usize> {
    match isa {
        "scalar" => Some(SCALAR_SLIDES),
        "arm-dsp" => Some(DSP_SLIDES),
        _ => None,
    }
}
