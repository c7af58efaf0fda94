//! ONNX models that are quantized already: what comes out is what the definitions of ONNX say, to the last step, with the
//! file's own scales and integers.

#[path = "../front/builder.rs"]
#[allow(dead_code)]
mod builder;
mod dynamic;
mod network;
mod refusals;
#[path = "../../../tests/peers/onnxruntime.rs"]
mod runtime;

use builder::Random;
use mote_converter::convert::{Converted, Options, convert};
use mote_converter::error::Result;
use mote_converter::quantize::Calibration;
use mote_kernels::table::Kernels;
use mote_runtime::{Model, Session};
use network::{Network, Node, Op, Style, random_weights};
use std::path::Path;

fn converted(path: &Path, calib: Option<&Path>) -> Result<Converted> {
    let options =
        Options { calib: calib.map(Path::to_owned), calibration: Calibration::MinMax, ..Options::default() };
    convert(path, &options)
}

fn file(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("net.onnx");
    std::fs::write(&path, bytes).expect("room");
    (folder, path)
}

/// Channels last, or back.
fn turned(values: &[i8], shape: &[usize], to_last: bool) -> Vec<i8> {
    let &[n, c, h, w] = shape else { return values.to_vec() };
    let mut out = vec![0; values.len()];
    for i in 0..n * c * h * w {
        let (x, y, ch, b) = (i % w, i / w % h, i / w / h % c, i / w / h / c);
        let last = ((b * h + y) * w + x) * c + ch;
        if to_last { out[last] = values[i] } else { out[i] = values[last] }
    }
    out
}

/// What a model makes of int8 values in the order of ONNX.
fn run(bytes: &[u8], shape: &[usize], out: &[usize], input: &[i8]) -> Vec<i8> {
    let model = Model::new_checked(bytes).unwrap_or_else(|e| panic!("{e}"));
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::with_kernels(&model, &mut arena, Kernels::best()).expect("room");
    let given: Vec<u8> = turned(input, shape, true).iter().map(|&v| v as u8).collect();
    session.input_mut(0).expect("an input").bytes_mut().copy_from_slice(&given);
    session.run();
    let output = session.output(0).expect("an output");
    let values: Vec<i8> = output.bytes().iter().map(|&b| b as i8).collect();
    turned(&values, out, false)
}

/// A network of one operator over an image of three channels, or over rows of twelve.
fn single(r: &mut Random, kind: usize, unsigned: bool) -> Network {
    let q = |r: &mut Random, scale: f32| (scale * (1.0 + r.float().abs()), r.below(200) as i32 - 100);
    let (image, rows) = (vec![1, 3, 6, 6], vec![2, 12]);
    let x = q(r, 0.02);
    let bias = |r: &mut Random, n: usize| (0..n).map(|_| r.below(4000) as i32 - 2000).collect::<Vec<_>>();
    let zero = if unsigned { 21 } else { 0 };
    let (shape, op) = match kind {
        0 => {
            let w = random_weights(r, &[5, 3, 3, 3], 5, 0);
            (image, Op::Conv { w, bias: bias(r, 5), stride: 1, pad: 1, groups: 1 })
        }
        1 => {
            let w = random_weights(r, &[4, 3, 3, 3], 4, zero);
            (image, Op::Conv { w, bias: vec![], stride: 2, pad: 0, groups: 1 })
        }
        2 => {
            let w = random_weights(r, &[3, 1, 3, 3], 3, zero);
            (image, Op::Conv { w, bias: bias(r, 3), stride: 1, pad: 1, groups: 3 })
        }
        3 => (rows, Op::MatMul { w: random_weights(r, &[12, 5], 5, zero) }),
        4 => (rows, Op::Gemm { w: random_weights(r, &[12, 4], 4, 0), bias: bias(r, 4) }),
        5 => (image, Op::Add),
        6 => (image, Op::Mul),
        7 => (image, Op::AveragePool { k: 2 }),
        8 => (image, Op::GlobalAveragePool),
        9 => (image, Op::MaxPool),
        10 => (image, Op::Sigmoid),
        11 => (image, Op::LeakyRelu),
        12 => (image, Op::ReduceMean),
        13 => (rows, Op::Softmax),
        _ => (image, Op::Concat),
    };
    // Two inputs: the second is a pooled or scaled one, so that it has another scale.
    let two = matches!(op, Op::Add | Op::Mul | Op::Concat);
    let mut nodes = Vec::new();
    if two {
        nodes.push(Node { op: Op::LeakyRelu, inputs: vec![0], y: q(r, 0.03) });
    }
    let y = match op {
        Op::MaxPool => x,
        Op::Sigmoid | Op::Softmax => (1.0 / 256.0, -128),
        Op::Conv { .. } | Op::MatMul { .. } | Op::Gemm { .. } => q(r, 0.06),
        _ => q(r, 0.03),
    };
    nodes.push(Node { op, inputs: if two { vec![0, 1] } else { vec![0] }, y });
    Network { shape, x, nodes, unsigned }
}

/// Values of int8 in all their range.
fn noise(r: &mut Random, shape: &[usize]) -> Vec<i8> {
    (0..shape.iter().product()).map(|_| r.below(256) as u8 as i8).collect()
}

#[test]
fn every_operator_rounds_as_its_definition_says() {
    for (kind, seed, unsigned) in
        (0..15).flat_map(|k| (0..3).flat_map(move |s| [false, true].map(|u| (k, s, u))))
    {
        let mut r = Random::new(100 * kind as u64 + seed);
        let network = single(&mut r, kind, unsigned);
        for style in [Style::Qdq, Style::Operators] {
            let (_folder, path) = file(&network.file(style).bytes());
            let bytes = converted(&path, None).unwrap_or_else(|e| panic!("{e}\n{network:#?}")).bytes;
            let model = Model::new_checked(&bytes).expect("a model");
            let (x, y) = (model.inputs().next().expect("x").quant, model.outputs().next().expect("y").quant);
            let last = network.quant(network.nodes.len());
            assert_eq!([(x.scale, x.zero), (y.scale, y.zero)], [network.x, last], "{network:#?}");
            for _ in 0..4 {
                let input = noise(&mut r, &network.shape);
                let expected = network.expected(&input);
                let found = run(&bytes, &network.shape, &expected.shape, &input);
                let slack = match network.nodes.last().expect("one").op {
                    // In integers of 20 bits behind the point.
                    Op::Add => 0.01,
                    // In the fixed point of gemmlowp.
                    Op::Softmax => 0.5,
                    _ => 1e-3,
                };
                for (found, real) in found.iter().zip(&expected.values) {
                    let off = (f64::from(*found) - real.clamp(-128.0, 127.0)).abs();
                    assert!(off <= 0.5 + slack, "{style:?}: {found} for {real}, {network:#?}");
                }
            }
        }
    }
}

/// What a network that one test has changed returns, beside its definition by `f` of the original's steps.
fn holds(network: &Network, m: &builder::Model, f: &dyn Fn(f64) -> f64) {
    let (_folder, path) = file(&m.bytes());
    let bytes = converted(&path, None).unwrap_or_else(|e| panic!("{e}")).bytes;
    let mut r = Random::new(3);
    for _ in 0..4 {
        let input = noise(&mut r, &network.shape);
        let expected = network.expected(&input);
        let found = run(&bytes, &network.shape, &expected.shape, &input);
        for (found, real) in found.iter().zip(&expected.values) {
            let real = f(*real).clamp(-128.0, 127.0);
            assert!((f64::from(*found) - real).abs() <= 0.501, "{found} for {real}");
        }
    }
}

#[test]
fn activations_in_front_of_quantization_become_bounds() {
    let network = single(&mut Random::new(2), 0, false);
    let mut m = network.file(Style::Qdq);
    m.node("Relu", &["q1_real"], "q1_relu", &[]);
    let relu = m.graph().node.pop().expect("a node");
    let at = m.graph().node.iter().position(|n| n.input[0] == "q1_real").expect("its quantization");
    m.graph().node[at].input[0] = "q1_relu".into();
    m.graph().node.insert(at, relu);
    let zero = f64::from(network.quant(1).1);
    holds(&network, &m, &|steps| steps.max(zero));
}

#[test]
fn operators_that_keep_a_scale_take_another_where_the_file_says_so() {
    let mut network = single(&mut Random::new(2), 9, true);
    network.nodes[0].y = (network.x.0 * 1.7, 11);
    holds(&network, &network.file(Style::Qdq), &|steps| steps);
}

/// Convolution, depthwise, a branch, pooling, dense.
fn chain(r: &mut Random, unsigned: bool) -> Network {
    let w = |r: &mut Random, dims: &[i64]| random_weights(r, dims, dims[0] as usize, 0);
    let bias = |r: &mut Random, n: usize| (0..n).map(|_| r.below(2000) as i32 - 1000).collect::<Vec<_>>();
    let conv = |r: &mut Random, dims: &[i64], pad: i64, groups: i64| {
        let (w, bias) = (w(r, dims), bias(r, dims[0] as usize));
        Op::Conv { w, bias, stride: 1, pad, groups }
    };
    let nodes = vec![
        Node { op: conv(r, &[8, 3, 3, 3], 1, 1), inputs: vec![0], y: (0.05, -128) },
        Node { op: conv(r, &[8, 1, 3, 3], 1, 8), inputs: vec![1], y: (0.06, -128) },
        Node { op: conv(r, &[8, 8, 1, 1], 0, 1), inputs: vec![2], y: (0.07, 10) },
        Node { op: Op::Add, inputs: vec![1, 3], y: (0.09, -20) },
        Node { op: Op::AveragePool { k: 2 }, inputs: vec![4], y: (0.05, 0) },
        Node { op: conv(r, &[5, 8, 4, 4], 0, 1), inputs: vec![5], y: (0.1, 3) },
    ];
    Network { shape: vec![1, 3, 8, 8], x: (0.02, -3), nodes, unsigned }
}

#[test]
fn a_network_in_both_styles_is_the_same_model() {
    for seed in 0..4 {
        let mut r = Random::new(seed);
        let network = chain(&mut r, seed % 2 == 1);
        let [a, b] = [Style::Qdq, Style::Operators].map(|style| {
            let (_folder, path) = file(&network.file(style).bytes());
            converted(&path, None).unwrap_or_else(|e| panic!("{e}")).bytes
        });
        for _ in 0..4 {
            let input = noise(&mut r, &network.shape);
            let expected = network.expected(&input);
            let [a, b] = [&a, &b].map(|bytes| run(bytes, &network.shape, &expected.shape, &input));
            assert_eq!(a, b);
            for (found, real) in a.iter().zip(&expected.values) {
                assert!((f64::from(*found) - real.clamp(-128.0, 127.0)).abs() <= 1.6, "{found} for {real}");
            }
        }
    }
}

#[test]
#[ignore = "needs Python with ONNX Runtime"]
fn every_operator_gives_what_onnx_runtime_gives() {
    let mut all = [0usize; 2];
    for (kind, unsigned) in (0..16).flat_map(|k| [(k, false), (k, true)]) {
        let mut r = Random::new(kind as u64 + 7);
        let network = if kind < 15 { single(&mut r, kind, unsigned) } else { chain(&mut r, unsigned) };
        let mut steps = [0usize; 2];
        let means = matches!(network.nodes[0].op, Op::ReduceMean);
        // ONNX Runtime defines QLinearReduceMean and has no kernel for it.
        for style in [Style::Qdq, Style::Operators].into_iter().take(if means { 1 } else { 2 }) {
            let (_folder, path) = file(&network.file(style).bytes());
            let bytes = converted(&path, None).unwrap_or_else(|e| panic!("{e}")).bytes;
            let inputs: Vec<Vec<i8>> = (0..20).map(|_| noise(&mut r, &network.shape)).collect();
            let (scale, zero) = network.x;
            let real = |q: &i8| (i32::from(*q) - zero) as f32 * scale;
            let floats: Vec<Vec<f32>> = inputs.iter().map(|q| q.iter().map(real).collect()).collect();
            let Some(peer) = runtime::outputs(&path, &floats) else { return };
            let (scale, zero) = network.quant(network.nodes.len());
            for (input, peer) in inputs.iter().zip(peer) {
                let found = run(&bytes, &network.shape, &network.expected(input).shape, input);
                for (found, peer) in found.iter().zip(peer) {
                    let peer = (peer / scale).round() as i32 + zero;
                    let off = i32::from(*found).abs_diff(peer) as usize;
                    assert!(off <= 1, "{style:?}: {found} for {peer}, {network:#?}");
                    steps[off] += 1;
                }
            }
        }
        let op = format!("{:?}", network.nodes.last().expect("a node").op);
        let op = op.split([' ', '{']).next().unwrap_or_default();
        println!("case {kind}, to {op}: {} equal, {} one step apart", steps[0], steps[1]);
        assert!(kind > 4 || steps[1] == 0, "layers are equal");
        all = [all[0] + steps[0], all[1] + steps[1]];
    }
    println!("{} equal, {} one step apart", all[0], all[1]);
    assert!(all[1] * 1000 < all[0], "{all:?}");
}
