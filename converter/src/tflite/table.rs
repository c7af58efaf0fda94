//! Functions of one value: tables of all 256, or a change of scale between bounds.

use super::file::Node;
use super::lower::Lowering;
use crate::error::Result;
use crate::ir::erfc;
use crate::quantize::weights::i8s;
use mote_format::{Lut, Op as Kernel, Quant, Requantize, Rounding};
use mote_kernels::inverse_sqrt::inverse_sqrt;
use mote_kernels::quant::{double, quantize, rounding_shift, scale_of};
use tract_tflite::tflite::ActivationFunctionType;

pub(super) fn relu<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    rectify(l, node, ActivationFunctionType::RELU)
}

pub(super) fn relu6<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    rectify(l, node, ActivationFunctionType::RELU6)
}

pub(super) fn relu_n1_to_1<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    rectify(l, node, ActivationFunctionType::RELU_N1_TO_1)
}

pub(super) fn relu_0_to_1<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let y = l.quant(node, l.output(node)?)?;
    rectified(l, node, (quantize(0.0, y), quantize(1.0, y)))
}

/// TFLite divides the scales as floats.
fn rectify<'a>(l: &mut Lowering<'a>, node: &Node<'a>, activation: ActivationFunctionType) -> Result<()> {
    let y = l.quant(node, l.output(node)?)?;
    let bounds = l.bounds(node, y, activation)?;
    rectified(l, node, bounds)
}

fn rectified<'a>(l: &mut Lowering<'a>, node: &Node<'a>, (min, max): (i8, i8)) -> Result<()> {
    let (input, x) = l.operand(node, 0)?;
    l.expect_shape(node, &l.input(node, 0)?.dims)?;
    let y = l.quant(node, l.output(node)?)?;
    let scale = scale_of(f64::from(x.scale / y.scale));
    l.push(node, Kernel::Requantize(Requantize { scale, round: Rounding::Double, min, max }), &[input])
}

/// A multiplier for each half; TFLite makes both from float quotients.
pub(super) fn leaky_relu<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let alpha = l.options(node, node.options.builtin_options_as_leaky_relu_options())?.alpha();
    if !(alpha >= 0.0 && alpha.is_finite()) {
        return Err(l.refuse(node, format!("its slope is {alpha}")));
    }
    table(l, node, |q, x, y| {
        let value = i32::from(q) - x.zero;
        let slope = if value >= 0 { x.scale / y.scale } else { x.scale * alpha / y.scale };
        let scale = scale_of(f64::from(slope));
        y.zero.saturating_add(double(value, scale.mult, scale.shift.into()))
    })
}

/// x · relu6(x + 3) / 6 in 16-bit fixed point, step by step as in TFLite's reference.
pub(super) fn hard_swish<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    table(l, node, |q, x, y| {
        let fine = x.scale / 128.0;
        let (output, output_exponent) = multiplier16(fine / y.scale);
        let (gate, gate_exponent) = multiplier16(fine / (3.0 / 32768.0));
        let value = (i32::from(q) - x.zero) << 7;
        let scaled = high_mul16(value, output);
        let widened = saturate16(i64::from(value) << (gate_exponent - 1).clamp(0, 31));
        let gated = high_mul16(widened, gate);
        let gated = if gate_exponent > 0 {
            saturate16(i64::from(gated) << 1)
        } else {
            rounding_shift(gated, (-gate_exponent).min(31) as u32)
        };
        let product = ((gated + (1 << 15)) >> 1) * scaled / (1 << 15);
        rounding_shift(product, (-output_exponent).clamp(0, 31) as u32) + y.zero
    })
}

/// A real as a 15-bit mantissa and an exponent.
fn multiplier16(real: f32) -> (i32, i32) {
    let scale = scale_of(real.into());
    let rounded = (i64::from(scale.mult) + (1 << 15)) >> 16;
    (saturate16(rounded), scale.shift.into())
}

/// High half of twice the product of 16-bit numbers, half up.
fn high_mul16(a: i32, b: i32) -> i32 {
    saturate16((i64::from(a) * i64::from(b) + (1 << 14)) >> 15)
}

fn saturate16(x: i64) -> i32 {
    x.clamp(i16::MIN.into(), i16::MAX.into()) as i32
}

pub(super) fn logistic<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    floats(l, node, |x| 1.0 / (1.0 + (-x).exp()))
}

pub(super) fn tanh<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    floats(l, node, f32::tanh)
}

/// TFLite divides the scales as floats; equal ones leave the integers as they are.
pub(super) fn abs<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    table(l, node, |q, x, y| {
        let value = (i32::from(q) - x.zero).abs();
        if x.scale == y.scale {
            return value + y.zero;
        }
        let scale = scale_of(f64::from(x.scale / y.scale));
        double(value, scale.mult, scale.shift.into()).saturating_add(y.zero)
    })
}

/// 1/√x in fixed point. LiteRT refuses to run on values below zero; here they give the largest output, as zero does.
pub(super) fn rsqrt<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    /// Fraction bits of the root.
    const FINE: i32 = 20;
    table(l, node, |q, x, y| {
        let value = i32::from(q) - x.zero;
        if value <= 0 {
            return 127;
        }
        let root = inverse_sqrt(value);
        let root = double(1, root.mult, i32::from(root.shift) + FINE);
        let scale = scale_of(1.0 / f64::from(x.scale.sqrt() * y.scale));
        double(root, scale.mult, i32::from(scale.shift) - FINE).saturating_add(y.zero)
    })
}

pub(super) fn exp<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    floats(l, node, f32::exp)
}

pub(super) fn elu<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    floats(l, node, |x| if x < 0.0 { x.exp_m1() } else { x })
}

/// x·Φ(x), by the complement of the error function, or its approximation by tanh.
pub(super) fn gelu<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    if node.options.builtin_options_as_gelu_options().is_some_and(|o| o.approximate()) {
        let scale = (std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2) as f32;
        return floats(l, node, |x| 0.5 * x * (1.0 + (scale * (x + 0.044_715 * x * x * x)).tanh()));
    }
    let complement = |x: f32| erfc(f64::from(x)) as f32;
    floats(l, node, |x| 0.5 * x * complement(x * -std::f32::consts::FRAC_1_SQRT_2))
}

/// The logarithm of what is not above zero is the smallest output.
pub(super) fn log<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let y = l.quant(node, l.output(node)?)?;
    let least = (-128 - y.zero) as f32 * y.scale;
    floats(l, node, |x| if x > 0.0 { x.ln() } else { least })
}

/// `PopulateLookupTable` of TFLite: all in floats, the reciprocal of the output's scale rounded first.
fn floats<'a>(l: &mut Lowering<'a>, node: &Node<'a>, f: impl Fn(f32) -> f32) -> Result<()> {
    table(l, node, |q, x, y| {
        let real = x.scale * (i32::from(q) - x.zero) as f32;
        ((f(real) * (1.0 / y.scale)).round() + y.zero as f32) as i32
    })
}

/// A table of a function of the stored value and both scales.
fn table<'a>(l: &mut Lowering<'a>, node: &Node<'a>, f: impl Fn(i8, Quant, Quant) -> i32) -> Result<()> {
    let (input, x) = l.operand(node, 0)?;
    l.expect_shape(node, &l.input(node, 0)?.dims)?;
    let y = l.quant(node, l.output(node)?)?;
    let values: Vec<i8> = (-128..=127i8).map(|q| f(q, x, y).clamp(-128, 127) as i8).collect();
    let table = i8s(&mut l.program.writer, &values);
    l.push(node, Kernel::Lut(Lut { table }), &[input])
}
