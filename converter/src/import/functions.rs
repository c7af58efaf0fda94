//! Functions of one argument.

use super::attributes::Call;
use super::build::{Import, Lowered};
use crate::ir::{Activation, Op};

fn activation<'a>(im: &mut Import<'a>, call: &Call<'a>, function: Activation) -> Lowered {
    let x = im.operand(call, 0)?;
    im.emit(call, Op::Activation(function), &[x])
}

/// Those without attributes.
macro_rules! plain {
    ($($name:ident $function:ident;)*) => {$(
        pub(crate) fn $name<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
            activation(im, call, Activation::$function)
        }
    )*};
}
plain! {
    abs Abs;
    ceil Ceil;
    cos Cos;
    erf Erf;
    exp Exp;
    floor Floor;
    hard_swish HardSwish;
    log Log;
    mish Mish;
    reciprocal Reciprocal;
    relu Relu;
    round Round;
    sigmoid Sigmoid;
    sign Sign;
    sin Sin;
    softplus Softplus;
    softsign Softsign;
    sqrt Sqrt;
    tanh Tanh;
}

/// Those with one slope or threshold: its default is the operator's.
macro_rules! with_alpha {
    ($($name:ident $function:ident $default:literal;)*) => {$(
        pub(crate) fn $name<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
            let alpha = call.float("alpha", $default)?;
            activation(im, call, Activation::$function { alpha })
        }
    )*};
}
with_alpha! {
    leaky_relu LeakyRelu 0.01;
    thresholded_relu ThresholdedRelu 1.0;
}

pub(crate) fn elu<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let alpha = call.float("alpha", 1.0)?;
    activation(im, call, Activation::Elu { alpha, gamma: 1.0 })
}

pub(crate) fn selu<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let (alpha, gamma) = (call.float("alpha", 1.673_263_2)?, call.float("gamma", 1.050_701)?);
    activation(im, call, Activation::Elu { alpha, gamma })
}

pub(crate) fn hard_sigmoid<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let (alpha, beta) = (call.float("alpha", 0.2)?, call.float("beta", 0.5)?);
    activation(im, call, Activation::HardSigmoid { alpha, beta })
}

pub(crate) fn gelu<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    match call.text("approximate")?.unwrap_or("none") {
        "none" => activation(im, call, Activation::Gelu),
        "tanh" => activation(im, call, Activation::GeluTanh),
        other => Err(format!("its approximation is \"{other}\"")),
    }
}

/// Pow. Squares are the most common.
pub(crate) fn pow<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let exponent = im.number(call, 1)?.ok_or("it has no exponent")?;
    activation(im, call, Activation::Pow { exponent })
}
