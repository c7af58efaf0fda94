//! Operators that take parts of a tensor or cut it into blocks: what comes out is where it lay, said by an index.

use crate::Case;
use crate::builder::{Model, Options, Q, options};
use tract_tflite::tflite::{ActivationFunctionType, BuiltinOperator as B, MirrorPadMode, Padding};

const SCALE: Q = (0.05, -9);

pub(crate) fn cases() -> Vec<Case> {
    let mut all = vec![
        sliced(),
        turned_around(),
        tiled(),
        mirrored(MirrorPadMode::REFLECT, [[0, 0], [2, 1], [3, 3], [0, 1]]),
        mirrored(MirrorPadMode::SYMMETRIC, [[0, 0], [3, 0], [1, 4], [2, 2]]),
        mirrored(MirrorPadMode::SYMMETRIC, [[0, 0]; 4]),
        spread(),
        split(2),
        split(0),
        split_v(),
        unpacked(),
        gathered(&[2, 0, 0, 3], &[2, 2], 1),
        gathered(&[3, 2, 1], &[3], -2),
        gathered(&[2], &[], 1),
        depth_to_space(2, [2, 3, 2, 12]),
        depth_to_space(3, [1, 2, 2, 9]),
        space_to_depth(2, [2, 4, 6, 3]),
        space_to_batch(),
        batch_to_space([0, 0, 0, 0]),
        batch_to_space([1, 0, 2, 1]),
        dilated(false, [2, 2], [2, 2, 2, 3], [0, 1, 0, 1]),
        dilated(true, [3, 2], [3, 3, 2, 3], [0, 0, 0, 1]),
        dilated(true, [2, 2], [1, 3, 0, 5], [0, 0, 0, 0]),
    ];
    let entry = |begin, end, step| (begin, end, step);
    all.extend([
        strided("STRIDED_SLICE", [entry(1, 3, 1), entry(0, 3, 2), entry(-3, -1, 1)], [0; 5], &[2, 2, 2]),
        strided(
            "STRIDED_SLICE backwards",
            [entry(3, 0, -1), entry(5, -9, -2), entry(0, 4, 3)],
            [0; 5],
            &[3, 2, 2],
        ),
        strided(
            "STRIDED_SLICE open",
            [entry(2, 1, 1), entry(2, 1, -1), entry(0, 9, 1)],
            [3, 3, 0, 0, 0],
            &[4, 3, 5],
        ),
        strided(
            "STRIDED_SLICE of one",
            [entry(-1, 0, 1), entry(0, 2, 1), entry(4, 5, 1)],
            [0, 0, 0, 0, 5],
            &[2],
        ),
    ]);
    all
}

/// The elements at these positions.
fn picked(at: Vec<usize>) -> impl Fn(&[i8]) -> Vec<u8> {
    move |x| at.iter().map(|&i| x[i] as u8).collect()
}

/// Every index of a shape, in order.
fn indices(dims: &[usize]) -> Vec<Vec<usize>> {
    let longer = |all: Vec<Vec<usize>>, &d: &usize| {
        all.iter().flat_map(|i| (0..d).map(move |k| [&i[..], &[k]].concat())).collect()
    };
    dims.iter().fold(vec![vec![]], longer)
}

/// Where an index lies in a shape.
fn place(dims: &[usize], index: &[usize]) -> usize {
    dims.iter().zip(index).fold(0, |n, (d, i)| n * d + i)
}

/// The masks are begin, end, ellipsis, new axis, shrink.
fn strided(name: &'static str, entries: [(i32, i32, i32); 3], masks: [i32; 5], y: &[i32]) -> Case {
    const DIMS: [usize; 3] = [4, 3, 5];
    let mut m = Model::default();
    let x = m.input(&DIMS.map(|d| d as i32), SCALE);
    let (begin, end) = (m.ints(&[3], &entries.map(|e| e.0)), m.ints(&[3], &entries.map(|e| e.1)));
    let strides = m.ints(&[3], &entries.map(|e| e.2));
    let to = m.value(y, SCALE);
    let options = options!(
        StridedSliceOptions,
        StridedSliceOptionsArgs {
            begin_mask: masks[0],
            end_mask: masks[1],
            ellipsis_mask: masks[2],
            new_axis_mask: masks[3],
            shrink_axis_mask: masks[4]
        }
    );
    m.op(B::STRIDED_SLICE, &[x, begin, end, strides], to, Some(options)).output(to);
    // As Python slices a list of the positions.
    let along = |d: usize| {
        let (begin, end, step) = entries[d];
        let length = DIMS[d] as i32;
        let from_end = |v: i32| if v < 0 { v + length } else { v };
        let open = |mask: usize| masks[mask] >> d & 1 == 1;
        let inside = |i: &i32| (0..length).contains(i);
        if masks[4] >> d & 1 == 1 {
            return vec![from_end(begin) as usize];
        }
        let first = if open(0) { if step > 0 { 0 } else { length - 1 } } else { from_end(begin) };
        let first = if step < 0 { first.min(length - 1) } else { first };
        let last = if open(1) { if step > 0 { length } else { -1 } } else { from_end(end) };
        let before = |i: &i32| if step > 0 { *i < last } else { *i > last };
        (0..length).map(|k| first + k * step).take_while(before).filter(inside).map(|i| i as usize).collect()
    };
    let lists = [0, 1, 2].map(along);
    let counts: Vec<usize> = lists.iter().map(Vec::len).collect();
    let at =
        indices(&counts).into_iter().map(|i| place(&DIMS, &[lists[0][i[0]], lists[1][i[1]], lists[2][i[2]]]));
    Case::new(name, &m, picked(at.collect()))
}

fn sliced() -> Case {
    let mut m = Model::default();
    let (x, y) = (m.input(&[3, 4, 2], SCALE), m.value(&[2, 3, 1], SCALE));
    let (begin, size) = (m.ints(&[3], &[1, 0, 1]), m.ints(&[3], &[-1, 3, 1]));
    m.op(B::SLICE, &[x, begin, size], y, Some(options!(SliceOptions, SliceOptionsArgs {}))).output(y);
    let at = indices(&[2, 3, 1]).iter().map(|i| place(&[3, 4, 2], &[i[0] + 1, i[1], i[2] + 1])).collect();
    Case::new("SLICE", &m, picked(at))
}

fn turned_around() -> Case {
    let mut m = Model::default();
    let (x, y) = (m.input(&[3, 4, 2], SCALE), m.value(&[3, 4, 2], SCALE));
    let axes = m.ints(&[2], &[1, 2]);
    let options = options!(ReverseV2Options, ReverseV2OptionsArgs {});
    m.op(B::REVERSE_V2, &[x, axes], y, Some(options)).output(y);
    let at = |i: &Vec<usize>| place(&[3, 4, 2], &[i[0], 3 - i[1], 1 - i[2]]);
    Case::new("REVERSE_V2", &m, picked(indices(&[3, 4, 2]).iter().map(at).collect()))
}

fn tiled() -> Case {
    let mut m = Model::default();
    let (x, y) = (m.input(&[3, 4, 2], SCALE), m.value(&[6, 4, 6], SCALE));
    let counts = m.ints(&[3], &[2, 1, 3]);
    m.op(B::TILE, &[x, counts], y, Some(options!(TileOptions, TileOptionsArgs {}))).output(y);
    let at = |i: &Vec<usize>| place(&[3, 4, 2], &[i[0] % 3, i[1], i[2] % 2]);
    Case::new("TILE", &m, picked(indices(&[6, 4, 6]).iter().map(at).collect()))
}

fn mirrored(mode: MirrorPadMode, amounts: [[i32; 2]; 4]) -> Case {
    const DIMS: [usize; 4] = [1, 3, 4, 2];
    let y: [usize; 4] = std::array::from_fn(|d| DIMS[d] + amounts[d].iter().sum::<i32>() as usize);
    let options = options!(MirrorPadOptions, MirrorPadOptionsArgs { mode: mode });
    // Walks from the first element outwards and back.
    let turn = usize::from(mode == MirrorPadMode::SYMMETRIC);
    let inside = move |d: usize, i: usize| {
        let (n, from) = (DIMS[d] as i32, i as i32 - amounts[d][0]);
        let from = if from < 0 { -from - turn as i32 } else { from };
        (if from >= n { 2 * n - 2 - from + turn as i32 } else { from }) as usize
    };
    let from = move |i: &[usize]| Some((0..4).map(|d| inside(d, i[d])).collect());
    let list = amounts.as_flattened();
    turned("MIRROR_PAD", (B::MIRROR_PAD, Some(options)), (DIMS, y), &[(&[4, 2], list)], from)
}

fn spread() -> Case {
    let mut m = Model::default();
    let (x, y) = (m.input(&[4, 1], SCALE), m.value(&[2, 4, 3], SCALE));
    let shape = m.ints(&[3], &[2, 4, 3]);
    let options = options!(BroadcastToOptions, BroadcastToOptionsArgs {});
    m.op(B::BROADCAST_TO, &[x, shape], y, Some(options)).output(y);
    Case::new("BROADCAST_TO", &m, picked(indices(&[2, 4, 3]).iter().map(|i| i[1]).collect()))
}

/// Outputs one after the other: parts of these lengths along an axis of `[4, 3, 6]`, all of which the model returns.
fn in_parts(
    name: &'static str,
    axis: usize,
    sizes: &[usize],
    op: impl Fn(&mut Model, i32, &[i32]),
    keep: bool,
) -> Case {
    const DIMS: [usize; 3] = [4, 3, 6];
    let mut m = Model::default();
    let x = m.input(&DIMS.map(|d| d as i32), SCALE);
    let (mut outputs, mut at, mut begin) = (Vec::new(), Vec::new(), 0);
    for &size in sizes {
        let mut dims = DIMS.to_vec();
        dims[axis] = size;
        at.extend(indices(&dims).iter().map(|i| {
            let mut i = i.clone();
            i[axis] += begin;
            place(&DIMS, &i)
        }));
        begin += size;
        if !keep {
            dims.remove(axis);
        }
        outputs.push(m.value(&dims.iter().map(|&d| d as i32).collect::<Vec<_>>(), SCALE));
    }
    op(&mut m, x, &outputs);
    outputs.iter().for_each(|&y| {
        m.output(y);
    });
    Case::new(name, &m, picked(at))
}

fn split(axis: usize) -> Case {
    let sizes = [[2, 2, 0], [0; 3], [2, 2, 2]][axis];
    let sizes: Vec<usize> = sizes.into_iter().filter(|&s| s > 0).collect();
    let count = sizes.len() as i32;
    let op = move |m: &mut Model, x: i32, outputs: &[i32]| {
        let axis = m.ints(&[], &[axis as i32 - 3]);
        let options = options!(SplitOptions, SplitOptionsArgs { num_splits: count });
        m.several(B::SPLIT, &[axis, x], outputs, Some(options));
    };
    in_parts("SPLIT", axis, &sizes, op, true)
}

fn split_v() -> Case {
    let op = |m: &mut Model, x: i32, outputs: &[i32]| {
        let (sizes, axis) = (m.ints(&[3], &[1, -1, 2]), m.ints(&[], &[2]));
        let options = options!(SplitVOptions, SplitVOptionsArgs { num_splits: 3 });
        m.several(B::SPLIT_V, &[x, sizes, axis], outputs, Some(options));
    };
    in_parts("SPLIT_V", 2, &[1, 3, 2], op, true)
}

fn unpacked() -> Case {
    let op = |m: &mut Model, x: i32, outputs: &[i32]| {
        let options = options!(UnpackOptions, UnpackOptionsArgs { num: 3, axis: -2 });
        m.several(B::UNPACK, &[x], outputs, Some(options));
    };
    in_parts("UNPACK", 1, &[1; 3], op, false)
}

/// Of axis 1 of `[2, 4, 3]`.
fn gathered(list: &'static [i32], dims: &[i32], axis: i32) -> Case {
    let mut m = Model::default();
    let x = m.input(&[2, 4, 3], SCALE);
    let i = m.ints(dims, list);
    let y = m.value(&[&[2], dims, &[3]].concat(), SCALE);
    let options = options!(GatherOptions, GatherOptionsArgs { axis: axis });
    m.op(B::GATHER, &[x, i], y, Some(options)).output(y);
    let at = indices(&[2, list.len(), 3]);
    let at = at.iter().map(|i| place(&[2, 4, 3], &[i[0], list[i[1]] as usize, i[2]])).collect();
    Case::new("GATHER", &m, picked(at))
}

/// A model of one operator from one shape to another; `from` gives the index in the input for one in the output.
fn turned(
    name: &'static str,
    (code, options): (B, Option<Options>),
    (x, y): ([usize; 4], [usize; 4]),
    constants: &[(&[i32], &[i32])],
    from: impl Fn(&[usize]) -> Option<Vec<usize>> + 'static,
) -> Case {
    let mut m = Model::default();
    let (source, to) = (m.input(&x.map(|d| d as i32), SCALE), m.value(&y.map(|d| d as i32), SCALE));
    let rest: Vec<i32> = constants.iter().map(|(dims, values)| m.ints(dims, values)).collect();
    m.op(code, &[&[source], &rest[..]].concat(), to, options).output(to);
    let value = move |v: &[i8], i: &Vec<usize>| from(i).map_or(SCALE.1 as i8, |i| v[place(&x, &i)]) as u8;
    Case::new(name, &m, move |v| indices(&y).iter().map(|i| value(v, i)).collect())
}

fn depth_to_space(b: usize, x: [usize; 4]) -> Case {
    let size = b as i32;
    let options = options!(DepthToSpaceOptions, DepthToSpaceOptionsArgs { block_size: size });
    let depth = x[3] / b / b;
    let from =
        move |i: &[usize]| Some(vec![i[0], i[1] / b, i[2] / b, (i[1] % b * b + i[2] % b) * depth + i[3]]);
    let y = [x[0], x[1] * b, x[2] * b, depth];
    turned("DEPTH_TO_SPACE", (B::DEPTH_TO_SPACE, Some(options)), (x, y), &[], from)
}

fn space_to_depth(b: usize, x: [usize; 4]) -> Case {
    let size = b as i32;
    let options = options!(SpaceToDepthOptions, SpaceToDepthOptionsArgs { block_size: size });
    let from = move |i: &[usize]| {
        let inside = i[3] / x[3];
        Some(vec![i[0], i[1] * b + inside / b, i[2] * b + inside % b, i[3] % x[3]])
    };
    let y = [x[0], x[1] / b, x[2] / b, x[3] * b * b];
    turned("SPACE_TO_DEPTH", (B::SPACE_TO_DEPTH, Some(options)), (x, y), &[], from)
}

/// Blocks of 2 × 3 after padding by 1, 0 above and below and 2, 2 at the sides.
fn space_to_batch() -> Case {
    let options = options!(SpaceToBatchNDOptions, SpaceToBatchNDOptionsArgs {});
    let constants: [(&[i32], &[i32]); 2] = [(&[2], &[2, 3]), (&[2, 2], &[1, 0, 2, 2])];
    let from = |i: &[usize]| {
        let (block, image) = (i[0] / 2, i[0] % 2);
        let row = (i[1] * 2 + block / 3).checked_sub(1)?;
        let col = (i[2] * 3 + block % 3).checked_sub(2).filter(|&c| c < 5)?;
        Some(vec![image, row, col, i[3]])
    };
    let shapes = ([2, 3, 5, 2], [12, 2, 3, 2]);
    turned("SPACE_TO_BATCH_ND", (B::SPACE_TO_BATCH_ND, Some(options)), shapes, &constants, from)
}

fn batch_to_space(crops: [i32; 4]) -> Case {
    let options = options!(BatchToSpaceNDOptions, BatchToSpaceNDOptionsArgs {});
    let constants: [(&[i32], &[i32]); 2] = [(&[2], &[2, 3]), (&[2, 2], &crops)];
    let [top, bottom, left, right] = crops.map(|c| c as usize);
    let from = move |i: &[usize]| {
        let (row, col) = (i[1] + top, i[2] + left);
        Some(vec![(row % 2 * 3 + col % 3) * 2 + i[0], row / 2, col / 3, i[3]])
    };
    let shapes = ([12, 2, 3, 2], [2, 4 - top - bottom, 9 - left - right, 2]);
    turned("BATCH_TO_SPACE_ND", (B::BATCH_TO_SPACE_ND, Some(options)), shapes, &constants, from)
}

/// A convolution between both, and the dilated convolution that it means.
fn dilated(depthwise: bool, block: [i32; 2], pads: [i32; 4], crops: [i32; 4]) -> Case {
    let (name, code) = if depthwise {
        ("dilated depthwise", B::DEPTHWISE_CONV_2D)
    } else {
        ("dilated convolution", B::CONV_2D)
    };
    let (x, channels) = ([1usize, 6, 7, 2], 2usize);
    let mut m = Model::default();
    let source = m.input(&x.map(|d| d as i32), SCALE);
    let size = m.ints(&[2], &block);
    let (padding, crop) = (m.ints(&[2, 2], &pads), m.ints(&[2, 2], &crops));
    let wide = [6 + pads[0] + pads[1], 7 + pads[2] + pads[3]];
    let [h, w] = [wide[0] / block[0], wide[1] / block[1]];
    let batch = block[0] * block[1];
    let spread = m.value(&[batch, h, w, 2], SCALE);
    let options = options!(SpaceToBatchNDOptions, SpaceToBatchNDOptionsArgs {});
    m.op(B::SPACE_TO_BATCH_ND, &[source, size, padding], spread, Some(options));
    // Kernels of 2 × 2 and a scale of 1/64, so that nothing is rounded twice.
    let weights: Vec<i8> = (0..if depthwise { 8 } else { 16 }).map(|i| (i * 37 % 101 - 50) as i8).collect();
    let k = if depthwise {
        m.weights(&[1, 2, 2, 2], &[0.5], 3, &weights)
    } else {
        m.weights(&[2, 2, 2, 2], &[0.5], 0, &weights)
    };
    let bias = m.bias(&[100, -50], &[SCALE.0 * 0.5]);
    let result = m.value(&[batch, h - 1, w - 1, 2], (SCALE.0 * 32.0, 3));
    let options = if depthwise {
        options!(
            DepthwiseConv2DOptions,
            DepthwiseConv2DOptionsArgs {
                padding: Padding::VALID,
                stride_w: 1,
                stride_h: 1,
                depth_multiplier: 1,
                fused_activation_function: ActivationFunctionType::NONE,
                dilation_w_factor: 1,
                dilation_h_factor: 1
            }
        )
    } else {
        options!(
            Conv2DOptions,
            Conv2DOptionsArgs {
                padding: Padding::VALID,
                stride_w: 1,
                stride_h: 1,
                fused_activation_function: ActivationFunctionType::NONE,
                dilation_w_factor: 1,
                dilation_h_factor: 1
            }
        )
    };
    m.op(code, &[spread, k, bias], result, Some(options));
    let [oh, ow] = [(h - 1) * block[0] - crops[0] - crops[1], (w - 1) * block[1] - crops[2] - crops[3]];
    let y = m.value(&[1, oh, ow, 2], (SCALE.0 * 32.0, 3));
    let options = options!(BatchToSpaceNDOptions, BatchToSpaceNDOptionsArgs {});
    m.op(B::BATCH_TO_SPACE_ND, &[result, size, crop], y, Some(options)).output(y);
    let value = move |v: &[i8], i: &[usize]| {
        let mut sum = [100i64, -50][i[3]];
        for t in indices(&[2, 2, channels]) {
            let row = i[1] as i32 + crops[0] + t[0] as i32 * block[0] - pads[0];
            let col = i[2] as i32 + crops[2] + t[1] as i32 * block[1] - pads[2];
            let inside = (0..6).contains(&row) && (0..7).contains(&col);
            let at = place(&x, &[0, row.max(0) as usize, col.max(0) as usize, t[2]]);
            let weight = if depthwise {
                if t[2] != i[3] { 0 } else { weights[(t[0] * 2 + t[1]) * 2 + t[2]] }
            } else {
                weights[((i[3] * 2 + t[0]) * 2 + t[1]) * 2 + t[2]]
            };
            sum += if inside { (i64::from(v[at]) - SCALE.1) * i64::from(weight) } else { 0 };
        }
        crate::oracle::clamp(crate::oracle::double(sum, 1.0 / 64.0) + 3, (-128, 127)) as u8
    };
    Case::new(name, &m, move |v| {
        indices(&[1, oh as usize, ow as usize, 2]).iter().map(|i| value(v, i)).collect()
    })
}

/// Where the three operators mean a dilation, they become one step.
#[test]
fn dilations_are_found() {
    let steps = |case: Case| mote_converter::tflite::program(&case.bytes).expect("a program").steps.len();
    assert_eq!(steps(dilated(false, [2, 2], [2, 2, 2, 3], [0, 1, 0, 1])), 1);
    assert_eq!(steps(dilated(true, [3, 2], [3, 3, 2, 3], [0, 0, 0, 1])), 1);
    assert!(
        steps(dilated(true, [2, 2], [1, 3, 0, 5], [0, 0, 0, 0])) > 3,
        "more padding than a window is wide"
    );
}
