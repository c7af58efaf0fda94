//! Sums, products, functions of one value, softmax.

use super::Lowered;
use super::network::{Network, axis};
use crate::proto::{float, size};
use crate::tflite::file::Node;
use crate::tflite::lower::kind_name;
use tract_tflite::tflite::{ActivationFunctionType as Activation, TensorType};

pub(super) fn add<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let options = node.options.builtin_options_as_add_options();
    binary(n, node, "Add", options.map_or(Activation::NONE, |o| o.fused_activation_function()))
}

pub(super) fn sub<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let options = node.options.builtin_options_as_sub_options();
    binary(n, node, "Sub", options.map_or(Activation::NONE, |o| o.fused_activation_function()))
}

pub(super) fn mul<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let options = node.options.builtin_options_as_mul_options();
    binary(n, node, "Mul", options.map_or(Activation::NONE, |o| o.fused_activation_function()))
}

pub(super) fn div<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let options = node.options.builtin_options_as_div_options();
    binary(n, node, "Div", options.map_or(Activation::NONE, |o| o.fused_activation_function()))
}

fn binary(n: &mut Network<'_>, node: &Node<'_>, op: &str, activation: Activation) -> Lowered {
    let operands = [broadcast(n, node, 0)?, broadcast(n, node, 1)?];
    n.emit_activated(node, op, &operands, &[], activation)
}

/// Input `i` with as many dimensions as the output has, ones in front.
fn broadcast(n: &mut Network<'_>, node: &Node<'_>, i: usize) -> Lowered<String> {
    let (x, rank) = (n.input(node, i)?, n.output(node)?.dims.len());
    let Some(missing) = rank.checked_sub(x.dims.len()) else {
        return Err(format!("its input has the shape {:?}, its output {rank} dimensions", x.dims));
    };
    let wide = [vec![1; missing], x.dims.clone()].concat();
    if let Some(values) = n.constant(node, i) {
        let values = values.into_shape_with_order(wide).map_err(|e| e.to_string())?;
        return Ok(n.image_constant(&x.name, values));
    }
    if missing == 0 {
        return n.operand(node, i);
    }
    let plain = n.in_order(node, i)?;
    // Channels first: the last dimension goes where the channels are.
    let wide: Vec<i64> = match (rank, &wide[..]) {
        (4, &[a, b, c, d]) => [a, d, b, c].map(|d| d as i64).to_vec(),
        _ => wide.iter().map(|&d| d as i64).collect(),
    };
    if rank == 4 && x.dims.iter().filter(|&&d| d > 1).count() > 1 {
        return Err(format!("its input of shape {:?} repeats over an image", x.dims));
    }
    let shape = n.integers_as(&plain, &wide);
    n.step(node, "Reshape", &[plain, shape], &[])
}

pub(super) fn maximum<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    bounded(n, node, "Max")
}

pub(super) fn minimum<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    bounded(n, node, "Min")
}

/// With one number, a bound of the other operand.
fn bounded(n: &mut Network<'_>, node: &Node<'_>, op: &str) -> Lowered {
    let number = |i: usize| n.constant(node, i).filter(|c| c.len() == 1).and_then(|c| c.first().copied());
    let Some((i, bound)) = [0, 1].iter().find_map(|&i| Some((i, number(i)?))) else {
        return binary(n, node, op, Activation::NONE);
    };
    let (x, bound) = (n.operand(node, 1 - i)?, n.number("bound", bound));
    let inputs = if op == "Max" { vec![x, bound] } else { vec![x, String::new(), bound] };
    n.emit(node, "Clip", &inputs, &[])
}

fn unary(n: &mut Network<'_>, node: &Node<'_>, op: &str) -> Lowered {
    let x = n.operand(node, 0)?;
    n.emit(node, op, &[x], &[])
}

/// Functions that ONNX has a name for.
macro_rules! functions {
    ($($name:ident $op:literal;)*) => {$(
        pub(super) fn $name<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
            unary(n, node, $op)
        }
    )*};
}
functions! {
    abs "Abs";
    ceil "Ceil";
    cos "Cos";
    elu "Elu";
    exp "Exp";
    floor "Floor";
    hard_swish "HardSwish";
    log "Log";
    logistic "Sigmoid";
    neg "Neg";
    round "Round";
    sign "Sign";
    sin "Sin";
    sqrt "Sqrt";
    tanh "Tanh";
}

pub(super) fn rsqrt<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let x = n.operand(node, 0)?;
    let root = n.step(node, "Sqrt", &[x], &[])?;
    n.emit(node, "Reciprocal", &[root], &[])
}

pub(super) fn square<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let x = n.operand(node, 0)?;
    n.emit(node, "Mul", &[x.clone(), x], &[])
}

pub(super) fn squared_difference<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let operands = [broadcast(n, node, 0)?, broadcast(n, node, 1)?];
    let difference = n.step(node, "Sub", &operands, &[])?;
    n.emit(node, "Mul", &[difference.clone(), difference], &[])
}

/// With one exponent for all.
pub(super) fn pow<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let exponent = n.floats(node, 1)?;
    let (1, Some(&exponent)) = (exponent.len(), exponent.first()) else {
        return Err("it has several exponents".into());
    };
    let (x, exponent) = (n.operand(node, 0)?, n.number("exponent", exponent));
    n.emit(node, "Pow", &[x, exponent], &[])
}

/// ONNX has a name for it in later operator sets only.
pub(super) fn gelu<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let approximate = node.options.builtin_options_as_gelu_options().is_some_and(|o| o.approximate());
    let x = n.operand(node, 0)?;
    let [one, half] = [1.0, 0.5].map(|v| n.number("gelu", v));
    let bent = if approximate {
        let [three, cubic, scale] = [3.0, 0.044_715, 0.797_884_6].map(|v| n.number("gelu", v));
        let cube = n.step(node, "Pow", &[x.clone(), three], &[])?;
        let cube = n.step(node, "Mul", &[cube, cubic], &[])?;
        let inner = n.step(node, "Add", &[x.clone(), cube], &[])?;
        let inner = n.step(node, "Mul", &[inner, scale], &[])?;
        n.step(node, "Tanh", &[inner], &[])?
    } else {
        let root = n.number("gelu", std::f32::consts::FRAC_1_SQRT_2);
        let inner = n.step(node, "Mul", &[x.clone(), root], &[])?;
        n.step(node, "Erf", &[inner], &[])?
    };
    let gate = n.step(node, "Add", &[bent, one], &[])?;
    let gated = n.step(node, "Mul", &[x, gate], &[])?;
    n.emit(node, "Mul", &[gated, half], &[])
}

pub(super) fn add_n<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let operands = (0..node.inputs.len()).map(|i| n.operand(node, i)).collect::<Lowered<Vec<_>>>()?;
    n.emit(node, "Sum", &operands, &[])
}

/// From floats to floats.
pub(super) fn cast<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let float = TensorType::FLOAT32;
    let kinds = [n.input(node, 0)?.kind, n.output(node)?.kind];
    if kinds != [float; 2] {
        return Err(format!("it makes {} of {}", kind_name(kinds[1]), kind_name(kinds[0])));
    }
    unary(n, node, "Identity")
}

pub(super) fn relu<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let x = n.operand(node, 0)?;
    n.activate(node, x, Activation::RELU)
}

pub(super) fn relu6<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let x = n.operand(node, 0)?;
    n.activate(node, x, Activation::RELU6)
}

pub(super) fn relu_0_to_1<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let (x, bounds) = (n.operand(node, 0)?, [0.0, 1.0].map(|v| n.number("bound", v)));
    n.emit(node, "Clip", &[&[x][..], &bounds].concat(), &[])
}

pub(super) fn relu_n1_to_1<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let x = n.operand(node, 0)?;
    n.activate(node, x, Activation::RELU_N1_TO_1)
}

pub(super) fn leaky_relu<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let options = node.options.builtin_options_as_leaky_relu_options().ok_or("its options are missing")?;
    let x = n.operand(node, 0)?;
    n.emit(node, "LeakyRelu", &[x], &[float("alpha", options.alpha())])
}

/// A slope a channel, or any that repeats over the input.
pub(super) fn prelu<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let operands = [n.operand(node, 0)?, broadcast(n, node, 1)?];
    n.emit(node, "PRelu", &operands, &[])
}

/// Along the last axis.
pub(super) fn softmax<'a>(n: &mut Network<'a>, node: &Node<'a>) -> Lowered {
    let beta = node.options.builtin_options_as_softmax_options().ok_or("its options are missing")?.beta();
    let rank = n.output(node)?.dims.len();
    let mut x = n.operand(node, 0)?;
    if beta != 1.0 {
        let beta = n.number("beta", beta);
        x = n.step(node, "Mul", &[x, beta], &[])?;
    }
    n.emit(node, "Softmax", &[x], &[size("axis", axis(rank, -1)?)])
}
