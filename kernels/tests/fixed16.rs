//! Fixed-point sigmoid and tanh against the real functions, over every input.

use mote_kernels::fixed16::{sigmoid, tanh};

/// As far as 16 bits of Taylor series and Newton–Raphson steps may be from the real value, in units of 2^−15.
const SLACK: f64 = 16.0;

fn close(got: i16, real: f64, what: impl Fn() -> String) {
    let wanted = (real * 32768.0).clamp(-32768.0, 32767.0);
    assert!((f64::from(got) - wanted).abs() <= SLACK, "{}: {got}, not {wanted}", what());
}

#[test]
fn every_sigmoid() {
    for x in i16::MIN..=i16::MAX {
        let real = 1.0 / (1.0 + (-f64::from(x) / 4096.0).exp());
        close(sigmoid(x), real, || format!("sigmoid({x})"));
    }
}

#[test]
fn every_tanh_of_every_width() {
    for bits in 0..=6 {
        for x in i16::MIN..=i16::MAX {
            let real = (f64::from(x) / f64::from(1 << (15 - bits))).tanh();
            close(tanh(x, bits), real, || format!("tanh({x}) of {bits} integer bits"));
        }
    }
}

#[test]
fn both_are_symmetric() {
    for x in 1..=i16::MAX {
        assert_eq!(i32::from(sigmoid(x)) + i32::from(sigmoid(-x)), 32767);
        assert_eq!(tanh(x, 3), -tanh(-x, 3));
    }
}
