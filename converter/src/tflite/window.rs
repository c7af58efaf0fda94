//! Convolutions and pools.

use super::file::{Node, Tensor};
use super::lower::Lowering;
use crate::error::Result;
use crate::quantize::weights::{fold, i8s, i32s, requant};
use mote_format::{
    AvgPool2d, Const, Conv2d, Conv2dAsymmetric, DepthwiseConv2d, DepthwiseConv2dAsymmetric, MaxPool2d,
    Op as Kernel, Pads, Quant, Requant, Rounding, Scale, Stride,
};
use mote_kernels::quant::scale_of;
use tract_tflite::tflite::{ActivationFunctionType, BuiltinOperator, Padding, TensorType};

/// A window as a file describes it, rows before columns.
struct Window {
    padding: Padding,
    kernel: [usize; 2],
    stride: [i32; 2],
    dilation: [i32; 2],
}

/// A window in the format's widths.
pub(super) struct Narrow {
    pub(super) kernel: [u16; 2],
    pub(super) stride: Stride,
    pub(super) dilation: Stride,
    pub(super) pads: Pads,
}

/// A convolution but for its integers: its window, how many outputs and groups it has, its activation.
pub(super) struct Convolution {
    pub(super) window: Narrow,
    pub(super) outputs: usize,
    pub(super) groups: u16,
    pub(super) activation: ActivationFunctionType,
}

/// Constants of a layer beside its weights.
pub(super) struct Layer {
    pub(super) weights: Vec<i8>,
    /// 0 wherever int8 can hold the weights less it.
    pub(super) weight_zero: i8,
    /// With −zero·Σw of the weights less their zero point.
    pub(super) bias: Vec<i32>,
    /// Smallest and largest sum of each output.
    pub(super) reach: Vec<(i64, i64)>,
    pub(super) multipliers: Vec<f64>,
    pub(super) bounds: (i8, i8),
}

/// What is said of a convolution, and that it fits.
pub(super) fn convolution(l: &Lowering<'_>, node: &Node<'_>) -> Result<Convolution> {
    let options = l.options(node, node.options.builtin_options_as_conv_2_doptions())?;
    let (x, w) = (image(l, node)?, l.input(node, 1)?);
    let &[outputs, kh, kw, channels] = &w.dims[..] else {
        return Err(l.refuse(node, format!("its weights have the shape {:?}", w.dims)));
    };
    if channels == 0 || !x[3].is_multiple_of(channels) {
        let cause = format!("its weights take {channels} channels, its input has {}", x[3]);
        return Err(l.refuse(node, cause));
    }
    let groups = l.narrow(node, "number of groups", (x[3] / channels) as i64)?;
    let window = Window {
        padding: options.padding(),
        kernel: [kh, kw],
        stride: [options.stride_h(), options.stride_w()],
        dilation: [options.dilation_h_factor(), options.dilation_w_factor()],
    };
    let window = window.narrow(l, node, x, outputs)?;
    if !outputs.is_multiple_of(usize::from(groups)) {
        return Err(l.refuse(node, format!("{outputs} outputs cannot be split into {groups} groups")));
    }
    Ok(Convolution { window, outputs, groups, activation: options.fused_activation_function() })
}

pub(super) fn conv<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let Convolution { window, outputs, groups, activation } = convolution(l, node)?;
    let Narrow { kernel: [kh, kw], stride, dilation, pads } = window;
    let layer = layer(l, node, (0, outputs), activation)?;
    let (input, _) = l.operand(node, 0)?;
    let weights = i8s(&mut l.program.writer, &layer.weights);
    let scales: Vec<Scale> = layer.multipliers.iter().map(|&m| scale_of(m)).collect();
    let (bias, requant) = store(l, &layer, Rounding::Double, &scales);
    let op = Conv2d { kh, kw, stride, dilation, pads, groups, weights, bias, requant };
    let op = match layer.weight_zero {
        0 => Kernel::Conv2d(op),
        weight_zero => Kernel::Conv2dAsymmetric(Conv2dAsymmetric { layer: op, weight_zero }),
    };
    l.push(node, op, &[input])
}

/// What is said of a depthwise convolution, and that it fits.
pub(super) fn depthwise_convolution(l: &Lowering<'_>, node: &Node<'_>) -> Result<Convolution> {
    let options = l.options(node, node.options.builtin_options_as_depthwise_conv_2_doptions())?;
    let (x, w) = (image(l, node)?, l.input(node, 1)?);
    let &[1, kh, kw, outputs] = &w.dims[..] else {
        return Err(l.refuse(node, format!("its weights have the shape {:?}", w.dims)));
    };
    if !outputs.is_multiple_of(x[3]) {
        return Err(l.refuse(node, format!("{outputs} outputs are no multiple of {} channels", x[3])));
    }
    let window = Window {
        padding: options.padding(),
        kernel: [kh, kw],
        stride: [options.stride_h(), options.stride_w()],
        dilation: [options.dilation_h_factor(), options.dilation_w_factor()],
    };
    let window = window.narrow(l, node, x, outputs)?;
    Ok(Convolution { window, outputs, groups: 1, activation: options.fused_activation_function() })
}

pub(super) fn depthwise<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let Convolution { window, outputs, activation, .. } = depthwise_convolution(l, node)?;
    let Narrow { kernel: [kh, kw], stride, dilation, pads } = window;
    let layer = layer(l, node, (3, outputs), activation)?;
    let (input, _) = l.operand(node, 0)?;
    let weights = i8s(&mut l.program.writer, &layer.weights);
    let scales: Vec<Scale> = layer.multipliers.iter().map(|&m| scale_of(m)).collect();
    let (bias, requant) = store(l, &layer, Rounding::Double, &scales);
    let op = DepthwiseConv2d { kh, kw, stride, dilation, pads, weights, bias, requant };
    let op = match layer.weight_zero {
        0 => Kernel::DepthwiseConv2d(op),
        weight_zero => {
            Kernel::DepthwiseConv2dAsymmetric(DepthwiseConv2dAsymmetric { layer: op, weight_zero })
        }
    };
    l.push(node, op, &[input])
}

/// The integers of a layer whose weights have `outputs` output channels along `axis`, the first or the last.
pub(super) fn layer(
    l: &Lowering<'_>,
    node: &Node<'_>,
    (axis, outputs): (usize, usize),
    activation: ActivationFunctionType,
) -> Result<Layer> {
    let (x, y, w) = (l.quant(node, l.input(node, 0)?)?, l.quant(node, l.output(node)?)?, l.input(node, 1)?);
    let (weights, weight_zero) = weights(l, node, w)?;
    let scales = weight_scales(l, node, w, (axis, outputs))?;
    let biases = bias(l, node, outputs)?;
    let run = weights.len() / outputs;
    let (mut folded, mut reach) = (Vec::new(), Vec::new());
    for (o, &bias) in biases.iter().enumerate() {
        let (from, step) = if axis == 0 { (o * run, 1) } else { (o, outputs) };
        let channel = || {
            let stored = weights[from..].iter().step_by(step).take(run);
            stored.map(|&w| i64::from(w) - i64::from(weight_zero))
        };
        let start = fold(bias, x.zero, channel()).map_err(|reach| {
            l.refuse(node, format!("sums of output channel {o} can reach {reach}, beyond 32 bits"))
        })?;
        let ends = channel().map(|w| ((-128 * w).min(127 * w), (-128 * w).max(127 * w)));
        reach.push(ends.fold((start.into(), start.into()), |(a, b), (low, high)| (a + low, b + high)));
        folded.push(start);
    }
    let multiplier = |o: usize| {
        let scale = scales[if scales.len() == 1 { 0 } else { o }];
        // TFLite multiplies the scales of uint8 convolutions as floats.
        let as_floats = w.kind == TensorType::UINT8 && node.code != BuiltinOperator::FULLY_CONNECTED;
        let sums = if as_floats { f64::from(x.scale * scale) } else { f64::from(x.scale) * f64::from(scale) };
        sums / f64::from(y.scale)
    };
    Ok(Layer {
        multipliers: (0..outputs).map(multiplier).collect(),
        weights,
        weight_zero,
        bias: folded,
        reach,
        bounds: l.bounds(node, y, activation)?,
    })
}

/// Weights as int8 with a zero point, which is 0 for int8, and for uint8 where int8 can hold the weights less theirs.
pub(super) fn weights(l: &Lowering<'_>, node: &Node<'_>, w: &Tensor<'_>) -> Result<(Vec<i8>, i8)> {
    let weights = w
        .i8s()
        .filter(|w| !w.is_empty())
        .ok_or_else(|| l.refuse(node, format!("its weights \"{}\" are no int8 or uint8 constant", w.name)))?;
    if w.kind == TensorType::INT8 {
        return Ok((weights, 0));
    }
    let zero = l.quant(node, w)?.zero;
    match weights.iter().map(|&w| i8::try_from(i32::from(w) - zero).ok()).collect() {
        Some(centred) => Ok((centred, 0)),
        None => Ok((weights, l.narrow(node, "zero point of the weights", zero.into())?)),
    }
}

/// One scale, or one an output channel.
pub(super) fn weight_scales<'w>(
    l: &Lowering<'_>,
    node: &Node<'_>,
    w: &'w Tensor<'_>,
    (axis, outputs): (usize, usize),
) -> Result<&'w [f32]> {
    if w.kind == TensorType::INT8 && w.zeros.iter().any(|&z| z != 0) {
        return Err(l.refuse(node, "its weights have a zero point other than 0"));
    }
    let per_channel = w.scales.len() == outputs && (outputs == 1 || w.axis == axis);
    if !per_channel && w.scales.len() != 1 {
        let cause = format!("its weights have {} scales along axis {}", w.scales.len(), w.axis);
        return Err(l.refuse(node, cause));
    }
    match w.scales.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
        Some(scale) => Err(l.refuse(node, format!("its weights have a scale of {scale}"))),
        None => Ok(&w.scales),
    }
}

/// The bias, a value an output; zeros where there is none.
pub(super) fn bias(l: &Lowering<'_>, node: &Node<'_>, outputs: usize) -> Result<Vec<i64>> {
    let Some(bias) = l.optional(node, 2) else { return Ok(vec![0; outputs]) };
    let values = l.integers(node, 2)?;
    if values.len() != outputs || bias.zeros.iter().any(|&z| z != 0) {
        return Err(l.refuse(node, format!("its bias has {} values for {outputs} outputs", values.len())));
    }
    Ok(values)
}

/// Stores what a layer has beside its weights.
pub(super) fn store(
    l: &mut Lowering<'_>,
    layer: &Layer,
    round: Rounding,
    scales: &[Scale],
) -> (Const, Requant) {
    let writer = &mut l.program.writer;
    let bias = i32s(writer, layer.bias.iter().copied());
    (bias, requant(writer, round, scales, layer.bounds))
}

pub(super) fn average_pool<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (Narrow { kernel: [kh, kw], stride, pads, .. }, y, activation) = pool(l, node)?;
    let (min, max) = l.bounds(node, y, activation)?;
    let (input, _) = l.operand(node, 0)?;
    // Halves go away from what 0 was in the file.
    let origin = if l.input(node, 0)?.kind == TensorType::UINT8 { -128 } else { 0 };
    l.push(node, Kernel::AvgPool2d(AvgPool2d { kh, kw, stride, pads, origin, min, max }), &[input])
}

pub(super) fn max_pool<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (Narrow { kernel: [kh, kw], stride, pads, .. }, y, activation) = pool(l, node)?;
    let (min, max) = l.bounds(node, y, activation)?;
    let (input, _) = l.operand(node, 0)?;
    l.push(node, Kernel::MaxPool2d(MaxPool2d { kh, kw, stride, pads, min, max }), &[input])
}

/// The window of a pool, its scale and its activation.
pub(super) fn pool(l: &Lowering<'_>, node: &Node<'_>) -> Result<(Narrow, Quant, ActivationFunctionType)> {
    let options = l.options(node, node.options.builtin_options_as_pool_2_doptions())?;
    let (x, y) = (image(l, node)?, l.keeps_scale(node, 0)?);
    let positive = |n: i32| usize::try_from(n).unwrap_or(0);
    let window = Window {
        padding: options.padding(),
        kernel: [positive(options.filter_height()), positive(options.filter_width())],
        stride: [options.stride_h(), options.stride_w()],
        dilation: [1, 1],
    };
    Ok((window.narrow(l, node, x, x[3])?, y, options.fused_activation_function()))
}

/// The dimensions of an image: batch, rows, columns, channels.
pub(super) fn image(l: &Lowering<'_>, node: &Node<'_>) -> Result<[usize; 4]> {
    let x = l.input(node, 0)?;
    match x.dims[..] {
        [n, h, w, c] if n * h * w * c > 0 => Ok([n, h, w, c]),
        _ => Err(l.refuse(node, format!("its input has the shape {:?}", x.dims))),
    }
}

impl Window {
    /// Explicit padding as TFLite computes it; the output's shape must be what follows.
    fn narrow(&self, l: &Lowering<'_>, node: &Node<'_>, x: [usize; 4], channels: usize) -> Result<Narrow> {
        let folded = l.folds.geometry(node);
        let steps = folded.map_or(self.dilation, |f| f.steps);
        let mut y = [x[0], 0, 0, channels];
        let (mut margins, mut kernel) = ([[0; 2]; 2], [0; 2]);
        let (mut stride, mut dilation) = ([0; 2], [0; 2]);
        for axis in 0..2 {
            stride[axis] = l.narrow::<u8>(node, "stride", self.stride[axis].into())?;
            dilation[axis] = l.narrow::<u8>(node, "dilation", steps[axis].into())?;
            kernel[axis] = l.narrow::<u16>(node, "kernel", self.kernel[axis] as i64)?;
            let (input, step) = (x[axis + 1], usize::from(stride[axis]));
            let pads = folded.map(|f| f.pads[axis]);
            let (out, before, after) = self
                .axis(input, self.kernel[axis], step, dilation[axis].into(), pads)
                .ok_or_else(|| l.refuse(node, format!("its window does not fit {input} rows or columns")))?;
            y[axis + 1] = out;
            for (side, amount) in [before, after].into_iter().enumerate() {
                margins[axis][side] = l.narrow::<u16>(node, "padding", amount as i64)?;
            }
        }
        l.expect_shape(node, &y)?;
        let [[top, bottom], [left, right]] = margins;
        Ok(Narrow {
            kernel,
            stride: Stride { h: stride[0], w: stride[1] },
            dilation: Stride { h: dilation[0], w: dilation[1] },
            pads: Pads { top, left, bottom, right },
        })
    }

    /// Output length and padding before and after, along one axis; the padding may be given.
    fn axis(
        &self,
        input: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        pads: Option<[usize; 2]>,
    ) -> Option<(usize, usize, usize)> {
        if kernel == 0 || stride == 0 || dilation == 0 {
            return None;
        }
        let extent = (kernel - 1) * dilation + 1;
        if let Some([before, after]) = pads {
            return Some(((input + before + after).checked_sub(extent)? / stride + 1, before, after));
        }
        match self.padding {
            Padding::SAME => {
                let out = input.div_ceil(stride);
                let total = ((out - 1) * stride + extent).saturating_sub(input);
                Some((out, total / 2, total - total / 2))
            }
            Padding::VALID => Some((input.checked_sub(extent)? / stride + 1, 0, 0)),
            _ => None,
        }
    }
}
