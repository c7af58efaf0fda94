//! Functions of one value, as tables of all 256.

use super::file::Node;
use super::lower::Lowering;
use crate::error::Result;
use crate::quantize::weights::i8s;
use mote_format::{Lut, Op as Kernel, Quant};

pub(super) fn logistic<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    floats(l, node, |x| 1.0 / (1.0 + (-x).exp()))
}

pub(super) fn tanh<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    floats(l, node, f32::tanh)
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
