//! Convolutions, dense layers and pools.

use crate::Case;
use crate::builder::{Model, Options, Random, options};
use crate::oracle::{Slide, clamp, double, float};
use tract_tflite::tflite::{ActivationFunctionType, BuiltinOperator, Padding};

pub(crate) fn cases() -> Vec<Case> {
    let slide = |kernel, stride, dilation, same| Slide { kernel, stride, dilation, same };
    vec![
        conv("conv 3x3 same", [7, 6, 3], (5, 1), slide([3, 3], 2, 1, true), false),
        conv("conv 2x3 valid", [6, 8, 4], (3, 1), slide([2, 3], 1, 2, false), true),
        conv("conv 1x1", [5, 5, 16], (8, 1), slide([1, 1], 1, 1, true), true),
        conv("conv in groups", [5, 5, 6], (4, 2), slide([3, 3], 1, 1, true), true),
        conv("conv at halves", [1, 1, 2], (800, 1), slide([1, 1], 1, 1, true), false),
        depthwise("depthwise same", [7, 6, 5], 1, slide([3, 3], 2, 1, true)),
        depthwise("depthwise multiplied", [6, 7, 3], 2, slide([2, 4], 1, 1, true)),
        depthwise("depthwise dilated", [9, 9, 2], 1, slide([3, 3], 1, 2, false)),
        dense("dense", &[3, 20], &[3, 300], false, 8),
        dense("dense of an image", &[1, 2, 3, 4], &[1, 150], false, 8),
        dense("dense a scale a channel", &[2, 12], &[2, 200], true, 8),
        dense("dense at halves", &[1, 4], &[1, 1000], false, 0),
        dense("dense at ties", &[1, 4], &[1, 400], false, 0),
        dense("dense at halves, a scale a channel", &[1, 4], &[1, 1000], true, 0),
        pool("mean", [7, 5, 3], slide([3, 2], 2, 1, true), true),
        pool("mean of all", [8, 8, 4], slide([8, 8], 1, 1, false), true),
        pool("largest", [6, 6, 3], slide([2, 3], 2, 1, true), false),
    ]
}

fn padding(slide: Slide) -> Padding {
    if slide.same { Padding::SAME } else { Padding::VALID }
}

/// The options of a convolution under this window.
pub(crate) fn conv_options(slide: Slide, activation: ActivationFunctionType) -> Options {
    let (stride, dilation) = (slide.stride as i32, slide.dilation as i32);
    options!(
        Conv2DOptions,
        Conv2DOptionsArgs {
            padding: padding(slide),
            stride_w: stride,
            stride_h: stride,
            fused_activation_function: activation,
            dilation_w_factor: dilation,
            dilation_h_factor: dilation
        }
    )
}

/// The options of a depthwise convolution with so many outputs a channel.
pub(crate) fn depthwise_options(slide: Slide, times: usize) -> Options {
    let (stride, dilation) = (slide.stride as i32, slide.dilation as i32);
    options!(
        DepthwiseConv2DOptions,
        DepthwiseConv2DOptionsArgs {
            padding: padding(slide),
            stride_w: stride,
            stride_h: stride,
            depth_multiplier: times as i32,
            dilation_w_factor: dilation,
            dilation_h_factor: dilation
        }
    )
}

/// The options of a pool under this window.
pub(crate) fn pool_options(slide: Slide, activation: ActivationFunctionType) -> Options {
    let (stride, [kh, kw]) = (slide.stride as i32, slide.kernel.map(|k| k as i32));
    options!(
        Pool2DOptions,
        Pool2DOptionsArgs {
            padding: padding(slide),
            stride_w: stride,
            stride_h: stride,
            filter_width: kw,
            filter_height: kh,
            fused_activation_function: activation
        }
    )
}

/// Scales of weights: one, or one an output.
fn scales(random: &mut Random, outputs: usize, each: bool) -> Vec<f32> {
    (0..if each { outputs } else { 1 }).map(|_| random.scale(0.01)).collect()
}

fn conv(
    name: &'static str,
    [h, w, c]: [usize; 3],
    (outputs, groups): (usize, usize),
    slide: Slide,
    relu6: bool,
) -> Case {
    let mut random = Random::new(name.len() as u64);
    let (qx, qy) = (random.q(0.05), random.q(0.05));
    let [kh, kw] = slide.kernel;
    let per = c / groups;
    let mut weights = random.i8s(outputs * kh * kw * per);
    let mut scales = scales(&mut random, outputs, groups == 1);
    let mut bias = random.ints(outputs, 5000);
    if name.ends_with("halves") {
        weights.fill(0);
        scales.iter_mut().for_each(|s| *s /= 1e4);
        let half =
            |o: usize| ((o % 200) as f64 - 100.5) / f64::from(qx.0) / f64::from(scales[o % scales.len()]);
        bias = (0..outputs).map(|o| (half(o) * f64::from(qy.0)).round() as i32).collect();
    }
    let mut m = Model::default();
    let x = m.input(&[1, h as i32, w as i32, c as i32], qx);
    let k = m.weights(&[outputs as i32, kh as i32, kw as i32, per as i32], &scales, 0, &weights);
    let b = m.bias(&bias, &scales.iter().map(|s| s * qx.0).collect::<Vec<_>>());
    let (oh, ow) = (slide.axis(h, 0).0, slide.axis(w, 1).0);
    let y = m.value(&[1, oh as i32, ow as i32, outputs as i32], qy);
    let activation = if relu6 { ActivationFunctionType::RELU6 } else { ActivationFunctionType::NONE };
    let options = conv_options(slide, activation);
    m.op(BuiltinOperator::CONV_2D, &[x, k, b], y, Some(options)).output(y);
    let oracle = move |x: &[i8]| {
        let mut y = Vec::new();
        for taps in slide.outputs([h, w]) {
            for o in 0..outputs {
                let mut acc = i64::from(bias[o]);
                for &[ky, kx, row, column] in &taps {
                    for i in 0..per {
                        let value = x[(row * w + column) * c + o / (outputs / groups) * per + i];
                        let weight = weights[((o * kh + ky) * kw + kx) * per + i];
                        acc += (i64::from(value) - qx.1) * i64::from(weight);
                    }
                }
                let real = f64::from(qx.0) * f64::from(scales[o % scales.len()]) / f64::from(qy.0);
                let six = qy.1 + f64::from((6.0 / qy.0).round()) as i64;
                let bounds = if relu6 { (qy.1, six.min(127)) } else { (-128, 127) };
                y.push(clamp(double(acc, real) + qy.1, bounds) as u8);
            }
        }
        y
    };
    Case::new(name, &m, oracle)
}

fn depthwise(name: &'static str, [h, w, c]: [usize; 3], times: usize, slide: Slide) -> Case {
    let mut random = Random::new(name.len() as u64);
    let (qx, qy) = (random.q(0.05), random.q(0.05));
    let [kh, kw] = slide.kernel;
    let outputs = c * times;
    let weights = random.i8s(kh * kw * outputs);
    let (scales, bias) = (scales(&mut random, outputs, true), random.ints(outputs, 5000));
    let mut m = Model::default();
    let x = m.input(&[1, h as i32, w as i32, c as i32], qx);
    let k = m.weights(&[1, kh as i32, kw as i32, outputs as i32], &scales, 3, &weights);
    let b = m.bias(&bias, &scales.iter().map(|s| s * qx.0).collect::<Vec<_>>());
    let (oh, ow) = (slide.axis(h, 0).0, slide.axis(w, 1).0);
    let y = m.value(&[1, oh as i32, ow as i32, outputs as i32], qy);
    let options = depthwise_options(slide, times);
    m.op(BuiltinOperator::DEPTHWISE_CONV_2D, &[x, k, b], y, Some(options)).output(y);
    let oracle = move |x: &[i8]| {
        let mut y = Vec::new();
        for taps in slide.outputs([h, w]) {
            for o in 0..outputs {
                let mut acc = i64::from(bias[o]);
                for &[ky, kx, row, column] in &taps {
                    let value = i64::from(x[(row * w + column) * c + o / times]) - qx.1;
                    acc += value * i64::from(weights[(ky * kw + kx) * outputs + o]);
                }
                let real = f64::from(qx.0) * f64::from(scales[o]) / f64::from(qy.0);
                y.push(clamp(double(acc, real) + qy.1, (-128, 127)) as u8);
            }
        }
        y
    };
    Case::new(name, &m, oracle)
}

/// Biases that put sums next to a half show how scales are multiplied and how sums are rounded. Weights are divided by
/// `part`; with 0 they are 0.
fn dense(name: &'static str, from: &[i32], to: &[i32], each: bool, part: i8) -> Case {
    let mut random = Random::new(name.len() as u64);
    let outputs = to[1] as usize;
    let inputs = (from.iter().product::<i32>() / to[0]) as usize;
    let mut scales: Vec<f32> = scales(&mut random, outputs, each).iter().map(|s| s / 1e3).collect();
    let (mut qx, mut qy) = (random.q(0.003), (random.scale(0.05), 3));
    if name.ends_with("ties") {
        (scales[0], qx.0, qy.0) = (1.0 / 64.0, 1.0 / 16.0, 1.0);
    }
    let real = move |scales: &[f32], o: usize| {
        f64::from(qx.0) * f64::from(scales[o % scales.len()]) / f64::from(qy.0)
    };
    let half = |o: usize| (o % 200) as f64 - 100.5;
    let near: Vec<i32> = (0..outputs).map(|o| (half(o) / real(&scales, o)).round() as i32).collect();
    let weights: Vec<i8> =
        random.i8s(inputs * outputs).iter().map(|w| w.checked_div(part).unwrap_or(0)).collect();
    let mut m = Model::default();
    let x = m.input(from, qx);
    let k = m.weights(&[outputs as i32, inputs as i32], &scales, 0, &weights);
    let b = m.bias(&near, &scales.iter().map(|s| s * qx.0).collect::<Vec<_>>());
    let y = m.value(to, qy);
    let options = options!(FullyConnectedOptions, FullyConnectedOptionsArgs {});
    m.op(BuiltinOperator::FULLY_CONNECTED, &[x, k, b], y, Some(options)).output(y);
    let oracle = move |x: &[i8]| {
        let mut y = Vec::new();
        for row in x.chunks_exact(inputs) {
            for o in 0..outputs {
                let products = row.iter().zip(&weights[o * inputs..]);
                let sum: i64 = products.map(|(&x, &w)| (i64::from(x) - qx.1) * i64::from(w)).sum();
                let scaled = float(sum + i64::from(near[o]), real(&scales, o));
                y.push(clamp(scaled + qy.1, (-128, 127)) as u8);
            }
        }
        y
    };
    Case::new(name, &m, oracle)
}

fn pool(name: &'static str, [h, w, c]: [usize; 3], slide: Slide, mean: bool) -> Case {
    let mut m = Model::default();
    let q = (0.1, -5);
    let x = m.input(&[1, h as i32, w as i32, c as i32], q);
    let (oh, ow) = (slide.axis(h, 0).0, slide.axis(w, 1).0);
    let y = m.value(&[1, oh as i32, ow as i32, c as i32], q);
    let options = pool_options(slide, ActivationFunctionType::RELU);
    let code = if mean { BuiltinOperator::AVERAGE_POOL_2D } else { BuiltinOperator::MAX_POOL_2D };
    m.op(code, &[x], y, Some(options)).output(y);
    let oracle = move |x: &[i8]| {
        let value = |taps: &Vec<[usize; 4]>, k: usize| {
            let values = || taps.iter().map(|t| i64::from(x[(t[2] * w + t[3]) * c + k]));
            let whole = if mean {
                (values().sum::<i64>() as f64 / taps.len() as f64).round() as i64
            } else {
                values().max().unwrap_or(0)
            };
            clamp(whole, (-5, 127)) as u8
        };
        let outputs = slide.outputs([h, w]);
        outputs.iter().flat_map(|taps| (0..c).map(move |k| value(taps, k)).collect::<Vec<_>>()).collect()
    };
    Case::new(name, &m, oracle)
}
