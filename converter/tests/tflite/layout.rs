//! Operators that move values, and reductions.

use crate::Case;
use crate::builder::{Model, Q, options};
use crate::oracle::clamp;
use tract_tflite::tflite::{BuiltinOperator as B, TensorType};

const SCALE: Q = (0.05, -9);

pub(crate) fn cases() -> Vec<Case> {
    vec![
        reshape("RESHAPE", B::RESHAPE, &[2, 12], &[3, 8]),
        reshape("SQUEEZE", B::SQUEEZE, &[2, 1, 12], &[2, 12]),
        reshape("EXPAND_DIMS", B::EXPAND_DIMS, &[2, 12], &[2, 1, 12]),
        padded(None),
        padded(Some(77)),
        joined(),
        packed(),
        many(B::CONCATENATION, 19),
        many(B::PACK, 9),
        many(B::PACK, 70),
        turned(),
        largest_index(),
        reduced("MEAN", [4, 4], true, (0.05, 3)),
        reduced("MEAN of few", [1, 3], false, (0.031, 3)),
        reduced("MEAN of many", [25, 5], true, (0.0171, -40)),
        reduced("REDUCE_MAX", [5, 3], true, SCALE),
        reduced("REDUCE_MAX to two", [5, 3], false, SCALE),
    ]
}

fn bytes(x: &[i8]) -> Vec<u8> {
    x.iter().map(|&x| x as u8).collect()
}

fn reshape(name: &'static str, code: B, from: &[i32], to: &[i32]) -> Case {
    let mut m = Model::default();
    let x = m.input(from, SCALE);
    let y = m.value(to, SCALE);
    match code {
        B::RESHAPE => {
            let shape = m.ints(&[to.len() as i32], to);
            let to = to.to_vec();
            let write = move |b: &mut flatbuffers::FlatBufferBuilder<'static>| {
                let new_shape = Some(b.create_vector(&to));
                let args = tract_tflite::tflite::ReshapeOptionsArgs { new_shape };
                tract_tflite::tflite::ReshapeOptions::create(b, &args).as_union_value()
            };
            let kind = tract_tflite::tflite::BuiltinOptions::ReshapeOptions;
            m.op(code, &[x, shape], y, Some((kind, std::rc::Rc::new(write))))
        }
        B::EXPAND_DIMS => {
            let axis = m.ints(&[1], &[1]);
            m.op(code, &[x, axis], y, Some(options!(ExpandDimsOptions, ExpandDimsOptionsArgs {})))
        }
        _ => m.op(code, &[x], y, Some(options!(SqueezeOptions, SqueezeOptionsArgs {}))),
    };
    m.output(y);
    Case::new(name, &m, bytes)
}

fn padded(value: Option<i8>) -> Case {
    let mut m = Model::default();
    let x = m.input(&[1, 2, 3, 2], SCALE);
    let amounts = m.ints(&[4, 2], &[0, 0, 1, 2, 0, 1, 1, 0]);
    let y = m.value(&[1, 5, 4, 3], SCALE);
    let name = match value {
        None => {
            m.op(B::PAD, &[x, amounts], y, Some(options!(PadOptions, PadOptionsArgs {})));
            "PAD"
        }
        Some(value) => {
            let value = m.constant(&[1], SCALE, &[value]);
            m.op(B::PADV2, &[x, amounts, value], y, Some(options!(PadV2Options, PadV2OptionsArgs {})));
            "PADV2"
        }
    };
    m.output(y);
    let border = value.unwrap_or(SCALE.1 as i8);
    Case::new(name, &m, move |x| {
        let mut y = vec![border as u8; 60];
        for (i, &x) in x.iter().enumerate() {
            y[((i / 6 + 1) * 4 + i / 2 % 3) * 3 + i % 2 + 1] = x as u8;
        }
        y
    })
}

fn joined() -> Case {
    let mut m = Model::default();
    let (a, b) = (m.input(&[2, 3, 2], SCALE), m.input(&[2, 1, 2], SCALE));
    let y = m.value(&[2, 4, 2], SCALE);
    let options = options!(ConcatenationOptions, ConcatenationOptionsArgs { axis: -2 });
    m.op(B::CONCATENATION, &[a, b], y, Some(options)).output(y);
    Case::new("CONCATENATION", &m, |x| bytes(&[&x[..6], &x[12..14], &x[6..12], &x[14..]].concat()))
}

fn packed() -> Case {
    let mut m = Model::default();
    let (a, b) = (m.input(&[3, 2], SCALE), m.input(&[3, 2], SCALE));
    let y = m.value(&[3, 2, 2], SCALE);
    let options = options!(PackOptions, PackOptionsArgs { values_count: 2, axis: 1 });
    m.op(B::PACK, &[a, b], y, Some(options)).output(y);
    Case::new("PACK", &m, |x| {
        (0..3).flat_map(|i| bytes(&[&x[2 * i..][..2], &x[6 + 2 * i..][..2]].concat())).collect()
    })
}

/// More tensors than one step joins, along the last axis.
fn many(code: B, count: usize) -> Case {
    let pack = code == B::PACK;
    let mut m = Model::default();
    let inputs: Vec<i32> = (0..count).map(|_| m.input(if pack { &[3] } else { &[3, 1] }, SCALE)).collect();
    let y = m.value(&[3, count as i32], SCALE);
    let options = if pack {
        let count = count as i32;
        options!(PackOptions, PackOptionsArgs { values_count: count, axis: 1 })
    } else {
        options!(ConcatenationOptions, ConcatenationOptionsArgs { axis: 1 })
    };
    m.op(code, &inputs, y, Some(options)).output(y);
    let name = if pack { "PACK of many" } else { "CONCATENATION of many" };
    Case::new(name, &m, move |x| (0..3 * count).map(|i| x[i % count * 3 + i / count] as u8).collect())
}

fn turned() -> Case {
    let mut m = Model::default();
    let (x, order) = (m.input(&[2, 3, 4], SCALE), m.ints(&[3], &[2, 0, 1]));
    let y = m.value(&[4, 2, 3], SCALE);
    let options = options!(TransposeOptions, TransposeOptionsArgs {});
    m.op(B::TRANSPOSE, &[x, order], y, Some(options)).output(y);
    Case::new("TRANSPOSE", &m, |x| (0..24).map(|i| x[i % 6 * 4 + i / 6] as u8).collect())
}

fn largest_index() -> Case {
    let mut m = Model::default();
    let (x, axis) = (m.input(&[3, 50], SCALE), m.ints(&[1], &[-1]));
    let y = m.other(TensorType::INT32, &[3]);
    let options = options!(ArgMaxOptions, ArgMaxOptionsArgs { output_type: TensorType::INT32 });
    m.op(B::ARG_MAX, &[x, axis], y, Some(options)).output(y);
    Case::new("ARG_MAX", &m, |x| {
        let first = |row: &[i8]| row.iter().position(|v| Some(v) == row.iter().max()).unwrap_or(0) as i32;
        x.chunks_exact(50).flat_map(|row| first(row).to_le_bytes()).collect()
    })
}

/// Over rows and columns; a mean in reals is a step from the integers' at most.
fn reduced(name: &'static str, [h, w]: [usize; 2], keep: bool, to: Q) -> Case {
    let mut m = Model::default();
    let (x, axes) = (m.input(&[1, h as i32, w as i32, 6], SCALE), m.ints(&[2], &[1, 2]));
    let y = m.value(if keep { &[1, 1, 1, 6] } else { &[1, 6] }, to);
    let mean = name.starts_with("MEAN");
    let code = if mean { B::MEAN } else { B::REDUCE_MAX };
    let options = options!(ReducerOptions, ReducerOptionsArgs { keep_dims: keep });
    m.op(code, &[x, axes], y, Some(options)).output(y);
    let oracle = move |x: &[i8]| {
        let channel = |c: usize| x.iter().skip(c).step_by(6).map(|&x| i64::from(x));
        let value = |c: usize| {
            let sum: i64 = channel(c).map(|x| x - SCALE.1).sum();
            let real = sum as f64 / (h * w) as f64 * f64::from(SCALE.0) / f64::from(to.0);
            let whole = if mean { real.round() as i64 + to.1 } else { channel(c).max().unwrap_or(0) };
            clamp(whole, (-128, 127)) as u8
        };
        (0..6).map(value).collect()
    };
    Case { slack: u8::from(mean), ..Case::new(name, &m, oracle) }
}
