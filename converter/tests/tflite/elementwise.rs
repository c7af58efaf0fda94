//! Sums, products, changes of scale, functions of one value, softmax.

use crate::Case;
use crate::builder::{Model, Options, Q, Random, options};
use crate::oracle::{clamp, double};
use tract_tflite::tflite::{ActivationFunctionType, BuiltinOperator as B, TensorType};

/// Two scales that differ in shape, and the output's.
const SCALES: [Q; 3] = [(0.031_73, -7), (0.127_91, 12), (0.078_13, -20)];

pub(crate) fn cases() -> Vec<Case> {
    let mut all = vec![sum(false), difference(), product(), sum(true), softmax(1.0), softmax(0.3)];
    for seed in 0..4 {
        let mut random = Random::new(seed + 3);
        let (x, y) = (random.q(0.04), random.q(0.04));
        let relu = |q: Q, x: Q, y: Q, i: i8| double(i64::from(i) - x.1, f64::from(x.0 / y.0)).max(q.1 - y.1);
        all.push(unary("RELU", B::RELU, None, x, y, move |i| relu(y, x, y, i) + y.1));
        let six = (6.0 / y.0).round() as i64;
        all.push(unary("RELU6", B::RELU6, None, x, y, move |i| relu(y, x, y, i).min(six) + y.1));
        let one = (1.0 / y.0).round() as i64;
        let both = move |i: i8| double(i64::from(i) - x.1, f64::from(x.0 / y.0)).clamp(-one, one) + y.1;
        all.push(unary("RELU_N1_TO_1", B::RELU_N1_TO_1, None, x, y, both));
        let to = move |i: i8| double(i64::from(i) - x.1, f64::from(x.0) / f64::from(y.0)) + y.1;
        all.push(unary(
            "QUANTIZE",
            B::QUANTIZE,
            Some(options!(QuantizeOptions, QuantizeOptionsArgs {})),
            x,
            y,
            to,
        ));
        let alpha = 0.1f32 + seed as f32 / 7.0;
        let leaky = move |i: i8| {
            let v = i64::from(i) - x.1;
            let slope = if v < 0 { x.0 * alpha / y.0 } else { x.0 / y.0 };
            double(v, f64::from(slope)) + y.1
        };
        let slope = options!(LeakyReluOptions, LeakyReluOptionsArgs { alpha: alpha });
        all.push(unary("LEAKY_RELU", B::LEAKY_RELU, Some(slope), x, y, leaky));
        let swish = real("HARD_SWISH", B::HARD_SWISH, x, y, |v| v * (v + 3.0).clamp(0.0, 6.0) / 6.0);
        all.push(Case { slack: 1, ..swish });
        all.push(real("LOGISTIC", B::LOGISTIC, x, (1.0 / 256.0, -128), |v| 1.0 / (1.0 + (-v).exp())));
        all.push(real("TANH", B::TANH, x, (1.0 / 128.0, 0), f32::tanh));
        all.extend([gelu(x, y, true), gelu(x, y, false)]);
        all.push(real("EXP", B::EXP, x, (0.1, -128), f32::exp));
        all.push(real("ELU", B::ELU, x, y, |v| if v < 0.0 { v.exp_m1() } else { v }));
        let least = (-128 - y.1) as f32 * y.0;
        all.push(real("LOG", B::LOG, x, y, move |v| if v > 0.0 { v.ln() } else { least }));
        let unit = move |i: i8| relu(y, x, y, i).min(one) + y.1;
        all.push(unary("RELU_0_TO_1", B::RELU_0_TO_1, None, x, y, unit));
        let abs = move |i: i8| double((i64::from(i) - x.1).abs(), f64::from(x.0 / y.0)) + y.1;
        all.push(unary("ABS", B::ABS, Some(options!(AbsOptions, AbsOptionsArgs {})), x, y, abs));
        let abs = move |i: i8| (i64::from(i) - x.1).abs() + y.1;
        all.push(unary("ABS at one scale", B::ABS, None, x, (x.0, y.1), abs));
        // LiteRT stops at values below the zero point.
        let root =
            real(
                "RSQRT",
                B::RSQRT,
                (x.0, -128),
                (0.02, y.1),
                |v| if v > 0.0 { v.sqrt().recip() } else { 1e9 },
            );
        all.push(Case { slack: 1, ..root });
    }
    all.extend([bound(true), bound(false), dequantized()]);
    for name in ["MAXIMUM of two", "MINIMUM of two"] {
        all.extend([compared(name, &[2, 5, 6], &[2, 5, 6]), compared(name, &[2, 5, 6], &[5, 1])]);
        all.push(compared(name, &[1, 6], &[3, 6]));
    }
    all.extend([
        sloped(&[7], false),
        sloped(&[5, 1, 7], false),
        sloped(&[3, 5, 4, 7], true),
        sloped(&[1], false),
    ]);
    all.extend([
        divided((0.05, -100), (0.002, 10)),
        divided((0.04, 3), (0.0051, 127)),
        divided((0.5, 0), (0.01, -128)),
    ]);
    all.extend([cast(TensorType::FLOAT32), cast(TensorType::INT32), there_and_back()]);
    all
}

/// The larger or smaller of two inputs.
fn compared(name: &'static str, a: &[i32], b: &[i32]) -> Case {
    let y: Vec<i32> = if a.len() >= b.len() { a.to_vec() } else { b.to_vec() };
    let y: Vec<i32> = if b == [3, 6] { vec![3, 6] } else { y };
    let mut m = Model::default();
    let (first, second) = (m.input(a, SCALES[0]), m.input(b, SCALES[0]));
    let to = m.value(&y, SCALES[0]);
    let code = if name.starts_with("MAX") { B::MAXIMUM } else { B::MINIMUM };
    let options = options!(MaximumMinimumOptions, MaximumMinimumOptionsArgs {});
    m.op(code, &[first, second], to, Some(options)).output(to);
    let repeat = |dims: &[i32]| {
        let (dims, y) = ([&vec![1; y.len() - dims.len()][..], dims].concat(), y.clone());
        move |i: usize| {
            let mut rest = i as i32;
            let at: Vec<i32> = y.iter().rev().map(|d| (rest % d, rest /= d).0).collect();
            dims.iter().zip(at.iter().rev()).fold(0, |n, (d, a)| n * d + a.min(&(d - 1))) as usize
        }
    };
    let (fa, fb, length) = (repeat(a), repeat(b), y.iter().product::<i32>() as usize);
    let split = a.iter().product::<i32>() as usize;
    Case::new(name, &m, move |x| {
        let pair = |i: usize| (x[fa(i)], x[split + fb(i)]);
        (0..length)
            .map(pair)
            .map(|(a, b)| if code == B::MAXIMUM { a.max(b) } else { a.min(b) } as u8)
            .collect()
    })
}

/// By every value but zero. In reals, a step apart at most.
fn divided(x: Q, d: Q) -> Case {
    let y = (0.07, -20);
    let divisors: Vec<i8> = (-128..=127i8).filter(|&v| i64::from(v) != d.1).collect();
    let mut m = Model::default();
    let (from, by) = (m.input(&[9, 255], x), m.constant(&[255], d, &divisors));
    let to = m.value(&[9, 255], y);
    let options =
        options!(DivOptions, DivOptionsArgs { fused_activation_function: ActivationFunctionType::RELU });
    m.op(B::DIV, &[from, by], to, Some(options)).output(to);
    let oracle = move |v: &[i8]| {
        let value = |(i, &v): (usize, &i8)| {
            let divisor = (i64::from(divisors[i % 255]) - d.1) as f64 * f64::from(d.0);
            let real = (i64::from(v) - x.1) as f64 * f64::from(x.0) / divisor / f64::from(y.0);
            clamp(real.round() as i64 + y.1, (y.1, 127)) as u8
        };
        v.iter().enumerate().map(value).collect()
    };
    Case { slack: 1, ..Case::new("DIV", &m, oracle) }
}

/// Slopes of a shape, constant or computed.
fn sloped(dims: &[i32], computed: bool) -> Case {
    let (x, q, y) = (SCALES[0], (0.013, -20), SCALES[2]);
    let mut m = Model::default();
    let from = m.input(&[3, 5, 4, 7], x);
    let count = dims.iter().product::<i32>() as usize;
    let slopes = Random::new(count as u64).i8s(count);
    let slope = if computed { m.input(dims, q) } else { m.constant(dims, q, &slopes) };
    let to = m.value(&[3, 5, 4, 7], y);
    m.op(B::PRELU, &[from, slope], to, None).output(to);
    let dims: Vec<usize> =
        [&vec![1; 4 - dims.len()][..], dims].concat().iter().map(|&d| d as usize).collect();
    Case::new("PRELU", &m, move |v| {
        let value = |i: usize| {
            let at = [i / 140, i / 28 % 5, i / 7 % 4, i % 7];
            let place = dims.iter().zip(at).fold(0, |n, (d, a)| n * d + a.min(d - 1));
            let slope = i64::from(if computed { v[420 + place] } else { slopes[place] }) - q.1;
            let value = i64::from(v[i]) - x.1;
            let scaled = if value >= 0 {
                double(value, f64::from(x.0 / y.0))
            } else {
                double(value * slope, f64::from(x.0 * q.0 / y.0))
            };
            clamp(scaled + y.1, (-128, 127)) as u8
        };
        (0..420).map(value).collect()
    })
}

/// The stored numbers as others.
fn cast(kind: TensorType) -> Case {
    let mut m = Model::default();
    let (x, y) = (m.input(&[1, 40], SCALES[1]), m.other(kind, &[1, 40]));
    let options =
        options!(CastOptions, CastOptionsArgs { in_data_type: TensorType::INT8, out_data_type: kind });
    m.op(B::CAST, &[x], y, Some(options)).output(y);
    let float = kind == TensorType::FLOAT32;
    let number = move |&x: &i8| if float { f32::from(x).to_le_bytes() } else { i32::from(x).to_le_bytes() };
    Case::new("CAST", &m, move |x| x.iter().flat_map(number).collect())
}

/// Real values cut to whole numbers, of 32 bits and then of 8, which wrap.
fn there_and_back() -> Case {
    let scale = (1.7, -30);
    let mut m = Model::default();
    let x = m.input(&[1, 40], scale);
    let (real, whole) = (m.other(TensorType::FLOAT32, &[1, 40]), m.other(TensorType::INT32, &[1, 40]));
    let y = m.value(&[1, 40], (1.0, 0));
    m.op(B::DEQUANTIZE, &[x], real, Some(options!(DequantizeOptions, DequantizeOptionsArgs {})));
    let step = |from, to| options!(CastOptions, CastOptionsArgs { in_data_type: from, out_data_type: to });
    m.op(B::CAST, &[real], whole, Some(step(TensorType::FLOAT32, TensorType::INT32)));
    m.op(B::CAST, &[whole], y, Some(step(TensorType::INT32, TensorType::INT8))).output(y);
    let value = move |&x: &i8| ((i64::from(x) - scale.1) as f32 * scale.0) as i32 as u8;
    Case::new("CAST to whole numbers", &m, move |x| x.iter().map(value).collect())
}

fn sum(broadcast: bool) -> Case {
    let name = if broadcast { "ADD broadcast" } else { "ADD" };
    let options =
        options!(AddOptions, AddOptionsArgs { fused_activation_function: ActivationFunctionType::RELU });
    let bounds = (SCALES[2].1, 127);
    binary(name, B::ADD, options, broadcast, move |a, b| clamp(scaled_sum(a, b), bounds))
}

fn difference() -> Case {
    let options = options!(SubOptions, SubOptionsArgs {});
    binary("SUB", B::SUB, options, true, |a, b| clamp(scaled_sum(a, -b), (-128, 127)))
}

fn scaled_sum(a: i64, b: i64) -> i64 {
    let [qa, qb, qy] = SCALES;
    let common = 2.0 * f64::from(qa.0.max(qb.0));
    let wide = |v: i64, q: Q| double(v << 20, f64::from(q.0) / common);
    double(wide(a, qa) + wide(b, qb), common / (f64::from(1 << 20) * f64::from(qy.0))) + qy.1
}

fn product() -> Case {
    let [qa, qb, qy] = SCALES;
    let options = options!(MulOptions, MulOptionsArgs {});
    let times = move |a: i64, b: i64| clamp(double(a * b, f64::from(qa.0 * qb.0 / qy.0)) + qy.1, (-128, 127));
    binary("MUL", B::MUL, options, true, times)
}

/// `f` is given both values without their zero points.
fn binary(
    name: &'static str,
    code: B,
    options: Options,
    broadcast: bool,
    f: impl Fn(i64, i64) -> i8 + 'static,
) -> Case {
    let [qa, qb, qy] = SCALES;
    let mut m = Model::default();
    let a = m.input(&[1, 8, 8, 10], qa);
    let b = m.input(if broadcast { &[8, 1, 10] } else { &[1, 8, 8, 10] }, qb);
    let y = m.value(&[1, 8, 8, 10], qy);
    m.op(code, &[a, b], y, Some(options)).output(y);
    let oracle = move |x: &[i8]| {
        let (a, b) = x.split_at(640);
        let other = |i: usize| if broadcast { b[i / 80 * 10 + i % 10] } else { b[i] };
        let one = |(i, &a): (usize, &i8)| f(i64::from(a) - qa.1, i64::from(other(i)) - qb.1) as u8;
        a.iter().enumerate().map(one).collect()
    };
    Case::new(name, &m, oracle)
}

fn unary(
    name: &'static str,
    code: B,
    options: Option<Options>,
    x: Q,
    y: Q,
    f: impl Fn(i8) -> i64 + 'static,
) -> Case {
    let mut m = Model::default();
    let (from, to) = (m.input(&[1, 600], x), m.value(&[1, 600], y));
    m.op(code, &[from], to, options).output(to);
    let oracle = move |x: &[i8]| x.iter().map(|&x| clamp(f(x), (-128, 127)) as u8).collect();
    Case::new(name, &m, oracle)
}

/// A function in floats, as TFLite makes its tables.
fn real(name: &'static str, code: B, x: Q, y: Q, f: impl Fn(f32) -> f32 + 'static) -> Case {
    let inverse = 1.0 / y.0;
    unary(name, code, None, x, y, move |i| {
        (f(x.0 * (i64::from(i) - x.1) as f32) * inverse).round() as i64 + y.1
    })
}

/// Real functions, a step apart at most.
fn softmax(beta: f32) -> Case {
    let mut m = Model::default();
    let x = m.input(&[3, 12], SCALES[0]);
    let y = m.value(&[3, 12], (1.0 / 256.0, -128));
    let options = options!(SoftmaxOptions, SoftmaxOptionsArgs { beta: beta });
    m.op(B::SOFTMAX, &[x], y, Some(options)).output(y);
    let row = move |x: &[i8]| {
        let weights: Vec<f32> = x.iter().map(|&x| (f32::from(x) * SCALES[0].0 * beta).exp()).collect();
        let total: f32 = weights.iter().sum();
        weights
            .iter()
            .map(|w| clamp((w / total * 256.0).round() as i64 - 128, (-128, 127)) as u8)
            .collect::<Vec<_>>()
    };
    Case { slack: 1, ..Case::new("SOFTMAX", &m, move |x: &[i8]| x.chunks_exact(12).flat_map(row).collect()) }
}

fn bound(upper: bool) -> Case {
    let mut m = Model::default();
    let (x, k) = (m.input(&[1, 40], SCALES[0]), m.constant(&[1], SCALES[0], &[17]));
    let y = m.value(&[1, 40], SCALES[0]);
    let options = options!(MaximumMinimumOptions, MaximumMinimumOptionsArgs {});
    let (name, code) = if upper { ("MINIMUM", B::MINIMUM) } else { ("MAXIMUM", B::MAXIMUM) };
    m.op(code, &[x, k], y, Some(options)).output(y);
    let oracle = move |x: &[i8]| x.iter().map(|&x| if upper { x.min(17) } else { x.max(17) } as u8).collect();
    Case::new(name, &m, oracle)
}

fn dequantized() -> Case {
    let mut m = Model::default();
    let (x, y) = (m.input(&[1, 40], SCALES[1]), m.other(TensorType::FLOAT32, &[1, 40]));
    m.op(B::DEQUANTIZE, &[x], y, Some(options!(DequantizeOptions, DequantizeOptionsArgs {}))).output(y);
    let float = |&x: &i8| ((i64::from(x) - SCALES[1].1) as f32 * SCALES[1].0).to_le_bytes();
    let oracle = move |x: &[i8]| x.iter().flat_map(float).collect();
    Case::new("DEQUANTIZE", &m, oracle)
}

/// By the approximation, from which the function itself is less than a step away.
fn gelu(x: Q, y: Q, approximate: bool) -> Case {
    let options = options!(GeluOptions, GeluOptionsArgs { approximate: approximate });
    let f = |v: f32| 0.5 * v * (1.0 + (0.797_884_6 * (v + 0.044_715 * v * v * v)).tanh());
    let quantized = move |i: i8| {
        let v = x.0 * (i64::from(i) - x.1) as f32;
        (f(v) / y.0).round() as i64 + y.1
    };
    Case { slack: 1, ..unary("GELU", B::GELU, Some(options), x, y, quantized) }
}
