//! Convolutions, pools, and the dense layer.

use super::Lowered;
use super::network::Network;
use crate::proto::{int, size, sizes, text};
use crate::tflite::file::Node;
use ndarray::ArrayD;
use tract_onnx::pb::AttributeProto;
use tract_tflite::tflite::{ActivationFunctionType, Padding};

/// A sliding window as a file describes it, rows before columns.
struct Window {
    padding: Padding,
    kernel: [usize; 2],
    stride: [i32; 2],
    dilation: [i32; 2],
}

impl Window {
    /// Strides, dilations and explicit pads for the image of a node's input 0.
    fn attributes(&self, n: &Network<'_>, node: &Node<'_>) -> Lowered<Vec<AttributeProto>> {
        let dims = &n.input(node, 0)?.dims;
        let &[_, h, w, _] = &dims[..] else { return Err(format!("its input has the shape {dims:?}")) };
        let positive = |v: i32| usize::try_from(v).ok().filter(|&v| v > 0).ok_or("a step is not positive");
        let folded = n.folds.geometry(node);
        let steps = folded.map_or(self.dilation, |f| f.steps);
        let (mut stride, mut dilation, mut pads) = ([0; 2], [0; 2], [0; 4]);
        for (axis, size) in [h, w].into_iter().enumerate() {
            stride[axis] = positive(self.stride[axis])?;
            dilation[axis] = positive(steps[axis])?;
            if self.kernel[axis] == 0 || size == 0 {
                return Err("its window is empty".into());
            }
            let extent = (self.kernel[axis] - 1) * dilation[axis] + 1;
            if self.padding == Padding::SAME {
                let steps = size.div_ceil(stride[axis]) - 1;
                let total = (steps * stride[axis] + extent).saturating_sub(size);
                (pads[axis], pads[axis + 2]) = (total / 2, total - total / 2);
            }
            if let Some(folded) = &folded {
                [pads[axis], pads[axis + 2]] = folded.pads[axis];
            }
        }
        Ok(vec![sizes("strides", &stride), sizes("dilations", &dilation), sizes("pads", &pads)])
    }
}

fn options<T>(options: Option<T>) -> Lowered<T> {
    options.ok_or_else(|| "its options are missing".to_owned())
}

pub(super) fn conv<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let o = options(node.options.builtin_options_as_conv_2_doptions())?;
    let weights = n.floats(node, 1)?;
    let &[_, kh, kw, cin] = weights.shape() else {
        return Err(format!("its weights have the shape {:?}", weights.shape()));
    };
    let channels = n.input(node, 0)?.dims.last().copied().unwrap_or(0);
    if cin == 0 || !channels.is_multiple_of(cin) {
        return Err(format!("its weights take {cin} channels, its input has {channels}"));
    }
    let window = Window {
        padding: o.padding(),
        kernel: [kh, kw],
        stride: [o.stride_h(), o.stride_w()],
        dilation: [o.dilation_h_factor(), o.dilation_w_factor()],
    };
    let weights = weights.permuted_axes(&[0, 3, 1, 2][..]);
    convolution(n, node, &window, weights, channels / cin, o.fused_activation_function())
}

pub(super) fn depthwise<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let o = options(node.options.builtin_options_as_depthwise_conv_2_doptions())?;
    let weights = n.floats(node, 1)?;
    let &[1, kh, kw, _] = weights.shape() else {
        return Err(format!("its weights have the shape {:?}", weights.shape()));
    };
    let window = Window {
        padding: o.padding(),
        kernel: [kh, kw],
        stride: [o.stride_h(), o.stride_w()],
        dilation: [o.dilation_h_factor(), o.dilation_w_factor()],
    };
    let channels = n.input(node, 0)?.dims.last().copied().unwrap_or(0);
    let weights = weights.permuted_axes(&[3, 0, 1, 2][..]);
    convolution(n, node, &window, weights, channels, o.fused_activation_function())
}

fn convolution(
    n: &mut Network<'_>,
    node: &Node<'_>,
    window: &Window,
    weights: ArrayD<f32>,
    groups: usize,
    activation: ActivationFunctionType,
) -> Lowered {
    let mut attributes = window.attributes(n, node)?;
    attributes.extend([size("group", groups), sizes("kernel_shape", &window.kernel)]);
    let name = &n.input(node, 1)?.name;
    let mut inputs = vec![n.operand(node, 0)?, n.floats_as(name, &weights)];
    inputs.extend(bias(n, node, weights.shape()[0])?);
    n.emit_activated(node, "Conv", &inputs, &attributes, activation)
}

/// The bias, where there is one.
fn bias(n: &mut Network<'_>, node: &Node<'_>, outputs: usize) -> Lowered<Option<String>> {
    if node.inputs.get(2).copied().flatten().is_none() {
        return Ok(None);
    }
    let (values, name) = (n.floats(node, 2)?, &n.input(node, 2)?.name);
    if values.len() != outputs {
        return Err(format!("its bias has {} values for {outputs} outputs", values.len()));
    }
    Ok(Some(n.floats_as(name, &values)))
}

/// Around a convolution these are its dilation, which never gets here.
pub(super) fn no_dilation<'a>(_: &mut Network<'a>, _: &Node<'a>) -> Lowered {
    Err("it is not the dilation of one convolution between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND".into())
}

pub(super) fn average_pool<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    pool(n, node, "AveragePool")
}

pub(super) fn max_pool<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    pool(n, node, "MaxPool")
}

fn pool(n: &mut Network<'_>, node: &Node<'_>, op: &str) -> Lowered {
    let o = options(node.options.builtin_options_as_pool_2_doptions())?;
    let size = |v: i32| usize::try_from(v).unwrap_or(0);
    let window = Window {
        padding: o.padding(),
        kernel: [size(o.filter_height()), size(o.filter_width())],
        stride: [o.stride_h(), o.stride_w()],
        dilation: [1, 1],
    };
    let mut attributes = window.attributes(n, node)?;
    attributes.retain(|a| a.name != "dilations");
    attributes.push(sizes("kernel_shape", &window.kernel));
    let x = n.operand(node, 0)?;
    n.emit_activated(node, op, &[x], &attributes, o.fused_activation_function())
}

/// The input is a matrix of as many columns as the weights have, whatever its shape.
pub(super) fn fully_connected<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let o = options(node.options.builtin_options_as_fully_connected_options())?;
    let (weights, y) = (n.floats(node, 1)?, n.output(node)?);
    let &[outputs, inputs] = weights.shape() else {
        return Err(format!("its weights have the shape {:?}", weights.shape()));
    };
    let x = &n.input(node, 0)?.dims;
    let elements: usize = x.iter().product();
    if inputs == 0 || !elements.is_multiple_of(inputs) {
        return Err(format!("its input of shape {x:?} has no {inputs} columns"));
    }
    let mut matrix = n.in_order(node, 0)?;
    if x.len() != 2 || x[1] != inputs {
        let shape = n.integers_as(&matrix, &[(elements / inputs) as i64, inputs as i64]);
        matrix = n.step(node, "Reshape", &[matrix, shape], &[])?;
    }
    let name = &n.input(node, 1)?.name;
    let mut operands = vec![matrix, n.floats_as(name, &weights)];
    operands.extend(bias(n, node, outputs)?);
    let (gemm, activation) = ([int("transB", 1)], o.fused_activation_function());
    if y.dims.len() == 2 {
        return n.emit_activated(node, "Gemm", &operands, &gemm, activation);
    }
    if activation != ActivationFunctionType::NONE && activation != ActivationFunctionType::RELU {
        return Err("it has an activation and an output that is not a matrix".into());
    }
    let mut product = n.step(node, "Gemm", &operands, &gemm)?;
    if activation == ActivationFunctionType::RELU {
        product = n.step(node, "Relu", &[product], &[])?;
    }
    let dims: Vec<i64> = y.dims.iter().map(|&d| d as i64).collect();
    let shape = n.integers_as(&product, &dims);
    let plain = n.step(node, "Reshape", &[product, shape], &[])?;
    n.emit_in_order(node, plain)
}

pub(super) fn resize_bilinear<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let o = options(node.options.builtin_options_as_resize_bilinear_options())?;
    let grid = grid(o.align_corners(), o.half_pixel_centers())?;
    resize(n, node, &[text("mode", "linear"), text("coordinate_transformation_mode", grid)])
}

/// TFLite takes the pixel that a position lies in or, between corners, the nearest one.
pub(super) fn resize_nearest<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let o = options(node.options.builtin_options_as_resize_nearest_neighbor_options())?;
    let grid = grid(o.align_corners(), o.half_pixel_centers())?;
    let rounding = if grid == "asymmetric" { "floor" } else { "round_prefer_ceil" };
    let mode = text("mode", "nearest");
    resize(n, node, &[mode, text("coordinate_transformation_mode", grid), text("nearest_mode", rounding)])
}

fn grid(align_corners: bool, half_pixel_centers: bool) -> Lowered<&'static str> {
    match (align_corners, half_pixel_centers) {
        (false, false) => Ok("asymmetric"),
        (true, false) => Ok("align_corners"),
        (false, true) => Ok("half_pixel"),
        (true, true) => Err("it aligns both corners and centers".into()),
    }
}

fn resize(n: &mut Network<'_>, node: &Node<'_>, attributes: &[AttributeProto]) -> Lowered {
    let &[batch, h, w, c] = &n.output(node)?.dims[..] else { return Err("its output is no image".into()) };
    let x = n.operand(node, 0)?;
    let sizes = n.integers_as(&x, &[batch, c, h, w].map(|d| d as i64));
    n.emit(node, "Resize", &[x, String::new(), String::new(), sizes], attributes)
}

pub(super) fn transpose_conv<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let o = options(node.options.builtin_options_as_transpose_conv_options())?;
    let positive = |v: i32| usize::try_from(v).ok().filter(|&v| v > 0).ok_or("a step is not positive");
    let stride = [positive(o.stride_h())?, positive(o.stride_w())?];
    spread(n, node, [2, 1, 3], Some(stride), o.fused_activation_function())
}

pub(super) fn transpose_conv_bias<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    spread(n, node, [0, 1, 2], None, ActivationFunctionType::NONE)
}

/// Where windows touch without overlapping, each pixel becomes a block of pixels by a pointwise convolution. The first numbers
/// are the inputs that hold image, weights and bias; without a stride it is how much larger the output is.
fn spread(
    n: &mut Network<'_>,
    node: &Node<'_>,
    [image, kernel, offset]: [usize; 3],
    stride: Option<[usize; 2]>,
    activation: ActivationFunctionType,
) -> Lowered {
    let (x, y, weights) = (&n.input(node, image)?.dims, &n.output(node)?.dims, n.floats(node, kernel)?);
    let (&[_, h, w, _], &[_, oh, ow, _], &[outputs, kh, kw, inputs]) = (&x[..], &y[..], weights.shape())
    else {
        return Err(format!("it makes {y:?} of {x:?} with weights of shape {:?}", weights.shape()));
    };
    if h == 0 || w == 0 || kh == 0 || kw == 0 {
        return Err(format!("its image is {h} x {w}, its kernel {kh} x {kw}"));
    }
    let stride = stride.unwrap_or([oh / h, ow / w]);
    if kh != kw || stride != [kh, kw] || [oh, ow] != [h * kh, w * kw] {
        let attributes = overlap([h, w], [oh, ow], [kh, kw], stride)?;
        let weights = weights.permuted_axes(&[3, 0, 1, 2][..]);
        let name = &n.input(node, kernel)?.name;
        let mut operands = vec![n.operand(node, image)?, n.floats_as(name, &weights)];
        if let Some(bias) = n.constant(node, offset) {
            operands.push(n.floats_as(&n.input(node, offset)?.name, &bias));
        }
        return n.emit_activated(node, "ConvTranspose", &operands, &attributes, activation);
    }
    let phases = weights.permuted_axes(&[1, 2, 0, 3][..]).as_standard_layout().into_owned();
    let phases =
        phases.into_shape_with_order(vec![kh * kw * outputs, inputs, 1, 1]).map_err(|e| e.to_string())?;
    let mut operands = vec![n.operand(node, image)?, n.floats_as(&n.input(node, kernel)?.name, &phases)];
    if let Some(bias) = n.constant(node, offset) {
        let all: Vec<f32> = (0..kh * kw).flat_map(|_| bias.iter().copied()).collect();
        let all = ArrayD::from_shape_vec(vec![all.len()], all).map_err(|e| e.to_string())?;
        operands.push(n.floats_as(&n.input(node, offset)?.name, &all));
    }
    let blocks = n.step(node, "Conv", &operands, &[sizes("kernel_shape", &[1, 1])])?;
    let attributes = [size("blocksize", kh), text("mode", "DCR")];
    n.emit_activated(node, "DepthToSpace", &[blocks], &attributes, activation)
}

/// Attributes of a transposed convolution: its padding is that of the convolution from the output to the input.
fn overlap(
    from: [usize; 2],
    to: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
) -> Lowered<Vec<AttributeProto>> {
    let (mut pads, mut extra) = ([0; 4], [0; 2]);
    for axis in 0..2 {
        let reach = (from[axis] - 1) * stride[axis] + kernel[axis];
        let total = reach.saturating_sub(to[axis]);
        (pads[axis], pads[axis + 2]) = (total / 2, total - total / 2);
        extra[axis] = to[axis].saturating_sub(reach);
        if stride[axis] == 0 || extra[axis] >= stride[axis] || pads[axis + 2] >= kernel[axis] {
            return Err(format!("{from:?} in steps of {stride:?} does not become {to:?}"));
        }
    }
    let mut attributes =
        vec![sizes("strides", &stride), sizes("pads", &pads), sizes("kernel_shape", &kernel)];
    if extra != [0; 2] {
        attributes.push(sizes("output_padding", &extra));
    }
    Ok(attributes)
}
