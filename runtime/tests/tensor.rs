//! Tensors as their user reads and writes them: real values, best classes, probabilities.

#[path = "../format/tests/common/mod.rs"]
mod common;

use common::builder::{Builder, quant};
use mote_format::{AlignedBytes, DType, Quant};
use mote_runtime::{Model, Session};

/// A model that gives its input back.
fn echo(dtype: DType, length: u32, quant: Quant) -> AlignedBytes {
    let mut b = Builder::default();
    let x = b.input("x", dtype, &[1, length], quant);
    b.output(x);
    b.finish()
}

/// Runs `f` on a session of the echo.
fn with(dtype: DType, length: u32, quant: Quant, f: impl FnOnce(&mut Session<'_, '_>)) {
    let bytes = echo(dtype, length, quant);
    let model = Model::new_checked(&bytes).unwrap_or_else(|e| panic!("{e}"));
    let mut arena = vec![0; model.arena_bytes()];
    f(&mut Session::new(&model, &mut arena).expect("large enough"));
}

fn fill(session: &mut Session<'_, '_>, reals: &[f32]) {
    session.input_mut(0).expect("an input").fill(reals.iter().copied());
    session.run();
}

fn reals(session: &Session<'_, '_>) -> Vec<f32> {
    session.output(0).expect("an output").reals().collect()
}

#[test]
fn reals_come_back_rounded_to_the_scale() {
    with(DType::I8, 6, quant(0.5, -10), |s| {
        fill(s, &[0.0, 1.0, 0.24, 0.25, -1000.0, 1000.0]);
        assert_eq!(reals(s), [0.0, 1.0, 0.0, 0.5, -59.0, 68.5]);
        assert_eq!(
            s.output(0).expect("an output").bytes(),
            [-10, -8, -10, -9, -128, 127].map(|v: i8| v as u8)
        );
    });
    with(DType::F32, 3, quant(1.0, 0), |s| {
        fill(s, &[1.25, f32::MIN_POSITIVE, -3e30]);
        assert_eq!(reals(s), [1.25, f32::MIN_POSITIVE, -3e30]);
    });
    with(DType::I32, 3, quant(1.0, 0), |s| {
        fill(s, &[7.9, -7.9, 1e20]);
        assert_eq!(reals(s), [7.0, -7.0, i32::MAX as f32]);
    });
}

#[test]
fn fill_stops_at_the_shorter() {
    with(DType::I8, 3, quant(1.0, 0), |s| {
        fill(s, &[9.0, 9.0, 9.0]);
        fill(s, &[1.0]);
        assert_eq!(reals(s), [1.0, 9.0, 9.0]);
        fill(s, &[2.0; 10]);
        assert_eq!(reals(s), [2.0; 3]);
        assert_eq!(s.input_mut(0).expect("an input").bytes_mut().len(), 3);
    });
}

#[test]
fn top_is_sorted_and_stable() {
    with(DType::I8, 7, quant(1.0, 0), |s| {
        fill(s, &[3.0, 9.0, -4.0, 9.0, 5.0, 3.0, 100.0]);
        let output = s.output(0).expect("an output");
        let pairs = |v: &[mote_runtime::Class]| v.iter().map(|c| (c.index, c.value)).collect::<Vec<_>>();
        assert_eq!(pairs(&output.top::<4>()), [(6, 100.0), (1, 9.0), (3, 9.0), (4, 5.0)]);
        assert_eq!(pairs(&output.top::<1>()), [(6, 100.0)]);
        assert_eq!(output.top::<0>().len(), 0);
        let all = pairs(&output.top::<20>());
        assert_eq!(all.iter().map(|p| p.0).collect::<Vec<_>>(), [6, 1, 3, 4, 0, 5, 2]);
    });
}

#[test]
fn probabilities_are_those_of_a_softmax() {
    with(DType::F32, 5, quant(1.0, 0), |s| {
        for logits in [
            [0.0, 1.0, 2.0, 3.0, 4.0],
            [-100.0, 0.0, 0.5, -0.5, 30.0],
            [5.0; 5],
            [-90.0, -91.0, -92.0, -1.0, 1.0],
        ] {
            fill(s, &logits);
            let exact: Vec<f64> = logits.iter().map(|&v| f64::from(v).exp()).collect();
            let sum: f64 = exact.iter().sum();
            let output = s.output(0).expect("an output");
            let total: f32 = (0..5).map(|i| output.probability(i)).sum();
            assert!((total - 1.0).abs() < 1e-5, "{total}");
            for (i, e) in exact.iter().enumerate() {
                let p = output.probability(i);
                assert!((f64::from(p) - e / sum).abs() < 0.005, "{logits:?} {i}: {p} is not {}", e / sum);
            }
            assert_eq!(output.probability(5), 0.0, "no such class");
        }
    });
}
