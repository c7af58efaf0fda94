//! Int16 activations with int8 weights.

use crate::builder::{Model, Options, Random, options};
use crate::oracle::{Slide, double, float};
use crate::window::{conv_options, depthwise_options, pool_options};
use crate::{Case, convert};
use std::rc::Rc;
use tract_tflite::tflite::{
    ActivationFunctionType as Fused, BuiltinOperator as B, BuiltinOptions, TensorType,
};

/// Cases of int8 that move values and nothing else: the same positions of int16.
const MOVES: &[&str] = &[
    "BATCH_TO_SPACE_ND",
    "CONCATENATION",
    "EXPAND_DIMS",
    "GATHER",
    "MIRROR_PAD",
    "PACK",
    "RESHAPE",
    "RESIZE_NEAREST_NEIGHBOR",
    "REVERSE_V2",
    "SLICE",
    "SPLIT",
    "SPLIT_V",
    "SQUEEZE",
    "STRIDED_SLICE",
    "TILE",
    "TRANSPOSE",
    "UNPACK",
];

/// The same on int16: the halves of each value go the same way.
pub(crate) fn twin(case: &Case) -> Option<Case> {
    let bytes = case.wide.clone().filter(|_| MOVES.contains(&case.name))?;
    let int8 = case.oracle.clone();
    let half = move |x: &[i8], at: usize| int8(&x.iter().skip(at).step_by(2).copied().collect::<Vec<_>>());
    let oracle = move |x: &[i8]| half(x, 0).into_iter().zip(half(x, 1)).flat_map(|(a, b)| [a, b]).collect();
    let name = format!("{} of int16", case.name).leak();
    Some(Case { name, bytes, oracle: Rc::new(oracle), slack: 0, twin: None, wide: None })
}

/// A case whose inputs and output are int16; the oracle is given whole numbers.
fn case(name: &'static str, m: &Model, slack: u8, oracle: impl Fn(&[i64]) -> Vec<i64> + 'static) -> Case {
    let oracle = move |x: &[i8]| {
        let word = |b: &[i8]| i64::from(i16::from_le_bytes([b[0] as u8, b[1] as u8]));
        let y = oracle(&x.chunks_exact(2).map(word).collect::<Vec<_>>());
        y.into_iter().flat_map(|v| (v.clamp(-32_768, 32_767) as i16).to_le_bytes()).collect()
    };
    Case { slack, twin: None, ..Case::new(name, m, oracle) }
}

pub(crate) fn cases() -> Vec<Case> {
    let slide = |kernel, stride, dilation, same| Slide { kernel, stride, dilation, same };
    let (same, valid) = (slide([3, 3], 2, 1, true), slide([2, 3], 1, 2, false));
    let mut all = vec![
        conv("int16 CONV_2D", [7, 6, 3], (5, 1), same, (Bias::Wide, 1.0)),
        conv("int16 CONV_2D in groups", [5, 5, 6], (4, 2), same, (Bias::Wide, 1.0)),
        conv("int16 CONV_2D dilated", [6, 8, 4], (3, 1), valid, (Bias::Narrow, 1.0)),
        conv("int16 CONV_2D of long sums", [9, 9, 64], (2, 1), slide([9, 9], 1, 1, false), (Bias::Wide, 1.0)),
        conv("int16 CONV_2D pointwise", [5, 5, 16], (8, 1), slide([1, 1], 1, 1, true), (Bias::Large, 1.0)),
        // A multiplier that is 1 in 15 bits.
        conv("int16 CONV_2D at a power", [3, 3, 2], (3, 1), slide([1, 1], 1, 1, true), (Bias::Wide, 0.0)),
        depthwise("int16 DEPTHWISE_CONV_2D", [7, 6, 5], 1, same),
        depthwise("int16 DEPTHWISE_CONV_2D multiplied", [6, 7, 3], 2, valid),
        dense("int16 FULLY_CONNECTED", 20, 300, Some(Bias::Wide)),
        dense("int16 FULLY_CONNECTED narrow", 12, 200, Some(Bias::Narrow)),
        dense("int16 FULLY_CONNECTED without bias", 700, 30, None),
        pool("int16 AVERAGE_POOL_2D", [7, 5, 3], slide([3, 2], 2, 1, true), true),
        pool("int16 MAX_POOL_2D", [6, 6, 3], slide([2, 3], 2, 1, true), false),
        sum("int16 ADD", B::ADD, 1, false),
        sum("int16 ADD broadcast", B::ADD, 1, true),
        sum("int16 SUB", B::SUB, -1, true),
        product(),
        softmax(1.0, 0.0004),
        softmax(0.3, 0.01),
        padded(),
        to_int8(),
        there_and_back(),
    ];
    for (code, axes) in [(B::MEAN, &[1, 2][..]), (B::MEAN, &[3]), (B::SUM, &[1, 2]), (B::MEAN, &[1, 3])] {
        all.push(reduced(code, axes));
    }
    for seed in 0..4 {
        let mut random = Random::new(seed + 3);
        let (x, y) = (random.scale(0.0003), random.scale(0.0003));
        let relu = move |v: i64| double(v, f64::from(x / y)).max(0);
        all.push(unary("int16 RELU", B::RELU, None, (x, y), 0, relu));
        let six = (6.0 / y).round() as i64;
        all.push(unary("int16 RELU6", B::RELU6, None, (x, y), 0, move |v| relu(v).min(six)));
        let alpha = 0.1f32 + seed as f32 / 7.0;
        let slope = options!(LeakyReluOptions, LeakyReluOptionsArgs { alpha: alpha });
        let leaky = move |v: i64| double(v, f64::from(if v < 0 { x * alpha / y } else { x / y }));
        all.push(unary("int16 LEAKY_RELU", B::LEAKY_RELU, Some(slope), (x, y), 0, leaky));
        let to = move |v: i64| double(v, f64::from(x) / f64::from(y));
        let quantize = options!(QuantizeOptions, QuantizeOptionsArgs {});
        all.push(unary("int16 QUANTIZE", B::QUANTIZE, Some(quantize), (x, y), 0, to));
    }
    for scale in [1.0 / 4096.0, 1.0 / 2048.0, 0.000_123, 0.0007, 0.02, 1.3] {
        let real =
            move |v: i64, f: fn(f64) -> f64| (f(v as f64 * f64::from(scale)) * 32_768.0).round() as i64;
        let (unit, sigmoid) = (1.0 / 32_768.0, |x: f64| 1.0 / (1.0 + (-x).exp()));
        // Cut multipliers, and lines instead of curves.
        let slack = 20;
        all.push(unary("int16 LOGISTIC", B::LOGISTIC, None, (scale, unit), slack, move |v| real(v, sigmoid)));
        all.push(unary("int16 TANH", B::TANH, None, (scale, unit), 2 * slack, move |v| real(v, f64::tanh)));
    }
    all
}

/// The kind of bias: int64 that 32 bits hold, int64 that they do not, or int32.
#[derive(Clone, Copy, PartialEq)]
enum Bias {
    Wide,
    Large,
    Narrow,
}

impl Bias {
    fn draw(self, random: &mut Random, n: usize) -> Vec<i64> {
        let values = random.ints(n, 1 << 20).into_iter().map(i64::from);
        values.map(|v| if self == Self::Large { v << 20 } else { v }).collect()
    }

    fn add(self, m: &mut Model, values: &[i64], scales: &[f32]) -> i32 {
        match self {
            Self::Narrow => m.bias(&values.iter().map(|&v| v as i32).collect::<Vec<_>>(), scales),
            _ => m.bias64(values, scales),
        }
    }

    /// A sum to its output: by the whole multiplier, or by 15 bits of it.
    fn scaled(self, sum: i64, real: f64) -> i64 {
        if self == Self::Narrow {
            return double(sum, real);
        }
        // 15 bits of a number from 1/2 to 1.
        let exponent = real.log2().floor() as i32 + 1;
        let part = (real / 2f64.powi(exponent) * 32_768.0).round().min(32_767.0) as i128;
        let unit = 1i128 << (15 - exponent);
        ((2 * i128::from(sum) * part + unit).div_euclid(2 * unit)) as i64
    }
}

/// Options field by field: numbers of one byte, and of four. Those that say of a bias that it is int32 need it, since the
/// bindings lack that field; without it LiteRT reads any bias as int64.
fn raw(kind: BuiltinOptions, bytes: &[(u16, i8)], words: &[(u16, i32)]) -> Options {
    let (bytes, words) = (bytes.to_vec(), words.to_vec());
    let write = move |b: &mut flatbuffers::FlatBufferBuilder<'static>| {
        let table = b.start_table();
        words.iter().for_each(|&(field, value)| b.push_slot_always(field, value));
        bytes.iter().for_each(|&(field, value)| b.push_slot_always(field, value));
        flatbuffers::WIPOffset::new(b.end_table(table).value())
    };
    (kind, Rc::new(write))
}

const INT32: i8 = TensorType::INT32.0;

fn conv(
    name: &'static str,
    [h, w, c]: [usize; 3],
    (outputs, groups): (usize, usize),
    slide: Slide,
    (kind, spread): (Bias, f32),
) -> Case {
    let mut random = Random::new(name.len() as u64);
    let (qx, [kh, kw], per) = (random.scale(0.0003), slide.kernel, c / groups);
    let weights = random.i8s(outputs * kh * kw * per);
    let scales: Vec<f32> = (0..outputs).map(|_| random.scale(0.01)).collect();
    let large = if kind == Bias::Large { 1e5 } else { 1.0 };
    let qy = large * random.scale(0.0003) * ((kh * kw * per) as f32).sqrt();
    // Just under a power of two, where 15 bits cannot say how much.
    let (qx, qy) = if spread > 0.0 { (qx, qy) } else { (0.999_99 * qy / 128.0 / scales[0], qy) };
    let bias = kind.draw(&mut random, outputs);
    let mut m = Model::default();
    let x = m.wide(&[1, h as i32, w as i32, c as i32], qx);
    let x = m.take(x);
    let k = m.weights(&[outputs as i32, kh as i32, kw as i32, per as i32], &scales, 0, &weights);
    let b = kind.add(&mut m, &bias, &scales.iter().map(|s| s * qx).collect::<Vec<_>>());
    let (oh, ow) = (slide.axis(h, 0).0, slide.axis(w, 1).0);
    let y = m.wide(&[1, oh as i32, ow as i32, outputs as i32], qy);
    let (stride, dilation) = (slide.stride as i32, slide.dilation as i32);
    let options = if kind == Bias::Narrow {
        let bytes = [(4, if slide.same { 0 } else { 1 }), (10, Fused::RELU6.0), (16, INT32)];
        raw(
            BuiltinOptions::Conv2DOptions,
            &bytes,
            &[(6, stride), (8, stride), (12, dilation), (14, dilation)],
        )
    } else {
        conv_options(slide, Fused::RELU6)
    };
    m.op(B::CONV_2D, &[x, k, b], y, Some(options)).output(y);
    case(name, &m, 0, move |x| {
        let mut y = Vec::new();
        for taps in slide.outputs([h, w]) {
            for o in 0..outputs {
                let mut sum = bias[o];
                for &[ky, kx, row, column] in &taps {
                    let from = (row * w + column) * c + o / (outputs / groups) * per;
                    let to = ((o * kh + ky) * kw + kx) * per;
                    sum += (0..per).map(|i| x[from + i] * i64::from(weights[to + i])).sum::<i64>();
                }
                let real = f64::from(qx) * f64::from(scales[o]) / f64::from(qy);
                y.push(kind.scaled(sum, real).clamp(0, (6.0 / qy).round() as i64));
            }
        }
        y
    })
}

fn depthwise(name: &'static str, [h, w, c]: [usize; 3], times: usize, slide: Slide) -> Case {
    let (kind, mut random) = (Bias::Wide, Random::new(name.len() as u64));
    let (qx, qy, [kh, kw]) = (random.scale(0.0003), random.scale(0.001), slide.kernel);
    let outputs = c * times;
    let (weights, bias) = (random.i8s(kh * kw * outputs), kind.draw(&mut random, outputs));
    let scales: Vec<f32> = (0..outputs).map(|_| random.scale(0.01)).collect();
    let mut m = Model::default();
    let x = m.wide(&[1, h as i32, w as i32, c as i32], qx);
    let x = m.take(x);
    let k = m.weights(&[1, kh as i32, kw as i32, outputs as i32], &scales, 3, &weights);
    let b = kind.add(&mut m, &bias, &scales.iter().map(|s| s * qx).collect::<Vec<_>>());
    let (oh, ow) = (slide.axis(h, 0).0, slide.axis(w, 1).0);
    let y = m.wide(&[1, oh as i32, ow as i32, outputs as i32], qy);
    m.op(B::DEPTHWISE_CONV_2D, &[x, k, b], y, Some(depthwise_options(slide, times))).output(y);
    case(name, &m, 0, move |x| {
        let mut y = Vec::new();
        for taps in slide.outputs([h, w]) {
            for o in 0..outputs {
                let product = |&[ky, kx, row, column]: &[usize; 4]| {
                    x[(row * w + column) * c + o / times] * i64::from(weights[(ky * kw + kx) * outputs + o])
                };
                let sum = bias[o] + taps.iter().map(product).sum::<i64>();
                y.push(kind.scaled(sum, f64::from(qx) * f64::from(scales[o]) / f64::from(qy)));
            }
        }
        y
    })
}

fn dense(name: &'static str, inputs: usize, outputs: usize, kind: Option<Bias>) -> Case {
    let mut random = Random::new(name.len() as u64);
    let (qx, qy) = (random.scale(0.0003), random.scale(0.001));
    let (weights, bias) = (random.i8s(inputs * outputs), Bias::Wide.draw(&mut random, outputs));
    let scales: Vec<f32> = (0..outputs).map(|_| random.scale(0.01)).collect();
    let mut m = Model::default();
    let x = m.wide(&[2, inputs as i32], qx);
    let x = m.take(x);
    let k = m.weights(&[outputs as i32, inputs as i32], &scales, 0, &weights);
    let b = kind.map(|kind| kind.add(&mut m, &bias, &scales.iter().map(|s| s * qx).collect::<Vec<_>>()));
    let y = m.wide(&[2, outputs as i32], qy);
    let bytes: &[_] = if kind == Some(Bias::Narrow) { &[(12, INT32)] } else { &[] };
    let options = raw(BuiltinOptions::FullyConnectedOptions, bytes, &[]);
    m.op(B::FULLY_CONNECTED, &[x, k, b.unwrap_or(-1)], y, Some(options)).output(y);
    case(name, &m, 0, move |x| {
        let mut y = Vec::new();
        for row in x.chunks_exact(inputs) {
            for o in 0..outputs {
                let products: i64 =
                    row.iter().zip(&weights[o * inputs..]).map(|(&x, &w)| x * i64::from(w)).sum();
                let sum = products + if b.is_some() { bias[o] } else { 0 };
                y.push(float(sum, f64::from(qx) * f64::from(scales[o]) / f64::from(qy)));
            }
        }
        y
    })
}

fn pool(name: &'static str, [h, w, c]: [usize; 3], slide: Slide, mean: bool) -> Case {
    let mut m = Model::default();
    let x = m.wide(&[1, h as i32, w as i32, c as i32], 0.001);
    let x = m.take(x);
    let (oh, ow) = (slide.axis(h, 0).0, slide.axis(w, 1).0);
    let y = m.wide(&[1, oh as i32, ow as i32, c as i32], 0.001);
    let code = if mean { B::AVERAGE_POOL_2D } else { B::MAX_POOL_2D };
    m.op(code, &[x], y, Some(pool_options(slide, Fused::RELU_N1_TO_1))).output(y);
    case(name, &m, 0, move |x| {
        let value = |taps: &Vec<[usize; 4]>, k: usize| {
            let values = || taps.iter().map(|t| x[(t[2] * w + t[3]) * c + k]);
            let mean = || (values().sum::<i64>() as f64 / taps.len() as f64).round() as i64;
            let whole = if code == B::AVERAGE_POOL_2D { mean() } else { values().max().unwrap_or(0) };
            whole.clamp(-1000, 1000)
        };
        let outputs = slide.outputs([h, w]);
        outputs.iter().flat_map(|taps| (0..c).map(|k| value(taps, k)).collect::<Vec<_>>()).collect()
    })
}

/// Scales of two inputs and an output.
const SCALES: [f32; 3] = [0.000_317_3, 0.001_279_1, 0.000_781_3];

fn sum(name: &'static str, code: B, sign: i64, broadcast: bool) -> Case {
    let pot_scale_int16 = false;
    let options = if code == B::ADD {
        options!(AddOptions, AddOptionsArgs { pot_scale_int16: pot_scale_int16 })
    } else {
        options!(SubOptions, SubOptionsArgs { pot_scale_int16: pot_scale_int16 })
    };
    let [qa, qb, qy] = SCALES.map(f64::from);
    let common = 2.0 * qa.max(qb);
    binary(name, code, options, broadcast, move |a, b| {
        let (a, b) = (double(a << 15, qa / common), double(b << 15, qb / common));
        double(a + sign * b, common / (f64::from(1 << 15) * qy))
    })
}

fn product() -> Case {
    let [qa, qb, qy] = SCALES;
    let options = options!(MulOptions, MulOptionsArgs {});
    binary("int16 MUL", B::MUL, options, true, move |a, b| double(a * b, f64::from(qa * qb / qy)))
}

fn binary(
    name: &'static str,
    code: B,
    options: Options,
    broadcast: bool,
    f: impl Fn(i64, i64) -> i64 + 'static,
) -> Case {
    let mut m = Model::default();
    let a = m.wide(&[1, 8, 8, 10], SCALES[0]);
    let b = m.wide(if broadcast { &[8, 1, 10] } else { &[1, 8, 8, 10] }, SCALES[1]);
    let (a, b) = (m.take(a), m.take(b));
    let y = m.wide(&[1, 8, 8, 10], SCALES[2]);
    m.op(code, &[a, b], y, Some(options)).output(y);
    case(name, &m, 0, move |x| {
        let (a, b) = x.split_at(640);
        let other = |i: usize| if broadcast { b[i / 80 * 10 + i % 10] } else { b[i] };
        a.iter().enumerate().map(|(i, &a)| f(a, other(i))).collect()
    })
}

fn unary(
    name: &'static str,
    code: B,
    options: Option<Options>,
    (x, y): (f32, f32),
    slack: u8,
    f: impl Fn(i64) -> i64 + 'static,
) -> Case {
    let mut m = Model::default();
    let (from, to) = (m.wide(&[1, 900], x), m.wide(&[1, 900], y));
    m.take(from);
    m.op(code, &[from], to, options).output(to);
    case(name, &m, slack, move |x| x.iter().map(|&v| f(v)).collect())
}

/// In reals, some steps apart.
fn softmax(beta: f32, scale: f32) -> Case {
    let mut m = Model::default();
    let (x, y) = (m.wide(&[3, 12], scale), m.wide(&[3, 12], 1.0 / 32_768.0));
    m.take(x);
    let options = options!(SoftmaxOptions, SoftmaxOptionsArgs { beta: beta });
    m.op(B::SOFTMAX, &[x], y, Some(options)).output(y);
    let row = move |x: &[i64]| {
        let weights: Vec<f64> = x.iter().map(|&x| (x as f64 * f64::from(scale * beta)).exp()).collect();
        let total: f64 = weights.iter().sum();
        weights.iter().map(|w| (w / total * 32_768.0).round() as i64).collect::<Vec<_>>()
    };
    case("int16 SOFTMAX", &m, 40, move |x| x.chunks_exact(12).flat_map(row).collect())
}

/// The border holds 0.
fn padded() -> Case {
    let mut m = Model::default();
    let (x, y) = (m.wide(&[2, 3, 2], 0.01), m.wide(&[3, 3, 5], 0.01));
    m.take(x);
    let amounts = m.ints(&[3, 2], &[1, 0, 0, 0, 1, 2]);
    m.op(B::PAD, &[x, amounts], y, Some(options!(PadOptions, PadOptionsArgs {}))).output(y);
    case("int16 PAD", &m, 0, |x| {
        let one = |i: usize| match (i / 15, i % 5) {
            (a @ 1.., c @ 1..3) => x[(a - 1) * 6 + i / 5 % 3 * 2 + c - 1],
            _ => 0,
        };
        (0..45).map(one).collect()
    })
}

fn to_int8() -> Case {
    let mut m = Model::default();
    let (x, y) = (m.wide(&[1, 500], 0.0011), m.value(&[1, 500], (0.27, -11)));
    m.take(x);
    m.op(B::QUANTIZE, &[x], y, Some(options!(QuantizeOptions, QuantizeOptionsArgs {}))).output(y);
    let real = f64::from(0.0011f32) / f64::from(0.27f32);
    let one = move |b: &[i8]| {
        let v = i16::from_le_bytes([b[0] as u8, b[1] as u8]);
        (double(v.into(), real) - 11).clamp(-128, 127) as u8
    };
    Case { twin: None, ..Case::new("int16 to int8", &m, move |x| x.chunks_exact(2).map(one).collect()) }
}

/// As floats, and as int16 at another scale.
fn there_and_back() -> Case {
    let mut m = Model::default();
    let (x, real) = (m.wide(&[1, 500], 0.0011), m.other(TensorType::FLOAT32, &[1, 500]));
    m.take(x);
    let y = m.wide(&[1, 500], 0.000_7);
    m.op(B::DEQUANTIZE, &[x], real, Some(options!(DequantizeOptions, DequantizeOptionsArgs {})));
    m.op(B::QUANTIZE, &[real], y, Some(options!(QuantizeOptions, QuantizeOptionsArgs {}))).output(y);
    let one = |&v: &i64| (v as f32 * 0.0011 / 0.000_7).round() as i64;
    case("int16 as floats", &m, 0, move |x| x.iter().map(one).collect())
}

/// In reals, a step apart at most.
fn reduced(code: B, axes: &[i32]) -> Case {
    const DIMS: [i32; 4] = [2, 6, 5, 4];
    let over: Vec<usize> = axes.iter().map(|&a| a as usize).collect();
    let kept: Vec<usize> = (0..4).filter(|d| !over.contains(d)).collect();
    let dims: Vec<i32> = kept.iter().map(|&d| DIMS[d]).collect();
    let to = if code == B::MEAN { 0.0007 } else { 0.004 };
    let mut m = Model::default();
    let (x, list, y) = (m.wide(&DIMS, 0.001), m.ints(&[axes.len() as i32], axes), m.wide(&dims, to));
    m.take(x);
    m.op(code, &[x, list], y, Some(options!(ReducerOptions, ReducerOptionsArgs {}))).output(y);
    let count: i32 = over.iter().map(|&d| DIMS[d]).product();
    let name = if code == B::MEAN { "int16 MEAN" } else { "int16 SUM" };
    case(name, &m, 1, move |x| {
        let mut sums = vec![0i64; x.len() / count as usize];
        for (i, v) in x.iter().enumerate() {
            let at = |d: usize| i / DIMS[d + 1..].iter().product::<i32>() as usize % DIMS[d] as usize;
            sums[kept.iter().fold(0, |n, &d| n * DIMS[d] as usize + at(d))] += v;
        }
        let part = if code == B::MEAN { f64::from(count) } else { 1.0 };
        sums.iter().map(|&s| (s as f64 / part * f64::from(0.001f32 / to)).round() as i64).collect()
    })
}

#[test]
fn refusals_name_the_operator_and_why() {
    let mut m = Model::default();
    let (x, y) = (m.wide(&[1, 4], 0.1), m.wide(&[1, 4], 0.1));
    m.take(x);
    m.op(B::HARD_SWISH, &[x], y, None).output(y);
    let text = convert(&m.bytes()).expect_err("no form for int16").to_string();
    assert!(text.contains("HARD_SWISH") && text.contains("int16"), "{text}");

    // Two widths in one operator.
    let mut m = Model::default();
    let (x, y) = (m.wide(&[1, 4], 0.1), m.value(&[1, 4], (0.1, 0)));
    m.take(x);
    m.op(B::RELU, &[x], y, None).output(y);
    let text = convert(&m.bytes()).expect_err("two widths").to_string();
    assert!(text.contains("RELU") && text.contains("int8"), "{text}");

    let mut m = Model::default();
    let (a, b, y) = (m.wide(&[4], 0.25), m.wide(&[4], 0.5), m.wide(&[4], 0.5));
    m.take(a);
    m.take(b);
    m.op(B::ADD, &[a, b], y, Some(options!(AddOptions, AddOptionsArgs {}))).output(y);
    let text = convert(&m.bytes()).expect_err("shifts").to_string();
    assert!(text.contains("pot_scale_int16"), "{text}");

    // A bias of 32 bits means sums of 32 bits.
    let mut m = Model::default();
    let (x, y) = (m.wide(&[1, 600], 0.1), m.wide(&[1, 1], 0.1));
    m.take(x);
    let (k, b) = (m.weights(&[1, 600], &[0.1], 0, &[127; 600]), m.bias(&[5], &[0.01]));
    let options = options!(FullyConnectedOptions, FullyConnectedOptionsArgs {});
    m.op(B::FULLY_CONNECTED, &[x, k, b], y, Some(options)).output(y);
    let text = convert(&m.bytes()).expect_err("too long").to_string();
    assert!(text.contains("channel 0") && text.contains("32 bits"), "{text}");
}

/// Every operator of the table is among the cases.
#[test]
fn every_operator_on_int16_has_a_case() {
    let names: Vec<&str> = crate::cases().iter().map(|c| c.name).collect();
    for [operator, ..] in mote_converter::tflite::words() {
        let tried = names.iter().any(|name| name.contains("int16") && name.split(' ').any(|n| n == operator));
        // What surrounds others, and what a case of two operators tries.
        let inside = ["DEQUANTIZE", "SPACE_TO_BATCH_ND"].contains(&operator);
        assert!(tried || inside, "{operator}");
    }
}
