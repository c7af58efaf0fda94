//! Float convolutions, pools and dense layers, with weights in each of the ways in which they are stored.

use crate::builder::{Model, Random, options};
use crate::float::{Case, F32, case, floats, input};
use crate::oracle::Slide;
use tract_tflite::tflite::{ActivationFunctionType, BuiltinOperator as B, Padding};

/// How weights are stored.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Weights {
    Float,
    Half,
    Int8,
}

/// Weights behind DEQUANTIZE, and what they are.
pub(crate) fn weights(m: &mut Model, dims: &[i32], axis: i32, how: Weights) -> (i32, Vec<f32>) {
    let (mut random, n) = (Random::new(dims.len() as u64), dims.iter().product::<i32>() as usize);
    let dequantize = || Some(options!(DequantizeOptions, DequantizeOptionsArgs {}));
    match how {
        Weights::Float => {
            let values = floats(&mut random, n);
            (m.floats(dims, &values), values)
        }
        Weights::Half => {
            // Whole quarters are exact in 16 bits: sign, exponent and two bits of the mantissa.
            let quarters: Vec<i32> = (0..n).map(|_| random.below(8) as i32 + 4).collect();
            let bits = |&q: &i32| {
                let exponent = q.ilog2();
                ((13 + exponent) << 10 | ((q as u32) << (10 - exponent)) & 0x3ff) as u16
            };
            let halves: Vec<u16> = quarters.iter().map(bits).collect();
            let (stored, made) = (m.halves(dims, &halves), m.other(F32, dims));
            m.op(B::DEQUANTIZE, &[stored], made, dequantize());
            (made, quarters.iter().map(|&q| q as f32 / 4.0).collect())
        }
        Weights::Int8 => {
            let values = random.i8s(n);
            let slices = dims[axis as usize] as usize;
            let inner: i32 = dims[axis as usize + 1..].iter().product();
            let scales: Vec<f32> = (0..slices).map(|_| random.scale(0.01)).collect();
            let (stored, made) = (m.weights(dims, &scales, axis, &values), m.other(F32, dims));
            m.op(B::DEQUANTIZE, &[stored], made, dequantize());
            let real = |(i, &v): (usize, &i8)| f32::from(v) * scales[i / inner as usize % slices];
            (made, values.iter().enumerate().map(real).collect())
        }
    }
}

pub(crate) fn convolution(name: &'static str, slide: Slide, depthwise: bool, how: Weights) -> Case {
    let ([h, w, c, outputs], [kh, kw]) = ([7, 6, 3, 6], slide.kernel);
    let mut m = Model::default();
    let x = input(&mut m, &[1, h as i32, w as i32, c as i32]);
    let [kh32, kw32, c32, o32] = [kh, kw, c, outputs].map(|n| n as i32);
    let (dims, axis) = if depthwise { ([1, kh32, kw32, o32], 3) } else { ([o32, kh32, kw32, c32], 0) };
    let (k, weights) = weights(&mut m, &dims, axis, how);
    let bias = floats(&mut Random::new(9), outputs);
    let b = m.floats(&[o32], &bias);
    let y = m.other(F32, &[1, slide.axis(h, 0).0 as i32, slide.axis(w, 1).0 as i32, o32]);
    let padding = if slide.same { Padding::SAME } else { Padding::VALID };
    let (stride, dilation) = (slide.stride as i32, slide.dilation as i32);
    let relu6 = ActivationFunctionType::RELU6;
    let (code, options) = if depthwise {
        let options = options!(
            DepthwiseConv2DOptions,
            DepthwiseConv2DOptionsArgs {
                padding: padding,
                stride_w: stride,
                stride_h: stride,
                depth_multiplier: 2,
                dilation_w_factor: dilation,
                dilation_h_factor: dilation,
                fused_activation_function: relu6
            }
        );
        (B::DEPTHWISE_CONV_2D, options)
    } else {
        let options = options!(
            Conv2DOptions,
            Conv2DOptionsArgs {
                padding: padding,
                stride_w: stride,
                stride_h: stride,
                dilation_w_factor: dilation,
                dilation_h_factor: dilation,
                fused_activation_function: relu6
            }
        );
        (B::CONV_2D, options)
    };
    m.op(code, &[x, k, b], y, Some(options)).output(y);
    case(name, &m, move |x| {
        let sum = |taps: &Vec<[usize; 4]>, o: usize| {
            let product = |&[ky, kx, row, column]: &[usize; 4]| -> f32 {
                let pixel = &x[(row * w + column) * c..][..c];
                if depthwise {
                    return pixel[o / 2] * weights[(ky * kw + kx) * outputs + o];
                }
                pixel.iter().zip(&weights[((o * kh + ky) * kw + kx) * c..]).map(|(x, w)| x * w).sum()
            };
            (bias[o] + taps.iter().map(product).sum::<f32>()).clamp(0.0, 6.0)
        };
        let outputs_of = |taps| (0..outputs).map(|o| sum(&taps, o)).collect::<Vec<f32>>();
        slide.outputs([h, w]).into_iter().flat_map(outputs_of).collect()
    })
}

pub(crate) fn pool(name: &'static str, slide: Slide) -> Case {
    let ([h, w, c], [kh, kw]) = ([7, 6, 3], slide.kernel.map(|k| k as i32));
    let mut m = Model::default();
    let x = input(&mut m, &[1, h as i32, w as i32, c as i32]);
    let y = m.other(F32, &[1, slide.axis(h, 0).0 as i32, slide.axis(w, 1).0 as i32, c as i32]);
    let (stride, padding) = (slide.stride as i32, Padding::SAME);
    let options = options!(
        Pool2DOptions,
        Pool2DOptionsArgs {
            padding: padding,
            stride_w: stride,
            stride_h: stride,
            filter_width: kw,
            filter_height: kh
        }
    );
    let mean = name.starts_with("AVERAGE");
    m.op(if mean { B::AVERAGE_POOL_2D } else { B::MAX_POOL_2D }, &[x], y, Some(options)).output(y);
    case(name, &m, move |x| {
        let of = |taps: &Vec<[usize; 4]>, k: usize| {
            let values = taps.iter().map(|t| x[(t[2] * w + t[3]) * c + k]);
            if mean { values.sum::<f32>() / taps.len() as f32 } else { values.fold(f32::MIN, f32::max) }
        };
        slide
            .outputs([h, w])
            .iter()
            .flat_map(|taps| (0..c).map(|k| of(taps, k)).collect::<Vec<_>>())
            .collect()
    })
}

pub(crate) fn dense(name: &'static str, from: &[i32], to: &[i32]) -> Case {
    let mut m = Model::default();
    let x = input(&mut m, from);
    let (w, weights) = weights(&mut m, &[5, 12], 0, Weights::Float);
    let y = m.other(F32, to);
    let (relu, keep) = (ActivationFunctionType::RELU, to.len() > 2);
    let args = options!(
        FullyConnectedOptions,
        FullyConnectedOptionsArgs { fused_activation_function: relu, keep_num_dims: keep }
    );
    m.op(B::FULLY_CONNECTED, &[x, w, -1], y, Some(args)).output(y);
    case(name, &m, move |x| {
        let product = |x: &[f32], w: &[f32]| x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>().max(0.0);
        x.chunks_exact(12)
            .flat_map(|x| weights.chunks_exact(12).map(|w| product(x, w)).collect::<Vec<_>>())
            .collect()
    })
}

/// A convolution of 2 × 2 between both changes of blocks: the dilated convolution that it means.
pub(crate) fn dilated(depthwise: bool) -> Case {
    let ([h, w], [pads, crops]) = ([6usize, 7], [[2, 2, 2, 3], [0, 1, 0, 1]]);
    let mut m = Model::default();
    let x = input(&mut m, &[1, h as i32, w as i32, 2]);
    let (size, padding, crop) = (m.ints(&[2], &[2, 2]), m.ints(&[2, 2], &pads), m.ints(&[2, 2], &crops));
    let spread = m.other(F32, &[4, 5, 6, 2]);
    let options = options!(SpaceToBatchNDOptions, SpaceToBatchNDOptionsArgs {});
    m.op(B::SPACE_TO_BATCH_ND, &[x, size, padding], spread, Some(options));
    let dims = if depthwise { [1, 2, 2, 2] } else { [2, 2, 2, 2] };
    let (k, weights) = weights(&mut m, &dims, 0, Weights::Float);
    let result = m.other(F32, &[4, 4, 5, 2]);
    let (code, options) = if depthwise {
        let options = options!(
            DepthwiseConv2DOptions,
            DepthwiseConv2DOptionsArgs {
                padding: Padding::VALID,
                stride_w: 1,
                stride_h: 1,
                depth_multiplier: 1
            }
        );
        (B::DEPTHWISE_CONV_2D, options)
    } else {
        let options =
            options!(Conv2DOptions, Conv2DOptionsArgs { padding: Padding::VALID, stride_w: 1, stride_h: 1 });
        (B::CONV_2D, options)
    };
    let bias = m.floats(&[2], &[0.5, -0.25]);
    m.op(code, &[spread, k, bias], result, Some(options));
    let y = m.other(F32, &[1, 7, 9, 2]);
    let options = options!(BatchToSpaceNDOptions, BatchToSpaceNDOptionsArgs {});
    m.op(B::BATCH_TO_SPACE_ND, &[result, size, crop], y, Some(options)).output(y);
    let name = if depthwise { "BATCH_TO_SPACE_ND depthwise" } else { "SPACE_TO_BATCH_ND" };
    case(name, &m, move |x| {
        let tap = |row: usize, column: usize, c: usize| {
            let (Some(row), Some(column)) = (row.checked_sub(2), column.checked_sub(2)) else { return 0.0 };
            if row < h && column < w { x[(row * w + column) * 2 + c] } else { 0.0 }
        };
        let mut y = Vec::new();
        for (row, column, o) in (0..7 * 9 * 2).map(|i| (i / 18, i / 2 % 9, i % 2)) {
            let taps = (0..4).map(|t| (t / 2, t % 2));
            y.push(
                taps.map(|(ky, kx)| {
                    let at = |c| tap(row + 2 * ky, column + 2 * kx, c);
                    match depthwise {
                        true => at(o) * weights[(ky * 2 + kx) * 2 + o],
                        false => (0..2).map(|c| at(c) * weights[((o * 2 + ky) * 2 + kx) * 2 + c]).sum(),
                    }
                })
                .sum::<f32>()
                    + [0.5, -0.25][o],
            );
        }
        y
    })
}
