//! Operators that change states.

use super::*;

pub(super) fn words(values: &[i16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub(crate) fn svdf() {
    // One unit of two filters that remember two features each.
    let mut b = Builder::default();
    let x = b.input("x", DType::I8, &[1, 2], quant(1.0, 1));
    let state = b.state("state", (DType::I16, &[1, 4], quant(1.0, 0)), None);
    let op = Svdf {
        rank: 2,
        memory: 2,
        feature_weights: b.i8s(&[1, 0, 1, 1]),
        feature_bias: b.i32s(&[-1, -2]),
        feature_scale: power(0),
        time_weights: b.i8s(&words(&[1, 2, 3, -1])),
        bias: b.i32s(&[5]),
        scale: power(-1),
    };
    let y = b.step(Op::Svdf(op), &[x, state], (DType::I8, &[1, 1], quant(1.0, 1)), 0);
    b.output(y);
    let got = Case::new(b, [signed(&[3, 2]), words(&[5, 7, -1, 4])].map(Some).to_vec()).naive();
    // Features 2 and 3 of the input less 1; 7 + 2·2 and 3·4 − 3, and 5; a half goes away from zero.
    assert_eq!(got, [signed(&[13 + 1]), words(&[7, 2, 4, 3])].concat());
}

pub(crate) fn lstm() {
    // Two units over a sequence of one moment, without weights. The biases of the first leave every gate half open and add
    // nothing to its cell; those of the second forget the cell and add one.
    let mut b = Builder::default();
    let x = b.input("x", DType::I8, &[1, 1, 1], quant(1.0, 0));
    let hidden = b.state("hidden", (DType::I8, &[1, 2], quant(1.0, -3)), None);
    let cell = b.state("cell", (DType::I16, &[1, 2], quant(1.0, 0)), None);
    let op = Lstm {
        input_weights: b.i8s(&[0; 8]),
        input_bias: b.i32s(&[0, 40_000, 0, -40_000, 0, 40_000, 0, 0]),
        recurrent_weights: b.i8s(&[0; 16]),
        recurrent_bias: b.i32s(&[0; 8]),
        mult: b.i32s(&[1 << 30; 8]),
        shift: b.i8s(&[1; 8]),
        output: power(-22),
        cell_bits: 0,
        cell_clip: 0,
        time_major: 0,
    };
    let y = b.step(Op::Lstm(op), &[x, hidden, cell], (DType::I8, &[1, 1, 2], quant(1.0, -3)), 0);
    b.output(y);
    let inputs = [signed(&[9]), signed(&[50, 60]), words(&[1000, 1000])];
    let got = Case::new(b, inputs.map(Some).to_vec()).naive();
    // Half of tanh(500 / 2^15) and of tanh(1), with 8 bits behind the point.
    let [y, hidden] = [&got[..2], &got[2..4]];
    assert_eq!((y, hidden), (&signed(&[2 - 3, 97 - 3])[..], y));
    assert_eq!(got[4..6], words(&[500])[..]);
    let full = i16::from_le_bytes([got[6], got[7]]);
    assert!((32_700..=32_767).contains(&full), "{full}");
}
