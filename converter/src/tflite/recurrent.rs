//! Recurrent layers, whose states are the file's variable tensors.

use super::file::{Node, Tensor};
use super::lower::Lowering;
use super::state;
use crate::error::Result;
use crate::program::Operand;
use crate::quantize::weights::{fold, i8s, i32s};
use mote_format::{Lstm, Op as Kernel, Scale, Svdf};
use mote_kernels::quant::scale_of;
use tract_tflite::tflite::{ActivationFunctionType, TensorType};

/// The sums of gates have 12 fraction bits.
const GATE: f32 = 1.0 / 4096.0;

/// Multipliers are products and quotients of floats, as in `PopulateQuantizedLstmParams8x8_16` of TFLite.
pub(super) fn lstm<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = node.options.builtin_options_as_unidirectional_sequence_lstmoptions();
    let options = l.options(node, options)?;
    if options.fused_activation_function() != ActivationFunctionType::TANH {
        return Err(l.refuse(node, "its activation is not tanh"));
    }
    for (what, inputs) in [
        ("peephole connections", 9..12),
        ("a projection", 16..18),
        ("layer normalization", 20..node.inputs.len().max(20)),
    ] {
        if inputs.into_iter().any(|i| l.optional(node, i).is_some()) {
            return Err(l.refuse(node, format!("it has {what}, which the kernel has not")));
        }
    }
    if l.optional(node, 1).is_none() {
        return Err(l.refuse(node, "it has no input gate, and the kernel has all four"));
    }
    let (x, y, hidden, cell) = (l.input(node, 0)?, l.output(node)?, l.input(node, 18)?, l.input(node, 19)?);
    let &[a, b, inputs] = &x.dims[..] else {
        return Err(l.refuse(node, format!("its input has the shape {:?}", x.dims)));
    };
    let units = l.input(node, 4)?.dims.first().copied().unwrap_or(0);
    l.expect_shape(node, &[a, b, units])?;
    let batch = if options.time_major() { b } else { a };
    for state in [hidden, cell] {
        if !state.variable || state.dims.iter().product::<usize>() != batch * units {
            let cause = format!("\"{}\" is no variable of {batch} x {units}", state.name);
            return Err(l.refuse(node, cause));
        }
    }
    let (qx, qy, qh) = (l.quant(node, x)?, l.quant(node, y)?, l.quant(node, hidden)?);
    let inside = intermediate(l, node, 4)?;
    if inside.zeros.first().copied().unwrap_or(0) != i64::from(qy.zero) {
        return Err(l.refuse(node, "its hidden values and its output have different zero points"));
    }
    let cell_scale = scale(l, node, cell)?;
    let cell_bits = 15.0 + cell_scale.log2().round();
    if cell.kind != TensorType::INT16
        || (cell_scale.log2() - cell_scale.log2().round()).abs() >= 1e-3
        || !(0.0..=6.0).contains(&cell_bits)
    {
        let cause = format!("its cell state is {:?} at {cell_scale}, not int16 at 2^-9 to 2^-15", cell.kind);
        return Err(l.refuse(node, cause));
    }
    let input = gates(l, node, 1, inputs, (qx.scale, qx.zero))?;
    let recurrent = gates(l, node, 5, units, (qh.scale, qh.zero))?;
    let scales: Vec<Scale> = input.scales.iter().chain(&recurrent.scales).copied().collect();
    let unit = 2f64.powi(-15);
    let output = (unit / f64::from(scale(l, node, inside)?) * unit) as f32;
    let op = Lstm {
        input_weights: i8s(&mut l.program.writer, &input.weights),
        input_bias: i32s(&mut l.program.writer, input.bias.into_iter()),
        recurrent_weights: i8s(&mut l.program.writer, &recurrent.weights),
        recurrent_bias: i32s(&mut l.program.writer, recurrent.bias.into_iter()),
        mult: i32s(&mut l.program.writer, scales.iter().map(|scale| scale.mult)),
        shift: i8s(&mut l.program.writer, &scales.iter().map(|scale| scale.shift).collect::<Vec<_>>()),
        output: scale_of(output.into()),
        cell_bits: cell_bits as u8,
        cell_clip: (options.cell_clip().max(0.0) / cell_scale).min(32767.0) as i16,
        time_major: options.time_major().into(),
    };
    let operands = states(l, node, &[18, 19])?;
    l.push(node, Kernel::Lstm(op), &operands)
}

/// One side of all four gates: what they take from the input, or from the hidden state.
struct Gates {
    weights: Vec<i8>,
    /// With −zero·Σw.
    bias: Vec<i32>,
    scales: Vec<Scale>,
}

/// The gates whose weights are the four inputs from `first` on, of `columns` columns each. The input's side has the biases.
fn gates(
    l: &Lowering<'_>,
    node: &Node<'_>,
    first: usize,
    columns: usize,
    (x_scale, zero): (f32, i32),
) -> Result<Gates> {
    let units = l.input(node, 4)?.dims.first().copied().unwrap_or(0);
    let mut gates = Gates { weights: Vec::new(), bias: Vec::new(), scales: Vec::new() };
    for gate in 0..4 {
        let w = l.input(node, first + gate)?;
        let weights = weights(l, node, w, &[units, columns])?;
        let bias = if first == 1 { l.integers(node, 12 + gate)? } else { vec![0; units] };
        if bias.len() != units {
            return Err(l.refuse(node, format!("a bias has {} values for {units} units", bias.len())));
        }
        gates.bias.extend(folded(l, node, &bias, zero, &weights, columns)?);
        gates.scales.push(scale_of(f64::from(scale(l, node, w)? * x_scale / GATE)));
        gates.weights.extend(weights);
    }
    Ok(gates)
}

/// Multipliers are products and quotients of doubles, as in `Prepare` of TFLite's kernel.
pub(super) fn svdf<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_svdfoptions())?;
    let (x, y, state) = (l.input(node, 0)?, l.output(node)?, l.input(node, 4)?);
    // TFLite's integer kernel takes no other, and clamps to int8.
    if options.fused_activation_function() != ActivationFunctionType::RELU {
        return Err(l.refuse(node, "its activation is not RELU"));
    }
    let (feature, time) = (l.input(node, 1)?, l.input(node, 2)?);
    let (&[batch, inputs], &[filters, memory]) = (&x.dims[..], &time.dims[..]) else {
        return Err(l.refuse(node, format!("it has shapes {:?} and {:?}", x.dims, time.dims)));
    };
    let rank = usize::try_from(options.rank()).unwrap_or(0);
    if rank == 0 || inputs == 0 || filters == 0 || memory == 0 || !filters.is_multiple_of(rank) {
        return Err(l.refuse(node, format!("its rank is {rank} for {filters} filters")));
    }
    let units = filters / rank;
    l.expect_shape(node, &[batch, units])?;
    if !state.variable || state.kind != TensorType::INT16 || state.dims != [batch, filters * memory] {
        let cause = format!("\"{}\" is no int16 variable of {batch} x {}", state.name, filters * memory);
        return Err(l.refuse(node, cause));
    }
    let Some(time_weights) = time.data.filter(|_| time.kind == TensorType::INT16) else {
        return Err(l.refuse(node, format!("its weights \"{}\" are no int16 constant", time.name)));
    };
    let bias = match l.optional(node, 3) {
        Some(_) => l.integers(node, 3)?,
        None => vec![0; units],
    };
    let bias: Option<Vec<i32>> = bias.into_iter().map(|b| i32::try_from(b).ok()).collect();
    let bias = bias.filter(|b| b.len() == units);
    let bias = bias.ok_or_else(|| l.refuse(node, format!("its bias is not {units} values of 32 bits")))?;
    let (qx, qy) = (l.quant(node, x)?, l.quant(node, y)?);
    let weights = weights(l, node, feature, &[filters, inputs])?;
    let feature_bias = folded(l, node, &vec![0; filters], qx.zero, &weights, inputs)?;
    let [feature, time, kept] = [feature, time, state].map(|t| scale(l, node, t));
    let [feature, time, kept] = [feature?, time?, kept?].map(f64::from);
    let op = Svdf {
        rank: l.narrow(node, "rank", rank as i64)?,
        memory: l.narrow(node, "memory", memory as i64)?,
        feature_weights: i8s(&mut l.program.writer, &weights),
        feature_bias: i32s(&mut l.program.writer, feature_bias.into_iter()),
        feature_scale: scale_of(f64::from(qx.scale) * feature / kept),
        time_weights: l.program.writer.constant(time_weights),
        bias: i32s(&mut l.program.writer, bias.into_iter()),
        scale: scale_of(kept * time / f64::from(qy.scale)),
    };
    let operands = states(l, node, &[4])?;
    l.push(node, Kernel::Svdf(op), &operands)
}

/// Input 0, then the states that a step changes.
fn states<'a>(l: &mut Lowering<'a>, node: &Node<'a>, states: &[usize]) -> Result<Vec<Operand>> {
    let mut operands = vec![l.operand(node, 0)?.0];
    for &i in states {
        let tensor = node.inputs.get(i).copied().flatten();
        let state = tensor.and_then(|t| state::of_tensor(l, t));
        operands.push(state.ok_or_else(|| l.refuse(node, format!("its input {i} is no variable")))?);
    }
    Ok(operands)
}

/// A tensor that only an operator's inside has.
fn intermediate<'a>(l: &Lowering<'a>, node: &Node<'_>, i: usize) -> Result<&'a Tensor<'a>> {
    let ids = node.options.intermediates().filter(|ids| i < ids.len());
    let id = ids.and_then(|ids| usize::try_from(ids.get(i)).ok());
    id.and_then(|id| l.file.tensors.get(id))
        .ok_or_else(|| l.refuse(node, "it does not say at which scale its hidden values are"))
}

/// The only scale of a tensor.
fn scale(l: &Lowering<'_>, node: &Node<'_>, tensor: &Tensor<'_>) -> Result<f32> {
    match tensor.scales[..] {
        [scale] if scale.is_finite() && scale > 0.0 => Ok(scale),
        _ => Err(l.refuse(node, format!("\"{}\" has the scales {:?}", tensor.name, tensor.scales))),
    }
}

/// An int8 constant of this shape with zero point 0.
fn weights(l: &Lowering<'_>, node: &Node<'_>, tensor: &Tensor<'_>, dims: &[usize]) -> Result<Vec<i8>> {
    let weights = tensor.i8s().filter(|_| tensor.kind == TensorType::INT8 && tensor.dims == dims);
    let plain = tensor.zeros.iter().all(|&z| z == 0);
    weights.filter(|w| plain && !w.is_empty()).ok_or_else(|| {
        let cause = format!(
            "its weights \"{}\" are no int8 constant of shape {dims:?} and zero point 0",
            tensor.name
        );
        l.refuse(node, cause)
    })
}

/// The biases of rows of weights with −zero·Σw in them.
fn folded(
    l: &Lowering<'_>,
    node: &Node<'_>,
    bias: &[i64],
    zero: i32,
    weights: &[i8],
    columns: usize,
) -> Result<Vec<i32>> {
    let rows = bias.iter().zip(weights.chunks_exact(columns)).enumerate();
    rows.map(|(row, (&bias, weights))| {
        fold(bias, zero, weights.iter().copied())
            .map_err(|reach| l.refuse(node, format!("sums of row {row} can reach {reach}, beyond 32 bits")))
    })
    .collect()
}
