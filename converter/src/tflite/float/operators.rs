//! The one table of operators that float networks may have: dispatch, messages and documentation come from it.

use super::network::Network;
use super::{Lowered, elementwise, layout, window};
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
    ADD elementwise::add;
    AVERAGE_POOL_2D window::average_pool;
    CONCATENATION layout::concat;
    CONV_2D window::conv;
    DEPTHWISE_CONV_2D window::depthwise;
    DEQUANTIZE layout::dequantize;
    DIV elementwise::div;
    ELU elementwise::elu;
    EXPAND_DIMS layout::reshape;
    FULLY_CONNECTED window::fully_connected;
    HARD_SWISH elementwise::hard_swish;
    LEAKY_RELU elementwise::leaky_relu;
    LOGISTIC elementwise::logistic;
    MAXIMUM elementwise::maximum;
    MAX_POOL_2D window::max_pool;
    MEAN layout::mean;
    MINIMUM elementwise::minimum;
    MUL elementwise::mul;
    NEG elementwise::neg;
    PAD layout::pad;
    PADV2 layout::pad;
    PRELU elementwise::prelu;
    REDUCE_MAX layout::max;
    RELU elementwise::relu;
    RELU6 elementwise::relu6;
    RELU_N1_TO_1 elementwise::relu_n1_to_1;
    RESHAPE layout::reshape;
    RESIZE_BILINEAR window::resize_bilinear;
    RESIZE_NEAREST_NEIGHBOR window::resize_nearest;
    SOFTMAX elementwise::softmax;
    SQUEEZE layout::reshape;
    SUB elementwise::sub;
    SUM layout::sum;
    TANH elementwise::tanh;
    TRANSPOSE layout::transpose;
    TRANSPOSE_CONV window::transpose_conv;
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
