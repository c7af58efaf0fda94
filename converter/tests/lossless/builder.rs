//! Puts quantized programs together, with weights that are the same on every run, and runs them.

use mote_converter::encode::{Metadata, encode};
use mote_converter::plan::plan;
use mote_converter::program::{Operand, Program, State, Step, Tensor};
use mote_format::{
    Add, AlignedBytes, AvgPool2d, Clamp, Concat, Conv2d, Conv2dAsymmetric, DType, DepthwiseConv2d,
    DepthwiseConv2dAsymmetric, FullyConnected, FullyConnectedAsymmetric, Lut, MaxPool2d, Maximum, Minimum,
    Mul, Op, Pad, Pads, Quant, Requant, Requantize, Reshape, Rounding, Scale, Shape, Stride, SumPool2d,
    Transpose,
};
use mote_kernels::quant::scale_of;
use mote_kernels::table::Kernels;
use mote_runtime::{Model, Session};

/// Knuth's MMIX generator.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    pub(crate) fn i8(&mut self) -> i8 {
        self.below(256) as u8 as i8
    }

    /// One time in `n`.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Weights `[out][tap][in]` and biases of a layer before they are stored.
pub(crate) struct Draft {
    pub(crate) weights: Vec<i8>,
    /// Without the zero point's part.
    pub(crate) bias: Vec<i32>,
    /// Zero point of the weights.
    pub(crate) zero: i8,
    outputs: usize,
    row: usize,
}

impl Draft {
    /// The weights of one output for one of its inputs.
    pub(crate) fn each(&mut self, o: usize, c: usize) -> impl Iterator<Item = &mut i8> {
        let run = self.weights.len() / self.outputs;
        self.weights[o * run..(o + 1) * run].iter_mut().skip(c).step_by(self.row)
    }

    /// Output `o` is the same whatever the input.
    pub(crate) fn constant(&mut self, o: usize, bias: i32) {
        let zero = self.zero;
        (0..self.row).for_each(|c| self.each(o, c).for_each(|w| *w = zero));
        self.bias[o] = bias;
    }

    /// Nothing reads input `c`.
    pub(crate) fn unread(&mut self, c: usize) {
        let zero = self.zero;
        (0..self.outputs).for_each(|o| self.each(o, c).for_each(|w| *w = zero));
    }
}

/// A network under construction; tensors are indices.
pub(crate) struct Net {
    pub(crate) program: Program,
    pub(crate) random: Random,
}

impl Net {
    pub(crate) fn new(seed: u64, dims: &[u32]) -> Self {
        let mut net = Self { program: Program::default(), random: Random(seed) };
        let input = net.tensor(dims);
        net.program.tensors.push(Tensor { name: "input".into(), ..input });
        net.program.inputs = 1;
        net
    }

    /// A tensor at a scale of its own; its zero point is sometimes that of values which are never negative.
    pub(crate) fn tensor(&mut self, dims: &[u32]) -> Tensor {
        let zero = if self.random.once_in(2) { -128 } else { i32::from(self.random.i8()) / 2 };
        let quant = Quant { scale: 0.05, zero };
        let shape = Shape::new(dims).expect("a shape");
        Tensor { name: "t".into(), dtype: DType::I8, shape, quant, value: None }
    }

    /// A tensor that keeps its value; comes before all steps.
    pub(crate) fn state(&mut self, dims: &[u32]) -> usize {
        let state = self.tensor(dims);
        self.program.tensors.push(Tensor { name: "state".into(), ..state });
        self.program.states.push(State { next: self.program.tensors.len() - 1, initial: None });
        self.program.tensors.len() - 1
    }

    pub(crate) fn dims(&self, t: usize) -> Vec<u32> {
        self.program.tensors[t].shape.dims().to_vec()
    }

    pub(crate) fn channels(&self, t: usize) -> usize {
        self.program.tensors[t].shape.channels()
    }

    /// Appends a step whose output has its own scale.
    pub(crate) fn push(&mut self, op: Op, inputs: &[Operand], dims: &[u32]) -> usize {
        let tensor = self.tensor(dims);
        let step = Step { node: format!("node {}", self.program.steps.len()), op, inputs: inputs.to_vec() };
        self.program.push(step, tensor)
    }

    /// Appends a step whose output has the scale of its first input.
    pub(crate) fn push_alike(&mut self, op: Op, inputs: &[usize], dims: &[u32]) -> usize {
        let operands: Vec<_> = inputs.iter().map(|&t| Operand::Arena(t)).collect();
        let y = self.push(op, &operands, dims);
        self.program.tensors[y].quant = self.program.tensors[inputs[0]].quant;
        y
    }

    fn rounding(&mut self) -> Rounding {
        [Rounding::Single, Rounding::Double, Rounding::Float][self.random.below(3)]
    }

    /// Biases with the zero point's part, and multipliers that bring the sums to the range of int8.
    fn store(&mut self, x: usize, draft: &Draft) -> (Vec<i32>, Requant) {
        let zero = self.program.tensors[x].quant.zero;
        let run = draft.weights.len() / draft.outputs;
        let sums = draft
            .weights
            .chunks_exact(run)
            .map(|w| w.iter().map(|&w| i32::from(w) - i32::from(draft.zero)).sum::<i32>());
        let bias = sums.zip(&draft.bias).map(|(sum, bias)| bias - zero * sum).collect();
        let round = self.rounding();
        let real = |r: &mut Random| (0.5 + r.below(100) as f64 / 50.0) / (64.0 * (run as f64).sqrt());
        let reals: Vec<f64> = (0..draft.outputs).map(|_| real(&mut self.random)).collect();
        let scales: Vec<Scale> = reals
            .iter()
            .map(|&r| match round {
                Rounding::Float => Scale { mult: (r as f32).to_bits() as i32, shift: 0 },
                _ => scale_of(r),
            })
            .collect();
        let words: Vec<u8> = scales.iter().flat_map(|s| s.mult.to_le_bytes()).collect();
        let shifts: Vec<u8> = scales.iter().map(|s| s.shift as u8).collect();
        let writer = &mut self.program.writer;
        let shift = writer.constant(if round == Rounding::Float { &[] } else { &shifts });
        (bias, Requant { round, mult: writer.constant(&words), shift, min: -128, max: 127 })
    }

    fn draft(&mut self, outputs: usize, taps: usize, row: usize) -> Draft {
        let weights = (0..outputs * taps * row).map(|_| self.random.i8()).collect();
        let bias = (0..outputs).map(|_| self.random.below(2000) as i32 - 1000).collect();
        Draft { weights, bias, zero: 0, outputs, row }
    }

    /// A square convolution with `pad` rows and columns on each side.
    pub(crate) fn conv(
        &mut self,
        x: usize,
        outputs: usize,
        (k, stride, pad): (u16, u8, u16),
        plant: impl FnOnce(&mut Draft, &mut Random),
    ) -> usize {
        let row = self.channels(x);
        let mut draft = self.draft(outputs, usize::from(k * k), row);
        plant(&mut draft, &mut self.random);
        let (bias, requant) = self.store(x, &draft);
        let (weights, bias) = (self.bytes(&draft.weights), self.words(&bias));
        let op = Conv2d {
            kh: k,
            kw: k,
            stride: square(stride),
            dilation: square(1),
            pads: around(pad),
            groups: 1,
            weights,
            bias,
            requant,
        };
        let dims = self.window(x, k, stride, pad, outputs);
        let op = match draft.zero {
            0 => Op::Conv2d(op),
            weight_zero => Op::Conv2dAsymmetric(Conv2dAsymmetric { layer: op, weight_zero }),
        };
        self.push(op, &[Operand::Arena(x)], &dims)
    }

    /// A square depthwise convolution with `times` outputs for each input.
    pub(crate) fn depthwise(
        &mut self,
        x: usize,
        times: usize,
        (k, stride, pad): (u16, u8, u16),
        plant: impl FnOnce(&mut Draft, &mut Random),
    ) -> usize {
        let outputs = self.channels(x) * times;
        let taps = usize::from(k * k);
        let mut draft = self.draft(outputs, taps, 1);
        plant(&mut draft, &mut self.random);
        let (bias, requant) = self.store(x, &draft);
        let turned: Vec<i8> = (0..taps)
            .flat_map(|t| (0..outputs).map(move |o| (t, o)))
            .map(|(t, o)| draft.weights[o * taps + t])
            .collect();
        let (weights, bias) = (self.bytes(&turned), self.words(&bias));
        let (stride_, dilation, pads) = (square(stride), square(1), around(pad));
        let op = DepthwiseConv2d { kh: k, kw: k, stride: stride_, dilation, pads, weights, bias, requant };
        let dims = self.window(x, k, stride, pad, outputs);
        let op = match draft.zero {
            0 => Op::DepthwiseConv2d(op),
            weight_zero => {
                Op::DepthwiseConv2dAsymmetric(DepthwiseConv2dAsymmetric { layer: op, weight_zero })
            }
        };
        self.push(op, &[Operand::Arena(x)], &dims)
    }

    /// A dense layer over the last dimension.
    pub(crate) fn dense(
        &mut self,
        x: usize,
        outputs: usize,
        plant: impl FnOnce(&mut Draft, &mut Random),
    ) -> usize {
        let row = self.channels(x);
        let mut draft = self.draft(outputs, 1, row);
        plant(&mut draft, &mut self.random);
        let (bias, requant) = self.store(x, &draft);
        let (weights, bias) = (self.bytes(&draft.weights), self.words(&bias));
        let mut dims = self.dims(x);
        *dims.last_mut().expect("channels") = outputs as u32;
        let layer = FullyConnected { weights, bias, requant };
        let op = match draft.zero {
            0 => Op::FullyConnected(layer),
            weight_zero => Op::FullyConnectedAsymmetric(FullyConnectedAsymmetric { layer, weight_zero }),
        };
        self.push(op, &[Operand::Arena(x)], &dims)
    }

    pub(crate) fn add(&mut self, a: usize, b: Operand) -> usize {
        let round = if self.random.once_in(2) { Rounding::Single } else { Rounding::Double };
        let half = scale_of(0.05 + self.random.below(50) as f64 / 100.0);
        let op = Add {
            a: half,
            b: scale_of(0.5),
            y: scale_of(1.0 / 1024.0),
            left: 10,
            round,
            min: -128,
            max: 127,
        };
        let dims = self.dims(a);
        self.push(Op::Add(op), &[Operand::Arena(a), b], &dims)
    }

    pub(crate) fn mul(&mut self, a: usize, b: Operand) -> usize {
        let op = Mul { scale: scale_of(0.02), round: Rounding::Single, min: -128, max: 127 };
        let dims = self.dims(a);
        self.push(Op::Mul(op), &[Operand::Arena(a), b], &dims)
    }

    pub(crate) fn extreme(&mut self, a: usize, b: Operand) -> usize {
        let op = if self.random.once_in(2) { Op::Maximum(Maximum {}) } else { Op::Minimum(Minimum {}) };
        let dims = self.dims(a);
        self.push(op, &[Operand::Arena(a), b], &dims)
    }

    /// A constant operand.
    pub(crate) fn constant(&mut self, dims: &[usize]) -> Operand {
        let values: Vec<i8> = (0..dims.iter().product()).map(|_| self.random.i8()).collect();
        self.program.constant("c", dims, Quant { scale: 0.05, zero: 3 }, &values)
    }

    pub(crate) fn max_pool(&mut self, x: usize, pad: u16) -> usize {
        let dims = self.window(x, 2, 1, pad, self.channels(x));
        let op = MaxPool2d { kh: 2, kw: 2, stride: square(1), pads: around(pad), min: -128, max: 127 };
        self.push_alike(Op::MaxPool2d(op), &[x], &dims)
    }

    pub(crate) fn avg_pool(&mut self, x: usize, pad: u16) -> usize {
        let dims = self.window(x, 2, 1, pad, self.channels(x));
        let op =
            AvgPool2d { kh: 2, kw: 2, stride: square(1), pads: around(pad), origin: 0, min: -128, max: 100 };
        self.push_alike(Op::AvgPool2d(op), &[x], &dims)
    }

    pub(crate) fn sum_pool(&mut self, x: usize, pad: u16) -> usize {
        let dims = self.window(x, 2, 1, pad, self.channels(x));
        let (scale, round) = (scale_of(0.3), Rounding::Single);
        let op = SumPool2d {
            kh: 2,
            kw: 2,
            stride: square(1),
            pads: around(pad),
            scale,
            round,
            min: -128,
            max: 127,
        };
        self.push(Op::SumPool2d(op), &[Operand::Arena(x)], &dims)
    }

    pub(crate) fn clamp(&mut self, x: usize, min: i8, max: i8) -> usize {
        let dims = self.dims(x);
        self.push_alike(Op::Clamp(Clamp { min, max }), &[x], &dims)
    }

    pub(crate) fn requantize(&mut self, x: usize, real: f64) -> usize {
        let op = Requantize { scale: scale_of(real), round: Rounding::Double, min: -128, max: 127 };
        let dims = self.dims(x);
        self.push(Op::Requantize(op), &[Operand::Arena(x)], &dims)
    }

    pub(crate) fn lut(&mut self, x: usize) -> usize {
        let table: Vec<i8> = (0..256).map(|_| self.random.i8()).collect();
        let table = self.bytes(&table);
        let dims = self.dims(x);
        self.push(Op::Lut(Lut { table }), &[Operand::Arena(x)], &dims)
    }

    /// A border of one around the image and of `channels` in front of and behind the channels.
    pub(crate) fn pad(&mut self, x: usize, image: u16, channels: u16) -> usize {
        let mut dims = self.dims(x);
        let before = [0, image, image, channels, 0, 0];
        dims.iter_mut().zip(before).for_each(|(d, b)| *d += 2 * u32::from(b));
        let value = self.program.tensors[x].quant.zero as i8;
        self.push_alike(Op::Pad(Pad { before, value }), &[x], &dims)
    }

    pub(crate) fn concat(&mut self, all: &[usize]) -> usize {
        let mut dims = self.dims(all[0]);
        dims[3] = all.iter().map(|&x| self.channels(x) as u32).sum();
        self.push_alike(Op::Concat(Concat { axis: 3 }), all, &dims)
    }

    pub(crate) fn reshape(&mut self, x: usize, dims: &[u32]) -> usize {
        self.push_alike(Op::Reshape(Reshape {}), &[x], dims)
    }

    /// Rows and columns exchanged.
    pub(crate) fn transposed(&mut self, x: usize) -> usize {
        let dims = self.dims(x);
        let op = Op::Transpose(Transpose { perm: [0, 2, 1, 3, 0, 0] });
        self.push_alike(op, &[x], &[dims[0], dims[2], dims[1], dims[3]])
    }

    pub(crate) fn output(mut self, t: usize) -> Program {
        self.program.outputs.push(t);
        self.program
    }

    fn window(&self, x: usize, k: u16, stride: u8, pad: u16, channels: usize) -> Vec<u32> {
        let dims = self.dims(x);
        let length = |x: u32| (x + 2 * u32::from(pad) - u32::from(k)) / u32::from(stride) + 1;
        vec![dims[0], length(dims[1]), length(dims[2]), channels as u32]
    }

    fn bytes(&mut self, values: &[i8]) -> mote_format::Const {
        let bytes: Vec<u8> = values.iter().map(|&v| v as u8).collect();
        self.program.writer.constant(&bytes)
    }

    fn words(&mut self, values: &[i32]) -> mote_format::Const {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.program.writer.constant(&bytes)
    }
}

fn square(n: u8) -> Stride {
    Stride { h: n, w: n }
}

fn around(pad: u16) -> Pads {
    Pads { top: pad, left: pad, bottom: pad, right: pad }
}

/// The model of a program.
pub(crate) fn model(program: &Program) -> AlignedBytes {
    let plan = plan(program, &Default::default()).unwrap_or_else(|e| panic!("{e}"));
    encode(program, &plan, &Metadata::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// Inputs of noise, of one value, of the two extremes, and of ramps, in turn.
pub(crate) fn inputs(seed: u64, length: usize, count: usize) -> Vec<Vec<u8>> {
    let mut random = Random(seed);
    let mut one = |i: usize| {
        let value = random.i8() as u8;
        let mut byte = |j: usize| match i % 4 {
            0 => random.i8() as u8,
            1 => value,
            2 => [0x80, 0x7f][random.below(2)],
            _ => (j / (1 + i / 4)) as u8,
        };
        (0..length).map(&mut byte).collect()
    };
    (0..count).map(&mut one).collect()
}

/// What a model returns for each input.
pub(crate) fn outputs(bytes: &[u8], kernels: &'static Kernels, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let model = Model::new_checked(bytes).unwrap_or_else(|e| panic!("{e}"));
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::with_kernels(&model, &mut arena, kernels).expect("room");
    let mut one = |input: &Vec<u8>| {
        session.input_mut(0).expect("an input").bytes_mut().copy_from_slice(input);
        session.run();
        session.outputs().flat_map(|o| o.bytes().to_vec()).collect()
    };
    inputs.iter().map(&mut one).collect()
}
