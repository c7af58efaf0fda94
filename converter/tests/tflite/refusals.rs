//! Damaged and foreign files end in an error that says where, why and what to do, never in a panic, and never in a file
//! that the runtime refuses.

use crate::builder::{Model, Random, options};
use crate::{cases, convert};
use tract_tflite::tflite::{BuiltinOperator as B, TensorType};

/// The error's text, or `None` where the file is accepted.
fn refused(bytes: &[u8]) -> Option<String> {
    let error = convert(bytes).err()?;
    assert!(!error.what.is_empty() && !error.cause.is_empty() && !error.remedy.is_empty(), "{error}");
    assert!(!error.to_string().contains("contradicts"), "{error}");
    Some(error.to_string())
}

fn says(bytes: &[u8], words: &[&str]) {
    let text = refused(bytes).expect("a refusal");
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn truncated_files() {
    for case in cases() {
        let step = 1 + case.bytes.len() / 50;
        for end in (0..case.bytes.len()).step_by(step) {
            refused(&case.bytes[..end]);
        }
        assert!(refused(&case.bytes[..case.bytes.len() / 2]).is_some(), "{}", case.name);
    }
}

#[test]
fn wrong_bytes() {
    let mut random = Random::new(5);
    for case in cases() {
        for _ in 0..20 {
            let mut broken = case.bytes.clone();
            for _ in 0..1 + random.below(4) {
                let at = random.below(broken.len());
                broken[at] = if random.below(2) == 0 {
                    random.next() as u8
                } else {
                    broken[at] ^ (1 << random.below(8))
                };
            }
            refused(&broken);
        }
    }
}

#[test]
fn not_a_model_at_all() {
    for bytes in [&b""[..], b"\0\0\0\0TFL3", b"TFL3", &[0xff; 4096], b"\x08\0\0\0TFL3\0\0\0\0\0\0\0\0"] {
        assert!(refused(bytes).is_some(), "{bytes:?}");
    }
}

#[test]
fn unknown_operators_are_all_listed() {
    let mut m = Model::default();
    let q = (0.1, 0);
    let x = m.input(&[1, 4], q);
    let [a, b, y] = [0; 3].map(|_| m.value(&[1, 4], q));
    m.op(B::CUMSUM, &[x], a, None).op(B::RELU, &[a], b, None).op(B::ROUND, &[b], y, None).output(y);
    let round = "ROUND at operator 2, output \"t3\", for which LiteRT has no int8 kernel either";
    let words = ["CUMSUM at operator 0, output \"t1\"", round, "CONV_2D"];
    says(&m.bytes(), &words);
}

#[test]
fn refused_operators_are_all_listed() {
    let mut m = Model::default();
    let q = (0.1, 0);
    let x = m.input(&[1, 4], q);
    let (a, b, y) = (m.value(&[1, 5], q), m.value(&[1, 5], (0.2, 0)), m.value(&[2, 5], q));
    m.op(B::RELU, &[x], a, None).op(B::RELU, &[a], b, None).op(B::TANH, &[b], y, None).output(y);
    says(
        &m.bytes(),
        &["2 operators", "operator 0, output \"t1\" (RELU)", "operator 2, output \"t3\" (TANH)"],
    );
}

#[test]
fn other_types_and_missing_scales() {
    let mut m = Model::default();
    let (x, y) = (m.other(TensorType::BOOL, &[1, 4]), m.value(&[1, 4], (0.1, 0)));
    m.take(x);
    m.op(B::RELU, &[x], y, None).output(y);
    says(&m.bytes(), &["input \"t0\"", "bool"]);
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let mut m = Model::default();
        let (x, y) = (m.input(&[1, 4], (scale, 0)), m.value(&[1, 4], (0.1, 0)));
        m.op(B::RELU, &[x], y, None).output(y);
        says(&m.bytes(), &["input \"t0\"", "scale"]);
    }
}

#[test]
fn shapes_that_do_not_follow() {
    let mut m = Model::default();
    let (x, y) = (m.input(&[1, 4], (0.1, 0)), m.value(&[1, 5], (0.1, 0)));
    m.op(B::RELU, &[x], y, None).output(y);
    says(&m.bytes(), &["RELU", "[1, 5]", "[1, 4]"]);
    let mut m = Model::default();
    let (x, y) = (m.input(&[1 << 20, 1 << 20], (0.1, 0)), m.value(&[4], (0.1, 0)));
    m.op(B::RELU, &[x], y, None).output(y);
    says(&m.bytes(), &["t0", "1048576"]);
}

#[test]
fn sums_beyond_32_bits() {
    let mut m = Model::default();
    let (x, y) = (m.input(&[1, 4], (0.1, 0)), m.value(&[1, 1], (0.1, 0)));
    let (w, b) = (m.weights(&[1, 4], &[0.1], 0, &[127; 4]), m.bias(&[i32::MAX - 100], &[0.01]));
    m.op(
        B::FULLY_CONNECTED,
        &[x, w, b],
        y,
        Some(options!(FullyConnectedOptions, FullyConnectedOptionsArgs {})),
    );
    says(&m.output(y).bytes(), &["FULLY_CONNECTED", "32 bits", "channel 0"]);
}

#[test]
fn loops_and_tensors_from_nowhere() {
    let mut m = Model::default();
    let x = m.input(&[1, 4], (0.1, 0));
    let [a, b] = [0; 2].map(|_| m.value(&[1, 4], (0.1, 0)));
    m.op(B::RELU, &[b], a, None).op(B::RELU, &[a], b, None).output(b);
    says(&m.bytes(), &["t2", "nothing in front"]);
    let mut m = Model::default();
    let (x2, y) = (m.input(&[1, 4], (0.1, 0)), m.value(&[1, 4], (0.1, 0)));
    m.op(B::RELU, &[x2], y, None).op(B::RELU, &[x2], y, None).output(y);
    says(&m.bytes(), &["twice"]);
    let mut m = Model::default();
    m.input(&[1, 4], (0.1, 0));
    m.output(x);
    says(&m.bytes(), &["output \"t0\""]);
}

#[test]
fn uint8_where_an_operator_has_not_got_it() {
    let mut m = Model::default();
    let (x, y) = (m.unsigned_value(&[1, 4], (0.1, 3), &[]), m.unsigned_value(&[1, 4], (0.1, 3), &[]));
    m.take(x);
    m.op(B::ABS, &[x], y, None).output(y);
    says(&m.bytes(), &["ABS"]);
    let mut m = Model::default();
    let (x, y) = (m.unsigned_value(&[1, 4], (0.1, 300), &[]), m.unsigned_value(&[1, 4], (0.1, 3), &[]));
    m.take(x);
    m.op(B::RELU, &[x], y, None).output(y);
    says(&m.bytes(), &["input \"t0\"", "300"]);
}
