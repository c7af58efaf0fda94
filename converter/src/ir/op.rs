//! The operators of the float graph and their parameters. What they compute is ONNX's definition
//! under the graph's [`Layout`](super::Layout); how shapes follow is `ir/shape.rs`.

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

/// An element-wise function of one argument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, min), max)`; the bounds may be infinite.
    Clip {
        /// Lower bound.
        min: f32,
        /// Upper bound.
        max: f32,
    },
    /// `x`, or `alpha·x` below zero.
    LeakyRelu {
        /// Slope below zero.
        alpha: f32,
    },
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `x · min(max(x/6 + 1/2, 0), 1)`.
    HardSwish,
    /// `min(max(alpha·x + beta, 0), 1)`.
    HardSigmoid {
        /// Slope.
        alpha: f32,
        /// Value at zero.
        beta: f32,
    },
    /// `x`, or `alpha·(e^x − 1)` below zero.
    Elu {
        /// Distance of the lower asymptote from zero.
        alpha: f32,
    },
}

impl Activation {
    /// The function itself.
    pub fn eval(self, x: f32) -> f32 {
        match self {
            Activation::Relu => x.max(0.0),
            Activation::Clip { min, max } => x.max(min).min(max),
            Activation::LeakyRelu { alpha } => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Activation::Tanh => x.tanh(),
            Activation::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Activation::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Activation::Elu { alpha } => {
                if x < 0.0 {
                    alpha * x.exp_m1()
                } else {
                    x
                }
            }
        }
    }

    /// The bounds, for the functions that only clamp.
    pub fn as_clamp(self) -> Option<Clamp> {
        match self {
            Activation::Relu => Some(Clamp { min: 0.0, max: f32::INFINITY }),
            Activation::Clip { min, max } => Some(Clamp { min, max }),
            _ => None,
        }
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
    /// `a` where it is not below 0, `a · b` elsewhere; `b` repeats over `a`.
    PRelu,
    /// An element-wise function.
    Activation(Activation),
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
            Op::FullyConnected => "FullyConnected",
            Op::BatchNorm { .. } => "BatchNormalization",
            Op::MaxPool(_) => "MaxPool",
            Op::AveragePool(_) => "AveragePool",
            Op::SumPool(_) => "SumPool",
            Op::Add => "Add",
            Op::Sub => "Sub",
            Op::Mul => "Mul",
            Op::Div => "Div",
            Op::PRelu => "PRelu",
            Op::Activation(a) => a.name(),
            Op::Softmax { .. } => "Softmax",
            Op::ArgMax { .. } => "ArgMax",
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

    /// Least and greatest number of inputs.
    pub fn arity(&self) -> (usize, usize) {
        match self {
            Op::Conv { .. } | Op::FullyConnected => (2, 3),
            Op::BatchNorm { .. } => (5, 5),
            Op::Add | Op::Sub | Op::Mul | Op::Div | Op::PRelu => (2, 2),
            Op::Concat { .. } => (1, usize::MAX),
            _ => (1, 1),
        }
    }
}

impl Activation {
    /// Name for messages and reports.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Relu => "Relu",
            Activation::Clip { .. } => "Clip",
            Activation::LeakyRelu { .. } => "LeakyRelu",
            Activation::Sigmoid => "Sigmoid",
            Activation::Tanh => "Tanh",
            Activation::HardSwish => "HardSwish",
            Activation::HardSigmoid { .. } => "HardSigmoid",
            Activation::Elu { .. } => "Elu",
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
