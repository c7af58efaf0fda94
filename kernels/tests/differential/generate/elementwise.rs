//! Operators that treat elements one by one, and those over the last dimension.

use super::*;

/// A step of two int8 inputs, either of which may repeat or be a constant of the model.
fn binary(d: &mut Draw<'_>, op: Op) -> Case {
    let repeats = d.once_in(2);
    repeating(d, op, [repeats; 2])
}

/// The same, where it is given which of the inputs may repeat.
fn repeating(d: &mut Draw<'_>, op: Op, repeats: [bool; 2]) -> Case {
    let mut b = Builder::default();
    let y = dims(d, 0, 4, 7);
    let y: Vec<u32> = y.iter().map(|&n| if d.once_in(4) { n + 20 } else { n }).take(4).collect();
    let first = d.bytes(volume(&y));
    let mut inputs = Vec::new();
    let ids = [0, 1].map(|i| {
        let mut x = y.clone();
        if repeats[i] {
            x.iter_mut().for_each(|n| *n = if d.once_in(3) { 1 } else { *n });
        }
        let bytes = if i == 0 && x == y { first.clone() } else { d.bytes(volume(&x)) };
        let bytes = if d.once_in(4) && x == y { first.clone() } else { bytes };
        let q = quant(0.1, d.zero());
        if d.once_in(4) {
            inputs.push(None);
            return b.constant("c", &bytes, &x, q);
        }
        inputs.push(Some(bytes));
        b.input("x", DType::I8, &x, q)
    });
    if inputs.iter().all(Option::is_none) {
        b.input("unused", DType::I8, &[1], quant(1.0, 0));
    }
    let zero = d.zero();
    let scratch = scratch(&op, &y, &y);
    let output = b.step(op, &ids, (DType::I8, &y, quant(0.1, zero)), scratch);
    b.output(output);
    Case::new(b, inputs)
}

pub(crate) fn add(d: &mut Draw<'_>) -> Case {
    let left = d.pick(&[20, 0, 8, 16, 19]);
    let round = d.pick(&[Rounding::Double, Rounding::Single]);
    let [a, b] = [0, 1].map(|_| d.scale(round, 7));
    let y = d.scale(round, 7 + i32::from(left));
    let (min, max) = d.bounds();
    binary(d, Op::Add(Add { a, b, y, left, round, min, max }))
}

pub(crate) fn mul(d: &mut Draw<'_>) -> Case {
    let round = d.rounding();
    let scale = d.scale(round, 13);
    let (min, max) = d.bounds();
    binary(d, Op::Mul(Mul { scale, round, min, max }))
}

pub(crate) fn lut(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let x = dims(d, 0, 6, 5);
    let table = b.i8s(&d.bytes(256));
    unary(d, b, Op::Lut(Lut { table }), &x, &x, quant(0.1, 0))
}

pub(crate) fn clamp(d: &mut Draw<'_>) -> Case {
    let x = dims(d, 0, 6, 5);
    let (min, max) = d.bounds();
    unary(d, Builder::default(), Op::Clamp(Clamp { min, max }), &x, &x, quant(0.1, 0))
}

pub(crate) fn requantize(d: &mut Draw<'_>) -> Case {
    let x = dims(d, 0, 6, 5);
    let round = d.rounding();
    let scale = d.scale(round, 7);
    let (min, max) = d.bounds();
    let zero = d.zero();
    let op = Op::Requantize(Requantize { scale, round, min, max });
    unary(d, Builder::default(), op, &x, &x, quant(0.1, zero))
}

pub(crate) fn softmax(d: &mut Draw<'_>) -> Case {
    let mut x = dims(d, 0, 3, 4);
    x.push(d.pick(&[2, 1, 3, 10, 40, 1000, 5000]));
    let shift = d.range(0, 26) as i8;
    let least = (31i64 << 26 >> shift).min(255) as i32;
    let diff_min = if d.once_in(4) { -(d.range(0, least as u32) as i32) } else { -least };
    let scale = Scale { mult: (1 << 30) + (d.any() >> 2) as i32, shift };
    let op = Op::Softmax(Softmax { scale, diff_min });
    unary(d, Builder::default(), op, &x, &x, quant(0.1, 0))
}

pub(crate) fn arg_max(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let (rows, channels) = (dims(d, 0, 3, 4), d.range(1, 70));
    let x = [&rows[..], &[channels]].concat();
    let input = b.input("x", DType::I8, &x, quant(0.1, 0));
    let output = b.step(Op::ArgMax(ArgMax {}), &[input], (DType::I32, &rows, quant(1.0, 0)), 0);
    b.output(output);
    Case::new(b, vec![Some(d.bytes(volume(&x)))])
}

pub(crate) fn quantize(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let x = dims(d, 0, 6, 4);
    let input = b.input("x", DType::F32, &x, quant(1.0, 0));
    let scale = d.pick(&[0.1, 1.0, 1e-40, 1e38, 0.003]);
    let y = quant(scale, d.zero());
    let output = b.step(Op::Quantize(Quantize {}), &[input], (DType::I8, &x, y), 0);
    b.output(output);
    // Halves, ordinary values, and any bits at all.
    let how = d.range(0, 2);
    let bits = d.bytes(4 * volume(&x));
    let real = |b: &[u8]| match how {
        0 => (f32::from(b[0] as i8) + 0.5) * scale,
        1 => f32::from(b[0] as i8) * f32::from(b[1]) * 0.01 * scale,
        _ => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
    };
    let bytes = bits.chunks_exact(4).flat_map(|b| real(b).to_le_bytes()).collect();
    Case::new(b, vec![Some(bytes)])
}

pub(crate) fn dequantize(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let x = dims(d, 0, 6, 5);
    let q = quant(d.pick(&[0.1, 1e-40, 1e36]), d.zero());
    let input = b.input("x", DType::I8, &x, q);
    let output = b.step(Op::Dequantize(Dequantize {}), &[input], (DType::F32, &x, quant(1.0, 0)), 0);
    b.output(output);
    Case::new(b, vec![Some(d.bytes(volume(&x)))])
}

pub(crate) fn flip_sign(d: &mut Draw<'_>) -> Case {
    let x = dims(d, 0, 6, 5);
    let (from, to) = if d.once_in(2) { (DType::I8, DType::U8) } else { (DType::U8, DType::I8) };
    let mut b = Builder::default();
    let input = b.input("x", from, &x, quant(0.1, 3));
    let output = b.step(Op::FlipSign(FlipSign {}), &[input], (to, &x, quant(0.1, 3)), 0);
    b.output(output);
    Case::new(b, vec![Some(d.bytes(volume(&x)))])
}

pub(crate) fn maximum(d: &mut Draw<'_>) -> Case {
    binary(d, Op::Maximum(Maximum {}))
}

pub(crate) fn minimum(d: &mut Draw<'_>) -> Case {
    binary(d, Op::Minimum(Minimum {}))
}

pub(crate) fn prelu(d: &mut Draw<'_>) -> Case {
    let round = d.rounding();
    let (positive, negative) = (d.scale(round, 7), d.scale(round, 13));
    let repeats = [false, d.once_in(2)];
    repeating(d, Op::Prelu(Prelu { positive, negative, round }), repeats)
}

pub(crate) fn l2_norm(d: &mut Draw<'_>) -> Case {
    let mut x = dims(d, 0, 3, 4);
    x.push(d.pick(&[2, 1, 3, 16, 100, 1000]));
    let zero = d.zero();
    unary(d, Builder::default(), Op::L2Norm(L2Norm {}), &x, &x, quant(0.1, zero))
}

pub(crate) fn top_k(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let (rows, length) = (dims(d, 0, 3, 4), d.range(1, 30));
    let x = [&rows[..], &[length]].concat();
    let y = [&rows[..], &[d.range(1, length)]].concat();
    let input = b.input("x", DType::I8, &x, quant(0.1, 0));
    let dtype = d.pick(&[DType::I8, DType::I32]);
    let output = b.step(Op::TopK(TopK {}), &[input], (dtype, &y, quant(1.0, 0)), 0);
    b.output(output);
    Case::new(b, vec![Some(d.bytes(volume(&x)))])
}

pub(crate) fn cast(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let x = dims(d, 0, 4, 5);
    let [from, to] = [0; 2].map(|_| d.pick(&[DType::I8, DType::U8, DType::I16, DType::I32, DType::F32]));
    let input = b.input("x", from, &x, quant(0.1, 0));
    let output = b.step(Op::Cast(Cast { from, to }), &[input], (to, &x, quant(0.1, 0)), 0);
    b.output(output);
    Case::new(b, vec![Some(d.bytes(volume(&x) * from.size()))])
}

pub(crate) fn div(d: &mut Draw<'_>) -> Case {
    let scale = d.scale(Rounding::Double, 2);
    let (min, max) = d.bounds();
    binary(d, Op::Div(Div { scale: Scale { shift: scale.shift.min(23), ..scale }, min, max }))
}
