//! Every supported operator, in each of its forms: imported, it computes what tract computes.

use crate::builder::{Model, float, int, ints, text};
use crate::{same, same_with};
use mote_converter::import::{self, InputShapes};

/// One node over one image input.
fn unary(opset: i64, op: &str, shape: &[i64], attributes: &[tract_onnx::pb::AttributeProto]) {
    let mut m = Model::new(opset);
    m.input("x", shape).node(op, &["x"], "y", attributes).output("y");
    same_with(&m.bytes(), &InputShapes::default(), 3.0);
}

#[test]
fn conv_of_every_geometry() {
    // kernel, strides, dilations, pads, groups, channels in and out
    for (k, s, d, p, g, ci, co) in [
        ([3, 3], [1, 1], [1, 1], [1, 1, 1, 1], 1, 3, 4),
        ([3, 2], [2, 1], [1, 2], [0, 2, 1, 0], 1, 2, 3),
        ([1, 1], [1, 1], [1, 1], [0, 0, 0, 0], 1, 5, 2),
        ([3, 3], [2, 2], [1, 1], [0, 0, 1, 1], 4, 4, 4),
        ([3, 3], [1, 1], [2, 2], [2, 2, 2, 2], 2, 4, 8),
        ([5, 1], [1, 3], [1, 1], [2, 0, 2, 0], 3, 3, 6),
    ] {
        let mut m = Model::new(13);
        m.input("x", &[1, ci, 9, 8]).weights("w", &[co, ci / g, k[0], k[1]]).weights("b", &[co]);
        let a = [
            ints("kernel_shape", &k),
            ints("strides", &s),
            ints("dilations", &d),
            ints("pads", &p),
            int("group", g),
        ];
        m.node("Conv", &["x", "w", "b"], "y", &a).output("y");
        same(&m.bytes());
    }
}

#[test]
fn conv_pads_itself() {
    for mode in ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"] {
        for (size, stride, kernel) in [(8, 2, 3), (7, 2, 2), (9, 3, 4), (5, 1, 4)] {
            let mut m = Model::new(11);
            m.input("x", &[1, 2, size, size + 1]).weights("w", &[3, 2, kernel, kernel]);
            m.node("Conv", &["x", "w"], "y", &[text("auto_pad", mode), ints("strides", &[stride, stride])]);
            same(&m.output("y").bytes());
        }
    }
}

#[test]
fn one_dimensional_operators() {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 20]).weights("w", &[4, 3, 5]).weights("b", &[4]);
    m.node(
        "Conv",
        &["x", "w", "b"],
        "c",
        &[ints("strides", &[2]), ints("pads", &[2, 1]), ints("dilations", &[2])],
    );
    m.batch_norm("c", "n", 4).node("Relu", &["n"], "r", &[]);
    m.node("MaxPool", &["r"], "p", &[ints("kernel_shape", &[2]), ints("strides", &[2])]);
    m.node("GlobalAveragePool", &["p"], "g", &[]).node("Flatten", &["g"], "y", &[]).output("y");
    let graph = same(&m.bytes());
    assert_eq!(crate::ops(&graph), ["Reshape", "Transpose", "Conv", "MaxPool", "AveragePool", "Reshape"]);
}

#[test]
fn pools_of_every_geometry() {
    for op in ["MaxPool", "AveragePool"] {
        for (k, s, p) in [([2, 2], [2, 2], [0; 4]), ([3, 2], [1, 2], [1, 0, 2, 1]), ([3, 3], [2, 2], [1; 4])]
        {
            for (ceil, include) in [(0, 0), (1, 0), (0, 1)] {
                let mut a = vec![
                    ints("kernel_shape", &k),
                    ints("strides", &s),
                    ints("pads", &p),
                    int("ceil_mode", ceil),
                ];
                if op == "AveragePool" {
                    a.push(int("count_include_pad", include));
                }
                unary(12, op, &[1, 3, 8, 7], &a);
            }
        }
        unary(12, op, &[1, 3, 8, 7], &[ints("kernel_shape", &[3, 3]), text("auto_pad", "SAME_UPPER")]);
    }
    unary(12, "MaxPool", &[1, 2, 9, 9], &[ints("kernel_shape", &[2, 2]), ints("dilations", &[3, 2])]);
    unary(12, "GlobalMaxPool", &[1, 3, 5, 4], &[]);
    unary(12, "GlobalAveragePool", &[2, 3, 5, 4], &[]);
}

/// Taps that overlap, that touch, that leave gaps; groups; dilation; every way of padding.
#[test]
fn transposed_convolutions() {
    for (kernel, attributes) in [
        ([2, 2], vec![ints("strides", &[2, 2])]),
        ([4, 4], vec![ints("strides", &[2, 2]), ints("pads", &[1; 4])]),
        ([3, 3], vec![ints("strides", &[2, 2]), ints("pads", &[1; 4]), ints("output_padding", &[1, 1])]),
        ([3, 2], vec![ints("strides", &[1, 3]), ints("pads", &[2, 0, 1, 1])]),
        ([2, 2], vec![ints("dilations", &[2, 3]), ints("pads", &[1, 2, 0, 1])]),
    ] {
        for groups in [1, 2] {
            let mut m = Model::new(13);
            m.input("x", &[1, 4, 5, 6]).weights("w", &[4, 3, kernel[0], kernel[1]]);
            m.weights("b", &[3 * groups]);
            let attributes = [&attributes[..], &[int("group", groups)]].concat();
            m.node("ConvTranspose", &["x", "w", "b"], "c", &attributes);
            same(&m.batch_norm("c", "n", 3 * groups).node("Relu", &["n"], "y", &[]).output("y").bytes());
        }
    }
    let mut m = Model::new(13);
    m.input("x", &[1, 4, 9]).weights("w", &[4, 3, 4]);
    m.node("ConvTranspose", &["x", "w"], "y", &[ints("strides", &[2]), ints("pads", &[1, 1])]);
    same(&m.output("y").bytes());
}

#[test]
fn reductions_over_any_axes() {
    for op in ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"] {
        for axes in [&[1i64][..], &[0, 1], &[1, 3], &[1, 2, 3], &[-1], &[0]] {
            let mut m = Model::new(18);
            m.input("x", &[1, 3, 4, 5]).integers("axes", axes).node(
                op,
                &["x", "axes"],
                "y",
                &[int("keepdims", 0)],
            );
            same(&m.output("y").bytes());
            let mut m = Model::new(12);
            m.input("x", &[1, 3, 4, 5]).node(op, &["x"], "y", &[ints("axes", axes)]);
            same(&m.output("y").bytes());
        }
        unary(13, op, &[1, 6, 4], &[ints("axes", &[1]), int("keepdims", 0)]);
        unary(13, op, &[2, 6], &[]);
    }
    let mut m = Model::new(13);
    m.input("x", &[1, 6]).node("Abs", &["x"], "p", &[]).node(
        "ReduceLogSum",
        &["p"],
        "y",
        &[ints("axes", &[1])],
    );
    same(&m.output("y").bytes());
}

#[test]
fn operators_that_are_written_out() {
    for axis in [1, -1] {
        unary(13, "LogSoftmax", &[2, 7], &[int("axis", axis)]);
        unary(11, "LogSoftmax", &[1, 3, 4], &[int("axis", 1)]);
        unary(13, "LpNormalization", &[2, 7], &[int("axis", axis)]);
        unary(13, "LpNormalization", &[2, 7], &[int("axis", axis), int("p", 1)]);
        unary(13, "ArgMin", &[1, 7], &[int("axis", axis)]);
    }
    for op in ["Sum", "Mean", "Max", "Min"] {
        for count in 1..=4 {
            let mut m = Model::new(13);
            let names = ["a", "b", "c", "d"];
            names.iter().for_each(|n| {
                m.input(n, &[1, 3, 4, 5]);
            });
            m.node(op, &names[..count], "y0", &[]);
            let rest = names[count..].iter().fold("y0".to_owned(), |so_far, n| {
                let next = format!("{so_far}{n}");
                m.node("Add", &[&so_far, n], &next, &[]);
                next
            });
            same(&m.node("Relu", &[&rest], "y", &[]).output("y").bytes());
        }
    }
    let mut m = Model::new(9);
    m.input("x", &[1, 3, 4, 5]).floats("s", &[4], &[1.0, 1.0, 2.0, 3.0]);
    m.node("Upsample", &["x", "s"], "u", &[text("mode", "nearest")]);
    m.node("Slice", &["u"], "y", &[ints("starts", &[1]), ints("ends", &[7]), ints("axes", &[2])]);
    same(&m.output("y").bytes());
}

#[test]
fn borders_and_repetition() {
    for mode in ["reflect", "edge", "constant"] {
        let mut m = Model::new(19);
        m.input("x", &[1, 2, 4, 5]).integers("pads", &[0, 0, 1, 2, 0, 0, 3, 0]);
        same(&m.node("Pad", &["x", "pads"], "y", &[text("mode", mode)]).output("y").bytes());
    }
    let mut m = Model::new(13);
    m.input("x", &[1, 2, 6, 5]).integers("pads", &[0, 0, -1, 2, 0, 0, -2, -1]);
    same(&m.node("Pad", &["x", "pads"], "y", &[]).output("y").bytes());
    for (op, list) in [("Expand", &[2i64, 3, 4, 5][..]), ("Expand", &[1, 1]), ("Tile", &[1, 1, 2, 3])] {
        let mut m = Model::new(13);
        m.input("x", &[1, 3, 4, 1]).integers("n", list).integers("five", &[1, 1, 1, 5]);
        m.node("Expand", &["x", "five"], "w", &[]);
        let from = if op == "Tile" { "w" } else { "x" };
        same(
            &m.node(op, &[from, "n"], "y", &[])
                .node("Relu", &["w"], "z", &[])
                .output("y")
                .output("z")
                .bytes(),
        );
    }
}

#[test]
fn the_largest_values() {
    for shape in [&[1, 9][..], &[2, 3, 9]] {
        let mut m = Model::new(13);
        m.input("x", shape).integers("k", &[4]).nodes("TopK", &["x", "k"], &["v", "i"], &[]);
        m.node("Cast", &["i"], "f", &[int("to", 1)]);
        same(&m.output("v").output("i").bytes());
    }
}

/// What exporters write as several operators on one value is one.
#[test]
fn functions_written_out_are_one() {
    type Written = (&'static str, fn(&mut Model));
    let written: [Written; 5] = [
        ("silu", |m| {
            m.node("Sigmoid", &["c"], "s", &[]).node("Mul", &["c", "s"], "y", &[]);
        }),
        ("hard swish", |m| {
            m.floats("3", &[], &[3.0]).floats("0", &[], &[0.0]).floats("6", &[], &[6.0]);
            m.node("Add", &["c", "3"], "a", &[]).node("Clip", &["a", "0", "6"], "b", &[]);
            m.node("Mul", &["c", "b"], "d", &[]).node("Div", &["d", "6"], "y", &[]);
        }),
        ("gelu", |m| {
            m.floats("r", &[], &[std::f32::consts::SQRT_2]).floats("1", &[], &[1.0]).floats("h", &[], &[0.5]);
            m.node("Div", &["c", "r"], "a", &[]).node("Erf", &["a"], "b", &[]);
            m.node("Add", &["b", "1"], "d", &[]).node("Mul", &["c", "d"], "e", &[]);
            m.node("Mul", &["e", "h"], "y", &[]);
        }),
        ("gelu by tanh", |m| {
            m.floats("3", &[], &[3.0]).floats("k", &[], &[0.044_715]).floats("r", &[], &[0.797_884_6]);
            m.floats("1", &[], &[1.0]).floats("h", &[], &[0.5]);
            m.node("Pow", &["c", "3"], "a", &[]).node("Mul", &["a", "k"], "b", &[]);
            m.node("Add", &["c", "b"], "d", &[]).node("Mul", &["d", "r"], "e", &[]);
            m.node("Tanh", &["e"], "f", &[]).node("Add", &["f", "1"], "g", &[]);
            m.node("Mul", &["c", "h"], "i", &[]).node("Mul", &["i", "g"], "y", &[]);
        }),
        ("mish", |m| {
            m.node("Softplus", &["c"], "a", &[]).node("Tanh", &["a"], "b", &[]);
            m.node("Mul", &["c", "b"], "y", &[]);
        }),
    ];
    for (name, write) in written {
        let mut m = Model::new(13);
        m.input("x", &[1, 3, 6, 5]).weights("w", &[4, 3, 3, 3]).node("Conv", &["x", "w"], "c", &[]);
        write(&mut m);
        let graph = same(&m.output("y").bytes());
        assert_eq!(crate::ops(&graph), ["Conv", "Function"], "{name}");
    }
}

/// A gate that reads more than one value, or whose parts others read, stays what it is.
#[test]
fn functions_of_two_values_stay_apart() {
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 6, 5]).input("z", &[1, 3, 6, 5]).node("Sigmoid", &["z"], "s", &[]);
    m.node("Mul", &["x", "s"], "y", &[]).output("y");
    assert!(crate::ops(&same(&m.bytes())).contains(&"Mul"));
    let mut m = Model::new(13);
    m.input("x", &[1, 8]).node("Sigmoid", &["x"], "s", &[]).node("Mul", &["x", "s"], "y", &[]);
    assert_eq!(crate::ops(&same(&m.output("y").output("s").bytes())), ["Sigmoid", "Mul"]);
}

#[test]
fn reductions_over_images() {
    for (op, opset) in [("ReduceMean", 12), ("ReduceMean", 18), ("ReduceSum", 13), ("ReduceMax", 12)] {
        for axes in [[2i64, 3], [-1, -2], [1, 2]] {
            for keep in [0, 1] {
                let mut m = Model::new(opset);
                m.input("x", &[1, 3, 4, 5]);
                let keep = int("keepdims", keep);
                if opset > 12 {
                    m.integers("axes", &axes).node(op, &["x", "axes"], "y", &[keep]);
                } else {
                    m.node(op, &["x"], "y", &[ints("axes", &axes), keep]);
                }
                same(&m.output("y").bytes());
            }
        }
        if op != "ReduceSum" {
            unary(12, op, &[1, 3, 6], &[ints("axes", &[2]), int("keepdims", 0)]);
            unary(12, op, &[1, 3, 6, 4], &[ints("axes", &[3])]);
        }
    }
}

#[test]
fn functions_of_one_argument() {
    for (op, attributes) in [
        ("Relu", vec![]),
        ("LeakyRelu", vec![float("alpha", 0.3)]),
        ("LeakyRelu", vec![]),
        ("Sigmoid", vec![]),
        ("Tanh", vec![]),
        ("HardSwish", vec![]),
        ("HardSigmoid", vec![float("alpha", 0.3)]),
        ("Elu", vec![float("alpha", 0.7)]),
        ("Selu", vec![]),
        ("Celu", vec![float("alpha", 0.7)]),
        ("ThresholdedRelu", vec![float("alpha", 0.3)]),
        ("Softplus", vec![]),
        ("Softsign", vec![]),
        ("Mish", vec![]),
        ("Abs", vec![]),
        ("Sign", vec![]),
        ("Floor", vec![]),
        ("Ceil", vec![]),
        ("Round", vec![]),
        ("Erf", vec![]),
        ("Exp", vec![]),
        ("Sin", vec![]),
        ("Cos", vec![]),
        ("Neg", vec![]),
        ("Identity", vec![]),
        ("Dropout", vec![]),
    ] {
        unary(14, op, &[1, 3, 4, 5], &attributes);
        unary(14, op, &[1, 10], &attributes);
    }
    unary(20, "Gelu", &[1, 3, 4, 5], &[]);
    unary(20, "Gelu", &[1, 3, 4, 5], &[text("approximate", "tanh")]);
    unary(24, "Swish", &[1, 3, 4, 5], &[float("alpha", 1.3)]);
    for op in ["Log", "Sqrt", "Reciprocal"] {
        let mut m = Model::new(14);
        m.input("x", &[1, 3, 4, 5]).floats("two", &[], &[2.0]).node("Add", &["x", "two"], "p", &[]);
        same(&m.node(op, &["p"], "y", &[]).output("y").bytes());
    }
    for exponent in [2.0, 3.0, 0.5, -1.0] {
        let mut m = Model::new(14);
        m.input("x", &[1, 7]).floats("two", &[], &[2.0]).floats("e", &[], &[exponent]);
        m.node("Add", &["x", "two"], "p", &[]).node("Pow", &["p", "e"], "y", &[]);
        same(&m.output("y").bytes());
    }
    unary(8, "Clip", &[1, 6], &[float("min", -0.5), float("max", 1.0)]);
    unary(8, "Clip", &[1, 6], &[float("min", 0.0)]);
    for (inputs, scalar) in
        [(vec!["x", "lo", "hi"], &[][..]), (vec!["x", "", "hi"], &[1]), (vec!["x", "lo"], &[])]
    {
        let mut m = Model::new(13);
        m.input("x", &[1, 9]).floats("lo", scalar, &[-0.25]).floats("hi", scalar, &[0.5]);
        same(&m.node("Clip", &inputs, "y", &[]).output("y").bytes());
    }
}

#[test]
fn slopes_of_prelu() {
    for slopes in [&[3, 1, 1][..], &[1], &[1, 1, 4, 5], &[3, 4, 5]] {
        let mut m = Model::new(16);
        m.input("x", &[1, 3, 4, 5]).weights("s", slopes).node("PRelu", &["x", "s"], "y", &[]);
        same(&m.output("y").bytes());
    }
    let mut m = Model::new(16);
    m.input("x", &[2, 6]).weights("s", &[6]).node("PRelu", &["x", "s"], "y", &[]);
    same(&m.output("y").bytes());
}

#[test]
fn functions_of_two_arguments() {
    for op in ["Add", "Sub", "Mul", "Div", "Max", "Min"] {
        for (a, b) in
            [([1, 3, 4, 5], [1, 3, 4, 5]), ([1, 3, 4, 5], [1, 3, 1, 1]), ([1, 3, 1, 5], [1, 1, 4, 1])]
        {
            let mut m = Model::new(13);
            m.input("a", &a).input("b", &b).floats("two", &[], &[2.0]);
            // Away from zero, for Div.
            m.node("Add", &["b", "two"], "c", &[]).node(op, &["a", "c"], "y", &[]).output("y");
            same(&m.bytes());
        }
        for shape in [&[][..], &[1], &[3, 1, 1], &[1, 3, 1, 1], &[4, 1], &[5], &[1, 3, 4, 5]] {
            for order in [["x", "k"], ["k", "x"]] {
                let mut m = Model::new(13);
                m.input("x0", &[1, 3, 4, 5]).floats("two", &[], &[2.0]).positive("k", shape);
                m.node("Add", &["x0", "two"], "x", &[]).node(op, &order, "y", &[]).output("y");
                same(&m.bytes());
            }
        }
    }
}

#[test]
fn operands_of_lower_rank_are_images_too() {
    let mut m = Model::new(13);
    m.input("a", &[1, 3, 4, 5]).input("b", &[4, 5]).input("c", &[3, 1, 1]);
    m.node("Mul", &["a", "b"], "ab", &[]).node("Sum", &["c", "ab", "a"], "y", &[]).output("y");
    same(&m.bytes());
}

#[test]
fn batch_norms_of_every_rank() {
    for shape in [&[2, 3][..], &[1, 3, 7], &[1, 3, 4, 5]] {
        let mut m = Model::new(9);
        m.input("x", shape).batch_norm("x", "y", 3).output("y");
        same(&m.bytes());
    }
}

#[test]
fn dense_layers() {
    let mut m = Model::new(13);
    m.input("x", &[6, 3]).weights("w", &[6, 4]).node("Gemm", &["x", "w"], "y", &[int("transA", 1)]);
    same(&m.output("y").bytes());
    for shape in [&[6, 5][..], &[1, 6, 5], &[2, 3, 6, 5]] {
        let mut m = Model::new(13);
        m.input("x", shape).weights("w", &[4, 6]).node("MatMul", &["w", "x"], "y", &[]);
        same(&m.output("y").bytes());
    }
    for (trans, bias) in [(0, &[4][..]), (1, &[1, 4]), (1, &[]), (0, &[3, 4]), (1, &[3, 1])] {
        let mut m = Model::new(13);
        m.input("x", &[3, 6]).weights("c", bias);
        m.weights("w", if trans == 1 { &[4, 6] } else { &[6, 4] });
        let a = [int("transB", trans), float("alpha", 2.0), float("beta", 0.5)];
        same(&m.node("Gemm", &["x", "w", "c"], "y", &a).output("y").bytes());
    }
    for shape in [&[1, 6][..], &[1, 5, 6], &[2, 3, 5, 6], &[6]] {
        let mut m = Model::new(13);
        m.input("x", shape).weights("w", &[6, 4]).weights("b", &[4]);
        m.node("MatMul", &["x", "w"], "p", &[]).node("Add", &["b", "p"], "y", &[]).output("y");
        let graph = same(&m.bytes());
        assert!(!crate::ops(&graph).contains(&"Add"), "{graph}");
    }
}

#[test]
fn softmax_and_argmax() {
    for axis in [-1, 1, 2, 3] {
        unary(13, "Softmax", &[1, 3, 4, 5], &[int("axis", axis)]);
        for keep in [0, 1] {
            unary(13, "ArgMax", &[1, 3, 4, 5], &[int("axis", axis), int("keepdims", keep)]);
        }
    }
    unary(8, "Softmax", &[1, 7], &[]);
    unary(8, "Softmax", &[1, 7, 1, 1], &[]);
    unary(8, "Softmax", &[2, 3, 4], &[int("axis", 2)]);
    unary(8, "Softmax", &[2, 3, 4], &[int("axis", 1)]);
}

#[test]
fn shapes_and_orders() {
    unary(13, "Transpose", &[1, 3, 4, 5], &[ints("perm", &[0, 2, 3, 1])]);
    unary(13, "Transpose", &[1, 3, 4, 5], &[ints("perm", &[0, 3, 2, 1])]);
    unary(13, "Transpose", &[2, 3, 4], &[]);
    unary(13, "Flatten", &[1, 3, 4, 5], &[]);
    unary(13, "Flatten", &[1, 3, 4, 5], &[int("axis", 2)]);
    unary(11, "Squeeze", &[1, 3, 1, 5], &[ints("axes", &[2])]);
    unary(11, "Unsqueeze", &[3, 5], &[ints("axes", &[0, 3])]);
    for (shape, to) in
        [(&[1, 3, 4, 5][..], &[1, -1][..]), (&[1, 12, 2, 2], &[0, 3, 4, 4]), (&[1, 24], &[1, 2, 3, 4])]
    {
        let mut m = Model::new(13);
        m.input("x", shape).integers("to", to);
        same(&m.node("Reshape", &["x", "to"], "y", &[]).output("y").bytes());
    }
}

#[test]
fn joins_and_padding() {
    for axis in [0, 1, 2, 3, -1] {
        let mut m = Model::new(13);
        m.input("a", &[1, 3, 4, 5]).input("b", &[1, 3, 4, 5]).weights("k", &[1, 3, 4, 5]);
        same(&m.node("Concat", &["a", "b", "k"], "y", &[int("axis", axis)]).output("y").bytes());
    }
    unary(10, "Pad", &[1, 2, 3, 4], &[ints("pads", &[0, 0, 1, 2, 0, 1, 0, 3]), float("value", 1.5)]);
    let mut m = Model::new(18);
    m.input("x", &[1, 2, 3, 4]).integers("pads", &[0, 0, 1, 2, 0, 0, 3, 4]).floats("v", &[], &[-1.0]);
    same(&m.node("Pad", &["x", "pads", "v"], "y", &[]).output("y").bytes());
}

#[test]
fn parts() {
    for (starts, ends, axes, steps) in [
        (&[1i64, 0][..], &[4i64, 2][..], &[2i64, 1][..], &[1i64, 1][..]),
        (&[-1, 3], &[-9, 1], &[3, 2], &[-2, -1]),
        (&[0], &[i64::MAX], &[-2], &[3]),
        (&[1, 0, 0, 1], &[2, 9, 9, 9], &[0, 1, 2, 3], &[1, 2, 2, 2]),
    ] {
        let mut m = Model::new(13);
        m.input("x", &[2, 3, 5, 6]).integers("s", starts).integers("e", ends).integers("a", axes);
        same(&m.integers("t", steps).node("Slice", &["x", "s", "e", "a", "t"], "y", &[]).output("y").bytes());
    }
    unary(9, "Slice", &[3, 7], &[ints("starts", &[1, -4]), ints("ends", &[3, -1])]);
    for (axis, sizes) in [(1, &[1i64, 2, 3][..]), (-1, &[2, 2]), (0, &[2])] {
        let mut m = Model::new(13);
        m.input("x", &[2, 6, 3, 4]).integers("sizes", sizes);
        let names: Vec<String> = (0..sizes.len()).map(|k| format!("y{k}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        m.nodes("Split", &["x", "sizes"], &names, &[int("axis", axis)]);
        names.iter().for_each(|y| {
            m.output(y);
        });
        same(&m.bytes());
    }
    // The last of three parts alone is read.
    let mut m = Model::new(11);
    m.input("x", &[1, 6, 3, 4]).nodes("Split", &["x"], &["a", "b", "c"], &[int("axis", 1)]);
    same(&m.node("Relu", &["c"], "y", &[]).output("y").bytes());
    for (indices, axis) in [(&[2i64, 0, 1][..], 1), (&[0, 2, 4], -1), (&[3, 3, -1], 2)] {
        let mut m = Model::new(13);
        m.input("x", &[1, 3, 4, 5]).integers("i", indices);
        same(&m.node("Gather", &["x", "i"], "y", &[int("axis", axis)]).output("y").bytes());
    }
}

#[test]
fn images_at_another_size() {
    for (mode, grid, extra) in [
        ("nearest", "asymmetric", "floor"),
        ("nearest", "half_pixel", "round_prefer_floor"),
        ("linear", "half_pixel", "floor"),
        ("linear", "align_corners", "floor"),
        ("linear", "asymmetric", "floor"),
    ] {
        for to in [[8, 10], [3, 7], [4, 5]] {
            let mut m = Model::new(13);
            m.input("x", &[1, 3, 4, 5]).integers("sizes", &[1, 3, to[0], to[1]]).floats("none", &[0], &[]);
            let attributes = [
                text("mode", mode),
                text("coordinate_transformation_mode", grid),
                text("nearest_mode", extra),
            ];
            m.node("Resize", &["x", "none", "none", "sizes"], "y", &attributes);
            same(&m.output("y").bytes());
        }
    }
    unary(13, "DepthToSpace", &[1, 12, 2, 3], &[int("blocksize", 2)]);
    unary(13, "DepthToSpace", &[1, 12, 2, 3], &[int("blocksize", 2), text("mode", "CRD")]);
    unary(13, "SpaceToDepth", &[2, 3, 4, 6], &[int("blocksize", 2)]);
}

#[test]
fn shape_arithmetic_leaves_nothing() {
    // What PyTorch writes for x.view(x.size(0), -1), and a Cast of it.
    let mut m = Model::new(13);
    m.input("x", &[-1, 3, 2, 2]).integers("zero", &[0]).integers("minus", &[-1]);
    m.node("Shape", &["x"], "shape", &[]).node("Gather", &["shape", "zero"], "n", &[int("axis", 0)]);
    m.node("Cast", &["n"], "m", &[int("to", 7)]).node("Concat", &["m", "minus"], "to", &[int("axis", 0)]);
    m.node("Reshape", &["x", "to"], "f", &[]).node("Cast", &["f"], "y", &[int("to", 1)]).output("y");
    let graph = same(&m.bytes());
    assert_eq!(crate::ops(&graph), ["Transpose", "Reshape"]);
    let removed: Vec<&str> = graph.removed.iter().map(|r| r.op.as_str()).collect();
    assert_eq!(removed, ["Shape", "Gather", "Cast", "Concat", "Cast"]);
}

#[test]
fn constants_beyond_tracts_limit_are_folded() {
    let mut m = Model::new(13);
    m.input("x", &[1, 1200]).weights("w", &[1000, 1200]);
    m.node("Transpose", &["w"], "t", &[]).node("MatMul", &["x", "t"], "y", &[]).output("y");
    assert_eq!(crate::ops(&same(&m.bytes())), ["FullyConnected"]);
}

#[test]
fn every_row_of_the_table_has_a_test_here() {
    let source = [include_str!("operators.rs"), include_str!("normalize.rs")].concat();
    let constant_only = ["Constant", "ConstantOfShape"];
    for (name, _) in import::supported() {
        let tested = source.contains(&format!("\"{name}\"")) || constant_only.contains(&name);
        assert!(tested || name == "BatchNormalization", "{name}");
    }
}
