//! Layers of real networks, as models of one step: the suites check them, and
//! `benches/layers.rs` times them. A layer that somebody finds slow belongs here.

#![allow(dead_code, reason = "the suites check, the benchmark times")]

use mote_format::*;

use crate::common::builder::{Builder, quant};
use crate::common::noise;

/// What a layer computes; windows and products are padded so that the output has `image / stride` pixels.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Conv,
    Depthwise,
    Dense,
    Sum,
    Max,
    Mean,
}

/// A layer of a network.
#[derive(Clone, Copy)]
pub(crate) struct Layer {
    pub(crate) network: &'static str,
    pub(crate) kind: Kind,
    /// Height, width and channels.
    image: [u32; 3],
    kernel: [u32; 2],
    stride: u32,
    /// Output channels.
    outputs: u32,
}

const fn layer(network: &'static str, kind: Kind, image: [u32; 3], window: [u32; 3], outputs: u32) -> Layer {
    let [height, width, stride] = window;
    Layer { network, kind, image, kernel: [height, width], stride, outputs }
}

/// The layers; windows are height, width and stride.
pub(crate) const LAYERS: &[Layer] = &[
    layer("kws", Kind::Conv, [49, 10, 1], [10, 4, 2], 64),
    layer("kws", Kind::Depthwise, [25, 5, 64], [3, 3, 1], 64),
    layer("kws", Kind::Conv, [25, 5, 64], [1, 1, 1], 64),
    layer("kws", Kind::Mean, [25, 5, 64], [25, 5, 25], 64),
    layer("kws", Kind::Dense, [1, 1, 64], [1, 1, 1], 12),
    layer("vww", Kind::Conv, [96, 96, 3], [3, 3, 2], 8),
    layer("vww", Kind::Depthwise, [48, 48, 8], [3, 3, 1], 8),
    layer("vww", Kind::Depthwise, [48, 48, 16], [3, 3, 2], 16),
    layer("vww", Kind::Conv, [48, 48, 8], [1, 1, 1], 16),
    layer("vww", Kind::Conv, [6, 6, 128], [1, 1, 1], 128),
    layer("ic", Kind::Conv, [32, 32, 3], [3, 3, 1], 16),
    layer("ic", Kind::Conv, [32, 32, 16], [3, 3, 1], 16),
    layer("ic", Kind::Conv, [16, 16, 32], [3, 3, 1], 32),
    layer("ic", Kind::Conv, [32, 32, 16], [1, 1, 2], 32),
    layer("ic", Kind::Sum, [32, 32, 16], [1, 1, 1], 16),
    layer("ad", Kind::Dense, [1, 1, 640], [1, 1, 1], 128),
    layer("ad", Kind::Dense, [1, 1, 8], [1, 1, 1], 128),
    layer("ad", Kind::Dense, [1, 1, 128], [1, 1, 1], 640),
    layer("mobilenet_v2", Kind::Conv, [224, 224, 3], [3, 3, 2], 32),
    layer("mobilenet_v2", Kind::Conv, [56, 56, 24], [1, 1, 1], 144),
    layer("mobilenet_v2", Kind::Depthwise, [56, 56, 144], [3, 3, 1], 144),
    layer("mobilenet_v2", Kind::Depthwise, [56, 56, 144], [3, 3, 2], 144),
    layer("mobilenet_v2", Kind::Conv, [14, 14, 576], [1, 1, 1], 96),
    layer("mobilenet_v2", Kind::Conv, [7, 7, 320], [1, 1, 1], 1280),
    layer("mobilenet_v2", Kind::Dense, [1, 1, 1280], [1, 1, 1], 1000),
    layer("resnet18", Kind::Conv, [224, 224, 3], [7, 7, 2], 64),
    layer("resnet18", Kind::Max, [112, 112, 64], [3, 3, 2], 64),
    layer("resnet18", Kind::Conv, [56, 56, 64], [3, 3, 1], 64),
    layer("resnet18", Kind::Conv, [28, 28, 128], [3, 3, 2], 256),
    layer("resnet18", Kind::Conv, [7, 7, 512], [3, 3, 1], 512),
    layer("resnet18", Kind::Sum, [28, 28, 128], [1, 1, 1], 128),
    layer("yolov8n", Kind::Conv, [40, 40, 80], [3, 3, 1], 80),
    layer("yolov8n", Kind::Max, [10, 10, 128], [5, 5, 1], 128),
];

impl Layer {
    /// The same over the uppermost rows of the image.
    pub(crate) fn rows(self, most: u32) -> Self {
        let [h, w, c] = self.image;
        let least = if self.kind == Kind::Mean { h } else { self.kernel[0] };
        Self { image: [h.min(most.max(least)), w, c], ..self }
    }

    /// Rows, columns and channels of the output.
    fn output(self) -> [u32; 3] {
        let [h, w, _] = self.image;
        match self.kind {
            Kind::Mean => [1, 1, self.outputs],
            _ => [h.div_ceil(self.stride), w.div_ceil(self.stride), self.outputs],
        }
    }

    /// Products of an inference, or elements that are read where there are none.
    pub(crate) fn work(self) -> u64 {
        let [h, w, c] = self.image.map(u64::from);
        let outputs: u64 = self.output().map(u64::from).iter().product();
        let taps = u64::from(self.kernel[0] * self.kernel[1]);
        match self.kind {
            Kind::Conv => outputs * taps * c,
            Kind::Depthwise => outputs * taps,
            Kind::Dense => outputs * c,
            Kind::Sum | Kind::Max | Kind::Mean => h * w * c,
        }
    }

    /// As `conv 56x56x24 1x1/1 144`.
    pub(crate) fn name(self) -> String {
        let kind = match self.kind {
            Kind::Conv => "conv",
            Kind::Depthwise => "depthwise",
            Kind::Dense => "dense",
            Kind::Sum => "sum",
            Kind::Max => "max",
            Kind::Mean => "mean",
        };
        let ([h, w, c], [kh, kw]) = (self.image, self.kernel);
        format!("{kind} {h}x{w}x{c} {kh}x{kw}/{} {}", self.stride, self.outputs)
    }

    /// A model of the layer, and the bytes of its inputs.
    pub(crate) fn step(self, round: Rounding) -> (Builder, Vec<Option<Vec<u8>>>) {
        let mut b = Builder::default();
        let ([h, w, c], y) = (self.image, self.output());
        let shape = |[h, w, c]: [u32; 3]| match self.kind {
            Kind::Dense => vec![1, c],
            _ => vec![1, h, w, c],
        };
        let (x_dims, y_dims) = (shape([h, w, c]), shape(y));
        let inputs: Vec<u16> = ["a", "b"][..if self.kind == Kind::Sum { 2 } else { 1 }]
            .iter()
            .map(|name| b.input(name, DType::I8, &x_dims, quant(0.1, -3)))
            .collect();
        let op = self.op(&mut b, round);
        let shape = |dims: &[u32]| Shape::new(dims).expect("small");
        let scratch = mote_kernels::table::scratch(&op, &shape(&x_dims), &shape(&y_dims)) as u32;
        let output = b.step(op, &inputs, (DType::I8, &y_dims, quant(0.1, 5)), scratch);
        b.output(output);
        let bytes = (h * w * c) as usize;
        (b, (0..).zip(&inputs).map(|(i, _)| Some(noise(i, bytes))).collect())
    }

    /// The operator; sums of random products fill int8 about evenly.
    fn op(self, b: &mut Builder, round: Rounding) -> Op {
        let [kh, kw] = self.kernel.map(|k| k as u16);
        let stride = Stride { h: self.stride as u8, w: self.stride as u8 };
        let dilation = Stride { h: 1, w: 1 };
        let pads = self.pads();
        let (min, max) = (-128, 127);
        let depth = if self.kind == Kind::Depthwise { 1 } else { self.image[2] };
        let length = depth * self.kernel[0] * self.kernel[1];
        match self.kind {
            Kind::Conv | Kind::Depthwise | Kind::Dense => {
                let weights = b.i8s(&noise(7, (length * self.outputs) as usize));
                let biases: Vec<i32> =
                    noise(8, self.outputs as usize).iter().map(|&v| i32::from(v)).collect();
                let bias = b.i32s(&biases);
                let requant = self.requant(b, round, 6 + length.ilog2() as i32 / 2);
                match self.kind {
                    Kind::Conv => Op::Conv2d(Conv2d {
                        kh,
                        kw,
                        stride,
                        dilation,
                        pads,
                        groups: 1,
                        weights,
                        bias,
                        requant,
                    }),
                    Kind::Depthwise => {
                        let layer =
                            DepthwiseConv2d { kh, kw, stride, dilation, pads, weights, bias, requant };
                        Op::DepthwiseConv2d(layer)
                    }
                    _ => Op::FullyConnected(FullyConnected { weights, bias, requant }),
                }
            }
            Kind::Max => Op::MaxPool2d(MaxPool2d { kh, kw, stride, pads, min, max }),
            Kind::Mean => {
                let scale = one(round, -6);
                Op::SumPool2d(SumPool2d { kh, kw, stride, pads, scale, round, min, max })
            }
            Kind::Sum => {
                // Sums have integer profiles only.
                let round = if round == Rounding::Float { Rounding::Single } else { round };
                let (a, y) = (one(round, -1), one(round, -15));
                Op::Add(Add { a, b: a, y, left: 16, round, min, max })
            }
        }
    }

    /// As many rows and columns as the last windows need, half of them in front.
    fn pads(self) -> Pads {
        let [h, w, _] = self.image;
        let pad = |size: u32, kernel: u32| match self.kind {
            Kind::Mean => 0,
            _ => ((size.div_ceil(self.stride) - 1) * self.stride + kernel).saturating_sub(size),
        };
        let [rows, columns] = [pad(h, self.kernel[0]), pad(w, self.kernel[1])];
        let half = |n: u32| ((n / 2) as u8, (n - n / 2) as u8);
        let ((top, bottom), (left, right)) = (half(rows), half(columns));
        Pads { top: top.into(), left: left.into(), bottom: bottom.into(), right: right.into() }
    }

    /// Multipliers a little apart from each other, of about `2^-bits`.
    fn requant(self, b: &mut Builder, round: Rounding, bits: i32) -> Requant {
        let scales: Vec<Scale> = (0..self.outputs as i32)
            .map(|i| match round {
                Rounding::Float => Scale { mult: one(round, -bits).mult + (i << 12), shift: 0 },
                _ => Scale { mult: (1 << 30) + (i << 16), shift: 1 - bits as i8 },
            })
            .collect();
        let mult: Vec<i32> = scales.iter().map(|s| s.mult).collect();
        let shift: Vec<i8> = scales.iter().map(|s| s.shift).collect();
        b.requant(round, &mult, &shift)
    }
}

/// `2^power`.
fn one(round: Rounding, power: i32) -> Scale {
    match round {
        Rounding::Float => Scale { mult: 2f32.powi(power).to_bits() as i32, shift: 0 },
        _ => Scale { mult: 1 << 30, shift: power as i8 + 1 },
    }
}
