//! Transposed convolution. The format wants the weights cut into phases, and the biases with the zero point of each.

use super::file::Node;
use super::lower::Lowering;
use super::window::{image, layer};
use crate::error::Result;
use crate::phases::cut;
use crate::quantize::weights::{i8s, i32s, requant};
use mote_format::{Op as Kernel, Rounding, Scale, Stride, TransposeConv2d};
use mote_kernels::quant::scale_of;
use tract_tflite::tflite::{Padding, TensorType};

/// Inputs are the output's shape, weights, image, bias.
pub(super) fn transpose_conv<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_transpose_conv_options())?;
    let wanted = l.integers(node, 0)?;
    let input = |i: usize| node.inputs.get(i).copied().flatten();
    let (inputs, name) = (vec![input(2), input(1), input(3)], node.name.clone());
    let node = &Node { inputs, outputs: node.outputs.clone(), name, ..*node };
    let (x, w, y) = (image(l, node)?, l.input(node, 1)?, l.output(node)?);
    let (&[outputs, kh, kw, channels], &[n, h, w_, c]) = (&w.dims[..], &y.dims[..]) else {
        return Err(l.refuse(node, format!("its weights are {:?}, its output {:?}", w.dims, y.dims)));
    };
    let agree = wanted.iter().map(|&d| d as usize).eq(y.dims.iter().copied());
    if !agree || channels != x[3] || outputs != c || n != x[0] || y.dims.contains(&0) {
        let cause = format!("{:?} of {x:?} do not make {:?}, nor {wanted:?}", w.dims, y.dims);
        return Err(l.refuse(node, cause));
    }
    if w.kind != TensorType::INT8 {
        return Err(l.refuse(node, "its weights are not int8"));
    }
    let (mut kernel, mut stride, mut cuts) = ([kh, kw], [0u8; 2], [0u16; 2]);
    for (axis, s) in [options.stride_h(), options.stride_w()].into_iter().enumerate() {
        stride[axis] = l.narrow(node, "stride", s.into())?;
        let cut = padding(options.padding(), [x[axis + 1], [h, w_][axis]], kernel[axis], stride[axis].into());
        let cut = cut.ok_or_else(|| l.refuse(node, format!("{x:?} does not become {:?}", y.dims)))?;
        cuts[axis] = l.narrow(node, "padding", cut as i64)?;
        kernel[axis] = kernel[axis].max(stride[axis].into());
    }
    let layer = layer(l, node, (0, outputs), options.fused_activation_function())?;
    let phases = cut(&layer.weights, [outputs, kh, kw, channels], stride.map(usize::from));
    let zero = l.quant(node, l.input(node, 0)?)?.zero;
    let bias = phases.bias(&layer.weights, &layer.bias, zero);
    let scales: Vec<Scale> = layer.multipliers.iter().map(|&m| scale_of(m)).collect();
    let (source, _) = l.operand(node, 0)?;
    let op = TransposeConv2d {
        kh: l.narrow(node, "kernel", kernel[0] as i64)?,
        kw: l.narrow(node, "kernel", kernel[1] as i64)?,
        stride: Stride { h: stride[0], w: stride[1] },
        top: cuts[0],
        left: cuts[1],
        weights: i8s(&mut l.program.writer, &phases.weights),
        bias: i32s(&mut l.program.writer, bias.into_iter()),
        requant: requant(&mut l.program.writer, Rounding::Double, &scales, layer.bounds),
    };
    l.push(node, Kernel::TransposeConv2d(op), &[source])
}

/// What is cut off in front, along one axis: the padding of the convolution that leads from the output to the input.
fn padding(padding: Padding, [input, output]: [usize; 2], kernel: usize, stride: usize) -> Option<usize> {
    if stride == 0 || kernel == 0 {
        return None;
    }
    let (steps, total) = match padding {
        Padding::SAME => {
            let steps = output.div_ceil(stride);
            (steps, ((steps - 1) * stride + kernel).saturating_sub(output))
        }
        Padding::VALID => (output.checked_sub(kernel)? / stride + 1, 0),
        _ => return None,
    };
    (steps == input).then_some(total / 2)
}
