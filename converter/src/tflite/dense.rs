//! Dense layers. LiteRT multiplies their sums by a 64-bit float and rounds half away from zero. One integer product and
//! shift gives the same for all sums that a layer can reach, with a multiplier that is looked for and proven here.

use super::file::Node;
use super::lower::Lowering;
use super::window::{layer, store};
use crate::error::Result;
use crate::quantize::weights::i8s;
use mote_format::{FullyConnected, FullyConnectedAsymmetric, Op as Kernel, Rounding, Scale};
use mote_kernels::quant::scale_of;
use tract_tflite::tflite::FullyConnectedOptionsWeightsFormat;

/// Rows of the input, inputs and outputs of a dense layer. The input is a matrix of as many columns as the weights have,
/// whatever its shape.
pub(super) fn matrix(l: &Lowering<'_>, node: &Node<'_>) -> Result<(usize, usize, usize)> {
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
    Ok((rows, inputs, outputs))
}

pub(super) fn fully_connected<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let (rows, inputs, outputs) = matrix(l, node)?;
    let options = l.options(node, node.options.builtin_options_as_fully_connected_options())?;
    let layer = layer(l, node, (0, outputs), options.fused_activation_function())?;
    let input = if l.input(node, 0)?.dims.last() == Some(&inputs) {
        l.operand(node, 0)?.0
    } else {
        l.place(node, 0, &[rows, inputs])?
    };
    let weights = i8s(&mut l.program.writer, &layer.weights);
    let mut scales = Vec::new();
    for (o, (&real, &reach)) in layer.multipliers.iter().zip(&layer.reach).enumerate() {
        let scale = multiplier(real, reach).ok_or_else(|| {
            l.refuse(node, format!("no integer multiplies the sums of channel {o} by {real} as LiteRT does"))
        })?;
        scales.push(scale);
    }
    let (bias, requant) = store(l, &layer, Rounding::Single, &scales);
    let op = FullyConnected { weights, bias, requant };
    let op = match layer.weight_zero {
        0 => Kernel::FullyConnected(op),
        weight_zero => Kernel::FullyConnectedAsymmetric(FullyConnectedAsymmetric { layer: op, weight_zero }),
    };
    l.push(node, op, &[input])
}

/// Results further from zero leave the range of int8 whatever the zero point.
const FAR: i64 = 256;

/// The integers that multiply every sum of `reach` by `real` as the float product does, as far as int8 can tell: the
/// nearest multiplier, or one beside it.
fn multiplier(real: f64, reach: (i64, i64)) -> Option<Scale> {
    let near = scale_of(real);
    let largest = real * reach.0.abs().max(reach.1.abs()) as f64;
    if near.mult == 0 || largest >= f64::from(i32::MAX) {
        return (near.mult == 0 && largest < 0.5).then_some(near);
    }
    // The nearest first; above it before below it, since halves go away from zero.
    let beside = [0, 1, -1, 2, -2, 3, -3, 4, -4].into_iter().filter_map(|d| near.mult.checked_add(d));
    beside.map(|mult| Scale { mult, ..near }).find(|&scale| same_steps(real, scale, reach))
}

/// Whether both products pass from each result to the next at the same sum. Both only rise with the sum.
fn same_steps(real: f64, scale: Scale, (low, high): (i64, i64)) -> bool {
    let shift = 31 - i32::from(scale.shift);
    (1 - FAR..=FAR).all(|result| {
        let half = i128::from(2 * result - 1) << (shift - 1);
        let mult = i128::from(scale.mult);
        let integer = half.div_euclid(mult) + i128::from(half.rem_euclid(mult) > 0);
        let integer = integer.clamp(low.into(), i128::from(high) + 1) as i64;
        let reaches = |sum: i64| (sum as f64 * real).round() >= result as f64;
        (integer > high || reaches(integer)) && (integer <= low || !reaches(integer - 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multiplier_does_what_the_float_product_does() {
        for real in [1.0 / 1024.0, 0.3, 1.0, 0.001_234_567_89, 7.0 / 1024.0, 2.5] {
            let scale = multiplier(real, (-200_000, 200_000)).expect("a multiplier");
            for sum in -200_000..=200_000i32 {
                let float = (f64::from(sum) * real).round().clamp(-256.0, 256.0) as i32;
                let integer = mote_kernels::quant::single(sum, scale.mult, scale.shift.into());
                assert_eq!(integer.clamp(-256, 256), float, "{sum} times {real}");
            }
        }
    }
}
