//! Float operators that take parts of a tensor, repeat it or cut it into blocks: what comes out is where it lay.

use crate::builder::{Model, options};
use crate::float::{Case, F32, IMAGE, case, input};
use crate::float_window::{Weights, weights};
use tract_tflite::tflite::{BuiltinOperator as B, MirrorPadMode, Padding, TensorType};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        strided(),
        sliced(),
        split(B::SPLIT),
        split(B::SPLIT_V),
        unpacked(),
        packed(),
        gathered(&[2], &[2, 0], &[1, 2, 2, 3]),
        gathered(&[], &[1], &[1, 2, 3]),
        moved("REVERSE_V2", B::REVERSE_V2, &[2, 1], &[1, 2, 3, 3], |[_, y, x, c]| [1 - y, 2 - x, c]),
        moved("TILE", B::TILE, &[1, 2, 1, 2], &[1, 4, 3, 6], |[_, y, x, c]| [y % 2, x, c % 3]),
        mirrored(),
        blocks(true),
        blocks(false),
        best(B::ARG_MAX),
        best(B::ARG_MIN),
        top(),
        broadcast(),
        overlapping(Padding::SAME, [3, 3], [2, 2], [4, 6]),
        overlapping(Padding::VALID, [3, 2], [2, 1], [5, 4]),
        overlapping(Padding::VALID, [2, 2], [3, 3], [5, 8]),
    ]
}

/// Where an element of the 1 × 2 × 3 × 3 input lies.
fn at([y, x, c]: [usize; 3]) -> usize {
    (y * 3 + x) * 3 + c
}

/// All indices of a shape with four dimensions.
fn indices(dims: [usize; 4]) -> impl Iterator<Item = [usize; 4]> {
    let [_, h, w, c] = dims;
    (0..dims.iter().product()).map(move |i: usize| [i / (h * w * c), i / (w * c) % h, i / c % w, i % c])
}

fn strided() -> Case {
    let mut m = Model::default();
    let x = input(&mut m, &IMAGE);
    let [begin, end, strides] = [[0, 1, 2, 0], [1, 2, -9, 3], [1, 1, -2, 2]].map(|list| m.ints(&[4], &list));
    let y = m.other(F32, &[1, 2, 2]);
    let options = options!(StridedSliceOptions, StridedSliceOptionsArgs { shrink_axis_mask: 2 });
    m.op(B::STRIDED_SLICE, &[x, begin, end, strides], y, Some(options)).output(y);
    case("STRIDED_SLICE", &m, |x| {
        [[2, 0], [2, 2], [0, 0], [0, 2]].iter().map(|&[col, c]| x[at([1, col, c])]).collect()
    })
}

fn sliced() -> Case {
    let mut m = Model::default();
    let (x, y) = (input(&mut m, &IMAGE), m.other(F32, &[1, 2, 2, 1]));
    let (begin, size) = (m.ints(&[4], &[0, 0, 1, 2]), m.ints(&[4], &[1, -1, 2, 1]));
    m.op(B::SLICE, &[x, begin, size], y, Some(options!(SliceOptions, SliceOptionsArgs {}))).output(y);
    case("SLICE", &m, |x| indices([1, 2, 2, 1]).map(|[_, y, col, _]| x[at([y, col + 1, 2])]).collect())
}

/// The second part of the channels.
fn split(code: B) -> Case {
    let mut m = Model::default();
    let (x, axis) = (input(&mut m, &IMAGE), m.ints(&[], &[3]));
    let parts = [0; 3].map(|_| m.other(F32, &[1, 2, 3, 1]));
    let name = if code == B::SPLIT {
        let options = options!(SplitOptions, SplitOptionsArgs { num_splits: 3 });
        m.several(code, &[axis, x], &parts, Some(options));
        "SPLIT"
    } else {
        let sizes = m.ints(&[3], &[1, -1, 1]);
        let options = options!(SplitVOptions, SplitVOptionsArgs { num_splits: 3 });
        m.several(code, &[x, sizes, axis], &parts, Some(options));
        "SPLIT_V"
    };
    m.output(parts[1]);
    case(name, &m, |x| x.iter().skip(1).step_by(3).copied().collect())
}

fn unpacked() -> Case {
    let mut m = Model::default();
    let x = input(&mut m, &IMAGE);
    let rows = [0; 2].map(|_| m.other(F32, &[1, 3, 3]));
    let options = options!(UnpackOptions, UnpackOptionsArgs { axis: 1, num: 2 });
    m.several(B::UNPACK, &[x], &rows, Some(options)).output(rows[1]);
    case("UNPACK", &m, |x| x[9..].to_vec())
}

fn packed() -> Case {
    let mut m = Model::default();
    let (x, y) = (input(&mut m, &[2, 3]), m.other(F32, &[2, 2, 3]));
    let options = options!(PackOptions, PackOptionsArgs { axis: 1, values_count: 2 });
    m.op(B::PACK, &[x, x], y, Some(options)).output(y);
    case("PACK", &m, |x| [&x[..3], &x[..3], &x[3..], &x[3..]].concat())
}

/// Columns, by a list or a single number.
fn gathered(shape: &[i32], columns: &'static [i32], y: &[i32]) -> Case {
    let mut m = Model::default();
    let (x, list, y) = (input(&mut m, &IMAGE), m.ints(shape, columns), m.other(F32, y));
    m.op(B::GATHER, &[x, list], y, Some(options!(GatherOptions, GatherOptionsArgs { axis: 2 }))).output(y);
    case("GATHER", &m, move |x| {
        let take =
            |row: usize| columns.iter().flat_map(move |&col| (0..3).map(move |c| (row, col as usize, c)));
        (0..2).flat_map(take).map(|(row, col, c)| x[at([row, col, c])]).collect()
    })
}

/// An operator with a list, whose outputs lie somewhere in the input.
fn moved(
    name: &'static str,
    code: B,
    list: &[i32],
    y: &[i32; 4],
    from: fn([usize; 4]) -> [usize; 3],
) -> Case {
    let mut m = Model::default();
    let (x, list, out) = (input(&mut m, &IMAGE), m.ints(&[list.len() as i32], list), m.other(F32, y));
    let options = match code {
        B::TILE => options!(TileOptions, TileOptionsArgs {}),
        _ => options!(ReverseV2Options, ReverseV2OptionsArgs {}),
    };
    m.op(code, &[x, list], out, Some(options)).output(out);
    let y = y.map(|d| d as usize);
    case(name, &m, move |x| indices(y).map(|i| x[at(from(i))]).collect())
}

fn broadcast() -> Case {
    let mut m = Model::default();
    let (x, shape, y) = (input(&mut m, &[1, 3]), m.ints(&[4], &[1, 2, 2, 3]), m.other(F32, &[1, 2, 2, 3]));
    let options = options!(BroadcastToOptions, BroadcastToOptionsArgs {});
    m.op(B::BROADCAST_TO, &[x, shape], y, Some(options)).output(y);
    case("BROADCAST_TO", &m, |x| x.repeat(4))
}

fn mirrored() -> Case {
    let mut m = Model::default();
    let (x, amounts) = (input(&mut m, &IMAGE), m.ints(&[4, 2], &[0, 0, 1, 0, 2, 1, 0, 0]));
    let y = m.other(F32, &[1, 3, 6, 3]);
    let mode = MirrorPadMode::REFLECT;
    let options = options!(MirrorPadOptions, MirrorPadOptionsArgs { mode: mode });
    m.op(B::MIRROR_PAD, &[x, amounts], y, Some(options)).output(y);
    let inside = |i: usize, before: usize, n: usize| {
        let i = i.abs_diff(before);
        if i < n { i } else { 2 * (n - 1) - i }
    };
    case("MIRROR_PAD", &m, move |x| {
        indices([1, 3, 6, 3]).map(|[_, y, col, c]| x[at([inside(y, 1, 2), inside(col, 2, 3), c])]).collect()
    })
}

fn blocks(apart: bool) -> Case {
    let mut m = Model::default();
    if apart {
        let (x, y) = (input(&mut m, &[1, 2, 2, 8]), m.other(F32, &[1, 4, 4, 2]));
        let options = options!(DepthToSpaceOptions, DepthToSpaceOptionsArgs { block_size: 2 });
        m.op(B::DEPTH_TO_SPACE, &[x], y, Some(options)).output(y);
        return case("DEPTH_TO_SPACE", &m, |x| {
            let from = |[_, y, col, c]: [usize; 4]| ((y / 2 * 2 + col / 2) * 4 + y % 2 * 2 + col % 2) * 2 + c;
            indices([1, 4, 4, 2]).map(|i| x[from(i)]).collect()
        });
    }
    let (x, y) = (input(&mut m, &[1, 4, 4, 2]), m.other(F32, &[1, 2, 2, 8]));
    let options = options!(SpaceToDepthOptions, SpaceToDepthOptionsArgs { block_size: 2 });
    m.op(B::SPACE_TO_DEPTH, &[x], y, Some(options)).output(y);
    case("SPACE_TO_DEPTH", &m, |x| {
        let from = |[_, y, col, c]: [usize; 4]| ((y * 2 + c / 4) * 4 + col * 2 + c / 2 % 2) * 2 + c % 2;
        indices([1, 2, 2, 8]).map(|i| x[from(i)]).collect()
    })
}

/// The best channel of each pixel.
fn best(code: B) -> Case {
    let mut m = Model::default();
    let (x, axis) = (input(&mut m, &IMAGE), m.ints(&[], &[3]));
    let y = m.other(TensorType::INT32, &[1, 2, 3]);
    let (kind, name) = (TensorType::INT32, if code == B::ARG_MAX { "ARG_MAX" } else { "ARG_MIN" });
    let options = match code {
        B::ARG_MAX => options!(ArgMaxOptions, ArgMaxOptionsArgs { output_type: kind }),
        _ => options!(ArgMinOptions, ArgMinOptionsArgs { output_type: kind }),
    };
    m.op(code, &[x, axis], y, Some(options)).output(y);
    let better = move |a: f32, b: f32| if code == B::ARG_MAX { a > b } else { a < b };
    case(name, &m, move |x| {
        let index = |p: &[f32]| (1..3).fold(0, |best, c| if better(p[c], p[best]) { c } else { best }) as f32;
        x.chunks_exact(3).map(index).collect()
    })
}

fn top() -> Case {
    let mut m = Model::default();
    let (x, count) = (input(&mut m, &[2, 6]), m.ints(&[], &[2]));
    let (values, places) = (m.other(F32, &[2, 2]), m.other(TensorType::INT32, &[2, 2]));
    let options = options!(TopKV2Options, TopKV2OptionsArgs {});
    m.several(B::TOPK_V2, &[x, count], &[values, places], Some(options)).output(values);
    case("TOPK_V2", &m, |x| {
        let two = |row: &[f32]| {
            let mut row = row.to_vec();
            row.sort_by(|a, b| b.total_cmp(a));
            row[..2].to_vec()
        };
        x.chunks_exact(6).flat_map(two).collect()
    })
}

/// Every pixel added to its window.
fn overlapping(padding: Padding, [kh, kw]: [usize; 2], [sh, sw]: [usize; 2], [h, w]: [usize; 2]) -> Case {
    let mut m = Model::default();
    let x = input(&mut m, &IMAGE);
    let (k, weights) = weights(&mut m, &[2, kh as i32, kw as i32, 3], 0, Weights::Float);
    let dims = [1, h as i32, w as i32, 2];
    let (shape, b, y) = (m.ints(&[4], &dims), m.floats(&[2], &[0.5, -0.25]), m.other(F32, &dims));
    let (stride_h, stride_w) = (sh as i32, sw as i32);
    let args = options!(
        TransposeConvOptions,
        TransposeConvOptionsArgs { padding: padding, stride_w: stride_w, stride_h: stride_h }
    );
    m.op(B::TRANSPOSE_CONV, &[shape, k, x, b], y, Some(args)).output(y);
    let cut = |from: usize, k: usize, s: usize, to: usize| ((from - 1) * s + k).saturating_sub(to) / 2;
    let (top, left) = (cut(2, kh, sh, h), cut(3, kw, sw, w));
    case("TRANSPOSE_CONV overlapping", &m, move |x| {
        let mut sums: Vec<f32> = (0..h * w * 2).map(|i| [0.5, -0.25][i % 2]).collect();
        for ([_, row, col, c], [o, ky, kx, _]) in
            indices([1, 2, 3, 3]).flat_map(|p| indices([2, kh, kw, 1]).map(move |t| (p, t)))
        {
            let (y, z) = ((row * sh + ky).wrapping_sub(top), (col * sw + kx).wrapping_sub(left));
            if y < h && z < w {
                sums[(y * w + z) * 2 + o] +=
                    x[at([row, col, c])] * weights[((o * kh + ky) * kw + kx) * 3 + c];
            }
        }
        sums
    })
}
