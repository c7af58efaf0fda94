//! The one table of ONNX operators: dispatch, the list in error messages and the documentation
//! all come from it.

use super::attributes::Call;
use super::build::{Import, Lowered};
use super::{conv, dense, elementwise, pool, reduce, select, shape};
use tract_onnx::pb::NodeProto;

/// A supported operator.
pub(crate) struct Row {
    /// ONNX's name.
    pub(crate) name: &'static str,
    /// Adds the node to the graph.
    pub(crate) lower: for<'a> fn(&mut Import<'a>, &Call<'a>) -> Lowered,
    /// Limits, for the documentation.
    pub(crate) note: &'static str,
}

macro_rules! operators {
    ($($name:ident $lower:path, $note:literal;)*) => {
        &[$(Row { name: stringify!($name), lower: $lower, note: $note }),*]
    };
}

/// Every supported operator, in alphabetical order.
#[rustfmt::skip]
pub(crate) static OPERATORS: &[Row] = operators! {
    Add elementwise::add, "with broadcasting";
    ArgMax reduce::arg_max, "first of equal values";
    AveragePool pool::average, "1-D and 2-D; `ceil_mode` where padding can express it";
    BatchNormalization elementwise::batch_norm, "inference form, constant parameters";
    Cast shape::cast, "float to float; else only where constant";
    Clip elementwise::clip, "constant bounds";
    Concat shape::concat, "any axis";
    Constant shape::constant_only, "";
    ConstantOfShape shape::constant_only, "only where constant";
    Conv conv::conv, "1-D and 2-D, constant weights; any stride, dilation, padding and groups";
    DepthToSpace select::depth_to_space, "";
    Div elementwise::div, "with broadcasting";
    Dropout shape::identity, "removed";
    Elu elementwise::elu, "";
    Expand shape::constant_only, "only where constant";
    Flatten shape::reshape, "";
    Gather select::gather, "constant indices";
    Gemm dense::gemm, "`transA` = 0, constant B";
    GlobalAveragePool pool::global_average, "1-D and 2-D";
    GlobalMaxPool pool::global_max, "1-D and 2-D";
    HardSigmoid elementwise::hard_sigmoid, "";
    HardSwish elementwise::hard_swish, "";
    Identity shape::identity, "removed";
    LeakyRelu elementwise::leaky_relu, "";
    MatMul dense::mat_mul, "constant second matrix";
    MaxPool pool::max, "1-D and 2-D; `ceil_mode` where padding can express it; no indices";
    Mul elementwise::mul, "with broadcasting";
    Neg elementwise::neg, "";
    PRelu elementwise::prelu, "slopes constant or computed, repeated over the input";
    Pad shape::pad, "constant mode, constant amounts for all axes";
    ReduceMax reduce::max, "over height and width";
    ReduceMean reduce::mean, "over height and width";
    ReduceSum reduce::sum, "over height and width";
    Relu elementwise::relu, "";
    Reshape shape::reshape, "constant shape";
    Resize select::resize, "height and width of an image; nearest or linear, without antialiasing";
    Shape shape::constant_only, "only where constant";
    Sigmoid elementwise::sigmoid, "";
    Slice select::slice, "constant bounds; steps may be negative";
    Softmax reduce::softmax, "one axis; before operator set 13 the axis must be the last with more than one element";
    SpaceToDepth select::space_to_depth, "";
    Split select::split, "constant sizes";
    Squeeze shape::reshape, "";
    Sub elementwise::sub, "with broadcasting";
    Sum elementwise::sum, "with broadcasting";
    Tanh elementwise::tanh, "";
    Transpose shape::transpose, "";
    Unsqueeze shape::reshape, "";
};

/// The row of a node's operator, if it is a standard operator and supported.
pub(crate) fn find(node: &NodeProto) -> Option<&'static Row> {
    let standard = node.domain.is_empty() || node.domain == "ai.onnx";
    OPERATORS.iter().find(|row| standard && row.name == node.op_type)
}

/// All names, for messages.
pub(crate) fn names() -> String {
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
