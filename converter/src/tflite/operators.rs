//! The one table of TFLite operators: dispatch, the list in error messages and the documentation all come from it.

use super::file::Node;
use super::lower::Lowering;
use super::{
    dense, elementwise, layout, recurrent, reduce, resize, slices, state, table, transpose_conv, window,
};
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
    ABS table::abs, "double", "";
    ADD elementwise::add, "double", "up to four dimensions, with broadcasting";
    ARG_MAX reduce::arg_max, "none", "one axis; indices of 64 bits become int32";
    ARG_MIN reduce::arg_min, "none", "one axis; indices of 64 bits become int32";
    ASSIGN_VARIABLE state::assign, "none", "a variable of one shape and scale";
    AVERAGE_POOL_2D window::average_pool, "mean half away from zero", "";
    BATCH_TO_SPACE_ND slices::batch_to_space, "none", "constant blocks and crops; a dilation where it means one";
    BROADCAST_TO slices::broadcast_to, "none", "";
    CALL_ONCE state::nothing, "none", "assigns constants to variables";
    CAST elementwise::cast, "none", "between int8, int32 and float";
    CONCATENATION layout::concat, "none", "tensors at the output's scale";
    CONV_2D window::conv, "double", "constant int8 weights; groups, dilation";
    DEPTHWISE_CONV_2D window::depthwise, "double", "constant int8 weights; depth multiplier, dilation";
    DEPTH_TO_SPACE slices::depth_to_space, "none", "";
    DEQUANTIZE elementwise::dequantize, "none", "int8 to float";
    DIV elementwise::div, "fixed-point steps of LiteRT", "up to four dimensions, with broadcasting; by zero, where LiteRT stops, a bound";
    ELU table::elu, "float table", "";
    EXP table::exp, "float table", "";
    EXPAND_DIMS layout::reshape, "none", "";
    FULLY_CONNECTED dense::fully_connected, "half away from zero", "constant int8 weights";
    GATHER slices::gather, "none", "constant indices, no batch dimensions";
    GELU table::gelu, "float table", "";
    HARD_SWISH table::hard_swish, "16-bit fixed point", "";
    L2_NORMALIZATION reduce::l2_normalization, "fixed-point steps of LiteRT", "rows of at most 33,025";
    LEAKY_RELU table::leaky_relu, "double", "a slope of at least 0";
    LOG table::log, "float table", "";
    LOGISTIC table::logistic, "float table", "";
    MAXIMUM elementwise::maximum, "none", "at one scale; up to four dimensions, with broadcasting";
    MAX_POOL_2D window::max_pool, "none", "";
    MEAN reduce::mean, "double", "constant axes";
    MINIMUM elementwise::minimum, "none", "at one scale; up to four dimensions, with broadcasting";
    MIRROR_PAD slices::mirror_pad, "none", "constant amounts";
    MUL elementwise::mul, "double", "up to four dimensions, with broadcasting";
    PACK layout::pack, "none", "tensors at the output's scale";
    PAD layout::pad, "none", "constant amounts";
    PADV2 layout::pad_v2, "none", "constant amounts and value";
    PRELU elementwise::prelu, "double", "up to four dimensions, with broadcasting";
    QUANTIZE elementwise::quantize, "double", "float to int8, or int8 to int8";
    READ_VARIABLE state::read, "none", "";
    REDUCE_MAX reduce::max, "none", "constant axes";
    REDUCE_MIN reduce::min, "none", "constant axes";
    RELU table::relu, "double", "";
    RELU6 table::relu6, "double", "";
    RELU_0_TO_1 table::relu_0_to_1, "double", "";
    RELU_N1_TO_1 table::relu_n1_to_1, "double", "";
    RESHAPE layout::reshape, "none", "the output's shape as stored";
    RESIZE_BILINEAR resize::bilinear, "half away from zero", "constant size";
    RESIZE_NEAREST_NEIGHBOR resize::nearest, "none", "constant size";
    REVERSE_V2 slices::reverse, "none", "constant axes";
    RSQRT table::rsqrt, "fixed-point steps of LiteRT", "values below zero, where LiteRT stops, give the largest output";
    SLICE slices::slice, "none", "constant begin and size";
    SOFTMAX reduce::softmax, "gemmlowp's fixed point", "int8 to int8";
    SPACE_TO_BATCH_ND slices::space_to_batch, "none", "constant blocks and paddings; a dilation where it means one";
    SPACE_TO_DEPTH slices::space_to_depth, "none", "";
    SPLIT slices::split, "none", "constant axis";
    SPLIT_V slices::split_v, "none", "constant sizes and axis";
    SQUEEZE layout::reshape, "none", "";
    STRIDED_SLICE slices::strided_slice, "none", "constant bounds and strides, also negative ones; all masks";
    SUB elementwise::sub, "double", "as ADD, the second operand not constant";
    SUM reduce::sum, "double", "constant axes";
    SVDF recurrent::svdf, "double", "int8, with a state of int16";
    TANH table::tanh, "float table", "";
    TILE slices::tile, "none", "constant counts";
    TOPK_V2 reduce::top_k, "none", "constant count; indices int32";
    TRANSPOSE layout::transpose, "none", "constant order";
    TRANSPOSE_CONV transpose_conv::transpose_conv, "double", "constant int8 weights";
    UNIDIRECTIONAL_SEQUENCE_LSTM recurrent::lstm, "double, then gemmlowp's fixed point", "int8, with a cell state of int16; no peepholes, projection, layer normalization or coupled gates";
    UNPACK slices::unpack, "none", "";
    VAR_HANDLE state::nothing, "none", "";
};

/// What LiteRT itself computes in floats alone, or for other integers: there are no bits that int8 could be equal to.
static NOT_INT8: &[BuiltinOperator] = &[
    BuiltinOperator::CEIL,
    BuiltinOperator::COS,
    BuiltinOperator::FLOOR,
    BuiltinOperator::NEG,
    BuiltinOperator::POW,
    BuiltinOperator::ROUND,
    BuiltinOperator::SIGN,
    BuiltinOperator::SIN,
    BuiltinOperator::SQRT,
    BuiltinOperator::SQUARE,
];

/// Why an operator is not supported, as far as there is more to say.
pub(super) fn reason(node: &Node<'_>) -> &'static str {
    if NOT_INT8.contains(&node.code) { ", for which LiteRT has no int8 kernel either" } else { "" }
}

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
