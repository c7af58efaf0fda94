//! Uint8 models: those of int8 moved by 128, and what is rounded otherwise or has weights with a zero point.

use crate::Case;
use crate::builder::{Model, Q, Random, options};
use crate::oracle::{Slide, double, float};
use crate::window::{conv_options, depthwise_options, pool_options};
use mote_converter::tflite;
use std::collections::BTreeSet;
use std::rc::Rc;
use tract_tflite::tflite::{ActivationFunctionType, BuiltinOperator as B, TensorType, root_as_model};

/// Where a product of scales is rounded, and means meet halves, uint8 differs: these have cases of their own.
const OTHERWISE: [&str; 6] = [
    "AVERAGE_POOL_2D",
    "CONCATENATION",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "RESIZE_BILINEAR",
];

/// The case on uint8 values, if its operators can have them.
pub(crate) fn twin(case: &Case) -> Option<Case> {
    let bytes = case.twin.clone()?;
    let model = root_as_model(&bytes).expect("a model");
    let known: BTreeSet<&str> = tflite::unsigned().filter(|name| !OTHERWISE.contains(name)).collect();
    let mut codes = model.operator_codes().into_iter().flatten();
    if !codes.all(|c| c.builtin_code().variant_name().is_some_and(|name| known.contains(name))) {
        return None;
    }
    let graph = model.subgraphs()?.get(0);
    let output = graph.tensors()?.get(graph.outputs()?.get(0) as usize);
    let flip = if output.type_() == TensorType::UINT8 { 0x80 } else { 0 };
    let oracle = Rc::clone(&case.oracle);
    let oracle = move |x: &[i8]| {
        let x: Vec<i8> = x.iter().map(|x| x ^ i8::MIN).collect();
        oracle(&x).iter().map(|y| y ^ flip).collect()
    };
    let name = Box::leak(format!("{} of uint8", case.name).into_boxed_str());
    Some(Case { name, bytes, oracle: Rc::new(oracle), slack: case.slack, twin: None, wide: None })
}

pub(crate) fn cases() -> Vec<Case> {
    let slide = |kernel, stride, dilation, same| Slide { kernel, stride, dilation, same };
    let wide = (0, 255);
    vec![
        conv("uint8 conv 3x3", [7, 6, 3], 5, slide([3, 3], 2, 1, true), 151, wide),
        conv("uint8 conv 1x1", [5, 5, 16], 19, slide([1, 1], 1, 1, true), 0, wide),
        conv("uint8 conv dilated", [6, 8, 4], 3, slide([2, 3], 1, 2, false), 255, wide),
        conv("uint8 conv near its zero", [5, 5, 6], 4, slide([3, 3], 1, 1, true), 200, (80, 255)),
        conv("uint8 conv at halves", [1, 1, 2], 800, slide([1, 1], 1, 1, true), 90, (90, 90)),
        depthwise("uint8 depthwise", [7, 6, 5], 1, slide([3, 3], 2, 1, true), 60),
        depthwise("uint8 depthwise multiplied", [6, 7, 3], 2, slide([2, 4], 1, 1, true), 201),
        depthwise("uint8 depthwise of many", [4, 4, 37], 1, slide([3, 3], 1, 1, true), 129),
        dense("uint8 dense", [3, 20], 300, 140, wide),
        dense("uint8 dense at halves", [1, 4], 1000, 33, (33, 33)),
        dense("uint8 dense at ties", [1, 4], 400, 33, (33, 33)),
        mean("uint8 mean", [7, 5, 3], slide([3, 2], 2, 1, true)),
        mean("uint8 mean of four", [8, 8, 4], slide([2, 2], 1, 1, false)),
        joined("uint8 joined", [(0.05, 120), (0.05, 120), (0.031, 100)], (0.05, 120)),
        joined("uint8 joined from narrow", [(0.011, 255), (0.2, 0), (0.0501, 121)], (0.05, 120)),
        resize("uint8 resize by 8", [3, 3], [17, 17], [true, false]),
        resize("uint8 resize", [5, 7], [13, 10], [false, false]),
        resize("uint8 resize between corners", [5, 7], [13, 10], [true, false]),
        resize("uint8 resize between centers", [5, 7], [13, 4], [false, true]),
    ]
}

fn values(random: &mut Random, n: usize, (low, high): (u8, u8)) -> Vec<u8> {
    (0..n).map(|_| low + random.below(usize::from(high - low) + 1) as u8).collect()
}

fn q(random: &mut Random, around: f32) -> Q {
    (random.scale(around), random.below(256) as i64)
}

/// What a layer's sums become. TFLite multiplies the scales of a convolution's input and weights as floats, and rounds
/// twice; those of a dense layer as wide floats, and rounds once.
#[derive(Clone, Copy)]
struct Scales {
    x: Q,
    w: Q,
    y: Q,
    dense: bool,
}

impl Scales {
    fn of(random: &mut Random, weight_zero: i64, dense: bool) -> Self {
        Scales { x: q(random, 0.05), w: (random.scale(0.01), weight_zero), y: q(random, 0.05), dense }
    }

    fn real(&self) -> f64 {
        let sums = if self.dense {
            f64::from(self.x.0) * f64::from(self.w.0)
        } else {
            f64::from(self.x.0 * self.w.0)
        };
        sums / f64::from(self.y.0)
    }

    fn output(&self, acc: i64) -> u8 {
        let scaled = if self.dense { float(acc, self.real()) } else { double(acc, self.real()) };
        (scaled + self.y.1).clamp(0, 255) as u8
    }

    /// One value less its zero point times a weight less its.
    fn product(&self, x: i8, w: u8) -> i64 {
        (i64::from(x as u8) - self.x.1) * (i64::from(w) - self.w.1)
    }

    /// Biases that put sums without weights next to halves.
    fn halves(&self, n: usize) -> Vec<i32> {
        (0..n).map(|o| (((o % 200) as f64 - 100.5) / self.real()).round() as i32).collect()
    }
}

fn conv(
    name: &'static str,
    [h, w, c]: [usize; 3],
    outputs: usize,
    slide: Slide,
    zero: i64,
    range: (u8, u8),
) -> Case {
    let mut random = Random::new(name.len() as u64);
    let mut s = Scales::of(&mut random, zero, false);
    let [kh, kw] = slide.kernel;
    let weights = values(&mut random, outputs * kh * kw * c, range);
    let mut bias = random.ints(outputs, 5000);
    if name.ends_with("halves") {
        s.w.0 /= 1e4;
        bias = s.halves(outputs);
    }
    let mut m = Model::default();
    let x = m.unsigned_value(&[1, h as i32, w as i32, c as i32], s.x, &[]);
    m.take(x);
    let k = m.unsigned_value(&[outputs as i32, kh as i32, kw as i32, c as i32], s.w, &weights);
    let b = m.bias(&bias, &[s.x.0 * s.w.0]);
    let (oh, ow) = (slide.axis(h, 0).0, slide.axis(w, 1).0);
    let y = m.unsigned_value(&[1, oh as i32, ow as i32, outputs as i32], s.y, &[]);
    let options = conv_options(slide, ActivationFunctionType::NONE);
    m.op(B::CONV_2D, &[x, k, b], y, Some(options)).output(y);
    let oracle = move |x: &[i8]| {
        let mut y = Vec::new();
        for taps in slide.outputs([h, w]) {
            for o in 0..outputs {
                let mut acc = i64::from(bias[o]);
                for &[ky, kx, row, column] in &taps {
                    for i in 0..c {
                        let weight = weights[((o * kh + ky) * kw + kx) * c + i];
                        acc += s.product(x[(row * w + column) * c + i], weight);
                    }
                }
                y.push(s.output(acc));
            }
        }
        y
    };
    Case::new(name, &m, oracle)
}

fn depthwise(name: &'static str, [h, w, c]: [usize; 3], times: usize, slide: Slide, zero: i64) -> Case {
    let mut random = Random::new(name.len() as u64);
    let s = Scales::of(&mut random, zero, false);
    let [kh, kw] = slide.kernel;
    let outputs = c * times;
    let weights = values(&mut random, kh * kw * outputs, (0, 255));
    let bias = random.ints(outputs, 5000);
    let mut m = Model::default();
    let x = m.unsigned_value(&[1, h as i32, w as i32, c as i32], s.x, &[]);
    m.take(x);
    let k = m.unsigned_value(&[1, kh as i32, kw as i32, outputs as i32], s.w, &weights);
    let b = m.bias(&bias, &[s.x.0 * s.w.0]);
    let (oh, ow) = (slide.axis(h, 0).0, slide.axis(w, 1).0);
    let y = m.unsigned_value(&[1, oh as i32, ow as i32, outputs as i32], s.y, &[]);
    let options = depthwise_options(slide, times);
    m.op(B::DEPTHWISE_CONV_2D, &[x, k, b], y, Some(options)).output(y);
    let oracle = move |x: &[i8]| {
        let mut y = Vec::new();
        for taps in slide.outputs([h, w]) {
            for o in 0..outputs {
                let product = |&[ky, kx, row, column]: &[usize; 4]| {
                    s.product(x[(row * w + column) * c + o / times], weights[(ky * kw + kx) * outputs + o])
                };
                y.push(s.output(i64::from(bias[o]) + taps.iter().map(product).sum::<i64>()));
            }
        }
        y
    };
    Case::new(name, &m, oracle)
}

fn dense(name: &'static str, [rows, inputs]: [usize; 2], outputs: usize, zero: i64, range: (u8, u8)) -> Case {
    let mut random = Random::new(name.len() as u64);
    let mut s = Scales::of(&mut random, zero, true);
    if name.ends_with("ties") {
        (s.w.0, s.x.0, s.y.0) = (1.0 / 64.0, 1.0 / 16.0, 1.0);
    } else if name.ends_with("halves") {
        s.w.0 /= 1e4;
    }
    let weights = values(&mut random, inputs * outputs, range);
    let bias = s.halves(outputs);
    let mut m = Model::default();
    let x = m.unsigned_value(&[rows as i32, inputs as i32], s.x, &[]);
    m.take(x);
    let k = m.unsigned_value(&[outputs as i32, inputs as i32], s.w, &weights);
    let b = m.bias(&bias, &[s.x.0 * s.w.0]);
    let y = m.unsigned_value(&[rows as i32, outputs as i32], s.y, &[]);
    let relu = ActivationFunctionType::RELU;
    let options =
        options!(FullyConnectedOptions, FullyConnectedOptionsArgs { fused_activation_function: relu });
    m.op(B::FULLY_CONNECTED, &[x, k, b], y, Some(options)).output(y);
    let oracle = move |x: &[i8]| {
        let row = |x: &[i8]| {
            let output = |o: usize| {
                let products = x.iter().zip(&weights[o * inputs..]).map(|(&x, &w)| s.product(x, w));
                s.output(i64::from(bias[o]) + products.sum::<i64>()).max(s.y.1 as u8)
            };
            (0..outputs).map(output).collect::<Vec<u8>>()
        };
        x.chunks_exact(inputs).flat_map(row).collect()
    };
    Case::new(name, &m, oracle)
}

/// Halves go up.
fn mean(name: &'static str, [h, w, c]: [usize; 3], slide: Slide) -> Case {
    let mut m = Model::default();
    let q = (0.1, 100);
    let x = m.unsigned_value(&[1, h as i32, w as i32, c as i32], q, &[]);
    m.take(x);
    let (oh, ow) = (slide.axis(h, 0).0, slide.axis(w, 1).0);
    let y = m.unsigned_value(&[1, oh as i32, ow as i32, c as i32], q, &[]);
    let options = pool_options(slide, ActivationFunctionType::NONE);
    m.op(B::AVERAGE_POOL_2D, &[x], y, Some(options)).output(y);
    let oracle = move |x: &[i8]| {
        let value = |taps: &Vec<[usize; 4]>, k: usize| {
            let sum: u32 = taps.iter().map(|t| u32::from(x[(t[2] * w + t[3]) * c + k] as u8)).sum();
            ((2 * sum + taps.len() as u32) / (2 * taps.len() as u32)) as u8
        };
        let outputs = slide.outputs([h, w]);
        outputs.iter().flat_map(|taps| (0..c).map(move |k| value(taps, k)).collect::<Vec<_>>()).collect()
    };
    Case::new(name, &m, oracle)
}

/// Each input is brought to the output's scale in floats.
fn joined(name: &'static str, inputs: [Q; 3], to: Q) -> Case {
    let mut m = Model::default();
    let ids = inputs.map(|q| {
        let x = m.unsigned_value(&[200, 1], q, &[]);
        m.take(x)
    });
    let y = m.unsigned_value(&[200, 3], to, &[]);
    let options = options!(ConcatenationOptions, ConcatenationOptionsArgs { axis: 1 });
    m.op(B::CONCATENATION, &ids, y, Some(options)).output(y);
    let oracle = move |x: &[i8]| {
        let value = |i: usize| {
            let (k, row) = (i % 3, i / 3);
            let scale = inputs[k].0 * (1.0 / to.0);
            let moved = f32::from(x[k * 200 + row] as u8) * scale + -(inputs[k].1 as f32) * scale;
            (moved.round() as i64 + to.1).clamp(0, 255) as u8
        };
        (0..600).map(value).collect()
    };
    Case::new(name, &m, oracle)
}

/// Four pixels mixed in floats, halves up.
fn resize(name: &'static str, from: [usize; 2], to: [usize; 2], [corners, centers]: [bool; 2]) -> Case {
    let mut m = Model::default();
    let x = m.unsigned_value(&[1, from[0] as i32, from[1] as i32, 3], (0.1, 7), &[]);
    m.take(x);
    let size = m.ints(&[2], &to.map(|n| n as i32));
    let y = m.unsigned_value(&[1, to[0] as i32, to[1] as i32, 3], (0.1, 7), &[]);
    let options = options!(
        ResizeBilinearOptions,
        ResizeBilinearOptionsArgs { align_corners: corners, half_pixel_centers: centers }
    );
    m.op(B::RESIZE_BILINEAR, &[x, size], y, Some(options)).output(y);
    let place = move |o: usize, axis: usize| {
        let (from, to) = (from[axis] as f32, to[axis] as f32);
        let step = if corners { (from - 1.0) / (to - 1.0) } else { from / to };
        let at = if centers { (o as f32 + 0.5) * step - 0.5 } else { o as f32 * step };
        let near = at.floor().max(0.0);
        (near as usize, at.ceil().clamp(0.0, from - 1.0) as usize, at - near)
    };
    let oracle = move |x: &[i8]| {
        let pixel = |i: usize| {
            let (c, (x0, x1, fx), (y0, y1, fy)) = (i % 3, place(i / 3 % to[1], 1), place(i / 3 / to[1], 0));
            let v = |row: usize, column: usize| f32::from(x[(row * from[1] + column) * 3 + c] as u8);
            let upper = v(y0, x0) * (1.0 - fy) * (1.0 - fx) + v(y1, x0) * fy * (1.0 - fx);
            (upper + v(y0, x1) * (1.0 - fy) * fx + v(y1, x1) * fy * fx + 0.5) as u8
        };
        (0..to[0] * to[1] * 3).map(pixel).collect()
    };
    Case::new(name, &m, oracle)
}
