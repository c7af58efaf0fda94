//! Dense layers.

use super::file::Node;
use super::lower::Lowering;
use super::window::{layer, store};
use crate::error::Result;
use crate::quantize::weights::i8s;
use mote_format::{FullyConnected, Op as Kernel, Rounding};
use tract_tflite::tflite::FullyConnectedOptionsWeightsFormat;

/// The input is a matrix of as many columns as the weights have, whatever its shape.
pub(super) fn fully_connected<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_fully_connected_options())?;
    if options.weights_format() != FullyConnectedOptionsWeightsFormat::DEFAULT {
        return Err(l.refuse(node, "its weights are shuffled for one instruction set"));
    }
    let (x, w, y) = (l.input(node, 0)?, l.input(node, 1)?, l.output(node)?);
    let &[outputs, inputs] = &w.dims[..] else {
        return Err(l.refuse(node, format!("its weights have the shape {:?}", w.dims)));
    };
    let elements: usize = x.dims.iter().product();
    if inputs == 0 || outputs == 0 || elements == 0 || !elements.is_multiple_of(inputs) {
        return Err(l.refuse(node, format!("its input of shape {:?} has no {inputs} columns", x.dims)));
    }
    let rows = elements / inputs;
    let fits = y.dims.last() == Some(&outputs) && y.dims.iter().product::<usize>() == rows * outputs;
    if !fits {
        return Err(l.refuse(node, format!("its output is {:?} for {rows} x {outputs}", y.dims)));
    }
    let layer = layer(l, node, (0, outputs), options.fused_activation_function())?;
    let input = if x.dims.last() == Some(&inputs) {
        l.operand(node, 0)?.0
    } else {
        l.place(node, 0, &[rows, inputs])?
    };
    let weights = i8s(&mut l.program.writer, &layer.weights);
    let (bias, requant) = store(l, &layer, Rounding::Single);
    l.push(node, Kernel::FullyConnected(FullyConnected { weights, bias, requant }), &[input])
}
