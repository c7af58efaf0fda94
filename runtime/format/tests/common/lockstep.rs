//! A small network whose first four steps may run in lockstep, with a skip connection over two of them: convolution,
//! depthwise convolution, clamp, sum, then a pool that runs by itself.

use mote_format::*;

use super::builder::{Builder, quant};
use super::noise;

const HEIGHT: u32 = 9;
const WIDTH: u32 = 4;

fn pads(n: u16) -> Pads {
    Pads { top: n, left: n, bottom: n, right: n }
}

fn stride(n: u8) -> Stride {
    Stride { h: n, w: n }
}

/// Every tensor whole, every buffer by itself.
pub(crate) fn whole() -> ModelWriter {
    let mut b = Builder::default();
    let x = b.input("image", DType::I8, &[1, HEIGHT, WIDTH, 2], quant(0.1, -5));
    let conv = Conv2d {
        kh: 3,
        kw: 3,
        stride: stride(1),
        dilation: stride(1),
        pads: pads(1),
        groups: 1,
        weights: b.i8s(&noise(1, 3 * 9 * 2)),
        bias: b.i32s(&[10, -200, 3000]),
        requant: b.requant(Rounding::Double, &[0x5555_5555; 3], &[-8, -7, -8]),
    };
    let image = |channels: u32| [1, HEIGHT, WIDTH, channels];
    let a = b.step(Op::Conv2d(conv), &[x], (DType::I8, &image(3), quant(0.1, 4)), 512);
    let depthwise = DepthwiseConv2d {
        kh: 3,
        kw: 3,
        stride: stride(1),
        dilation: stride(1),
        pads: pads(1),
        weights: b.i8s(&noise(2, 27)),
        bias: b.i32s(&[1, 2, -3000]),
        requant: b.requant(Rounding::Single, &[0x6000_0000; 3], &[-8, -8, -7]),
    };
    let d = b.step(Op::DepthwiseConv2d(depthwise), &[a], (DType::I8, &image(3), quant(0.1, -9)), 512);
    let clamp = Op::Clamp(Clamp { min: -90, max: 80 });
    let c = b.step(clamp, &[d], (DType::I8, &image(3), quant(0.1, -9)), 0);
    let half = Scale { mult: 1 << 30, shift: 0 };
    let y = Scale { mult: 1 << 30, shift: -18 };
    let add = Add { a: half, b: half, y, left: 20, round: Rounding::Double, min: -128, max: 127 };
    let s = b.step(Op::Add(add), &[a, c], (DType::I8, &image(3), quant(0.1, 1)), 0);
    let pool = MaxPool2d { kh: 2, kw: 2, stride: stride(2), pads: pads(0), min: -128, max: 127 };
    let (h, w) = (HEIGHT / 2, WIDTH / 2);
    let p = b.step(Op::MaxPool2d(pool), &[s], (DType::I8, &[1, h, w, 3], quant(0.1, 1)), 0);
    b.output(p);
    let mut writer = b.place();
    apart(&mut writer);
    writer
}

/// Gives every buffer bytes of its own.
pub(crate) fn apart(writer: &mut ModelWriter) {
    let mut end = 0;
    let mut take = |bytes: u32| {
        end += bytes;
        end - bytes
    };
    for (id, tensor) in (0..).zip(&mut writer.tensors) {
        let kept = writer.kept.iter().find(|k| k.0 == id).map_or(tensor.dims[1], |k| u32::from(k.1));
        tensor.offset = take(kept * tensor.dims[2] * tensor.dims[3]);
    }
    writer.steps.iter_mut().for_each(|step| step.scratch.0 = take(step.scratch.1));
    writer.arena = end;
}

/// The first four steps in lockstep, the input whole or fed by rows: each row of the sum as soon as it can be made.
pub(crate) fn lockstep(fed: bool) -> ModelWriter {
    let mut writer = whole();
    let mut calls = Vec::new();
    let mut call = |step, rows| calls.push(Call { step, rows });
    call(0, 1);
    for row in 1..HEIGHT as usize {
        call(0, 1);
        (1..4).for_each(|step| call(step, 1));
        if row + 1 == HEIGHT as usize {
            (1..4).for_each(|step| call(step, 1));
        }
    }
    writer.groups = vec![GroupSpec { first: 0, steps: 4, calls }];
    writer.kept = vec![(1, 3), (2, 1), (3, 1)];
    if fed {
        writer.kept.push((0, 3));
    }
    apart(&mut writer);
    writer
}

/// The same in three regions of RAM.
pub(crate) fn in_regions() -> ModelWriter {
    let mut writer = lockstep(false);
    let (sum, scratch) = (writer.tensors[4].offset, writer.steps[1].scratch.0);
    let region =
        |name: &str, cost: u32, end| RegionSpec { name: name.into(), moved: 1 << (4 * cost), cost, end };
    writer.regions =
        vec![region("tightly coupled", 1, sum), region("", 2, scratch), region("外", 9, writer.arena)];
    writer.bound = Some(Bound { arena_bytes: 700, cost: 5 << 33 });
    writer
}
