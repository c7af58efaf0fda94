//! The one table of TFLite operators: dispatch, the list in error messages and the documentation all come from it.

use super::file::Node;
use super::lower::Lowering;
use super::{dense, elementwise, layout, reduce, table, window};
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
    AVERAGE_POOL_2D window::average_pool, "mean half away from zero", "";
    CONCATENATION layout::concat, "none", "up to 8 tensors at the output's scale";
    CONV_2D window::conv, "double", "constant int8 weights; groups, dilation";
    DEPTHWISE_CONV_2D window::depthwise, "double", "constant int8 weights; depth multiplier, dilation";
    DEQUANTIZE elementwise::dequantize, "none", "int8 to float";
    EXPAND_DIMS layout::reshape, "none", "";
    FULLY_CONNECTED dense::fully_connected, "single", "constant int8 weights";
    LOGISTIC table::logistic, "float table", "";
    MAX_POOL_2D window::max_pool, "none", "";
    MUL elementwise::mul, "double", "up to four dimensions, with broadcasting";
    PAD layout::pad, "none", "constant amounts";
    QUANTIZE elementwise::quantize, "double", "float to int8, or int8 to int8";
    RESHAPE layout::reshape, "none", "the output's shape as stored";
    SOFTMAX reduce::softmax, "gemmlowp's fixed point", "int8 to int8";
    SQUEEZE layout::reshape, "none", "";
    TANH table::tanh, "float table", "";
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
