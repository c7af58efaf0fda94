//! The one table of operators that float networks may have: dispatch, messages and documentation come from it.

use super::network::Network;
use super::{Lowered, elementwise, layout, slices, window};
use crate::tflite::file::Node;
use tract_tflite::tflite::BuiltinOperator;

/// A supported operator.
pub(super) struct Row {
    code: BuiltinOperator,
    /// The schema's name, or that of a custom operator.
    pub(super) name: &'static str,
    /// Appends its nodes to the network.
    pub(super) lower: for<'a> fn(&mut Network<'a>, &Node<'a>) -> Lowered,
}

macro_rules! operators {
    ($($name:ident $lower:path;)*) => {
        &[$(Row { code: BuiltinOperator::$name, name: stringify!($name), lower: $lower }),*]
    };
}

/// Every supported operator, in alphabetical order.
pub(super) static OPERATORS: &[Row] = operators! {
    ABS elementwise::abs;
    ADD elementwise::add;
    ADD_N elementwise::add_n;
    ARG_MAX slices::arg_max;
    ARG_MIN slices::arg_min;
    AVERAGE_POOL_2D window::average_pool;
    BATCH_TO_SPACE_ND window::no_dilation;
    BROADCAST_TO slices::broadcast;
    CAST elementwise::cast;
    CEIL elementwise::ceil;
    CONCATENATION layout::concat;
    CONV_2D window::conv;
    COS elementwise::cos;
    DEPTHWISE_CONV_2D window::depthwise;
    DEPTH_TO_SPACE slices::depth_to_space;
    DEQUANTIZE layout::dequantize;
    DIV elementwise::div;
    ELU elementwise::elu;
    EXP elementwise::exp;
    EXPAND_DIMS layout::reshape;
    FLOOR elementwise::floor;
    FULLY_CONNECTED window::fully_connected;
    GATHER slices::gather;
    GELU elementwise::gelu;
    HARD_SWISH elementwise::hard_swish;
    L2_NORMALIZATION slices::l2_normalization;
    LEAKY_RELU elementwise::leaky_relu;
    LOG elementwise::log;
    LOGISTIC elementwise::logistic;
    LOG_SOFTMAX slices::log_softmax;
    MAXIMUM elementwise::maximum;
    MAX_POOL_2D window::max_pool;
    MEAN layout::mean;
    MINIMUM elementwise::minimum;
    MIRROR_PAD slices::mirror_pad;
    MUL elementwise::mul;
    NEG elementwise::neg;
    PACK slices::pack;
    PAD layout::pad;
    PADV2 layout::pad;
    POW elementwise::pow;
    PRELU elementwise::prelu;
    REDUCE_MAX layout::max;
    REDUCE_MIN layout::min;
    RELU elementwise::relu;
    RELU6 elementwise::relu6;
    RELU_0_TO_1 elementwise::relu_0_to_1;
    RELU_N1_TO_1 elementwise::relu_n1_to_1;
    RESHAPE layout::reshape;
    RESIZE_BILINEAR window::resize_bilinear;
    RESIZE_NEAREST_NEIGHBOR window::resize_nearest;
    REVERSE_V2 slices::reverse;
    ROUND elementwise::round;
    RSQRT elementwise::rsqrt;
    SIGN elementwise::sign;
    SIN elementwise::sin;
    SLICE slices::slice;
    SOFTMAX elementwise::softmax;
    SPACE_TO_BATCH_ND window::no_dilation;
    SPACE_TO_DEPTH slices::space_to_depth;
    SPLIT slices::split;
    SPLIT_V slices::split_v;
    SQRT elementwise::sqrt;
    SQUARE elementwise::square;
    SQUARED_DIFFERENCE elementwise::squared_difference;
    SQUEEZE layout::reshape;
    STRIDED_SLICE slices::strided_slice;
    SUB elementwise::sub;
    SUM layout::sum;
    TANH elementwise::tanh;
    TILE slices::tile;
    TOPK_V2 slices::top_k;
    TRANSPOSE layout::transpose;
    TRANSPOSE_CONV window::transpose_conv;
    UNPACK slices::unpack;
};

/// MediaPipe's transposed convolution, whose operands come in another order.
static TRANSPOSE_BIAS: Row = Row {
    code: BuiltinOperator::CUSTOM,
    name: "Convolution2DTransposeBias",
    lower: window::transpose_conv_bias,
};

/// The row of a node's operator, if it is supported.
pub(super) fn find(node: &Node<'_>) -> Option<&'static Row> {
    let custom = |row: &&Row| node.name.strip_prefix("custom operator ") == Some(row.name);
    let ours = || Some(&TRANSPOSE_BIAS).filter(custom);
    OPERATORS.iter().find(|row| row.code == node.code).or_else(ours)
}

/// All names, for messages.
pub(super) fn names() -> String {
    OPERATORS.iter().map(|r| r.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::OPERATORS;

    #[test]
    fn alphabetical_and_unique() {
        assert!(OPERATORS.is_sorted_by(|a, b| a.name < b.name));
    }
}
