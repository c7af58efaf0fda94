//! Element-wise operators of two arguments, bounds, and batch normalisation. Functions of one argument are in
//! `functions.rs`.

use super::attributes::Call;
use super::build::{Import, Lowered};
use crate::ir::{Activation, Op, ValueId};

/// Clip: bounds as attributes before operator set 11, as inputs since.
pub(crate) fn clip<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let (min, max) = if im.opset < 11 {
        (call.float("min", f32::MIN)?, call.float("max", f32::MAX)?)
    } else {
        (im.number(call, 1)?.unwrap_or(f32::MIN), im.number(call, 2)?.unwrap_or(f32::MAX))
    };
    if min.is_nan() || max.is_nan() || min > max {
        return Err(format!("its bounds {min} and {max} are empty"));
    }
    // ONNX's defaults are the extremes of float32, which bound nothing.
    let min = if min == f32::MIN { f32::NEG_INFINITY } else { min };
    let max = if max == f32::MAX { f32::INFINITY } else { max };
    let x = im.operand(call, 0)?;
    im.emit(call, Op::Activation(Activation::Clip { min, max }), &[x])
}

fn operands<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered<[ValueId; 2]> {
    if call.int("broadcast")?.is_some() || call.int("axis")?.is_some() {
        return Err("it broadcasts in the way of operator sets before 7".to_owned());
    }
    Ok([im.operand(call, 0)?, im.operand(call, 1)?])
}

/// Add. A constant comes second.
pub(crate) fn add<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    commutative(im, call, Op::Add)
}

/// Mul. A constant comes second.
pub(crate) fn mul<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    commutative(im, call, Op::Mul)
}

fn commutative<'a>(im: &mut Import<'a>, call: &Call<'a>, op: Op) -> Lowered {
    let [a, b] = operands(im, call)?;
    let inputs = if im.graph.konst(a).is_some() { [b, a] } else { [a, b] };
    im.emit(call, op, &inputs)
}

/// Sub. Subtracting a constant is adding its negative.
pub(crate) fn sub<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let [a, b] = operands(im, call)?;
    let Some(negative) = im.graph.konst(b).map(|t| t.mapv(|x| -x)) else {
        return im.emit(call, Op::Sub, &[a, b]);
    };
    let b = im.graph.add_const(&format!("{}_negative", call.name), negative.into_owned());
    im.emit(call, Op::Add, &[a, b])
}

/// Div. Dividing by a constant is multiplying by its inverse.
pub(crate) fn div<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let [a, b] = operands(im, call)?;
    let Some(inverse) = im.graph.konst(b).map(|t| t.mapv(|x| 1.0 / x)) else {
        return im.emit(call, Op::Div, &[a, b]);
    };
    if inverse.iter().any(|x| !x.is_finite()) {
        return Err("it divides by zero".to_owned());
    }
    let b = im.graph.add_const(&format!("{}_inverse", call.name), inverse.into_owned());
    im.emit(call, Op::Mul, &[a, b])
}

/// PRelu.
pub(crate) fn prelu<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let operands = operands(im, call)?;
    im.emit(call, Op::PRelu, &operands)
}

/// Neg.
pub(crate) fn neg<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    let minus = im.graph.add_const(&format!("{}_minus", call.name), ndarray::arr1(&[-1.0f32]).into_dyn());
    im.emit(call, Op::Mul, &[x, minus])
}

/// Sum of one or two; `rewrite.rs` makes a chain of more.
pub(crate) fn sum<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    if call.pb.input.len() == 1 {
        let x = im.operand(call, 0)?;
        return im.emit(call, Op::Identity, &[x]);
    }
    commutative(im, call, Op::Add)
}

/// Max of one or two.
pub(crate) fn maximum<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    bounded(im, call, Op::Maximum, |min| Activation::Clip { min, max: f32::INFINITY })
}

/// Min of one or two.
pub(crate) fn minimum<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    bounded(im, call, Op::Minimum, |max| Activation::Clip { min: f32::NEG_INFINITY, max })
}

/// Beside a number, a bound.
fn bounded<'a>(im: &mut Import<'a>, call: &Call<'a>, op: Op, bound: fn(f32) -> Activation) -> Lowered {
    if call.pb.input.len() == 1 {
        let x = im.operand(call, 0)?;
        return im.emit(call, Op::Identity, &[x]);
    }
    let [a, b] = operands(im, call)?;
    let [a, b] = if im.graph.konst(a).is_some() { [b, a] } else { [a, b] };
    let number = im.graph.konst(b).filter(|k| k.len() == 1).and_then(|k| k.first().copied());
    match number {
        Some(k) if k.is_finite() && im.graph.shape(a) == im.result_shape(call)? => {
            im.emit(call, Op::Activation(bound(k)), &[a])
        }
        _ => im.emit(call, op, &[a, b]),
    }
}

/// BatchNormalization with known statistics.
pub(crate) fn batch_norm<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    if call.flag("training_mode", false)? || call.int("spatial")?.is_some_and(|s| s != 1) {
        return Err("it is in training mode, or not per channel".to_owned());
    }
    let epsilon = call.float("epsilon", 1e-5)?;
    let x = im.operand(call, 0)?;
    let mut inputs = vec![x];
    for i in 1..5 {
        im.floats(call, i)?.ok_or("a parameter is missing")?;
        inputs.push(im.operand(call, i)?);
    }
    im.emit(call, Op::BatchNorm { epsilon }, &inputs)
}
