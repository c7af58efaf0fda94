//! Int16 activations with int8 weights (int16x8). What moves values serves both widths; what computes is lowered here, to
//! operators of its own, so that an int8 model carries none of it.

use super::elementwise::pair;
use super::file::{File, Node};
use super::lower::{Lowering, kind_name};
use super::slices::take;
use super::window::{
    Convolution, Narrow, bias, convolution, depthwise_convolution, pool, weight_scales, weights,
};
use super::{dense, layout, reduce, resize, slices};
use crate::error::{Error, Result};
use crate::interpolated::{self, UNIT, near_power};
use crate::quantize::weights::{biases16, i8s, i32s, requant16};
use crate::walk::Walk;
use mote_format::{
    Add16, AvgPool2d16, Const, Conv2d16, DType, DepthwiseConv2d16, Dequantize16, FullyConnected16,
    MaxPool2d16, Mul16, Op as Kernel, Quant, Quantize16, Requant16, Rescale16, Rounding, Scale,
};
use mote_kernels::quant::scale_of;
use tract_tflite::tflite::{ActivationFunctionType, BuiltinOperator as B, TensorType};

/// Appends the steps of an operator to the program.
type Lower = for<'a> fn(&mut Lowering<'a>, &Node<'a>) -> Result<()>;

/// An operator on int16: its code, how it is lowered, and for the documentation its rounding and its limits.
type Row = (B, Lower, &'static str, &'static str);

/// Every one, in alphabetical order.
#[rustfmt::skip]
static OPERATORS: &[Row] = &[
    (B::ADD, add, "double", "up to four dimensions, with broadcasting"),
    (B::AVERAGE_POOL_2D, average_pool, "mean half away from zero", ""),
    (B::BATCH_TO_SPACE_ND, slices::batch_to_space, "none", "as int8"),
    (B::CONCATENATION, layout::concat, "none", "tensors at the output's scale"),
    (B::CONV_2D, conv, "single, by 15 bits; double with an int32 bias", "constant int8 weights; groups, dilation"),
    (B::DEPTHWISE_CONV_2D, depthwise, "single, by 15 bits", "constant int8 weights; at most 511 taps, an int64 bias"),
    (B::DEQUANTIZE, dequantize, "none", "int16 to float"),
    (B::EXPAND_DIMS, layout::reshape, "none", ""),
    (B::FULLY_CONNECTED, fully_connected, "64-bit float, half away from zero", "constant int8 weights"),
    (B::GATHER, slices::gather, "none", "constant indices, no batch dimensions"),
    (B::LEAKY_RELU, leaky_relu, "double", "a slope of at least 0"),
    (B::LOGISTIC, logistic, "interpolated table of LiteRT", "an input scale of at most 2.66"),
    (B::MAX_POOL_2D, max_pool, "none", ""),
    (B::MEAN, reduce::mean, "double", "constant axes"),
    (B::MIRROR_PAD, slices::mirror_pad, "none", "constant amounts"),
    (B::MUL, mul, "double", "up to four dimensions, with broadcasting"),
    (B::PACK, layout::pack, "none", "tensors at the output's scale"),
    (B::PAD, layout::pad, "none", "constant amounts"),
    (B::QUANTIZE, quantize, "double", "float to int16, or int16 to int16 or int8"),
    (B::RELU, relu, "double", ""),
    (B::RELU6, relu6, "double", ""),
    (B::RESHAPE, layout::reshape, "none", "the output's shape as stored"),
    (B::RESIZE_NEAREST_NEIGHBOR, resize::nearest, "none", "constant size"),
    (B::REVERSE_V2, slices::reverse, "none", "constant axes"),
    (B::SLICE, slices::slice, "none", "constant begin and size"),
    (B::SOFTMAX, softmax, "interpolated tables of LiteRT", "int16 to int16"),
    (B::SPACE_TO_BATCH_ND, slices::space_to_batch, "none", "as int8"),
    (B::SPLIT, slices::split, "none", "constant axis"),
    (B::SPLIT_V, slices::split_v, "none", "constant sizes and axis"),
    (B::SQUEEZE, layout::reshape, "none", ""),
    (B::STRIDED_SLICE, slices::strided_slice, "none", "as int8"),
    (B::SUB, sub, "double", "as ADD"),
    (B::SUM, reduce::sum, "double", "constant axes"),
    (B::TANH, tanh, "interpolated table of LiteRT", "an input scale of at most 2.66"),
    (B::TILE, slices::tile, "none", "constant counts"),
    (B::TRANSPOSE, transpose, "none", "constant order"),
    (B::UNPACK, slices::unpack, "none", ""),
];

/// For the documentation: name, rounding, limits.
pub(super) fn operators() -> impl Iterator<Item = [&'static str; 3]> {
    OPERATORS.iter().filter_map(|row| Some([row.0.variant_name()?, row.2, row.3]))
}

/// Whether an operator computes with int16. States and constants of int16 belong to int8 layers.
pub(super) fn applies(file: &File<'_>, node: &Node<'_>) -> bool {
    let mut tensors = node.inputs.iter().flatten().chain(&node.outputs).map(|&t| &file.tensors[t]);
    tensors.any(|t| t.kind == TensorType::INT16 && t.data.is_none() && !t.variable)
}

/// How such an operator is lowered. All that it computes with is int16, unless it changes types.
pub(super) fn lowering(l: &Lowering<'_>, node: &Node<'_>) -> Result<Lower> {
    let row = OPERATORS.iter().find(|row| row.0 == node.code).ok_or_else(|| refusal(l, node))?;
    let operands = [B::ADD, B::CONCATENATION, B::MUL, B::PACK, B::SUB].contains(&node.code);
    let inputs = node.inputs.iter().flatten().map(|&t| &l.file.tensors[t]);
    let inputs = inputs.filter(|t| operands || t.data.is_none());
    let mut all = inputs.chain(node.outputs.iter().map(|&t| &l.file.tensors[t]));
    match all.find(|t| t.kind != TensorType::INT16) {
        Some(other) if ![B::QUANTIZE, B::DEQUANTIZE].contains(&node.code) => {
            Err(l.refuse(node, format!("\"{}\" is {}, others int16", other.name, kind_name(other.kind))))
        }
        _ => Ok(row.1),
    }
}

/// An operator without a form for int16.
fn refusal(l: &Lowering<'_>, node: &Node<'_>) -> Error {
    l.refuse(node, "it has int16 values, which only some operators may have")
}

/// Constants of a layer beside its weights.
struct Layer {
    weights: Const,
    bias: Const,
    multipliers: Vec<f64>,
    /// Whether the bias has 32 bits in the file, where sums have as many.
    narrow: bool,
    bounds: (i16, i16),
}

/// The integers of a layer whose weights have `outputs` output channels along `axis`, the first or the last.
fn layer(
    l: &mut Lowering<'_>,
    node: &Node<'_>,
    (axis, outputs): (usize, usize),
    activation: ActivationFunctionType,
) -> Result<Layer> {
    let (x, y, w) = (l.quant(node, l.input(node, 0)?)?, l.quant(node, l.output(node)?)?, l.input(node, 1)?);
    if w.kind != TensorType::INT8 {
        return Err(l.refuse(node, "its weights are not int8"));
    }
    let (weights, _) = weights(l, node, w)?;
    let scales = weight_scales(l, node, w, (axis, outputs))?;
    let biases = bias(l, node, outputs)?;
    let narrow = l.optional(node, 2).is_some_and(|b| b.kind == TensorType::INT32);
    let bits = if narrow { 32 } else { 48 };
    let run = weights.len() / outputs;
    for (o, &bias) in biases.iter().enumerate() {
        let (from, step) = if axis == 0 { (o * run, 1) } else { (o, outputs) };
        let own = weights[from..].iter().step_by(step).take(run);
        let products: i64 = own.map(|&w| i64::from(w).abs() << 15).sum();
        let reach = bias.saturating_abs().saturating_add(products);
        if reach >> (bits - 1) != 0 {
            let cause = format!("sums of output channel {o} can reach {reach}, beyond {bits} bits");
            return Err(l.refuse(node, cause));
        }
    }
    let multiplier = |o: usize| {
        let scale = scales[if scales.len() == 1 { 0 } else { o }];
        f64::from(x.scale) * f64::from(scale) / f64::from(y.scale)
    };
    Ok(Layer {
        multipliers: (0..outputs).map(multiplier).collect(),
        bounds: l.bounds16(node, y, activation)?,
        weights: i8s(&mut l.program.writer, &weights),
        bias: biases16(&mut l.program.writer, &biases),
        narrow,
    })
}

/// Stores the multipliers of sums as LiteRT takes them: whole for sums of 32 bits, 15 bits for those of 64.
fn requant(l: &mut Lowering<'_>, node: &Node<'_>, layer: &Layer) -> Result<Requant16> {
    if !layer.narrow {
        let requant = requant16(&mut l.program.writer, &layer.multipliers, layer.bounds);
        return requant.ok_or_else(|| l.refuse(node, "its sums are multiplied by 128 or more"));
    }
    let scales: Vec<Scale> = layer.multipliers.iter().map(|&real| scale_of(real)).collect();
    let writer = &mut l.program.writer;
    let mult = i32s(writer, scales.iter().map(|s| s.mult));
    let shift = i8s(writer, &scales.iter().map(|s| s.shift).collect::<Vec<_>>());
    Ok(Requant16 { round: Rounding::Double, mult, shift, min: layer.bounds.0, max: layer.bounds.1 })
}

fn conv<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let Convolution { window, outputs, groups, activation } = convolution(l, node)?;
    let Narrow { kernel: [kh, kw], stride, dilation, pads } = window;
    let layer = layer(l, node, (0, outputs), activation)?;
    let (input, requant) = (l.operand(node, 0)?.0, requant(l, node, &layer)?);
    let Layer { weights, bias, .. } = layer;
    let op = Conv2d16 { kh, kw, stride, dilation, pads, groups, weights, bias, requant };
    l.push(node, Kernel::Conv2d16(op), &[input])
}

fn depthwise<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let Convolution { window, outputs, activation, .. } = depthwise_convolution(l, node)?;
    let Narrow { kernel: [kh, kw], stride, dilation, pads } = window;
    if u32::from(kh) * u32::from(kw) > 511 {
        return Err(l.refuse(node, format!("it has {kh} x {kw} taps; 511 are possible on int16")));
    }
    let layer = layer(l, node, (3, outputs), activation)?;
    if layer.narrow {
        return Err(l.refuse(node, "its bias is int32, for which LiteRT has no kernel"));
    }
    let (input, requant) = (l.operand(node, 0)?.0, requant(l, node, &layer)?);
    let Layer { weights, bias, .. } = layer;
    let op = DepthwiseConv2d16 { kh, kw, stride, dilation, pads, weights, bias, requant };
    l.push(node, Kernel::DepthwiseConv2d16(op), &[input])
}

/// LiteRT multiplies the sums by a 64-bit float. No integer of 31 bits does the same over all of int16, so mote does too.
fn fully_connected<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (rows, inputs, outputs) = dense::matrix(l, node)?;
    let options = l.options(node, node.options.builtin_options_as_fully_connected_options())?;
    let layer = layer(l, node, (0, outputs), options.fused_activation_function())?;
    let input = if l.input(node, 0)?.dims.last() == Some(&inputs) {
        l.operand(node, 0)?.0
    } else {
        l.place(node, 0, &[rows, inputs])?
    };
    let mult: Vec<u8> = layer.multipliers.iter().flat_map(|m| m.to_le_bytes()).collect();
    let (writer, (min, max)) = (&mut l.program.writer, layer.bounds);
    let (mult, shift) = (writer.constant(&mult), writer.constant(&[]));
    let requant = Requant16 { round: Rounding::Float, mult, shift, min, max };
    let op = FullyConnected16 { weights: layer.weights, bias: layer.bias, requant };
    l.push(node, Kernel::FullyConnected16(op), &[input])
}

fn average_pool<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (Narrow { kernel: [kh, kw], stride, pads, .. }, y, activation) = pool(l, node)?;
    let ((min, max), (input, _)) = (l.bounds16(node, y, activation)?, l.operand(node, 0)?);
    l.push(node, Kernel::AvgPool2d16(AvgPool2d16 { kh, kw, stride, pads, min, max }), &[input])
}

fn max_pool<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (Narrow { kernel: [kh, kw], stride, pads, .. }, y, activation) = pool(l, node)?;
    let ((min, max), (input, _)) = (l.bounds16(node, y, activation)?, l.operand(node, 0)?);
    l.push(node, Kernel::MaxPool2d16(MaxPool2d16 { kh, kw, stride, pads, min, max }), &[input])
}

fn add<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_add_options())?;
    sum(l, node, 0, options.pot_scale_int16(), options.fused_activation_function())
}

fn sub<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_sub_options())?;
    sum(l, node, 1, options.pot_scale_int16(), options.fused_activation_function())
}

/// Both operands go to twice the larger scale, so that their sum cannot overflow.
fn sum<'a>(
    l: &mut Lowering<'a>,
    node: &Node<'a>,
    subtract: u8,
    shifts: bool,
    activation: ActivationFunctionType,
) -> Result<()> {
    let ((a, qa), (b, qb)) = pair(l, node)?;
    let y = l.quant(node, l.output(node)?)?;
    if shifts && [qa, qb, y].iter().all(|q| near_power(q.scale)) {
        return Err(l.refuse(node, "it is marked as one of scales that are powers of two (pot_scale_int16)"));
    }
    let (min, max) = l.bounds16(node, y, activation)?;
    let common = 2.0 * f64::from(qa.scale).max(f64::from(qb.scale));
    let [a_scale, b_scale] = [qa, qb].map(|q| scale_of(f64::from(q.scale) / common));
    let y_scale = scale_of(common / (f64::from(1 << 15) * f64::from(y.scale)));
    let op = Add16 { a: a_scale, b: b_scale, y: y_scale, subtract, min, max };
    l.push(node, Kernel::Add16(op), &[a, b])
}

/// TFLite multiplies and divides the scales as floats.
fn mul<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_mul_options())?;
    let ((a, qa), (b, qb)) = pair(l, node)?;
    let y = l.quant(node, l.output(node)?)?;
    let (min, max) = l.bounds16(node, y, options.fused_activation_function())?;
    let scale = scale_of(f64::from(qa.scale * qb.scale / y.scale));
    l.push(node, Kernel::Mul16(Mul16 { scale, min, max }), &[a, b])
}

/// Appends a change of scale.
fn rescale<'a>(
    l: &mut Lowering<'a>,
    node: &Node<'a>,
    [positive, negative]: [Scale; 2],
    (min, max): (i16, i16),
) -> Result<()> {
    let (input, _) = l.operand(node, 0)?;
    l.expect_shape(node, &l.input(node, 0)?.dims)?;
    let to = if l.output(node)?.kind == TensorType::INT16 { DType::I16 } else { DType::I8 };
    l.push(node, Kernel::Rescale16(Rescale16 { to, positive, negative, min, max }), &[input])
}

fn scales(l: &Lowering<'_>, node: &Node<'_>) -> Result<(Quant, Quant)> {
    Ok((l.quant(node, l.input(node, 0)?)?, l.quant(node, l.output(node)?)?))
}

fn relu<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    rectify(l, node, ActivationFunctionType::RELU)
}

fn relu6<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    rectify(l, node, ActivationFunctionType::RELU6)
}

/// TFLite divides the scales as floats.
fn rectify<'a>(l: &mut Lowering<'a>, node: &Node<'a>, activation: ActivationFunctionType) -> Result<()> {
    let (x, y) = scales(l, node)?;
    let bounds = l.bounds16(node, y, activation)?;
    rescale(l, node, [scale_of(f64::from(x.scale / y.scale)); 2], bounds)
}

fn leaky_relu<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let alpha = l.options(node, node.options.builtin_options_as_leaky_relu_options())?.alpha();
    if !(alpha >= 0.0 && alpha.is_finite()) {
        return Err(l.refuse(node, format!("its slope is {alpha}")));
    }
    let (x, y) = scales(l, node)?;
    let both = [x.scale / y.scale, x.scale * alpha / y.scale].map(|s| scale_of(s.into()));
    rescale(l, node, both, (i16::MIN, i16::MAX))
}

fn quantize<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, y) = (l.input(node, 0)?, l.output(node)?);
    l.expect_shape(node, &x.dims)?;
    let bounds = match (x.kind, y.kind) {
        (TensorType::FLOAT32, _) => {
            let input = l.place(node, 0, &x.dims)?;
            return l.push(node, Kernel::Quantize16(Quantize16 {}), &[input]);
        }
        (TensorType::INT16, TensorType::INT16) => (i16::MIN, i16::MAX),
        (TensorType::INT16, TensorType::INT8) => (-128, 127),
        _ => return Err(refusal(l, node)),
    };
    let (x, y) = scales(l, node)?;
    rescale(l, node, [scale_of(f64::from(x.scale) / f64::from(y.scale)); 2], bounds)
}

fn dequantize<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    l.float(node, l.output(node)?)?;
    l.expect_shape(node, &l.input(node, 0)?.dims)?;
    let (input, _) = l.operand(node, 0)?;
    l.push(node, Kernel::Dequantize16(Dequantize16 {}), &[input])
}

fn logistic<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    sigmoid(l, node, 0)
}

fn tanh<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    sigmoid(l, node, 1)
}

fn sigmoid<'a>(l: &mut Lowering<'a>, node: &Node<'a>, tanh: u8) -> Result<()> {
    let (x, y) = scales(l, node)?;
    if y.scale != UNIT {
        return Err(l.refuse(node, format!("its output has scale {}; it must be 1/32768", y.scale)));
    }
    l.expect_shape(node, &l.input(node, 0)?.dims)?;
    let op = interpolated::sigmoid(&mut l.program.writer, x.scale, tanh)
        .ok_or_else(|| l.refuse(node, format!("its input has scale {}, beyond its fixed point", x.scale)))?;
    let (input, _) = l.operand(node, 0)?;
    l.push(node, Kernel::Sigmoid16(op), &[input])
}

/// `SoftmaxPrepare` of TFLite.
fn softmax<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_softmax_options())?;
    let (x, y) = scales(l, node)?;
    l.expect_shape(node, &l.input(node, 0)?.dims)?;
    if (y.scale - UNIT).abs() > 0.001 * UNIT {
        return Err(l.refuse(node, format!("its output has scale {}; it must be 1/32768", y.scale)));
    }
    if l.input(node, 0)?.dims.last().is_none_or(|&d| d > 0xFFFF) {
        return Err(l.refuse(node, "its rows are longer than 65,535"));
    }
    let op = interpolated::softmax(&mut l.program.writer, x.scale * options.beta());
    let (input, _) = l.operand(node, 0)?;
    l.push(node, Kernel::Softmax16(op), &[input])
}

/// As a walk, which takes values of any width.
fn transpose<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (x, order) = (l.input(node, 0)?, l.integers(node, 1)?);
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..x.dims.len() as i64) {
        return Err(l.refuse(node, format!("its order of dimensions is {order:?}")));
    }
    let order: Vec<usize> = order.iter().map(|&d| d as usize).collect();
    l.expect_shape(node, &order.iter().map(|&d| x.dims[d]).collect::<Vec<_>>())?;
    take(l, node, (0, 0), &Walk::over(&x.dims).turn(&order))
}

#[cfg(test)]
mod tests {
    use super::OPERATORS;

    #[test]
    fn alphabetical_and_unique() {
        assert!(OPERATORS.is_sorted_by(|a, b| a.0.variant_name() < b.0.variant_name()));
    }
}
