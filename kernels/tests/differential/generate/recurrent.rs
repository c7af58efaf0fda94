//! Operators that change states.

use super::*;

pub(crate) fn lstm(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let [batch, time] = [d.range(1, 3), d.range(1, 4)];
    let (inputs, units) = (d.range(1, 20), d.range(1, 20));
    let time_major = d.range(0, 1) as u8;
    let lead = if time_major == 1 { [time, batch] } else { [batch, time] };
    let x = [lead[0], lead[1], inputs];
    let hidden = [batch, units];
    let (zero, input_zero) = (d.zero(), d.zero());
    let ids = [
        b.input("x", DType::I8, &x, quant(0.1, input_zero)),
        b.state("hidden", (DType::I8, &hidden, quant(0.1, zero)), None),
        b.state("cell", (DType::I16, &hidden, quant(0.1, 0)), None),
    ];
    let rows = 4 * units as usize;
    // Sums become numbers of about 15 bits, not 8.
    let scales = [(); 8].map(|()| d.scale(Rounding::Double, bits(inputs + units) - 6));
    let op = Lstm {
        input_weights: b.i8s(&d.bytes(rows * inputs as usize)),
        input_bias: b.i32s(&d.biases(rows)),
        recurrent_weights: b.i8s(&d.bytes(rows * units as usize)),
        recurrent_bias: b.i32s(&d.biases(rows)),
        mult: b.i32s(&scales.map(|s| s.mult)),
        shift: b.i8s(&scales.map(|s| s.shift as u8)),
        output: d.scale(Rounding::Double, 29),
        cell_bits: d.range(0, 6) as u8,
        cell_clip: d.pick(&[0, 0, 1, 20_000, i16::MAX as u32]) as i16,
        time_major,
    };
    let y = [lead[0], lead[1], units];
    let y = b.step(Op::Lstm(op), &ids, (DType::I8, &y, quant(0.1, zero)), 0);
    b.output(y);
    let states = [d.bytes(volume(&hidden)), d.bytes(2 * volume(&hidden))].map(Some);
    Case::new(b, [Some(d.bytes(volume(&x)))].into_iter().chain(states).collect())
}

pub(crate) fn svdf(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let [batch, inputs, units] = [d.range(1, 3), d.range(1, 20), d.range(1, 9)];
    let [rank, memory] = [d.range(1, 3), d.range(1, 12)];
    let filters = (units * rank) as usize;
    let (zero, input_zero) = (d.zero(), d.zero());
    let state = [batch, units * rank * memory];
    let ids = [
        b.input("x", DType::I8, &[batch, inputs], quant(0.1, input_zero)),
        b.state("state", (DType::I16, &state, quant(0.1, 0)), None),
    ];
    let op = Svdf {
        rank: rank as u16,
        memory: memory as u16,
        feature_weights: b.i8s(&d.bytes(filters * inputs as usize)),
        feature_bias: b.i32s(&d.biases(filters)),
        feature_scale: d.scale(Rounding::Double, bits(inputs) - 7),
        time_weights: b.i8s(&d.bytes(2 * filters * memory as usize)),
        bias: b.i32s(&d.biases(units as usize)),
        scale: d.scale(Rounding::Double, 28),
    };
    let y = b.step(Op::Svdf(op), &ids, (DType::I8, &[batch, units], quant(0.1, zero)), 0);
    b.output(y);
    let bytes = [d.bytes(volume(&[batch, inputs])), d.bytes(2 * volume(&state))];
    Case::new(b, bytes.map(Some).to_vec())
}
