//! Outputs that run into their input: the rows that are written are rows that nobody reads any more, whichever way the
//! step goes, and one byte nearer is refused.

#[path = "../format/tests/common/mod.rs"]
mod common;

use common::builder::{Builder, quant};
use common::noise;
use mote_format::*;
use mote_runtime::{Kernels, Model, Session};
use proptest::prelude::*;

/// A window over an image, as the numbers that a case is drawn from.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    kind: u8,
    image: [u32; 3],
    out: u32,
    kernel: [u16; 2],
    stride: [u8; 2],
    dilation: u8,
    pads: [u16; 2],
}

/// A model of one step, its two tensors apart.
fn model(d: &Drawn) -> Option<ModelWriter> {
    let mut b = Builder::default();
    let [h, w, c] = d.image;
    let x = b.input("x", DType::I8, &[1, h, w, c], quant(1.0, -7));
    let [kh, kw] = d.kernel;
    let dilation = if d.kind < 2 { d.dilation } else { 1 };
    let extent = |k: u16| (u32::from(k) - 1) * u32::from(dilation) + 1;
    let pad = |i: usize, k: u16| u32::from(d.pads[i]) % extent(k);
    let (top, bottom, side) = (pad(0, kh), pad(1, kh), pad(0, kw));
    let oh = (h + top + bottom).checked_sub(extent(kh))? / u32::from(d.stride[0]) + 1;
    let ow = (w + 2 * side).checked_sub(extent(kw))? / u32::from(d.stride[1]) + 1;
    let pads = Pads { top: top as u16, left: side as u16, bottom: bottom as u16, right: side as u16 };
    let stride = Stride { h: d.stride[0], w: d.stride[1] };
    let (dilation, taps) = (Stride { h: dilation, w: dilation }, u32::from(kh) * u32::from(kw));
    let out = match d.kind {
        0 => d.out,
        1 => c * d.out.min(2),
        _ => c,
    };
    let requant = b.requant(Rounding::Single, &vec![0x5000_0000; out as usize], &vec![-9; out as usize]);
    let bias = b.i32s(&(0..out as i32).map(|i| 300 * i - 500).collect::<Vec<_>>());
    let op = match d.kind {
        0 => {
            let weights = b.i8s(&noise(1, (out * taps * c) as usize));
            Op::Conv2d(Conv2d { kh, kw, stride, dilation, pads, groups: 1, weights, bias, requant })
        }
        1 => {
            let weights = b.i8s(&noise(2, (out * taps) as usize));
            Op::DepthwiseConv2d(DepthwiseConv2d { kh, kw, stride, dilation, pads, weights, bias, requant })
        }
        2 => Op::MaxPool2d(MaxPool2d { kh, kw, stride, pads, min: -128, max: 100 }),
        _ => Op::AvgPool2d(AvgPool2d { kh, kw, stride, pads, origin: 0, min: -100, max: 127 }),
    };
    let shape = |dims: &[u32]| Shape::new(dims).expect("small");
    let y = [1, oh, ow, out];
    let scratch = mote_kernels::table::scratch(&op, &shape(&[1, h, w, c]), &shape(&y)) as u32;
    let y = b.step(op, &[x], (DType::I8, &y, quant(1.0, 3)), scratch);
    b.output(y);
    Some(b.place())
}

fn run(writer: &ModelWriter, kernels: &'static Kernels) -> Vec<u8> {
    let bytes = writer.finish();
    let model = Model::new_checked(&bytes).unwrap_or_else(|e| panic!("{e}"));
    let mut arena = noise(3, model.arena_bytes());
    let mut session = Session::with_kernels(&model, &mut arena, kernels).expect("large enough");
    let mut input = session.input_mut(0).expect("an input");
    let bytes = noise(4, input.info().bytes());
    input.bytes_mut().copy_from_slice(&bytes);
    session.run();
    session.output(0).expect("an output").bytes().to_vec()
}

/// The same model with the scratch first, then the two tensors, their starts `distance` bytes apart.
fn near(writer: &ModelWriter, distance: u32, downwards: bool) -> ModelWriter {
    let mut writer = writer.clone();
    let scratch = writer.steps[0].scratch.1;
    let at = if downwards { [scratch + distance, scratch] } else { [scratch, scratch + distance] };
    writer.steps[0].scratch.0 = 0;
    for (tensor, at) in writer.tensors.iter_mut().zip(at) {
        tensor.offset = at;
    }
    let end = |t: &TensorSpec| t.offset + t.dims.iter().product::<u32>();
    writer.arena = writer.tensors.iter().map(end).max().unwrap_or(0);
    writer
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn as_near_as_it_goes(
        kind in 0..4u8,
        image in [1..12u32, 1..5u32, 1..4u32],
        out in 1..6u32,
        kernel in [1..5u16, 1..3u16],
        stride in [1..4u8, 1..3u8],
        dilation in 1..3u8,
        pads in [0..4u16, 0..4u16],
        slack in 0..9u32,
    ) {
        let Some(apart) = model(&Drawn { kind, image, out, kernel, stride, dilation, pads }) else {
            return Ok(());
        };
        let expected = run(&apart, Kernels::naive());
        let image = |t: &TensorSpec| Image::of(&Shape::new(&t.dims).expect("small"), 1).expect("an image");
        let (x, y) = (image(&apart.tensors[0]), image(&apart.tensors[1]));
        let window = apart.steps[0].op.row_window().expect("rows");
        for (downwards, distance) in [(true, window.downwards(x, y)), (false, window.upwards(x, y))] {
            let distance = distance as u32;
            for kernels in Kernels::available().chain([Kernels::naive()]) {
                prop_assert_eq!(&run(&near(&apart, distance, downwards), kernels), &expected);
                prop_assert_eq!(&run(&near(&apart, distance + slack, downwards), kernels), &expected);
            }
            let refused = near(&apart, distance - 1, downwards).finish();
            let reason = Model::new_checked(&refused).err().map(|e| e.reason);
            prop_assert_eq!(reason, Some(Reason::Overlap(0)));
        }
    }
}
