//! The one table of ONNX operators: dispatch, the list in error messages and the documentation
//! all come from it.

use super::attributes::Call;
use super::build::{Import, Lowered};
use super::{conv, dense, elementwise, functions, pool, reduce, repeat, select, shape};
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

impl Row {
    /// Whether more results than the first can be used.
    pub(crate) fn has_many(&self) -> bool {
        matches!(self.name, "Split" | "TopK")
    }
}

macro_rules! operators {
    ($($name:ident $lower:path, $note:literal;)*) => {
        &[$(Row { name: stringify!($name), lower: $lower, note: $note }),*]
    };
}

/// Every supported operator, in alphabetical order.
#[rustfmt::skip]
pub(crate) static OPERATORS: &[Row] = operators! {
    Abs functions::abs, "";
    Add elementwise::add, "with broadcasting";
    ArgMax reduce::arg_max, "first of equal values";
    AveragePool pool::average, "1-D and 2-D; `ceil_mode` where padding can express it";
    BatchNormalization elementwise::batch_norm, "inference form, constant parameters";
    Cast shape::cast, "float to float; else only where constant";
    Ceil functions::ceil, "";
    Clip elementwise::clip, "constant bounds";
    Concat shape::concat, "any axis";
    Constant shape::constant_only, "";
    ConstantOfShape shape::constant_only, "only where constant";
    Conv conv::conv, "1-D and 2-D, constant weights; any stride, dilation, padding and groups";
    ConvTranspose conv::transposed, "1-D and 2-D, constant weights; any stride, dilation, padding and groups";
    Cos functions::cos, "";
    DepthToSpace select::depth_to_space, "";
    Div elementwise::div, "with broadcasting";
    Dropout shape::identity, "removed";
    Elu functions::elu, "";
    Erf functions::erf, "";
    Exp functions::exp, "";
    Expand repeat::expand, "";
    Flatten shape::reshape, "";
    Floor functions::floor, "";
    Gather select::gather, "constant indices";
    Gelu functions::gelu, "";
    Gemm dense::gemm, "constant B";
    GlobalAveragePool pool::global_average, "1-D and 2-D";
    GlobalMaxPool pool::global_max, "1-D and 2-D";
    HardSigmoid functions::hard_sigmoid, "";
    HardSwish functions::hard_swish, "";
    Identity shape::identity, "removed";
    LeakyRelu functions::leaky_relu, "";
    Log functions::log, "";
    MatMul dense::mat_mul, "one of both a constant matrix";
    Max elementwise::maximum, "with broadcasting";
    MaxPool pool::max, "1-D and 2-D; `ceil_mode` where padding can express it; no indices";
    Min elementwise::minimum, "with broadcasting";
    Mish functions::mish, "";
    Mul elementwise::mul, "with broadcasting";
    Neg elementwise::neg, "";
    PRelu elementwise::prelu, "slopes constant or computed, repeated over the input";
    Pad repeat::pad, "constant amounts; the border a constant, or what is inside repeated or mirrored";
    Pow functions::pow, "constant exponent";
    Reciprocal functions::reciprocal, "";
    ReduceMax reduce::max, "constant axes";
    ReduceMean reduce::mean, "constant axes";
    ReduceSum reduce::sum, "constant axes";
    Relu functions::relu, "";
    Reshape shape::reshape, "constant shape";
    Resize select::resize, "height and width of an image; nearest or linear, without antialiasing";
    Round functions::round, "";
    Selu functions::selu, "";
    Shape shape::constant_only, "only where constant";
    Sigmoid functions::sigmoid, "";
    Sign functions::sign, "";
    Sin functions::sin, "";
    Slice select::slice, "constant bounds; steps may be negative";
    Softmax reduce::softmax, "one axis; before operator set 13 the axis must be the last with more than one element";
    Softplus functions::softplus, "";
    Softsign functions::softsign, "";
    SpaceToDepth select::space_to_depth, "";
    Split select::split, "constant sizes";
    Sqrt functions::sqrt, "";
    Squeeze shape::reshape, "";
    Sub elementwise::sub, "with broadcasting";
    Sum elementwise::sum, "with broadcasting";
    Tanh functions::tanh, "";
    ThresholdedRelu functions::thresholded_relu, "";
    Tile repeat::tile, "constant repeats";
    TopK reduce::top_k, "the largest, sorted, along the last axis; constant count";
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
    super::supported().iter().map(|row| row.0).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::OPERATORS;

    #[test]
    fn alphabetical_and_unique() {
        assert!(OPERATORS.is_sorted_by(|a, b| a.name < b.name));
    }
}
