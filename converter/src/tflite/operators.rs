//! The one table of TFLite operators: dispatch, the list in error messages and the documentation all come from it.

use super::file::Node;
use super::lower::Lowering;
use super::{dense, elementwise, layout, reduce, resize, state, table, window};
use crate::error::Result;
use tract_tflite::tflite::BuiltinOperator;

/// A supported operator.
pub(super) struct Row {
    pub(super) code: BuiltinOperator,
    /// The schema's name.
    pub(super) name: &'static str,
    /// Appends its steps to the program.
    pub(super) lower: for<'a> fn(&mut Lowering<'a>, &Node<'a>) -> Result<()>,
    /// How results are rounded, for the documentation.
    pub(super) rounding: &'static str,
    /// Limits, for the documentation.
    pub(super) note: &'static str,
}

macro_rules! operators {
    ($($name:ident $lower:path, $rounding:literal, $note:literal;)*) => {
        &[$(Row {
            code: BuiltinOperator::$name,
            name: stringify!($name),
            lower: $lower,
            rounding: $rounding,
            note: $note,
        }),*]
    };
}

/// Every supported operator, in alphabetical order.
#[rustfmt::skip]
pub(super) static OPERATORS: &[Row] = operators! {
    ADD elementwise::add, "double", "up to four dimensions, with broadcasting";
    ARG_MAX reduce::arg_max, "none", "along the last axis; int64 is given as int32";
    ASSIGN_VARIABLE state::assign, "none", "a variable of one shape and scale";
    AVERAGE_POOL_2D window::average_pool, "mean half away from zero", "";
    CALL_ONCE state::nothing, "none", "assigns constants to variables";
    CONCATENATION layout::concat, "none", "up to 8 tensors at the output's scale";
    CONV_2D window::conv, "double", "constant int8 weights; groups, dilation";
    DEPTHWISE_CONV_2D window::depthwise, "double", "constant int8 weights; depth multiplier, dilation";
    DEQUANTIZE elementwise::dequantize, "none", "int8 to float";
    EXPAND_DIMS layout::reshape, "none", "";
    FULLY_CONNECTED dense::fully_connected, "half away from zero", "constant int8 weights";
    HARD_SWISH table::hard_swish, "16-bit fixed point", "";
    LEAKY_RELU table::leaky_relu, "double", "a slope of at least 0";
    LOGISTIC table::logistic, "float table", "";
    MAXIMUM elementwise::maximum, "none", "with a constant of one element";
    MAX_POOL_2D window::max_pool, "none", "";
    MEAN reduce::mean, "double", "over rows and columns";
    MINIMUM elementwise::minimum, "none", "with a constant of one element";
    MUL elementwise::mul, "double", "up to four dimensions, with broadcasting";
    PACK layout::pack, "none", "up to 8 tensors at the output's scale";
    PAD layout::pad, "none", "constant amounts";
    PADV2 layout::pad_v2, "none", "constant amounts and value";
    QUANTIZE elementwise::quantize, "double", "float to int8, or int8 to int8";
    READ_VARIABLE state::read, "none", "";
    REDUCE_MAX reduce::max, "none", "over rows and columns";
    RELU table::relu, "double", "";
    RELU6 table::relu6, "double", "";
    RELU_N1_TO_1 table::relu_n1_to_1, "double", "";
    RESHAPE layout::reshape, "none", "the output's shape as stored";
    RESIZE_BILINEAR resize::bilinear, "half away from zero", "constant size";
    RESIZE_NEAREST_NEIGHBOR resize::nearest, "none", "constant size";
    SOFTMAX reduce::softmax, "gemmlowp's fixed point", "int8 to int8";
    SQUEEZE layout::reshape, "none", "";
    SUB elementwise::sub, "double", "as ADD, the second operand not constant";
    TANH table::tanh, "float table", "";
    TRANSPOSE layout::transpose, "none", "constant order";
    VAR_HANDLE state::nothing, "none", "";
};

/// The row of a node's operator, if it is supported.
pub(super) fn find(node: &Node<'_>) -> Option<&'static Row> {
    OPERATORS.iter().find(|row| row.code == node.code)
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
