//! Operators on int16 values.

use super::*;

/// A step with one int16 input and an output of a given type.
fn unary16(d: &mut Draw<'_>, mut b: Builder, op: Op, x: &[u32], y: (DType, &[u32])) -> Case {
    let input = b.input("x", DType::I16, x, quant(0.1, 0));
    let zero = if y.0 == DType::I8 { d.zero() } else { 0 };
    let scratch = scratch(&op, x, y.1);
    let output = b.step(op, &[input], (y.0, y.1, quant(0.1, zero)), scratch);
    b.output(output);
    Case::new(b, vec![Some(d.words16(volume(x)))])
}

/// Biases of 32 bits, or of 64.
fn bias(d: &mut Draw<'_>, b: &mut Builder, n: usize) -> Const {
    let mut words = d.biases(n);
    if d.once_in(2) {
        let high: Vec<i32> = if d.once_in(2) { d.biases(n) } else { words.iter().map(|w| w >> 31).collect() };
        words = words.into_iter().zip(high).flat_map(|(low, high)| [low, high]).collect();
    }
    b.i32s(&words)
}

/// Multipliers for `n` channels whose sums have about `bits` bits.
fn requant16(d: &mut Draw<'_>, b: &mut Builder, (n, bits): (usize, i32), profiles: &[Rounding]) -> Requant16 {
    let round = d.pick(profiles);
    let plain = (15 - bits + d.range(0, 2) as i32).clamp(-31, 7) as i8;
    let (mut mult, mut shift) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let wild = d.once_in(4);
        match round {
            Rounding::Double => {
                let scale = d.scale(round, bits - 8);
                mult.extend(scale.mult.to_le_bytes());
                shift.push(scale.shift as u8);
            }
            Rounding::Single => {
                let any = (1 << 14) + (d.any() & 0x3FFF) as i16;
                mult.extend(if wild { d.pick(&[0, 1, i16::MAX, 1 << 14]) } else { any }.to_le_bytes());
                shift.push(if wild { d.range(0, 38) as i8 - 31 } else { plain } as u8);
            }
            Rounding::Float => {
                let any = f64::from(d.range(1, 2000)) / 2000.0 * 2f64.powi(15 - bits);
                let extremes = [0.0, 1.0, 0.5, 1e300, 5e-324, -any, f64::MAX];
                mult.extend(if wild { d.pick(&extremes) } else { any }.to_le_bytes());
            }
        }
    }
    let (min, max) = d.bounds16();
    Requant16 { round, mult: b.i8s(&mult), shift: b.i8s(&shift), min, max }
}

const INTEGER: [Rounding; 2] = [Rounding::Single, Rounding::Double];

/// Bits of a sum of `n` products.
fn bits16(n: u32) -> i32 {
    8 + bits(n)
}

pub(crate) fn conv2d16(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let kernels = d.pick(&[1, 3, 5]);
    let window = Window::draw(d, kernels > 1, kernels);
    let groups = d.pick(&[1, 1, 1, 2, 3]);
    let most = if groups == 1 { 40 } else { 9 };
    let (cin, cout) = (d.range(1, most), d.range(1, most));
    let each = window.taps() * cin;
    let (x, y) = (window.x(cin * groups), window.y(cout * groups));
    let (kh, kw) = window.kernel();
    let op = Conv2d16 {
        kh,
        kw,
        stride: window.stride(),
        dilation: window.dilation(),
        pads: window.pads(),
        groups: groups as u16,
        weights: b.i8s(&d.bytes((each * y[3]) as usize)),
        bias: bias(d, &mut b, y[3] as usize),
        requant: requant16(d, &mut b, (y[3] as usize, bits16(each)), &INTEGER),
    };
    unary16(d, b, Op::Conv2d16(op), &x, (DType::I16, &y))
}

pub(crate) fn depthwise_conv2d16(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let window = Window::draw(d, true, 4);
    let multiplier = d.pick(&[1, 1, 1, 2, 3]);
    let cin = d.range(1, if multiplier == 1 { 40 } else { 14 });
    let (x, y) = (window.x(cin), window.y(cin * multiplier));
    let (kh, kw) = window.kernel();
    let op = DepthwiseConv2d16 {
        kh,
        kw,
        stride: window.stride(),
        dilation: window.dilation(),
        pads: window.pads(),
        weights: b.i8s(&d.bytes((window.taps() * y[3]) as usize)),
        bias: bias(d, &mut b, y[3] as usize),
        requant: requant16(d, &mut b, (y[3] as usize, bits16(window.taps())), &INTEGER),
    };
    unary16(d, b, Op::DepthwiseConv2d16(op), &x, (DType::I16, &y))
}

pub(crate) fn fully_connected16(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    // More values than fit 32 bits, too.
    let (cin, cout) = (d.pick(&[1, 7, 40, 100, 511, 512, 1100]), d.range(1, 20));
    let rows = dims(d, 0, 3, 3);
    let (x, y) = ([&rows[..], &[cin]].concat(), [&rows[..], &[cout]].concat());
    let profiles = [Rounding::Single, Rounding::Double, Rounding::Float];
    let op = FullyConnected16 {
        weights: b.i8s(&d.bytes((cin * cout) as usize)),
        bias: bias(d, &mut b, cout as usize),
        requant: requant16(d, &mut b, (cout as usize, bits16(cin)), &profiles),
    };
    unary16(d, b, Op::FullyConnected16(op), &x, (DType::I16, &y))
}

fn pool(d: &mut Draw<'_>, op: fn(&mut Draw<'_>, &Window) -> Op) -> Case {
    let (window, channels) = (Window::draw(d, false, 5), d.range(1, 40));
    let op = op(d, &window);
    unary16(d, Builder::default(), op, &window.x(channels), (DType::I16, &window.y(channels)))
}

pub(crate) fn max_pool2d16(d: &mut Draw<'_>) -> Case {
    pool(d, |d, window| {
        let ((min, max), (kh, kw)) = (d.bounds16(), window.kernel());
        Op::MaxPool2d16(MaxPool2d16 { kh, kw, stride: window.stride(), pads: window.pads(), min, max })
    })
}

pub(crate) fn avg_pool2d16(d: &mut Draw<'_>) -> Case {
    pool(d, |d, window| {
        let ((min, max), (kh, kw)) = (d.bounds16(), window.kernel());
        Op::AvgPool2d16(AvgPool2d16 { kh, kw, stride: window.stride(), pads: window.pads(), min, max })
    })
}

pub(crate) fn sum_pool2d16(d: &mut Draw<'_>) -> Case {
    pool(d, |d, window| {
        let ((min, max), (kh, kw)) = (d.bounds16(), window.kernel());
        let scale = d.scale(Rounding::Double, 6 + window.taps().ilog2() as i32);
        Op::SumPool2d16(SumPool2d16 { kh, kw, stride: window.stride(), pads: window.pads(), scale, min, max })
    })
}

/// A step of two int16 inputs, either of which may repeat.
fn binary16(d: &mut Draw<'_>, op: Op) -> Case {
    let (mut b, y) = (Builder::default(), dims(d, 0, 4, 7));
    let repeats = d.once_in(2);
    let shapes = [0, 1].map(|_| {
        let one = |&n: &u32| if repeats && d.once_in(3) { 1 } else { n };
        y.iter().map(one).collect::<Vec<_>>()
    });
    let ids = [0, 1].map(|i| b.input("x", DType::I16, &shapes[i], quant(0.1, 0)));
    let output = b.step(op, &ids, (DType::I16, &y, quant(0.1, 0)), 0);
    b.output(output);
    Case::new(b, shapes.iter().map(|x| Some(d.words16(volume(x)))).collect())
}

pub(crate) fn add16(d: &mut Draw<'_>) -> Case {
    let [a, b] = [0, 1].map(|_| d.scale(Rounding::Double, 7));
    let (y, subtract, (min, max)) = (d.scale(Rounding::Double, 22), d.range(0, 1) as u8, d.bounds16());
    binary16(d, Op::Add16(Add16 { a, b, y, subtract, min, max }))
}

pub(crate) fn mul16(d: &mut Draw<'_>) -> Case {
    let (scale, (min, max)) = (d.scale(Rounding::Double, 21), d.bounds16());
    binary16(d, Op::Mul16(Mul16 { scale, min, max }))
}

pub(crate) fn rescale16(d: &mut Draw<'_>) -> Case {
    let x = dims(d, 0, 6, 5);
    let to = d.pick(&[DType::I16, DType::I8]);
    let [positive, negative] = [0, 1].map(|_| d.scale(Rounding::Double, 7));
    let (min, max) = d.bounds16();
    let (min, max) = if to == DType::I8 { (min.max(-128), max.clamp(-128, 127)) } else { (min, max) };
    let op = Op::Rescale16(Rescale16 { to, positive, negative, min: min.min(max), max });
    unary16(d, Builder::default(), op, &x, (to, &x))
}

pub(crate) fn sigmoid16(d: &mut Draw<'_>) -> Case {
    let (mut b, x) = (Builder::default(), dims(d, 0, 6, 5));
    let (mult, shift, tanh) = (d.range(0, 0x7FFF) as u16, d.range(0, 29) as u8, d.range(0, 1) as u8);
    let op = Sigmoid16 { mult, shift, tanh, table: b.i8s(&d.words16(256)) };
    unary16(d, b, Op::Sigmoid16(op), &x, (DType::I16, &x))
}

pub(crate) fn softmax16(d: &mut Draw<'_>) -> Case {
    let (mut b, mut x) = (Builder::default(), dims(d, 0, 3, 4));
    x.push(d.pick(&[2, 1, 3, 10, 40, 1000]));
    let scale = d.scale(Rounding::Double, 7);
    let op = Softmax16 { scale, exp: b.i8s(&d.words16(513)), reciprocal: b.i8s(&d.words16(513)) };
    unary16(d, b, Op::Softmax16(op), &x, (DType::I16, &x))
}

pub(crate) fn quantize16(d: &mut Draw<'_>) -> Case {
    let (mut b, x) = (Builder::default(), dims(d, 0, 6, 4));
    let input = b.input("x", DType::F32, &x, quant(1.0, 0));
    let output = b.step(Op::Quantize16(Quantize16 {}), &[input], (DType::I16, &x, quant(0.01, 0)), 0);
    b.output(output);
    let halves = d.once_in(2);
    let bits = d.bytes(4 * volume(&x));
    let real = |b: &[u8]| match halves {
        true => (f32::from(i16::from_le_bytes([b[0], b[1]])) + 0.5) * 0.01,
        false => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
    };
    let bytes = bits.chunks_exact(4).flat_map(|b| real(b).to_le_bytes()).collect();
    Case::new(b, vec![Some(bytes)])
}

pub(crate) fn dequantize16(d: &mut Draw<'_>) -> Case {
    let x = dims(d, 0, 6, 5);
    unary16(d, Builder::default(), Op::Dequantize16(Dequantize16 {}), &x, (DType::F32, &x))
}
