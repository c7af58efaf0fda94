//! Uint8: the same values 128 lower are int8, with a zero point 128 lower. What differs from int8 is here: the edges of
//! the model, which stay uint8, and which operators LiteRT computes alike in both.

use super::file::Node;
use super::lower::Lowering;
use crate::error::Result;
use crate::program::{Operand, Step, Tensor};
use crate::quantize::weights::i8s;
use mote_format::{DType, FlipSign, Lut, Op as Kernel};
use tract_tflite::tflite::{BuiltinOperator as B, TensorType};

/// The operators that are LiteRT's bits on uint8 too.
pub(super) const OPERATORS: &[B] = &[
    B::ADD,
    B::ARG_MAX,
    B::ARG_MIN,
    B::AVERAGE_POOL_2D,
    B::BATCH_TO_SPACE_ND,
    B::CONCATENATION,
    B::CONV_2D,
    B::DEPTHWISE_CONV_2D,
    B::DEPTH_TO_SPACE,
    B::DEQUANTIZE,
    B::EXPAND_DIMS,
    B::FULLY_CONNECTED,
    B::GATHER,
    B::HARD_SWISH,
    B::LEAKY_RELU,
    B::LOGISTIC,
    B::MAXIMUM,
    B::MAX_POOL_2D,
    B::MEAN,
    B::MINIMUM,
    B::MUL,
    B::PACK,
    B::PAD,
    B::PADV2,
    B::PRELU,
    B::QUANTIZE,
    B::REDUCE_MAX,
    B::REDUCE_MIN,
    B::RELU,
    B::RELU6,
    B::RELU_N1_TO_1,
    B::RESHAPE,
    B::RESIZE_BILINEAR,
    B::RESIZE_NEAREST_NEIGHBOR,
    B::SLICE,
    B::SOFTMAX,
    B::SPACE_TO_BATCH_ND,
    B::SPACE_TO_DEPTH,
    B::SPLIT,
    B::SPLIT_V,
    B::SQUEEZE,
    B::STRIDED_SLICE,
    B::SUB,
    B::TANH,
    B::TRANSPOSE,
    B::UNPACK,
];

/// The step between uint8 and int8.
const FLIP: Kernel = Kernel::FlipSign(FlipSign {});

/// What is taken off values of 8 bits to make them int8.
pub(super) fn offset(kind: TensorType) -> Option<i64> {
    match kind {
        TensorType::INT8 => Some(0),
        TensorType::UINT8 => Some(128),
        _ => None,
    }
}

impl Lowering<'_> {
    /// An error where an operator has uint8 values and is not known to compute with them as with int8.
    pub(super) fn in_8_bits(&self, node: &Node<'_>) -> Result<()> {
        let mut tensors = node.inputs.iter().flatten().chain(&node.outputs);
        let unsigned = |&t: &usize| self.file.tensors[t].kind == TensorType::UINT8;
        if OPERATORS.contains(&node.code) || !tensors.any(unsigned) {
            return Ok(());
        }
        Err(self.refuse(node, "it has uint8 values, which only some operators may have; this one takes int8"))
    }

    /// Makes the uint8 input `t` of the program int8, which is what everything works with.
    pub(super) fn signed(&mut self, t: usize) {
        let (tensor, place) = (&self.file.tensors[t], self.places[t]);
        let (TensorType::UINT8, Some(place)) = (tensor.kind, place) else { return };
        let input = &mut self.program.tensors[place];
        let inside = Tensor { name: format!("{}/int8", input.name), ..input.clone() };
        (input.dtype, input.quant.zero) = (DType::U8, input.quant.zero + 128);
        let step = Step { node: tensor.name.clone(), op: FLIP, inputs: vec![Operand::Arena(place)] };
        self.places[t] = Some(self.program.push(step, inside));
    }

    /// Where the output `t` lies as the file has it, uint8 or not; it is computed at `place`.
    pub(super) fn unsigned(&mut self, t: usize, place: usize) -> usize {
        let tensor = &self.file.tensors[t];
        if tensor.kind != TensorType::UINT8 {
            return place;
        }
        let inside = &mut self.program.tensors[place];
        let mut end = inside.clone();
        inside.name = format!("{}/int8", inside.name);
        (end.dtype, end.quant.zero) = (DType::U8, end.quant.zero + 128);
        let step = Step { node: tensor.name.clone(), op: FLIP, inputs: vec![Operand::Arena(place)] };
        self.program.push(step, end)
    }
}

/// Input `i` at the output's scale. TFLite brings uint8 inputs there, in floats; others have it.
pub(super) fn joinable(l: &mut Lowering<'_>, node: &Node<'_>, i: usize) -> Result<Operand> {
    let y = l.output(node)?;
    if y.kind != TensorType::UINT8 {
        l.keeps_scale(node, i)?;
        return Ok(l.operand(node, i)?.0);
    }
    let ((input, x), y) = (l.operand(node, i)?, l.quant(node, y)?);
    if x == y {
        return Ok(input);
    }
    let scale = x.scale * (1.0 / y.scale);
    let bias = -((x.zero + 128) as f32) * scale;
    let rescaled = |q: i32| ((q as f32 * scale + bias).round() as i32).saturating_add(y.zero + 128);
    let table: Vec<i8> = (0..256).map(|q| (rescaled(q).clamp(0, 255) - 128) as i8).collect();
    let table = i8s(&mut l.program.writer, &table);
    l.push_between(node, Kernel::Lut(Lut { table }), input, y)
}
