//! The operators of the float graph and their parameters. What they compute is ONNX's definition
//! under the graph's [`Layout`](super::Layout); how shapes follow is `ir/shape.rs`.

use super::{Activation, Formula};
use std::fmt;

/// Where a pooling or convolution window goes: all pairs are `[height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Extent of the window in taps.
    pub kernel: [usize; 2],
    /// Step between windows.
    pub stride: [usize; 2],
    /// Step between taps.
    pub dilation: [usize; 2],
    /// Padding: top, left, bottom, right.
    pub pads: [usize; 4],
}

impl Window {
    /// One window over the whole image.
    pub fn global(height: usize, width: usize) -> Self {
        Window { kernel: [height, width], stride: [1, 1], dilation: [1, 1], pads: [0; 4] }
    }

    /// Output extents for an image of `size`; `None` when no window fits.
    pub fn output(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let mut out = [0; 2];
        for axis in 0..2 {
            let reach = self.kernel[axis].checked_sub(1)?.checked_mul(self.dilation[axis])?.checked_add(1)?;
            let padded = size[axis].checked_add(self.pads[axis])?.checked_add(self.pads[axis + 2])?;
            out[axis] = padded.checked_sub(reach)?.checked_div(self.stride[axis])? + 1;
        }
        Some(out)
    }
}

/// Bounds applied to a node's result: a fused ReLU, ReLU6 or Clip. Either may be infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clamp {
    /// Lower bound.
    pub min: f32,
    /// Upper bound.
    pub max: f32,
}

impl Clamp {
    /// `x` within the bounds.
    pub fn apply(self, x: f32) -> f32 {
        x.max(self.min).min(self.max)
    }

    /// These bounds, then `next`.
    pub fn then(self, next: Clamp) -> Clamp {
        Clamp { min: next.apply(self.min), max: next.apply(self.max) }
    }
}

/// Two rows or columns of an image and the share of the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blend {
    /// The first.
    pub near: usize,
    /// The second.
    pub far: usize,
    /// 0 for the first alone, 1 for the second.
    pub share: f32,
}

/// What a node computes. Every operator has exactly one output.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Inputs x, w and optionally b. Weights are `[cout, cin/groups, kh, kw]` in
    /// [`Layout::Nchw`](super::Layout) and `[cout, kh, kw, cin/groups]` in `Nhwc`, whatever the
    /// number of groups; depthwise is `groups == cin`.
    Conv {
        /// Step between windows.
        stride: [usize; 2],
        /// Step between taps.
        dilation: [usize; 2],
        /// Zero padding: top, left, bottom, right.
        pads: [usize; 4],
        /// Independent channel groups.
        groups: usize,
    },
    /// Inputs x, w and optionally b: each pixel, times the weights, is added to a window of the output. Weights are those of
    /// `Conv` with one group; the output's shape says how much is cut off at the end.
    ConvTranspose {
        /// Output rows and columns from one pixel to the next.
        stride: [usize; 2],
        /// Rows and columns cut off at the top and at the left.
        cut: [usize; 2],
    },
    /// Inputs x `[rows, k]`, w `[n, k]` and optionally b `[n]`; result `[rows, n]`.
    FullyConnected,
    /// Inputs x, scale, bias, mean, variance, all but x per channel. Folded away by the passes.
    BatchNorm {
        /// Added to the variance.
        epsilon: f32,
    },
    /// Largest value in each window; padding never wins.
    MaxPool(Window),
    /// Mean of the values in each window; padding does not count.
    AveragePool(Window),
    /// Sum of the values in each window.
    SumPool(Window),
    /// `a + b`, with broadcasting.
    Add,
    /// `a − b`, with broadcasting.
    Sub,
    /// `a · b`, with broadcasting.
    Mul,
    /// `a / b`, with broadcasting; only where b is computed, otherwise it became `Mul`.
    Div,
    /// The larger of a and b, with broadcasting.
    Maximum,
    /// The smaller of a and b, with broadcasting.
    Minimum,
    /// `a` where it is not below 0, `a · b` elsewhere; `b` repeats over `a`.
    PRelu,
    /// An element-wise function.
    Activation(Activation),
    /// An element-wise function that the file writes as several operators.
    Function(Formula),
    /// Normalised exponentials along an axis.
    Softmax {
        /// The axis that sums to one.
        axis: usize,
    },
    /// Index of the largest value along an axis, the first of equals.
    ArgMax {
        /// The axis searched.
        axis: usize,
        /// Whether the axis stays, with extent 1.
        keepdims: bool,
    },
    /// The largest values along an axis in descending order, the first of equals first.
    TopK {
        /// The axis searched.
        axis: usize,
        /// How many.
        count: usize,
        /// Whether their indices are the result, not the values.
        indices: bool,
    },
    /// Parts of each axis at regular steps; all indices exist.
    Slice {
        /// First index, per axis.
        begin: Vec<usize>,
        /// From one index to the next, per axis; may be negative.
        steps: Vec<i64>,
        /// Number of indices, per axis.
        counts: Vec<usize>,
    },
    /// Slices along an axis in the order of a list.
    Gather {
        /// The axis.
        axis: usize,
        /// The slices.
        indices: Vec<usize>,
    },
    /// An image at another size: each pixel a mixture of two rows and two columns.
    Resize {
        /// One per output row.
        rows: Vec<Blend>,
        /// One per output column.
        cols: Vec<Blend>,
    },
    /// Joins all inputs along an axis.
    Concat {
        /// The axis that grows.
        axis: usize,
    },
    /// Surrounds the input with a constant.
    Pad {
        /// Elements added before, per axis.
        before: Vec<usize>,
        /// Elements added after, per axis.
        after: Vec<usize>,
        /// What they hold.
        value: f32,
    },
    /// The same elements in the same order under the output's shape.
    Reshape,
    /// Axes reordered.
    Transpose {
        /// `perm[i]` is the input axis that becomes axis `i`.
        perm: Vec<usize>,
    },
    /// The input itself.
    Identity,
}

impl Op {
    /// Name for messages and reports; ONNX's where there is one.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Conv { .. } => "Conv",
            Op::ConvTranspose { .. } => "ConvTranspose",
            Op::FullyConnected => "FullyConnected",
            Op::BatchNorm { .. } => "BatchNormalization",
            Op::MaxPool(_) => "MaxPool",
            Op::AveragePool(_) => "AveragePool",
            Op::SumPool(_) => "SumPool",
            Op::Add => "Add",
            Op::Sub => "Sub",
            Op::Mul => "Mul",
            Op::Div => "Div",
            Op::Maximum => "Max",
            Op::Minimum => "Min",
            Op::PRelu => "PRelu",
            Op::Activation(a) => a.name(),
            Op::Function(_) => "Function",
            Op::Softmax { .. } => "Softmax",
            Op::ArgMax { .. } => "ArgMax",
            Op::TopK { .. } => "TopK",
            Op::Slice { .. } => "Slice",
            Op::Gather { .. } => "Gather",
            Op::Resize { .. } => "Resize",
            Op::Concat { .. } => "Concat",
            Op::Pad { .. } => "Pad",
            Op::Reshape => "Reshape",
            Op::Transpose { .. } => "Transpose",
            Op::Identity => "Identity",
        }
    }

    /// Whether it multiplies its input by weights: convolutions and dense layers.
    pub fn is_layer(&self) -> bool {
        matches!(self, Op::Conv { .. } | Op::ConvTranspose { .. } | Op::FullyConnected)
    }

    /// Least and greatest number of inputs.
    pub fn arity(&self) -> (usize, usize) {
        match self {
            Op::Conv { .. } | Op::ConvTranspose { .. } | Op::FullyConnected => (2, 3),
            Op::BatchNorm { .. } => (5, 5),
            Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Maximum | Op::Minimum | Op::PRelu => (2, 2),
            Op::Concat { .. } => (1, usize::MAX),
            _ => (1, 1),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Conv { stride, dilation, pads, groups } => {
                write!(f, "Conv stride {stride:?} dilation {dilation:?} pads {pads:?} groups {groups}")
            }
            Op::MaxPool(w) | Op::AveragePool(w) | Op::SumPool(w) => write!(
                f,
                "{} {:?} stride {:?} dilation {:?} pads {:?}",
                self.name(),
                w.kernel,
                w.stride,
                w.dilation,
                w.pads
            ),
            Op::Activation(a) => write!(f, "{a:?}"),
            Op::Transpose { perm } => write!(f, "Transpose {perm:?}"),
            Op::ConvTranspose { stride, cut } => write!(f, "ConvTranspose stride {stride:?} cut {cut:?}"),
            Op::Function(formula) => write!(f, "{formula}"),
            Op::TopK { axis, count, .. } => write!(f, "TopK axis {axis}, {count}"),
            Op::Softmax { axis } | Op::ArgMax { axis, .. } | Op::Concat { axis } => {
                write!(f, "{} axis {axis}", self.name())
            }
            Op::Slice { begin, steps, counts } => write!(f, "Slice {counts:?} from {begin:?} by {steps:?}"),
            Op::Gather { axis, indices } => write!(f, "Gather axis {axis} {indices:?}"),
            Op::Resize { rows, cols } => write!(f, "Resize to {} x {}", rows.len(), cols.len()),
            Op::Pad { before, after, value } => write!(f, "Pad {before:?} {after:?} with {value}"),
            _ => f.write_str(self.name()),
        }
    }
}
