//! Operators along one axis.

use super::file::Node;
use super::lower::Lowering;
use crate::error::Result;
use mote_format::{Op as Kernel, Quant, Softmax};
use mote_kernels::quant::scale_of;

/// Integer bits of the differences whose exponentials are taken.
const INTEGER_BITS: i32 = 5;

/// `PreprocessSoftmaxScaling` and `CalculateInputRadius` of TFLite.
pub(super) fn softmax<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_softmax_options())?;
    let (input, x) = l.operand(node, 0)?;
    l.expect_shape(node, &l.input(node, 0)?.dims)?;
    let y = l.quant(node, l.output(node)?)?;
    if y != (Quant { scale: 1.0 / 256.0, zero: -128 }) {
        return Err(l.refuse(node, format!("its output has {y:?}; it must be 1/256 and -128")));
    }
    let unit = f64::from(1 << (31 - INTEGER_BITS));
    let real = f64::from(options.beta()) * f64::from(x.scale) * unit;
    if !(real > 1.0 && real.is_finite()) {
        return Err(l.refuse(node, format!("beta {} at scale {} is too small", options.beta(), x.scale)));
    }
    let scale = scale_of(real.min(f64::from(i32::MAX)));
    let radius = f64::from((1 << INTEGER_BITS) - 1) * unit / 2f64.powi(scale.shift.into());
    let diff_min = -(radius.floor().min(255.0) as i32);
    l.push(node, Kernel::Softmax(Softmax { scale, diff_min }), &[input])
}
