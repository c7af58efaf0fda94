//! The operator table: one row per operator makes its parameters, its codec, its arity and its documentation,
//! and [`for_each_op!`](crate::for_each_op), from which the kernels' table, the runtime's dispatch and the test suites expand.
//!
//! A row reads `code Name module [fewest inputs, most inputs] { parameters }`. Codes are never reused. What a row becomes
//! is in `operator.rs`. Which shapes an operator takes is said in `rules`; how it computes, in `mote-kernels`.

use crate::error::Reason;
use crate::field::{Const, Field, Pads, Requant, Requant16, Rounding, Scale, Stride, record};
use crate::operator::{Operator, OperatorRow, Reader, operators};
use crate::tensor::DType;

operators! { $
    /// Convolution over NHWC. Weights are `[out][kh][kw][in / groups]`; the bias holds −zero·Σw.
    1 Conv2d conv2d [1, 1] {
        /// Kernel height.
        kh: u16,
        /// Kernel width.
        kw: u16,
        /// Steps between outputs.
        stride: Stride,
        /// Steps between taps, 1 for a dense kernel.
        dilation: Stride,
        /// Added rows and columns.
        pads: Pads,
        /// Input and output channels are split into this many groups.
        groups: u16,
        /// `i8`, as above.
        weights: Const,
        /// `i32` per output channel.
        bias: Const,
        /// Sums to int8.
        requant: Requant,
    }

    /// Convolution of each channel by itself. Weights are `[kh][kw][out]`; output channel `o` reads input
    /// channel `o / (out / in)`; the bias holds −zero·Σw.
    2 DepthwiseConv2d depthwise_conv2d [1, 1] {
        /// Kernel height.
        kh: u16,
        /// Kernel width.
        kw: u16,
        /// Steps between outputs.
        stride: Stride,
        /// Steps between taps.
        dilation: Stride,
        /// Added rows and columns.
        pads: Pads,
        /// `i8`, as above.
        weights: Const,
        /// `i32` per output channel.
        bias: Const,
        /// Sums to int8.
        requant: Requant,
    }

    /// Matrix product of `[rows][in]` with weights `[out][in]`; the bias holds −zero·Σw.
    3 FullyConnected fully_connected [1, 1] {
        /// `i8`, as above.
        weights: Const,
        /// `i32` per output.
        bias: Const,
        /// Sums to int8.
        requant: Requant,
    }

    /// Largest value in each window; padding is never chosen.
    4 MaxPool2d max_pool2d [1, 1] {
        /// Window height.
        kh: u16,
        /// Window width.
        kw: u16,
        /// Steps between outputs.
        stride: Stride,
        /// Added rows and columns.
        pads: Pads,
        /// Lower bound of the output.
        min: i8,
        /// Upper bound of the output.
        max: i8,
    }

    /// Mean of the taps that lie inside the input, halves away from `origin`, at the input's scale.
    5 AvgPool2d avg_pool2d [1, 1] {
        /// Window height.
        kh: u16,
        /// Window width.
        kw: u16,
        /// Steps between outputs.
        stride: Stride,
        /// Added rows and columns.
        pads: Pads,
        /// Where halves are rounded away from: 0, or −128 for what was uint8.
        origin: i8,
        /// Lower bound of the output.
        min: i8,
        /// Upper bound of the output.
        max: i8,
    }

    /// Requantized sum of the taps that lie inside the input; with 1 / window in the multiplier, a mean at a
    /// scale of its own.
    6 SumPool2d sum_pool2d [1, 1] {
        /// Window height.
        kh: u16,
        /// Window width.
        kw: u16,
        /// Steps between outputs.
        stride: Stride,
        /// Added rows and columns.
        pads: Pads,
        /// Multiplier of the sum.
        scale: Scale,
        /// The rounding profile.
        round: Rounding,
        /// Lower bound of the output.
        min: i8,
        /// Upper bound of the output.
        max: i8,
    }

    /// Element-wise sum; an input may repeat along dimensions where it has length 1. Both inputs, shifted left
    /// by `left`, are brought to one scale, added, and brought to the output's.
    7 Add add [2, 2] {
        /// Multiplier of the first input.
        a: Scale,
        /// Multiplier of the second input.
        b: Scale,
        /// Multiplier of the sum.
        y: Scale,
        /// Bits by which the inputs are widened first, at most 20.
        left: u8,
        /// The rounding profile of all three; an integer one.
        round: Rounding,
        /// Lower bound of the output.
        min: i8,
        /// Upper bound of the output.
        max: i8,
    }

    /// Element-wise product; an input may repeat along dimensions where it has length 1.
    8 Mul mul [2, 2] {
        /// Multiplier of the product.
        scale: Scale,
        /// The rounding profile.
        round: Rounding,
        /// Lower bound of the output.
        min: i8,
        /// Upper bound of the output.
        max: i8,
    }

    /// The inputs one after the other along one dimension; all share the output's scale.
    9 Concat concat [1, 8] {
        /// The dimension.
        axis: u8,
    }

    /// The input with a border of one value; the output's shape says how much follows it.
    10 Pad pad [1, 1] {
        /// Elements added in front, per dimension.
        before: [u16; 6],
        /// What they hold.
        value: i8,
    }

    /// The same elements in another shape.
    11 Reshape reshape [1, 1] {}

    /// The dimensions in another order: output dimension `d` is input dimension `perm[d]`.
    12 Transpose transpose [1, 1] {
        /// The order.
        perm: [u8; 6],
    }

    /// A function of one value by a table: entry `q + 128` is the output for input `q`.
    13 Lut lut [1, 1] {
        /// 256 `i8`.
        table: Const,
    }

    /// The input held between two bounds, at the same scale.
    14 Clamp clamp [1, 1] {
        /// Lower bound.
        min: i8,
        /// Upper bound.
        max: i8,
    }

    /// Softmax over the last dimension at scale 1/256 and zero point −128, in the fixed-point steps of gemmlowp
    /// and TFLite.
    15 Softmax softmax [1, 1] {
        /// Multiplier that brings a difference of inputs to 5 integer bits.
        scale: Scale,
        /// Differences below this contribute nothing.
        diff_min: i32,
    }

    /// Index of the largest value along the last dimension, the first of equals.
    16 ArgMax arg_max [1, 1] {}

    /// Float to int8, half away from zero.
    17 Quantize quantize [1, 1] {}

    /// Int8 to float.
    18 Dequantize dequantize [1, 1] {}

    /// Int8 at one scale to int8 at another.
    19 Requantize requantize [1, 1] {
        /// Multiplier.
        scale: Scale,
        /// The rounding profile.
        round: Rounding,
        /// Lower bound of the output.
        min: i8,
        /// Upper bound of the output.
        max: i8,
    }

    /// An image at another size: each output pixel is a mixture of four of the input, the two rows and the two
    /// columns that the tables name. An entry is `near: u16`, `far: u16` and the share of `far`: an `i32` in units of
    /// 1/1024, or in the float profile an `f32`. The mixture is rounded half away from zero (*double*) or half up
    /// (*single*); in the float profile it is that of the values plus 128, plus 1/2, rounded down.
    20 Resize resize [1, 1] {
        /// An entry per output row.
        rows: Const,
        /// An entry per output column.
        cols: Const,
        /// How the mixture is rounded.
        round: Rounding,
    }

    /// Elements taken at regular steps, along dimensions of its own: element `i` of the walk over `dims` is element
    /// `start + Σ i[d]·steps[d]` of the input, and the walk's order is the output's.
    21 StridedCopy strided_copy [1, 1] {
        /// Where the walk begins, in elements of the input.
        start: u32,
        /// How often each step is taken, outermost first; as many elements as the output has.
        dims: [u32; 6],
        /// Elements of the input from one to the next along each dimension; may be negative.
        steps: [i32; 6],
    }

    /// Slices of the input along one dimension, in the order of a list.
    22 Gather gather [1, 1] {
        /// The dimension.
        axis: u8,
        /// `u16` each.
        indices: Const,
    }

    /// The larger of each two elements, at one scale; an input may repeat along dimensions where it has length 1.
    23 Maximum maximum [2, 2] {}

    /// The smaller of each two elements, at one scale; an input may repeat along dimensions where it has length 1.
    24 Minimum minimum [2, 2] {}

    /// Values of at least zero at another scale, values below zero times the second input, which may repeat along
    /// dimensions where it has length 1.
    25 Prelu prelu [2, 2] {
        /// Multiplier of values of at least zero.
        positive: Scale,
        /// Multiplier of products.
        negative: Scale,
        /// The rounding profile.
        round: Rounding,
    }

    /// Transposed convolution over NHWC: each input pixel, times the weights, is added to a window of the output.
    /// Output row `o` and tap `t` meet at input row `(o + top − t) / stride`, where that is whole. The weights are cut
    /// by `t mod stride`, rows before columns: for each such phase `[out][taps down][taps across][in]`.
    26 TransposeConv2d transpose_conv2d [1, 1] {
        /// Kernel height, at least the stride.
        kh: u16,
        /// Kernel width, at least the stride.
        kw: u16,
        /// Output rows and columns from one input pixel to the next.
        stride: Stride,
        /// Rows cut off above, less than `kh`.
        top: u16,
        /// Columns cut off at the left, less than `kw`.
        left: u16,
        /// `i8`, as above.
        weights: Const,
        /// `i32` per phase and output channel; holds −zero·Σw of the phase.
        bias: Const,
        /// Sums to int8.
        requant: Requant,
    }

    /// Each row of the last dimension divided by its length, at scale 1/128 and zero point 0, in the fixed-point steps
    /// of TFLite.
    27 L2Norm l2_norm [1, 1] {}

    /// The largest values along the last dimension in descending order, the first of equals first: the values where
    /// the output is int8, their indices where it is `i32`.
    28 TopK top_k [1, 1] {}

    /// Numbers of one type as those of another, whatever their scales: integers wrap, floats are cut and held inside
    /// the range.
    29 Cast cast [1, 1] {
        /// Type of the input.
        from: DType,
        /// Type of the output.
        to: DType,
    }

    /// Element-wise quotient in the fixed-point steps of TFLite; an input may repeat along dimensions where it has
    /// length 1. By zero it is a bound, the upper one for dividends of at least zero.
    30 Div div [2, 2] {
        /// Multiplier of the quotient, with an exponent of at most 23.
        scale: Scale,
        /// Lower bound of the output.
        min: i8,
        /// Upper bound of the output.
        max: i8,
    }

    /// Convolution with weights that have a zero point: the sums are Σx·(w − `weight_zero`).
    40 Conv2dAsymmetric conv2d_asymmetric [1, 1] {
        /// As it would be with the weights w alone, except for the bias: it holds −zero·Σ(w − `weight_zero`).
        layer: Conv2d,
        /// Zero point of the weights.
        weight_zero: i8,
    }

    /// Convolution of each channel by itself, with weights that have a zero point.
    41 DepthwiseConv2dAsymmetric depthwise_conv2d_asymmetric [1, 1] {
        /// As it would be with the weights w alone, except for the bias: it holds −zero·Σ(w − `weight_zero`).
        layer: DepthwiseConv2d,
        /// Zero point of the weights.
        weight_zero: i8,
    }

    /// Matrix product with weights that have a zero point.
    42 FullyConnectedAsymmetric fully_connected_asymmetric [1, 1] {
        /// As it would be with the weights w alone, except for the bias: it holds −zero·Σ(w − `weight_zero`).
        layer: FullyConnected,
        /// Zero point of the weights.
        weight_zero: i8,
    }

    /// Uint8 to int8 or back: the top bit flipped. With a zero point that differs by 128 the real values stay.
    43 FlipSign flip_sign [1, 1] {}

    /// A layer of LSTM cells over sequences: `[batch][time][in]` to `[batch][time][units]`, with the hidden state
    /// `[batch][units]` in int8 and the cell state in int16, in the fixed-point steps of TFLite. Weights are
    /// `[gate][unit]` rows, the gates in the order input, forget, cell, output; sums become int16 with 12 fraction bits.
    50 Lstm lstm [3, 3] {
        /// `i8`, rows as long as the input.
        input_weights: Const,
        /// `i32` a row; holds −zero·Σw.
        input_bias: Const,
        /// `i8`, rows as long as the hidden state.
        recurrent_weights: Const,
        /// `i32` a row; −zero·Σw.
        recurrent_bias: Const,
        /// Multipliers of the sums, eight `i32`: of each gate over the input, then of each over the hidden state.
        mult: Const,
        /// Their exponents, `i8`.
        shift: Const,
        /// Multiplier of output gate times cell, with 30 fraction bits, to int8.
        output: Scale,
        /// Integer bits of the cell state, at most 6; the others but the sign are fraction bits.
        cell_bits: u8,
        /// Bound of the cell state, 0 for none.
        cell_clip: i16,
        /// 1 for `[time][batch]` instead of `[batch][time]`.
        time_major: u8,
    }

    /// A layer that convolves over time: each filter takes one feature of the input, remembers it in a state of
    /// `[batch][filter][memory]` in int16, newest last, and weighs what it remembers; `rank` filters add up to a unit.
    51 Svdf svdf [2, 2] {
        /// Filters per unit.
        rank: u16,
        /// Features that a filter remembers.
        memory: u16,
        /// `i8`, `[filter][in]`.
        feature_weights: Const,
        /// `i32` per filter: −zero·Σw.
        feature_bias: Const,
        /// Features to int16.
        feature_scale: Scale,
        /// `i16`, `[filter][memory]`.
        time_weights: Const,
        /// `i32` per unit.
        bias: Const,
        /// Sums to int8.
        scale: Scale,
    }

    /// Convolution of int16 values over NHWC, all zero points 0. Weights are `[out][kh][kw][in / groups]`; sums are exact
    /// in 64 bits.
    60 Conv2d16 conv2d16 [1, 1] {
        /// Kernel height.
        kh: u16,
        /// Kernel width.
        kw: u16,
        /// Steps between outputs.
        stride: Stride,
        /// Steps between taps, 1 for a dense kernel.
        dilation: Stride,
        /// Added rows and columns.
        pads: Pads,
        /// Input and output channels are split into this many groups.
        groups: u16,
        /// `i8`, as above.
        weights: Const,
        /// `i32` per output channel, or `i64`.
        bias: Const,
        /// Sums to int16.
        requant: Requant16,
    }

    /// Convolution of each channel of int16 values by itself. Weights are `[kh][kw][out]`, at most 511 taps; output channel
    /// `o` reads input channel `o / (out / in)`.
    61 DepthwiseConv2d16 depthwise_conv2d16 [1, 1] {
        /// Kernel height.
        kh: u16,
        /// Kernel width.
        kw: u16,
        /// Steps between outputs.
        stride: Stride,
        /// Steps between taps.
        dilation: Stride,
        /// Added rows and columns.
        pads: Pads,
        /// `i8`, as above.
        weights: Const,
        /// `i32` per output channel, or `i64`.
        bias: Const,
        /// Sums to int16.
        requant: Requant16,
    }

    /// Matrix product of `[rows][in]` in int16 with weights `[out][in]`.
    62 FullyConnected16 fully_connected16 [1, 1] {
        /// `i8`, as above.
        weights: Const,
        /// `i32` per output channel, or `i64`.
        bias: Const,
        /// Sums to int16.
        requant: Requant16,
    }

    /// Largest int16 value in each window; padding is never chosen.
    63 MaxPool2d16 max_pool2d16 [1, 1] {
        /// Window height.
        kh: u16,
        /// Window width.
        kw: u16,
        /// Steps between outputs.
        stride: Stride,
        /// Added rows and columns.
        pads: Pads,
        /// Lower bound of the output.
        min: i16,
        /// Upper bound of the output.
        max: i16,
    }

    /// Mean of the int16 taps that lie inside the input, halves away from zero, at the input's scale.
    64 AvgPool2d16 avg_pool2d16 [1, 1] {
        /// Window height.
        kh: u16,
        /// Window width.
        kw: u16,
        /// Steps between outputs.
        stride: Stride,
        /// Added rows and columns.
        pads: Pads,
        /// Lower bound of the output.
        min: i16,
        /// Upper bound of the output.
        max: i16,
    }

    /// Requantized sum of the int16 taps that lie inside the input, in the double profile.
    65 SumPool2d16 sum_pool2d16 [1, 1] {
        /// Window height.
        kh: u16,
        /// Window width.
        kw: u16,
        /// Steps between outputs.
        stride: Stride,
        /// Added rows and columns.
        pads: Pads,
        /// Multiplier of the sum.
        scale: Scale,
        /// Lower bound of the output.
        min: i16,
        /// Upper bound of the output.
        max: i16,
    }

    /// Element-wise sum or difference of int16 values, in the double profile; an input may repeat along dimensions where it
    /// has length 1. Both inputs, shifted left by 15, are brought to one scale, added, and brought to the output's.
    66 Add16 add16 [2, 2] {
        /// Multiplier of the first input.
        a: Scale,
        /// Multiplier of the second input.
        b: Scale,
        /// Multiplier of the sum.
        y: Scale,
        /// 1 for the first less the second.
        subtract: u8,
        /// Lower bound of the output.
        min: i16,
        /// Upper bound of the output.
        max: i16,
    }

    /// Element-wise product of int16 values, in the double profile; an input may repeat along dimensions where it has
    /// length 1.
    67 Mul16 mul16 [2, 2] {
        /// Multiplier of the product.
        scale: Scale,
        /// Lower bound of the output.
        min: i16,
        /// Upper bound of the output.
        max: i16,
    }

    /// Int16 at another scale, as int16 or int8, in the double profile; values below zero may have a multiplier of their own.
    68 Rescale16 rescale16 [1, 1] {
        /// Type of the output.
        to: DType,
        /// Multiplier of values of at least zero.
        positive: Scale,
        /// Multiplier of values below zero.
        negative: Scale,
        /// Lower bound of the output.
        min: i16,
        /// Upper bound of the output.
        max: i16,
    }

    /// Sigmoid or hyperbolic tangent of int16, at scale 1/32768, interpolated in a table as TFLite does it.
    69 Sigmoid16 sigmoid16 [1, 1] {
        /// Multiplier that brings the input to units of 1/12288.
        mult: u16,
        /// Bits by which the product is then shifted right.
        shift: u8,
        /// 1 for the hyperbolic tangent.
        tanh: u8,
        /// 256 `u16`: the sigmoid of 0, 1/24, 2/24 and so on, in units of 1/65536.
        table: Const,
    }

    /// Softmax of int16 over the last dimension, at scale 1/32768, interpolated in two tables as TFLite does it. A table
    /// has 513 `i16`, a function's values at every 128th of the numbers of 16 bits.
    70 Softmax16 softmax16 [1, 1] {
        /// Multiplier that brings a difference of inputs to units of 10/65535.
        scale: Scale,
        /// Exponentials from −10 to 0.
        exp: Const,
        /// 1 / (1 + x) for x from 0 to 1.
        reciprocal: Const,
    }

    /// Float to int16, half away from zero.
    71 Quantize16 quantize16 [1, 1] {}

    /// Int16 to float.
    72 Dequantize16 dequantize16 [1, 1] {}

    /// Convolution with weights of four bits: each is the index of one of sixteen int8 values. Rows of indices lie as
    /// `palette.rs` draws them.
    80 Conv2dPalette conv2d_palette [1, 1] {
        /// As it would be with the values as weights; `weights` holds their indices, a padded row per output channel.
        layer: Conv2d,
        /// 16 `i8`.
        palette: Const,
    }

    /// Matrix product with weights of four bits, as those of `Conv2dPalette`.
    81 FullyConnectedPalette fully_connected_palette [1, 1] {
        /// As it would be with the values as weights; `weights` holds their indices, a padded row per output.
        layer: FullyConnected,
        /// 16 `i8`.
        palette: Const,
    }
}
