//! Functions of one value: the ones that ONNX has a name for, and formulas of them. On the device all but the clamps are
//! tables of 256 entries.

use super::Clamp;
use std::f32::consts::{FRAC_1_SQRT_2, PI};
use std::fmt;

/// An element-wise function of one argument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, min), max)`; the bounds may be infinite.
    Clip {
        /// Lower bound.
        min: f32,
        /// Upper bound.
        max: f32,
    },
    /// `x`, or `alpha·x` below zero.
    LeakyRelu {
        /// Slope below zero.
        alpha: f32,
    },
    /// `x` above `alpha`, or 0.
    ThresholdedRelu {
        /// Where it begins.
        alpha: f32,
    },
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `x · min(max(x/6 + 1/2, 0), 1)`.
    HardSwish,
    /// `min(max(alpha·x + beta, 0), 1)`.
    HardSigmoid {
        /// Slope.
        alpha: f32,
        /// Value at zero.
        beta: f32,
    },
    /// `gamma·x`, or `gamma·alpha·(e^x − 1)` below zero.
    Elu {
        /// Distance of the lower asymptote from zero.
        alpha: f32,
        /// Factor of the whole: 1 for ELU, another for SELU.
        gamma: f32,
    },
    /// `x · Φ(x)`, the normal distribution's.
    Gelu,
    /// `x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))`.
    GeluTanh,
    /// `x · tanh(ln(1 + e^x))`.
    Mish,
    /// `ln(1 + e^x)`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `|x|`.
    Abs,
    /// −1, 0 or 1.
    Sign,
    /// The next whole number below.
    Floor,
    /// The next whole number above.
    Ceil,
    /// The nearest whole number, halves to even.
    Round,
    /// `e^x`.
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// `1 / x`.
    Reciprocal,
    /// `x^exponent`.
    Pow {
        /// The exponent.
        exponent: f32,
    },
    /// Error function.
    Erf,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
}

impl Activation {
    /// The function itself.
    pub fn eval(self, x: f32) -> f32 {
        match self {
            Activation::Relu => x.max(0.0),
            Activation::Clip { min, max } => x.max(min).min(max),
            Activation::LeakyRelu { alpha } if x < 0.0 => alpha * x,
            Activation::Elu { alpha, gamma } if x < 0.0 => gamma * alpha * x.exp_m1(),
            Activation::LeakyRelu { .. } => x,
            Activation::Elu { gamma, .. } => gamma * x,
            Activation::ThresholdedRelu { alpha } => {
                if x > alpha {
                    x
                } else {
                    0.0
                }
            }
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Activation::Tanh => x.tanh(),
            Activation::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Activation::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Activation::Gelu => x * 0.5 * (1.0 + erf(x * FRAC_1_SQRT_2)),
            Activation::GeluTanh => x * 0.5 * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044715 * x * x * x)).tanh()),
            Activation::Mish => x * softplus(x).tanh(),
            Activation::Softplus => softplus(x),
            Activation::Softsign => x / (1.0 + x.abs()),
            Activation::Abs => x.abs(),
            Activation::Sign => f32::from(x > 0.0) - f32::from(x < 0.0),
            Activation::Floor => x.floor(),
            Activation::Ceil => x.ceil(),
            Activation::Round => x.round_ties_even(),
            Activation::Exp => x.exp(),
            Activation::Log => x.ln(),
            Activation::Sqrt => x.sqrt(),
            Activation::Reciprocal => 1.0 / x,
            Activation::Pow { exponent } => x.powf(exponent),
            Activation::Erf => erf(x),
            Activation::Sin => x.sin(),
            Activation::Cos => x.cos(),
        }
    }

    /// The bounds, for the functions that only clamp.
    pub fn as_clamp(self) -> Option<Clamp> {
        match self {
            Activation::Relu => Some(Clamp { min: 0.0, max: f32::INFINITY }),
            Activation::Clip { min, max } => Some(Clamp { min, max }),
            _ => None,
        }
    }

    /// Name for messages and reports; ONNX's.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Relu => "Relu",
            Activation::Clip { .. } => "Clip",
            Activation::LeakyRelu { .. } => "LeakyRelu",
            Activation::ThresholdedRelu { .. } => "ThresholdedRelu",
            Activation::Sigmoid => "Sigmoid",
            Activation::Tanh => "Tanh",
            Activation::HardSwish => "HardSwish",
            Activation::HardSigmoid { .. } => "HardSigmoid",
            Activation::Elu { gamma: 1.0, .. } => "Elu",
            Activation::Elu { .. } => "Selu",
            Activation::Gelu | Activation::GeluTanh => "Gelu",
            Activation::Mish => "Mish",
            Activation::Softplus => "Softplus",
            Activation::Softsign => "Softsign",
            Activation::Abs => "Abs",
            Activation::Sign => "Sign",
            Activation::Floor => "Floor",
            Activation::Ceil => "Ceil",
            Activation::Round => "Round",
            Activation::Exp => "Exp",
            Activation::Log => "Log",
            Activation::Sqrt => "Sqrt",
            Activation::Reciprocal => "Reciprocal",
            Activation::Pow { .. } => "Pow",
            Activation::Erf => "Erf",
            Activation::Sin => "Sin",
            Activation::Cos => "Cos",
        }
    }
}

/// `ln(1 + e^x)`, which does not overflow.
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn erf(x: f32) -> f32 {
    (1.0 - erfc(x.into())) as f32
}

/// The complement of the error function: one less its series near zero, the continued fraction beyond. Source: Abramowitz and
/// Stegun, 7.1.5 and 7.1.14.
pub(crate) fn erfc(x: f64) -> f64 {
    let z = x.abs();
    let tail = if z < 2.0 {
        let (mut term, mut sum) = (z, z);
        for n in 1..40 {
            term *= -z * z / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        1.0 - std::f64::consts::FRAC_2_SQRT_PI * sum
    } else {
        let fraction = (1..40).rev().fold(z, |below, n| z + f64::from(n) / 2.0 / below);
        (-z * z).exp() / fraction / std::f64::consts::PI.sqrt()
    };
    if x < 0.0 { 2.0 - tail } else { tail }
}

/// One step of a formula. Numbers name earlier values: 0 is the argument, `i` the result of step `i − 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Term {
    /// A number.
    Constant(f32),
    /// A function of a value.
    Apply(Activation, usize),
    /// A value within bounds.
    Clamp(Clamp, usize),
    /// A sum.
    Add(usize, usize),
    /// A difference.
    Sub(usize, usize),
    /// A product.
    Mul(usize, usize),
    /// A quotient.
    Div(usize, usize),
    /// The larger.
    Maximum(usize, usize),
    /// The smaller.
    Minimum(usize, usize),
}

/// A function of one argument in steps, each of which reads the argument or results before it; the last one is the value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Formula(pub Vec<Term>);

impl Formula {
    /// The function itself.
    pub fn eval(&self, x: f32) -> f32 {
        let mut values = vec![x];
        for term in &self.0 {
            values.push(match *term {
                Term::Constant(c) => c,
                Term::Apply(f, a) => f.eval(values[a]),
                Term::Clamp(clamp, a) => clamp.apply(values[a]),
                Term::Add(a, b) => values[a] + values[b],
                Term::Sub(a, b) => values[a] - values[b],
                Term::Mul(a, b) => values[a] * values[b],
                Term::Div(a, b) => values[a] / values[b],
                Term::Maximum(a, b) => values[a].max(values[b]),
                Term::Minimum(a, b) => values[a].min(values[b]),
            });
        }
        values[self.0.len()]
    }

    /// Appends a step; gives the number of its result.
    pub(crate) fn push(&mut self, term: Term) -> usize {
        self.0.push(term);
        self.0.len()
    }

    /// Appends all steps of another formula, whose argument is value `x` of this one; gives the number of the result.
    pub(crate) fn append(&mut self, other: &Formula, x: usize) -> usize {
        let base = self.0.len();
        let at = |i: usize| if i == 0 { x } else { base + i };
        self.0.extend(other.0.iter().map(|&term| match term {
            Term::Constant(c) => Term::Constant(c),
            Term::Apply(f, a) => Term::Apply(f, at(a)),
            Term::Clamp(clamp, a) => Term::Clamp(clamp, at(a)),
            Term::Add(a, b) => Term::Add(at(a), at(b)),
            Term::Sub(a, b) => Term::Sub(at(a), at(b)),
            Term::Mul(a, b) => Term::Mul(at(a), at(b)),
            Term::Div(a, b) => Term::Div(at(a), at(b)),
            Term::Maximum(a, b) => Term::Maximum(at(a), at(b)),
            Term::Minimum(a, b) => Term::Minimum(at(a), at(b)),
        }));
        self.0.len()
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function of {} steps", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // Tables of mathematics.
        for (x, y) in
            [(0.0, 0.0), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (2.0, 0.995_322_3), (3.5, 0.999_999_3)]
        {
            assert!((erf(x) - y).abs() < 1e-6 && erf(-x) == -erf(x), "{x}: {}", erf(x));
        }
        assert!(
            (softplus(0.0) - std::f32::consts::LN_2).abs() < 1e-6
                && softplus(200.0) == 200.0
                && softplus(-200.0) == 0.0
        );
        assert_eq!(Activation::Round.eval(2.5), 2.0);
        assert!((Activation::Gelu.eval(1.0) - 0.841_344_7).abs() < 1e-6);
        assert!((Activation::GeluTanh.eval(1.0) - 0.841_192).abs() < 1e-5);
        assert!((Activation::Mish.eval(1.0) - 0.865_098).abs() < 1e-5);
    }

    #[test]
    fn formulas_nest() {
        // x·relu6(x + 3)/6 of 2·x.
        let bounds = Clamp { min: 0.0, max: 6.0 };
        let swish = Formula(vec![
            Term::Constant(3.0),
            Term::Add(0, 1),
            Term::Clamp(bounds, 2),
            Term::Mul(0, 3),
            Term::Constant(6.0),
            Term::Div(4, 5),
        ]);
        let mut twice = Formula(vec![Term::Add(0, 0)]);
        assert_eq!(twice.append(&swish, 1), 7);
        for x in [-3.0, -0.5, 0.0, 1.0, 4.0] {
            assert_eq!(swish.eval(x), x * (x + 3.0).clamp(0.0, 6.0) / 6.0);
            assert_eq!(twice.eval(x), swish.eval(2.0 * x));
        }
    }
}
