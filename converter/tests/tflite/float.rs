//! Float models: the ONNX network that each becomes, run by the float reference, held against plain formulas and, where
//! Python has it, LiteRT.

use crate::builder::{Model, Options, Random, options};
use crate::float_slices;
use crate::float_window::{Weights, convolution, dense, dilated, pool, weights};
use crate::litert;
use crate::oracle::Slide;
use mote_converter::import::{self, InputShapes};
use mote_converter::passes;
use mote_converter::reference::Reference;
use mote_converter::tflite;
use ndarray::{ArrayD, IxDyn};
use tract_tflite::tflite::{BuiltinOperator as B, Padding, TensorType};

pub(crate) const F32: TensorType = TensorType::FLOAT32;

type Oracle = Box<dyn Fn(&[f32]) -> Vec<f32>>;

/// A small model of one input and one output.
pub(crate) struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    oracle: Oracle,
}

pub(crate) fn case(name: &'static str, m: &Model, oracle: impl Fn(&[f32]) -> Vec<f32> + 'static) -> Case {
    Case { name, bytes: m.bytes(), oracle: Box::new(oracle) }
}

fn cases() -> Vec<Case> {
    let slide = |kernel, stride, dilation, same| Slide { kernel, stride, dilation, same };
    let mut all = vec![
        convolution("CONV_2D", slide([3, 2], 2, 1, true), false, Weights::Float),
        convolution("CONV_2D dilated, of 16 bits", slide([3, 3], 1, 2, false), false, Weights::Half),
        convolution("CONV_2D of int8", slide([3, 3], 1, 1, true), false, Weights::Int8),
        convolution("DEPTHWISE_CONV_2D", slide([3, 2], 2, 1, true), true, Weights::Float),
        convolution("DEPTHWISE_CONV_2D of int8", slide([2, 2], 1, 1, false), true, Weights::Int8),
        pool("AVERAGE_POOL_2D", slide([3, 3], 2, 1, true)),
        pool("MAX_POOL_2D", slide([2, 3], 1, 1, true)),
        dilated(false),
        dilated(true),
        dense("FULLY_CONNECTED", &[2, 12], &[2, 5]),
        dense("FULLY_CONNECTED of an image", &[1, 2, 2, 3], &[1, 5]),
        dense("FULLY_CONNECTED of rows", &[1, 2, 2, 12], &[1, 2, 2, 5]),
        joined(),
        padded(None),
        padded(Some(-1.5)),
        turned(),
        softmax(&[2, 6], 1.0),
        softmax(&[1, 2, 2, 3], 0.5),
        prelu(),
        spread(),
    ];
    for (corners, centers) in [(false, false), (true, false), (false, true)] {
        all.extend([resized(true, corners, centers), resized(false, corners, centers)]);
    }
    for (name, code, f) in FUNCTIONS {
        let options = match code {
            B::GELU => Some(options!(GeluOptions, GeluOptionsArgs { approximate: true })),
            _ => None,
        };
        all.push(unary(name, code, options, f));
    }
    all.extend(float_slices::cases());
    for (name, code, f) in ROOTS {
        all.push(of_squares(name, code, f));
    }
    all.extend([normalised(true), normalised(false)]);
    let leaky = options!(LeakyReluOptions, LeakyReluOptionsArgs { alpha: 0.3 });
    all.push(unary("LEAKY_RELU", B::LEAKY_RELU, Some(leaky), |v| if v < 0.0 { 0.3 * v } else { v }));
    for (name, code, f) in SUMS {
        for constant in [&[3][..], &[1, 2, 3, 3], &[], &[2, 1, 1]] {
            all.push(binary(name, code, constant, f));
        }
        all.push(twice(name, code, f));
    }
    for (name, code) in
        [("MEAN", B::MEAN), ("REDUCE_MAX", B::REDUCE_MAX), ("SUM", B::SUM), ("REDUCE_MIN", B::REDUCE_MIN)]
    {
        all.extend([reduced(name, code, true), reduced(name, code, false)]);
    }
    for (name, code, to) in [
        ("RESHAPE", B::RESHAPE, &[2, 9][..]),
        ("RESHAPE", B::RESHAPE, &[1, 3, 2, 3]),
        ("SQUEEZE", B::SQUEEZE, &[2, 3, 3]),
        ("EXPAND_DIMS", B::EXPAND_DIMS, &[1, 2, 3, 3, 1]),
    ] {
        all.push(reshaped(name, code, to));
    }
    all
}

type Function = (&'static str, B, fn(f32) -> f32);

const FUNCTIONS: [Function; 21] = [
    ("RELU", B::RELU, |v| v.max(0.0)),
    ("RELU6", B::RELU6, |v| v.clamp(0.0, 6.0)),
    ("RELU_N1_TO_1", B::RELU_N1_TO_1, |v| v.clamp(-1.0, 1.0)),
    ("LOGISTIC", B::LOGISTIC, |v| 1.0 / (1.0 + (-v).exp())),
    ("TANH", B::TANH, f32::tanh),
    ("HARD_SWISH", B::HARD_SWISH, |v| v * (v + 3.0).clamp(0.0, 6.0) / 6.0),
    ("ELU", B::ELU, |v| if v < 0.0 { v.exp_m1() } else { v }),
    ("NEG", B::NEG, |v| -v),
    ("RELU_0_TO_1", B::RELU_0_TO_1, |v| v.clamp(0.0, 1.0)),
    ("ABS", B::ABS, f32::abs),
    ("CEIL", B::CEIL, f32::ceil),
    ("COS", B::COS, f32::cos),
    ("EXP", B::EXP, f32::exp),
    ("FLOOR", B::FLOOR, f32::floor),
    ("ROUND", B::ROUND, f32::round_ties_even),
    ("SIGN", B::SIGN, |v| f32::from(v > 0.0) - f32::from(v < 0.0)),
    ("SIN", B::SIN, f32::sin),
    ("SQUARE", B::SQUARE, |v| v * v),
    ("CAST", B::CAST, |v| v),
    ("ADD_N", B::ADD_N, |v| v + v),
    ("GELU", B::GELU, |v| 0.5 * v * (1.0 + (0.797_884_6 * (v + 0.044_715 * v * v * v)).tanh())),
];

/// Functions of what is above zero.
const ROOTS: [Function; 4] = [
    ("LOG", B::LOG, f32::ln),
    ("SQRT", B::SQRT, f32::sqrt),
    ("RSQRT", B::RSQRT, |v| 1.0 / v.sqrt()),
    ("POW", B::POW, |v| v * v.sqrt()),
];

/// Of the squares of the input and a bit more.
fn of_squares(name: &'static str, code: B, f: fn(f32) -> f32) -> Case {
    let mut m = Model::default();
    let x = input(&mut m, &IMAGE);
    let [square, more, y] = [0; 3].map(|_| m.other(F32, &IMAGE));
    let bit = m.floats(&[1], &[0.25]);
    m.op(B::MUL, &[x, x], square, plain(B::MUL)).op(B::ADD, &[square, bit], more, plain(B::ADD));
    let exponent = m.floats(&[], &[1.5]);
    let inputs = if code == B::POW { vec![more, exponent] } else { vec![more] };
    m.op(code, &inputs, y, None).output(y);
    case(name, &m, move |x| x.iter().map(|&v| f(v * v + 0.25)).collect())
}

/// Rows of unit length, or logarithms of probabilities.
fn normalised(length: bool) -> Case {
    let mut m = Model::default();
    let (x, y) = (input(&mut m, &IMAGE), m.other(F32, &IMAGE));
    if length {
        let options = options!(L2NormOptions, L2NormOptionsArgs {});
        m.op(B::L2_NORMALIZATION, &[x], y, Some(options)).output(y);
        return case("L2_NORMALIZATION", &m, |x| {
            let row = |row: &[f32]| {
                let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
                row.iter().map(|v| v / length).collect::<Vec<f32>>()
            };
            x.chunks_exact(3).flat_map(row).collect()
        });
    }
    m.op(B::LOG_SOFTMAX, &[x], y, Some(options!(LogSoftmaxOptions, LogSoftmaxOptionsArgs {}))).output(y);
    case("LOG_SOFTMAX", &m, |x| {
        let row = |row: &[f32]| {
            let log = row.iter().map(|v| v.exp()).sum::<f32>().ln();
            row.iter().map(|v| v - log).collect::<Vec<f32>>()
        };
        x.chunks_exact(3).flat_map(row).collect()
    })
}

type Combination = (&'static str, B, fn(f32, f32) -> f32);

const SUMS: [Combination; 7] = [
    ("ADD", B::ADD, |a, b| a + b),
    ("SUB", B::SUB, |a, b| a - b),
    ("MUL", B::MUL, |a, b| a * b),
    ("DIV", B::DIV, |a, b| a / b),
    ("SQUARED_DIFFERENCE", B::SQUARED_DIFFERENCE, |a, b| (a - b) * (a - b)),
    ("MAXIMUM", B::MAXIMUM, f32::max),
    ("MINIMUM", B::MINIMUM, f32::min),
];

/// Options that an operator must have, with nothing in them.
fn plain(code: B) -> Option<Options> {
    Some(match code {
        B::ADD => options!(AddOptions, AddOptionsArgs {}),
        B::SUB => options!(SubOptions, SubOptionsArgs {}),
        B::MUL => options!(MulOptions, MulOptionsArgs {}),
        B::DIV => options!(DivOptions, DivOptionsArgs {}),
        B::MAXIMUM | B::MINIMUM => options!(MaximumMinimumOptions, MaximumMinimumOptionsArgs {}),
        B::EXPAND_DIMS => options!(ExpandDimsOptions, ExpandDimsOptionsArgs {}),
        B::SQUEEZE => options!(SqueezeOptions, SqueezeOptionsArgs {}),
        _ => return None,
    })
}

pub(crate) fn floats(random: &mut Random, n: usize) -> Vec<f32> {
    (0..n).map(|_| random.below(2001) as f32 / 1000.0 - 1.0).collect()
}

pub(crate) fn input(m: &mut Model, dims: &[i32]) -> i32 {
    let x = m.other(F32, dims);
    m.take(x)
}

pub(crate) const IMAGE: [i32; 4] = [1, 2, 3, 3];

fn unary(name: &'static str, code: B, options: Option<Options>, f: fn(f32) -> f32) -> Case {
    let mut m = Model::default();
    let (x, y) = (input(&mut m, &IMAGE), m.other(F32, &IMAGE));
    let inputs = if code == B::ADD_N { vec![x, x] } else { vec![x] };
    m.op(code, &inputs, y, options).output(y);
    case(name, &m, move |x| x.iter().map(|&v| f(v)).collect())
}

/// With a constant that repeats over the image.
fn binary(name: &'static str, code: B, constant: &'static [i32], f: fn(f32, f32) -> f32) -> Case {
    let mut m = Model::default();
    let x = input(&mut m, &IMAGE);
    let n = constant.iter().product::<i32>() as usize;
    let values: Vec<f32> = floats(&mut Random::new(4), n).iter().map(|v| v + 2.0).collect();
    let (k, y) = (m.floats(constant, &values), m.other(F32, &IMAGE));
    m.op(code, &[x, k], y, plain(code)).output(y);
    let other = move |i: usize| match values.len() {
        1 => values[0],
        2 => values[i / 9],
        3 => values[i % 3],
        _ => values[i],
    };
    case(name, &m, move |x| x.iter().enumerate().map(|(i, &v)| f(v, other(i))).collect())
}

/// With the mean over rows and columns, a computed operand that repeats.
fn twice(name: &'static str, code: B, f: fn(f32, f32) -> f32) -> Case {
    let mut m = Model::default();
    let x = input(&mut m, &IMAGE);
    let (axes, mean, y) = (m.ints(&[2], &[1, 2]), m.other(F32, &[1, 3]), m.other(F32, &IMAGE));
    m.op(B::MEAN, &[x, axes], mean, Some(options!(ReducerOptions, ReducerOptionsArgs {})));
    m.op(code, &[x, mean], y, plain(code)).output(y);
    case(name, &m, move |x| {
        let mean = |c: usize| x.iter().skip(c).step_by(3).sum::<f32>() / 6.0;
        x.iter().enumerate().map(|(i, &v)| f(v, mean(i % 3))).collect()
    })
}

fn prelu() -> Case {
    let mut m = Model::default();
    let (x, y) = (input(&mut m, &IMAGE), m.other(F32, &IMAGE));
    let slopes = m.floats(&[1, 1, 3], &[0.5, -1.0, 0.0]);
    m.op(B::PRELU, &[x, slopes], y, None).output(y);
    let f = |(i, &v): (usize, &f32)| if v < 0.0 { v * [0.5, -1.0, 0.0][i % 3] } else { v };
    case("PRELU", &m, move |x| x.iter().enumerate().map(f).collect())
}

fn reduced(name: &'static str, code: B, keep: bool) -> Case {
    let mut m = Model::default();
    let (x, axes) = (input(&mut m, &IMAGE), m.ints(&[2], &[2, 1]));
    let y = m.other(F32, if keep { &[1, 1, 1, 3] } else { &[1, 3] });
    let args = options!(ReducerOptions, ReducerOptionsArgs { keep_dims: keep });
    m.op(code, &[x, axes], y, Some(args)).output(y);
    case(name, &m, move |x| {
        let of = |c: usize| {
            let values = x.iter().skip(c).step_by(3);
            match name {
                "MEAN" => values.sum::<f32>() / 6.0,
                "SUM" => values.sum(),
                "REDUCE_MIN" => values.fold(f32::MAX, |a, &b| a.min(b)),
                _ => values.fold(f32::MIN, |a, &b| a.max(b)),
            }
        };
        (0..3).map(of).collect()
    })
}

fn reshaped(name: &'static str, code: B, to: &[i32]) -> Case {
    let mut m = Model::default();
    let (x, y) = (input(&mut m, &IMAGE), m.other(F32, to));
    let extra = if code == B::EXPAND_DIMS { m.ints(&[1], &[-1]) } else { m.ints(&[to.len() as i32], to) };
    let inputs = if code == B::SQUEEZE { vec![x] } else { vec![x, extra] };
    m.op(code, &inputs, y, plain(code)).output(y);
    case(name, &m, <[f32]>::to_vec)
}

/// The input twice, along its columns.
fn joined() -> Case {
    let mut m = Model::default();
    let (x, y) = (input(&mut m, &IMAGE), m.other(F32, &[1, 2, 6, 3]));
    let args = options!(ConcatenationOptions, ConcatenationOptionsArgs { axis: -2 });
    m.op(B::CONCATENATION, &[x, x], y, Some(args)).output(y);
    case("CONCATENATION", &m, |x| [&x[..9], &x[..9], &x[9..], &x[9..]].concat())
}

fn padded(value: Option<f32>) -> Case {
    let mut m = Model::default();
    let (x, amounts) = (input(&mut m, &[1, 2, 3, 2]), m.ints(&[4, 2], &[0, 0, 1, 2, 0, 1, 1, 0]));
    let y = m.other(F32, &[1, 5, 4, 3]);
    let name = match value {
        None => {
            m.op(B::PAD, &[x, amounts], y, Some(options!(PadOptions, PadOptionsArgs {})));
            "PAD"
        }
        Some(value) => {
            let value = m.floats(&[1], &[value]);
            m.op(B::PADV2, &[x, amounts, value], y, Some(options!(PadV2Options, PadV2OptionsArgs {})));
            "PADV2"
        }
    };
    m.output(y);
    case(name, &m, move |x| {
        let mut y = vec![value.unwrap_or(0.0); 60];
        for (i, &x) in x.iter().enumerate() {
            y[((i / 6 + 1) * 4 + i / 2 % 3) * 3 + i % 2 + 1] = x;
        }
        y
    })
}

fn turned() -> Case {
    let mut m = Model::default();
    let (x, order) = (input(&mut m, &[1, 2, 3, 4]), m.ints(&[4], &[0, 3, 1, 2]));
    let y = m.other(F32, &[1, 4, 2, 3]);
    m.op(B::TRANSPOSE, &[x, order], y, Some(options!(TransposeOptions, TransposeOptionsArgs {}))).output(y);
    case("TRANSPOSE", &m, |x| (0..24).map(|i| x[i % 6 * 4 + i / 6]).collect())
}

fn softmax(dims: &[i32], beta: f32) -> Case {
    let mut m = Model::default();
    let (x, y) = (input(&mut m, dims), m.other(F32, dims));
    let args = options!(SoftmaxOptions, SoftmaxOptionsArgs { beta: beta });
    m.op(B::SOFTMAX, &[x], y, Some(args)).output(y);
    let n = dims[dims.len() - 1] as usize;
    case("SOFTMAX", &m, move |x| {
        let row = |x: &[f32]| {
            let weights: Vec<f32> = x.iter().map(|v| (v * beta).exp()).collect();
            let sum: f32 = weights.iter().sum();
            weights.into_iter().map(|w| w / sum).collect::<Vec<f32>>()
        };
        x.chunks_exact(n).flat_map(row).collect()
    })
}

/// Each pixel becomes a block of 2 × 2.
fn spread() -> Case {
    let mut m = Model::default();
    let x = input(&mut m, &IMAGE);
    let (w, weights) = weights(&mut m, &[2, 2, 2, 3], 0, Weights::Float);
    let (shape, b, y) =
        (m.ints(&[4], &[1, 4, 6, 2]), m.floats(&[2], &[0.5, -0.25]), m.other(F32, &[1, 4, 6, 2]));
    let padding = Padding::VALID;
    let args = options!(
        TransposeConvOptions,
        TransposeConvOptionsArgs { padding: padding, stride_w: 2, stride_h: 2 }
    );
    m.op(B::TRANSPOSE_CONV, &[shape, w, x, b], y, Some(args)).output(y);
    case("TRANSPOSE_CONV", &m, move |x| {
        let value = |i: usize| {
            let (o, column, row) = (i % 2, i / 2 % 6, i / 12);
            let pixel = &x[(row / 2 * 3 + column / 2) * 3..][..3];
            let taps = &weights[((o * 2 + row % 2) * 2 + column % 2) * 3..];
            [0.5, -0.25][o] + pixel.iter().zip(taps).map(|(x, w)| x * w).sum::<f32>()
        };
        (0..48).map(value).collect()
    })
}

/// From 2 × 3 to 5 × 7.
fn resized(bilinear: bool, corners: bool, centers: bool) -> Case {
    let mut m = Model::default();
    let (x, size, y) = (input(&mut m, &IMAGE), m.ints(&[2], &[5, 7]), m.other(F32, &[1, 5, 7, 3]));
    let (code, name, args) = if bilinear {
        let args = options!(
            ResizeBilinearOptions,
            ResizeBilinearOptionsArgs { align_corners: corners, half_pixel_centers: centers }
        );
        (B::RESIZE_BILINEAR, "RESIZE_BILINEAR", args)
    } else {
        let args = options!(
            ResizeNearestNeighborOptions,
            ResizeNearestNeighborOptionsArgs { align_corners: corners, half_pixel_centers: centers }
        );
        (B::RESIZE_NEAREST_NEIGHBOR, "RESIZE_NEAREST_NEIGHBOR", args)
    };
    m.op(code, &[x, size], y, Some(args)).output(y);
    case(name, &m, move |x| {
        let place = |o: usize, from: f32, to: f32| {
            let step = if corners { (from - 1.0) / (to - 1.0) } else { from / to };
            let o = o as f32;
            let at = match (bilinear, centers) {
                (true, true) => (o + 0.5) * step - 0.5,
                (false, true) => ((o + 0.5) * step).floor(),
                (true, false) => o * step,
                (false, false) if corners => (o * step).round(),
                (false, false) => (o * step).floor(),
            };
            at.clamp(0.0, from - 1.0)
        };
        let value = |i: usize| {
            let (row, column) = (place(i / 21, 2.0, 5.0), place(i / 3 % 7, 3.0, 7.0));
            let v = |r: f32, c: f32| x[(r as usize * 3 + c as usize) * 3 + i % 3];
            let line = |r: f32| {
                let share = column.fract();
                v(r, column.floor()) * (1.0 - share) + v(r, column.ceil()) * share
            };
            line(row.floor()) * (1.0 - row.fract()) + line(row.ceil()) * row.fract()
        };
        (0..105).map(value).collect()
    })
}

/// Random inputs, and what the network of the case makes of them.
fn results(case: &Case) -> Vec<(Vec<f32>, Vec<f32>)> {
    let onnx = tflite::onnx(&case.bytes).unwrap_or_else(|e| panic!("{}: {e}", case.name)).expect("floats");
    let model = tract_tflite::tflite::root_as_model(&case.bytes).expect("a model");
    let graph = model.subgraphs().expect("graphs").get(0);
    let output = graph.tensors().expect("tensors").get(graph.outputs().expect("one").get(0) as usize);
    let tap = output.name().expect("a name").to_owned();
    let reference = Reference::new(&onnx, &InputShapes::default(), &[tap])
        .unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let shape = reference.inputs()[0].shape.clone();
    let mut random = Random::new(21);
    let mut one = || {
        let x: Vec<f32> = floats(&mut random, shape.iter().product()).iter().map(|v| 4.0 * v).collect();
        let array = ArrayD::from_shape_vec(IxDyn(&shape), x.clone()).expect("as many");
        let y = reference.run(&[array]).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        (x, y[0].iter().copied().collect())
    };
    (0..5).map(|_| one()).collect()
}

fn close(name: &str, ours: &[f32], expected: &[f32]) {
    assert_eq!(ours.len(), expected.len(), "{name}");
    for (a, b) in ours.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{name}: {ours:?} {expected:?}");
    }
}

#[test]
fn every_float_operator_is_its_formula() {
    for case in cases() {
        for (x, y) in results(&case) {
            close(case.name, &y, &(case.oracle)(&x));
        }
    }
}

#[test]
#[ignore = "needs Python with LiteRT"]
fn every_float_operator_is_that_of_litert() {
    let folder = tempfile::tempdir().expect("a folder");
    // Its reference kernels lack some functions; the others round floats differently at most. Indices are no floats.
    for case in
        cases().into_iter().filter(|case| !["ARG_MAX", "ARG_MIN", "BROADCAST_TO"].contains(&case.name))
    {
        let path = folder.path().join("net.tflite");
        std::fs::write(&path, &case.bytes).expect("room");
        let results = results(&case);
        let bytes = |x: &[f32]| x.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let inputs: Vec<Vec<u8>> = results.iter().map(|(x, _)| bytes(x)).collect();
        let Some(expected) = litert::outputs("BUILTIN_WITHOUT_DEFAULT_DELEGATES", &path, &inputs, &[]) else {
            return;
        };
        for ((_, y), expected) in results.iter().zip(expected) {
            let expected: Vec<f32> = expected.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
            close(case.name, y, &expected);
        }
    }
}

#[test]
fn every_float_operator_has_a_case() {
    let cases = cases();
    for name in tflite::float_operators() {
        let tried = |c: &&Case| c.name == name || c.name.starts_with(&format!("{name} "));
        assert!(name == "DEQUANTIZE" || cases.iter().any(|c| tried(&c)), "{name}");
    }
}

/// Also where one channel makes a transpose the same as a reshape.
#[test]
fn images_stay_as_they_lie() {
    for channels in [1, 3] {
        let mut m = Model::default();
        let x = input(&mut m, &[1, 5, 4, channels]);
        let (k, _) = weights(&mut m, &[2, 3, 3, channels], 0, Weights::Float);
        let y = m.other(F32, &[1, 3, 2, 2]);
        let padding = Padding::VALID;
        let args = options!(Conv2DOptions, Conv2DOptionsArgs { padding: padding, stride_w: 1, stride_h: 1 });
        m.op(B::CONV_2D, &[x, k, -1], y, Some(args)).output(y);
        let onnx = tflite::onnx(&m.bytes()).unwrap_or_else(|e| panic!("{e}")).expect("floats");
        let graph = import::onnx(&onnx, &InputShapes::default());
        let mut graph = graph.unwrap_or_else(|e| panic!("{e}"));
        passes::run(&mut graph).unwrap_or_else(|e| panic!("{e}"));
        let operators: Vec<&str> = graph.nodes.iter().map(|n| n.op.name()).collect();
        assert_eq!(operators, ["Conv"]);
        assert_eq!(graph.shape(graph.inputs[0]), [1, 5, 4, channels as usize]);
        assert_eq!(graph.shape(graph.outputs[0]), [1, 3, 2, 2]);
    }
}

#[test]
fn unknown_and_impossible_float_operators_are_all_listed() {
    let mut m = Model::default();
    let x = input(&mut m, &[1, 4]);
    let [a, y] = [0; 2].map(|_| m.other(F32, &[1, 4]));
    m.op(B::CUMSUM, &[x], a, None).op(B::WHERE, &[a], y, None).output(y);
    let said = tflite::onnx(&m.bytes()).expect_err("a refusal").to_string();
    assert!(said.contains("CUMSUM at operator 0") && said.contains("WHERE at operator 1"), "{said}");
    let mut m = Model::default();
    let x = input(&mut m, &[1, 4]);
    let [a, y] = [0; 2].map(|_| m.other(F32, &[1, 4]));
    m.op(B::PAD, &[x, x], a, None).op(B::TRANSPOSE, &[a, x], y, None).output(y);
    let said = tflite::onnx(&m.bytes()).expect_err("a refusal").to_string();
    assert!(said.contains("2 operators") && said.contains("(PAD)") && said.contains("(TRANSPOSE)"), "{said}");
}

#[test]
fn damaged_float_files() {
    let mut random = Random::new(8);
    for case in cases() {
        for _ in 0..20 {
            let mut broken = case.bytes.clone();
            for _ in 0..1 + random.below(4) {
                let at = random.below(broken.len());
                broken[at] = random.next() as u8;
            }
            if let Ok(Some(onnx)) = tflite::onnx(&broken) {
                let _ = import::onnx(&onnx, &InputShapes::default()).map(|mut graph| passes::run(&mut graph));
            }
        }
    }
}
