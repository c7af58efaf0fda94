//! Sums, means, extremes and indices of them along axes; rows of unit length.

use crate::Case;
use crate::builder::{Model, Q, options};
use crate::oracle::{clamp, double};
use tract_tflite::tflite::{BuiltinOperator as B, TensorType};

const SCALE: Q = (0.3, -9);
const DIMS: [usize; 4] = [2, 3, 4, 5];

pub(crate) fn cases() -> Vec<Case> {
    let mut all = vec![
        indexed("ARG_MAX of rows", B::ARG_MAX, 1, TensorType::INT64),
        indexed("ARG_MAX of images", B::ARG_MAX, -4, TensorType::INT32),
        indexed("ARG_MIN", B::ARG_MIN, 3, TensorType::INT32),
        indexed("ARG_MIN of columns", B::ARG_MIN, 2, TensorType::INT64),
        top(3, 10),
        top(1, 1),
        top(40, 40),
        unit_rows(7),
        unit_rows(300),
    ];
    // Two scales whose quotient is a little more than 3/2, but would be 3/2 in floats: half of all sums are near halves.
    let halves = (0.2, 5);
    for axes in [&[1, 2][..], &[3], &[0], &[-1, 0], &[1, 3], &[0, 1, 2, 3], &[2, 2]] {
        for (code, to) in [
            (B::MEAN, SCALE),
            (B::MEAN, (0.2, 5)),
            (B::SUM, (3.1, 5)),
            (B::REDUCE_MAX, SCALE),
            (B::REDUCE_MIN, SCALE),
        ] {
            all.push(reduced(code, axes, axes.len() % 2 == 0, to, DIMS));
        }
    }
    all.extend([B::MEAN, B::SUM].map(|code| reduced(code, &[1], false, halves, [2, 1, 50, 9])));
    all
}

/// The positions of the input that meet in each element of the output, in order.
fn groups(dims: [usize; 4], over: &[usize]) -> Vec<Vec<usize>> {
    let kept: Vec<usize> = (0..4).filter(|d| !over.contains(d)).collect();
    let outputs = kept.iter().map(|&d| dims[d]).product();
    let mut groups = vec![Vec::new(); outputs];
    for i in 0..dims.iter().product() {
        let at: Vec<usize> = (0..4).map(|d| i / dims[d + 1..].iter().product::<usize>() % dims[d]).collect();
        groups[kept.iter().fold(0, |n, &d| n * dims[d] + at[d])].push(i);
    }
    groups
}

/// The steps of TFLite: the mean's multiplier is divided as an integer.
fn reduced(code: B, axes: &[i32], keep: bool, to: Q, dims: [usize; 4]) -> Case {
    let mut over: Vec<usize> = axes.iter().map(|&a| if a < 0 { a + 4 } else { a } as usize).collect();
    over.sort_unstable();
    over.dedup();
    let kept =
        (0..4).filter_map(|d| if over.contains(&d) { keep.then_some(1) } else { Some(dims[d] as i32) });
    let mut m = Model::default();
    let (x, list) = (m.input(&dims.map(|d| d as i32), SCALE), m.ints(&[axes.len() as i32], axes));
    let y = m.value(&kept.collect::<Vec<_>>(), to);
    let options = options!(ReducerOptions, ReducerOptionsArgs { keep_dims: keep });
    m.op(code, &[x, list], y, Some(options)).output(y);
    let (groups, real) = (groups(dims, &over), f64::from(SCALE.0) / f64::from(to.0));
    let oracle = move |x: &[i8]| {
        let value = |group: &Vec<usize>| {
            let values = || group.iter().map(|&i| i64::from(x[i]));
            let sum: i64 = values().map(|v| v - SCALE.1).sum();
            let result = match code {
                B::REDUCE_MAX => values().max().unwrap_or(0),
                B::REDUCE_MIN => values().min().unwrap_or(0),
                B::SUM => double(sum, real) + to.1,
                // In reals, a step off at most.
                _ => (sum as f64 / group.len() as f64 * real).round() as i64 + to.1,
            };
            clamp(result, (-128, 127)) as u8
        };
        groups.iter().map(value).collect()
    };
    let name = code.variant_name().unwrap_or("");
    Case { slack: u8::from(code == B::MEAN), ..Case::new(name, &m, oracle) }
}

fn indexed(name: &'static str, code: B, axis: i32, kind: TensorType) -> Case {
    let at = if axis < 0 { axis + 4 } else { axis } as usize;
    let mut m = Model::default();
    let (x, list) = (m.input(&DIMS.map(|d| d as i32), SCALE), m.ints(&[], &[axis]));
    let kept: Vec<i32> = (0..4).filter(|&d| d != at).map(|d| DIMS[d] as i32).collect();
    let y = m.other(kind, &kept);
    let options = if code == B::ARG_MAX {
        options!(ArgMaxOptions, ArgMaxOptionsArgs { output_type: kind })
    } else {
        options!(ArgMinOptions, ArgMinOptionsArgs { output_type: kind })
    };
    m.op(code, &[x, list], y, Some(options)).output(y);
    let groups = groups(DIMS, &[at]);
    Case::new(name, &m, move |x| {
        let best = |group: &Vec<usize>| {
            let values: Vec<i8> = group.iter().map(|&i| x[i]).collect();
            let best = if code == B::ARG_MAX { values.iter().max() } else { values.iter().min() };
            values.iter().position(|v| Some(v) == best).unwrap_or(0) as i32
        };
        groups.iter().flat_map(|g| best(g).to_le_bytes()).collect()
    })
}

/// The `k` largest of 40, with many equals.
fn top(k: usize, rows: usize) -> Case {
    let mut m = Model::default();
    let x = m.input(&[rows as i32, 40], SCALE);
    let count = m.ints(&[], &[k as i32]);
    let y = m.value(&[rows as i32, k as i32], SCALE);
    let indices = m.other(TensorType::INT32, &[rows as i32, k as i32]);
    let options = options!(TopKV2Options, TopKV2OptionsArgs {});
    m.several(B::TOPK_V2, &[x, count], &[y, indices], Some(options)).output(y);
    m.output(indices);
    Case::new("TOPK_V2", &m, move |x| {
        let (mut values, mut indices) = (Vec::new(), Vec::new());
        for row in x.chunks_exact(40) {
            let mut order: Vec<usize> = (0..40).collect();
            order.sort_by_key(|&i| std::cmp::Reverse(row[i]));
            values.extend(order[..k].iter().map(|&i| row[i] as u8));
            indices.extend(order[..k].iter().flat_map(|&i| (i as i32).to_le_bytes()));
        }
        [values, indices].concat()
    })
}

/// Real numbers, a step apart at most.
fn unit_rows(length: usize) -> Case {
    let mut m = Model::default();
    let (x, y) = (m.input(&[3, length as i32], SCALE), m.value(&[3, length as i32], (1.0 / 128.0, 0)));
    m.op(B::L2_NORMALIZATION, &[x], y, Some(options!(L2NormOptions, L2NormOptionsArgs {}))).output(y);
    let row = |x: &[i8]| {
        let values: Vec<f64> = x.iter().map(|&x| f64::from(x) - SCALE.1 as f64).collect();
        let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
        values.iter().map(|v| clamp((v / norm * 128.0).round() as i64, (-128, 127)) as u8).collect::<Vec<_>>()
    };
    let oracle = move |x: &[i8]| x.chunks_exact(length).flat_map(row).collect();
    Case { slack: 1, ..Case::new("L2_NORMALIZATION", &m, oracle) }
}
