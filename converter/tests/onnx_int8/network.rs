//! Quantized networks of one or a few operators: what they compute by the definitions of ONNX, and their files in both
//! styles, between QuantizeLinear and DequantizeLinear and with operators over integers.

use crate::builder::{Model, Random, float, int, ints};
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

/// Scale and zero point, as int8.
pub(crate) type Q = (f32, i32);

/// Where a file has its scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// QuantizeLinear and DequantizeLinear around float operators.
    Qdq,
    /// QLinear operators.
    Operators,
}

/// A constant of integers: one scale or one per output.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    pub(crate) dims: Vec<i64>,
    pub(crate) values: Vec<i32>,
    pub(crate) scales: Vec<f32>,
    pub(crate) zero: i32,
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Conv { w: Weights, bias: Vec<i32>, stride: i64, pad: i64, groups: i64 },
    MatMul { w: Weights },
    Gemm { w: Weights, bias: Vec<i32> },
    Add,
    Mul,
    AveragePool { k: i64 },
    GlobalAveragePool,
    ReduceMean,
    MaxPool,
    Sigmoid,
    Softmax,
    LeakyRelu,
    Concat,
}

/// An operator, the tensors that it reads, and its output's scale. Tensor 0 is the input, the others follow in order.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) inputs: Vec<usize>,
    pub(crate) y: Q,
}

#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) shape: Vec<usize>,
    pub(crate) x: Q,
    pub(crate) nodes: Vec<Node>,
    /// Whether activations are uint8 in the file.
    pub(crate) unsigned: bool,
}

/// Reals in NCHW order.
pub(crate) struct Reals {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

impl Network {
    pub(crate) fn quant(&self, t: usize) -> Q {
        if t == 0 { self.x } else { self.nodes[t - 1].y }
    }

    /// The output in steps of its scale, before it is rounded and held inside int8.
    pub(crate) fn expected(&self, input: &[i8]) -> Reals {
        let real = |(s, z): Q, v: f64| (v - f64::from(z)) * f64::from(s);
        let values = input.iter().map(|&v| real(self.x, v.into())).collect();
        let mut tensors = vec![Reals { shape: self.shape.clone(), values }];
        for (at, node) in self.nodes.iter().enumerate() {
            let inputs: Vec<_> = node.inputs.iter().map(|&t| (&tensors[t], self.quant(t))).collect();
            let Reals { shape, values } = apply(&node.op, &inputs);
            let (scale, zero) = node.y;
            let steps: Vec<f64> = values.iter().map(|v| v / f64::from(scale) + f64::from(zero)).collect();
            if at + 1 == self.nodes.len() {
                return Reals { shape, values: steps };
            }
            let values =
                steps.iter().map(|v| real(node.y, v.round_ties_even().clamp(-128.0, 127.0))).collect();
            tensors.push(Reals { shape, values });
        }
        tensors.remove(0)
    }

    /// The file.
    pub(crate) fn file(&self, style: Style) -> Model {
        let mut m = Model::new(13);
        let shape: Vec<i64> = self.shape.iter().map(|&d| d as i64).collect();
        m.input("x", &shape);
        self.scale(&mut m, "q0", self.x);
        m.node("QuantizeLinear", &["x", "q0_s", "q0_z"], "q0", &[]);
        for (at, node) in self.nodes.iter().enumerate() {
            let name = format!("q{}", at + 1);
            self.scale(&mut m, &name, node.y);
            match style {
                Style::Qdq => self.between(&mut m, node, &name),
                Style::Operators => self.over_integers(&mut m, node, &name),
            }
        }
        let last = format!("q{}", self.nodes.len());
        let [s, z] = ["s", "z"].map(|p| format!("{last}_{p}"));
        m.node("DequantizeLinear", &[&last, &s, &z], "y", &[]).output("y");
        m
    }

    fn scale(&self, m: &mut Model, name: &str, (scale, zero): Q) {
        m.floats(&format!("{name}_s"), &[], &[scale]);
        let (kind, zero) = if self.unsigned { (DataType::Uint8, zero + 128) } else { (DataType::Int8, zero) };
        integers(m, &format!("{name}_z"), kind, &[], &[zero]);
    }

    /// A float operator; its inputs are dequantized and its output quantized.
    fn between(&self, m: &mut Model, node: &Node, name: &str) {
        let dequantized = |m: &mut Model, q: &str, y: &str, axis: i64| {
            let [s, z] = ["s", "z"].map(|p| format!("{q}_{p}"));
            m.node("DequantizeLinear", &[q, &s, &z], y, &[int("axis", axis)]);
            y.to_owned()
        };
        let mut inputs = Vec::new();
        for (i, t) in node.inputs.iter().enumerate() {
            inputs.push(dequantized(m, &format!("q{t}"), &format!("{name}_in{i}"), 1));
        }
        let (op, attributes) = float_operator(&node.op);
        if let Some((w, bias)) = layer(&node.op) {
            let axis = i64::from(matches!(node.op, Op::MatMul { .. } | Op::Gemm { .. }));
            weights(m, &format!("{name}_w"), w);
            inputs.push(dequantized(m, &format!("{name}_w"), &format!("{name}_wf"), axis));
            if !bias.is_empty() {
                let b = format!("{name}_b");
                let scales: Vec<f32> = w.scales.iter().map(|s| s * self.quant(node.inputs[0]).0).collect();
                m.floats(&format!("{b}_s"), &dims_of(&scales), &scales);
                let zeros = vec![0; scales.len()];
                integers(m, &format!("{b}_z"), DataType::Int32, &dims_of(&scales), &zeros);
                integers(m, &b, DataType::Int32, &[bias.len() as i64], bias);
                inputs.push(dequantized(m, &b, &format!("{b}f"), 0));
            }
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let real = format!("{name}_real");
        m.node(op, &inputs, &real, &attributes);
        let [s, z] = ["s", "z"].map(|p| format!("{name}_{p}"));
        m.node("QuantizeLinear", &[&real, &s, &z], name, &[]);
    }

    /// An operator over integers.
    fn over_integers(&self, m: &mut Model, node: &Node, name: &str) {
        let trio = |q: &str| ["", "_s", "_z"].map(|p| format!("{q}{p}"));
        let y = &trio(name)[1..];
        let mut inputs: Vec<String> = node.inputs.iter().flat_map(|t| trio(&format!("q{t}"))).collect();
        let (float, mut attributes) = float_operator(&node.op);
        let op = match node.op {
            Op::MaxPool => {
                inputs.truncate(1);
                float.to_owned()
            }
            Op::Gemm { .. } => "QGemm".to_owned(),
            _ => format!("QLinear{float}"),
        };
        if let Some((w, bias)) = layer(&node.op) {
            let w_name = format!("{name}_w");
            weights(m, &w_name, w);
            inputs.extend(trio(&w_name));
            let b = if bias.is_empty() { String::new() } else { format!("{name}_b") };
            if !bias.is_empty() {
                integers(m, &b, DataType::Int32, &[bias.len() as i64], bias);
            }
            match node.op {
                Op::Gemm { .. } => inputs.extend([b, y[0].clone(), y[1].clone()]),
                Op::MatMul { .. } => inputs.extend(y.to_vec()),
                _ => inputs.extend([y[0].clone(), y[1].clone(), b]),
            }
        } else if matches!(node.op, Op::Concat) {
            inputs.splice(0..0, y.to_vec());
        } else if node.op.requantizes() {
            inputs.extend(y.to_vec());
        }
        if matches!(node.op, Op::Softmax) {
            attributes.push(int("opset", 13));
        }
        if matches!(node.op, Op::GlobalAveragePool) {
            attributes.push(int("channels_last", 0));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        m.node(&op, &inputs, name, &attributes);
        if !["MaxPool", "QLinearConv", "QLinearMatMul"].contains(&op.as_str()) {
            m.graph().node.last_mut().expect("a node").domain = "com.microsoft".into();
            if m.proto.opset_import.len() < 2 {
                let own = tract_onnx::pb::OperatorSetIdProto { domain: "com.microsoft".into(), version: 1 };
                m.proto.opset_import.push(own);
            }
        }
    }
}

impl Op {
    /// Whether its output has a scale of its own in a file of operators over integers.
    pub(crate) fn requantizes(&self) -> bool {
        !matches!(self, Op::MaxPool)
    }
}

fn layer(op: &Op) -> Option<(&Weights, &[i32])> {
    match op {
        Op::Conv { w, bias, .. } | Op::Gemm { w, bias } => Some((w, bias)),
        Op::MatMul { w } => Some((w, &[])),
        _ => None,
    }
}

fn float_operator(op: &Op) -> (&'static str, Vec<tract_onnx::pb::AttributeProto>) {
    match *op {
        Op::Conv { ref w, stride, pad, groups, .. } => {
            let kernel = ints("kernel_shape", &w.dims[2..]);
            let (strides, pads) = (ints("strides", &[stride; 2]), ints("pads", &[pad; 4]));
            ("Conv", vec![kernel, strides, pads, int("group", groups)])
        }
        Op::MatMul { .. } => ("MatMul", vec![]),
        Op::Gemm { .. } => ("Gemm", vec![float("alpha", 1.0)]),
        Op::Add => ("Add", vec![]),
        Op::Mul => ("Mul", vec![]),
        Op::AveragePool { k } => {
            ("AveragePool", vec![ints("kernel_shape", &[k; 2]), ints("strides", &[k; 2])])
        }
        Op::GlobalAveragePool => ("GlobalAveragePool", vec![]),
        Op::ReduceMean => ("ReduceMean", vec![ints("axes", &[2, 3]), int("keepdims", 1)]),
        Op::MaxPool => ("MaxPool", vec![ints("kernel_shape", &[2; 2]), ints("strides", &[2; 2])]),
        Op::Sigmoid => ("Sigmoid", vec![]),
        Op::Softmax => ("Softmax", vec![int("axis", -1)]),
        Op::LeakyRelu => ("LeakyRelu", vec![float("alpha", 0.1)]),
        Op::Concat => ("Concat", vec![int("axis", 1)]),
    }
}

fn dims_of(scales: &[f32]) -> Vec<i64> {
    if scales.len() == 1 { vec![] } else { vec![scales.len() as i64] }
}

/// Weights with their scales and zero points: uint8 where the zero point is not 0.
fn weights(m: &mut Model, name: &str, w: &Weights) {
    let unsigned = w.zero != 0;
    let (kind, shift) = if unsigned { (DataType::Uint8, 128) } else { (DataType::Int8, 0) };
    let stored: Vec<i32> = w.values.iter().map(|v| v + w.zero + shift).collect();
    integers(m, name, kind, &w.dims, &stored);
    m.floats(&format!("{name}_s"), &dims_of(&w.scales), &w.scales);
    integers(m, &format!("{name}_z"), kind, &dims_of(&w.scales), &vec![w.zero + shift; w.scales.len()]);
}

pub(crate) fn integers(m: &mut Model, name: &str, kind: DataType, dims: &[i64], values: &[i32]) {
    let bytes = |v: &i32| match kind {
        DataType::Int32 => v.to_le_bytes().to_vec(),
        _ => vec![*v as u8],
    };
    m.graph().initializer.push(TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: kind as i32,
        raw_data: values.iter().flat_map(bytes).collect(),
        ..TensorProto::default()
    });
}

/// Random weights: per channel or not, with a zero point or not.
pub(crate) fn random_weights(r: &mut Random, dims: &[i64], outputs: usize, zero: i32) -> Weights {
    let n = dims.iter().product::<i64>() as usize;
    let per_channel = zero == 0 && r.below(2) == 0;
    // Small enough that ONNX Runtime's 16-bit sums of two products do not saturate on AVX2.
    let values = (0..n).map(|_| r.below(128) as i32 - 64).collect();
    let scales =
        (0..if per_channel { outputs } else { 1 }).map(|_| 0.004 + 0.001 * r.float().abs()).collect();
    Weights { dims: dims.to_vec(), values, scales, zero }
}

/// One operator over reals.
fn apply(op: &Op, x: &[(&Reals, Q)]) -> Reals {
    let (first, _) = x[0];
    let map = |f: &dyn Fn(f64) -> f64| Reals {
        shape: first.shape.clone(),
        values: first.values.iter().map(|&v| f(v)).collect(),
    };
    let pairs = |f: &dyn Fn(f64, f64) -> f64| Reals {
        shape: first.shape.clone(),
        values: first.values.iter().zip(&x[1].0.values).map(|(&a, &b)| f(a, b)).collect(),
    };
    let x_scale = f64::from(x[0].1.0);
    let weight = |w: &Weights, o: usize, i: usize| {
        let scale = if w.scales.len() == 1 { w.scales[0] } else { w.scales[o] };
        (f64::from(w.values[i]) * f64::from(scale), f64::from(scale))
    };
    match op {
        Op::Conv { w, bias, stride, pad, groups } => conv(first, x_scale, w, bias, [*stride, *pad, *groups]),
        Op::MatMul { w } | Op::Gemm { w, .. } => {
            let (k, n) = (w.dims[0] as usize, w.dims[1] as usize);
            let mut values = Vec::new();
            for row in first.values.chunks_exact(k) {
                for o in 0..n {
                    let sum: f64 = (0..k).map(|i| row[i] * weight(w, o, i * n + o).0).sum();
                    let bias = layer(op).map_or(0, |(_, b)| b.get(o).copied().unwrap_or(0));
                    values.push(sum + f64::from(bias) * x_scale * weight(w, o, 0).1);
                }
            }
            let mut shape = first.shape.clone();
            *shape.last_mut().expect("columns") = n;
            Reals { shape, values }
        }
        Op::Add => pairs(&|a, b| a + b),
        Op::Mul => pairs(&|a, b| a * b),
        Op::Sigmoid => map(&|v| 1.0 / (1.0 + (-v).exp())),
        Op::Softmax => {
            let rows = first.values.chunks_exact(*first.shape.last().expect("columns"));
            let row = |row: &[f64]| {
                let sum: f64 = row.iter().map(|v| v.exp()).sum();
                row.iter().map(|v| v.exp() / sum).collect::<Vec<_>>()
            };
            Reals { shape: first.shape.clone(), values: rows.flat_map(row).collect() }
        }
        Op::LeakyRelu => map(&|v| if v < 0.0 { f64::from(0.1f32) * v } else { v }),
        Op::AveragePool { k } => pool(first, *k as usize, &|w| w.iter().sum::<f64>() / w.len() as f64),
        Op::GlobalAveragePool | Op::ReduceMean => {
            pool(first, first.shape[2], &|w| w.iter().sum::<f64>() / w.len() as f64)
        }
        Op::MaxPool => pool(first, 2, &|w| w.iter().fold(f64::MIN, |m, &v| m.max(v))),
        Op::Concat => {
            let mut shape = first.shape.clone();
            shape[1] = x.iter().map(|(x, _)| x.shape[1]).sum();
            Reals { shape, values: x.iter().flat_map(|(x, _)| x.values.clone()).collect() }
        }
    }
}

/// Square windows beside each other.
fn pool(x: &Reals, k: usize, f: &dyn Fn(&[f64]) -> f64) -> Reals {
    let &[n, c, h, w] = &x.shape[..] else { panic!("an image") };
    let mut values = Vec::new();
    for (plane, oy, ox) in
        (0..n * c).flat_map(|p| (0..h / k).flat_map(move |y| (0..w / k).map(move |x| (p, y, x))))
    {
        let taps: Vec<f64> =
            (0..k * k).map(|t| x.values[(plane * h + oy * k + t / k) * w + ox * k + t % k]).collect();
        values.push(f(&taps));
    }
    Reals { shape: vec![n, c, h / k, w / k], values }
}

fn conv(x: &Reals, x_scale: f64, w: &Weights, bias: &[i32], [stride, pad, groups]: [i64; 3]) -> Reals {
    let &[1, c, h, width] = &x.shape[..] else { panic!("an image") };
    let &[o, own, k, _] = &w.dims[..] else { panic!("weights") };
    let (o, own, k, groups) = (o as usize, own as usize, k as usize, groups as usize);
    assert_eq!(own * groups, c);
    let out = |d: usize| (d as i64 + 2 * pad - k as i64) as usize / stride as usize + 1;
    let mut values = Vec::new();
    for (f, oy, ox) in
        (0..o).flat_map(|f| (0..out(h)).flat_map(move |y| (0..out(width)).map(move |x| (f, y, x))))
    {
        let scale = f64::from(if w.scales.len() == 1 { w.scales[0] } else { w.scales[f] });
        let mut sum = f64::from(bias.get(f).copied().unwrap_or(0)) * x_scale * scale;
        for (ch, t) in (0..own).flat_map(|ch| (0..k * k).map(move |t| (ch, t))) {
            let iy = (oy as i64 * stride - pad) + (t / k) as i64;
            let ix = (ox as i64 * stride - pad) + (t % k) as i64;
            if (0..h as i64).contains(&iy) && (0..width as i64).contains(&ix) {
                let plane = f / (o / groups) * own + ch;
                let value = x.values[(plane * h + iy as usize) * width + ix as usize];
                sum += value * f64::from(w.values[(f * own + ch) * k * k + t]) * scale;
            }
        }
        values.push(sum);
    }
    Reals { shape: vec![1, o, out(h), out(width)], values }
}
