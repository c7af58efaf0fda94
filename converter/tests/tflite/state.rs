//! Models that keep values from one inference to the next: a sequence of inputs through one session, held against loops.

use crate::builder::{Model, Q, Random};
use crate::oracle::double;
use crate::{Case, convert, input, run_all};
use mote_converter::encode::{Metadata, encode};
use mote_converter::lossless::optimise;
use mote_converter::plan::{Request, plan};
use mote_converter::tflite;
use mote_runtime::Model as Mote;
use std::cell::RefCell;
use tract_tflite::tflite::BuiltinOperator as B;

const SHAPE: [i32; 2] = [1, 6];
const LENGTH: usize = 6;
const SAME: Q = (0.05, -3);

pub(crate) fn cases() -> Vec<Case> {
    vec![total(), delay(), swap(), read_again(), constant(), untouched()]
}

/// A case whose oracle is a loop body over what it keeps.
fn case(
    name: &'static str,
    m: &Model,
    start: Vec<i8>,
    body: impl Fn(&mut Vec<i8>, &[i8]) -> Vec<i8> + 'static,
) -> Case {
    let kept = RefCell::new(start);
    let oracle = move |x: &[i8]| body(&mut kept.borrow_mut(), x).iter().map(|&v| v as u8).collect();
    Case::new(name, m, oracle)
}

fn add(m: &mut Model, a: i32, b: i32) -> i32 {
    let y = m.value(&SHAPE, SAME);
    let options = crate::builder::options!(AddOptions, AddOptionsArgs {});
    m.op(B::ADD, &[a, b], y, Some(options));
    y
}

/// The sum of two values at one scale as TFLite rounds it.
fn sum(a: i8, b: i8) -> i8 {
    let half = |v: i8| double((i64::from(v) - SAME.1) << 20, 0.5);
    (double(half(a) + half(b), 2.0 / f64::from(1 << 20)) + SAME.1).clamp(-128, 127) as i8
}

fn sums(a: &[i8], b: &[i8]) -> Vec<i8> {
    a.iter().zip(b).map(|(&a, &b)| sum(a, b)).collect()
}

/// The sum of all inputs so far, written in place of the last one.
pub(crate) fn total() -> Case {
    let mut m = Model::default();
    let start = [9i8, -9, 0, 1, 2, 3];
    let kept = m.initialized("kept", &SHAPE, SAME, &start);
    let x = m.input(&SHAPE, SAME);
    let before = m.read(kept, &SHAPE, SAME);
    let y = add(&mut m, before, x);
    m.assign(kept, y);
    m.output(y);
    case("running sum", &m, start.to_vec(), |kept, x| {
        *kept = sums(kept, x);
        kept.clone()
    })
}

/// The last input added to this one: a copy of the input is kept.
fn delay() -> Case {
    let mut m = Model::default();
    let kept = m.initialized("kept", &SHAPE, SAME, &[SAME.1 as i8; LENGTH]);
    let x = m.input(&SHAPE, SAME);
    let before = m.read(kept, &SHAPE, SAME);
    m.assign(kept, x);
    let y = add(&mut m, before, x);
    m.output(y);
    case("delay", &m, vec![SAME.1 as i8; LENGTH], |kept, x| {
        let y = sums(kept, x);
        *kept = x.to_vec();
        y
    })
}

/// Two variables exchanged in every call, one of them returned as it was.
fn swap() -> Case {
    let mut m = Model::default();
    let a = m.initialized("a", &SHAPE, SAME, &[1; LENGTH]);
    let b = m.initialized("b", &SHAPE, SAME, &[7; LENGTH]);
    let x = m.input(&SHAPE, SAME);
    let (first, second) = (m.read(a, &SHAPE, SAME), m.read(b, &SHAPE, SAME));
    m.assign(a, second);
    m.assign(b, first);
    let y = add(&mut m, first, x);
    m.output(y).output(second);
    case("swap", &m, vec![1, 7], |kept, x| {
        let y = [sums(&[kept[0]; LENGTH], x), vec![kept[1]; LENGTH]].concat();
        kept.swap(0, 1);
        y
    })
}

/// A variable that is read, assigned, read again and assigned again.
fn read_again() -> Case {
    let mut m = Model::default();
    let kept = m.initialized("kept", &SHAPE, SAME, &[20; LENGTH]);
    let x = m.input(&SHAPE, SAME);
    let before = m.read(kept, &SHAPE, SAME);
    let once = add(&mut m, before, x);
    m.assign(kept, once);
    let after = m.read(kept, &SHAPE, SAME);
    let twice = add(&mut m, after, before);
    m.assign(kept, twice);
    m.output(once);
    case("read again", &m, vec![20; LENGTH], |kept, x| {
        let once = sums(kept, x);
        *kept = sums(&once, kept);
        once
    })
}

/// A variable that becomes a constant, and another handle of the same.
fn constant() -> Case {
    let mut m = Model::default();
    let kept = m.initialized("kept", &SHAPE, SAME, &[20; LENGTH]);
    let x = m.input(&SHAPE, SAME);
    let other = m.variable("kept");
    let before = m.read(other, &SHAPE, SAME);
    let y = add(&mut m, before, x);
    let fixed = m.constant(&SHAPE, SAME, &[1, 2, 3, 4, 5, 6]);
    m.assign(kept, fixed);
    m.output(y);
    case("constant", &m, vec![20; LENGTH], |kept, x| {
        let y = sums(kept, x);
        *kept = vec![1, 2, 3, 4, 5, 6];
        y
    })
}

/// A variable that nothing assigns.
fn untouched() -> Case {
    let mut m = Model::default();
    let kept = m.initialized("kept", &SHAPE, SAME, &[1, 2, 3, 4, 5, 6]);
    let x = m.input(&SHAPE, SAME);
    let before = m.read(kept, &SHAPE, SAME);
    let y = add(&mut m, before, x);
    m.output(y);
    case("untouched", &m, vec![1, 2, 3, 4, 5, 6], |kept, x| sums(kept, x))
}

#[test]
fn what_is_assigned_in_place_needs_no_copy() {
    let bytes = convert(&total().bytes).unwrap_or_else(|e| panic!("{e}"));
    let model = Mote::new_checked(&bytes).expect("a model");
    assert_eq!((model.format().steps_len(), model.format().states().count()), (1, 1));
    assert_eq!(model.arena_bytes(), 14, "the input beside the state");
    let initial = model.format().states().next().and_then(|s| s.initial);
    assert!(initial.is_some());
    let bytes = convert(&delay().bytes).unwrap_or_else(|e| panic!("{e}"));
    let model = Mote::new_checked(&bytes).expect("a model");
    let initial = model.format().states().next().and_then(|s| s.initial);
    assert_eq!(initial, None, "zero points need no constant");
}

#[test]
fn the_optimiser_keeps_states() {
    let recurrent = crate::recurrent::cases();
    for case in cases().iter().chain(&recurrent) {
        let program = tflite::program(&case.bytes).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let (smaller, _) = optimise(&program).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let [before, after] = [&program, &smaller].map(|p| {
            let places = plan(p, &Request::default()).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            let bytes = encode(p, &places, &Metadata::default());
            let bytes = bytes.unwrap_or_else(|e| panic!("{}: {e}", case.name));
            let model = Mote::new_checked(&bytes).expect("a model");
            let mut random = Random::new(3);
            let inputs: Vec<Vec<u8>> = (0..8).map(|_| input(&model, &mut random)).collect();
            run_all(&model, &inputs)
        });
        assert_eq!(before, after, "{}", case.name);
    }
}

#[test]
fn a_new_session_starts_again() {
    for case in cases() {
        let bytes = convert(&case.bytes).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let model = Mote::new_checked(&bytes).expect("a model");
        let inputs: Vec<Vec<u8>> = (0..5).map(|i| vec![10 * i as u8; LENGTH]).collect();
        assert_eq!(run_all(&model, &inputs), run_all(&model, &inputs), "{}", case.name);
    }
}

#[test]
fn what_is_refused() {
    let refused = |m: &Model, words: &[&str]| {
        let text = convert(&m.bytes()).map(|_| ()).expect_err("a refusal").to_string();
        words.iter().for_each(|word| assert!(text.contains(word), "{word}: {text}"));
    };
    let mut m = Model::default();
    let x = m.input(&SHAPE, SAME);
    let kept = m.variable("kept");
    let before = m.read(kept, &SHAPE, SAME);
    let y = add(&mut m, before, x);
    refused(m.output(y), &["\"kept\"", "before anything is assigned"]);

    let mut m = Model::default();
    let kept = m.initialized("kept", &SHAPE, SAME, &[0; LENGTH]);
    let x = m.input(&SHAPE, SAME);
    let before = m.read(kept, &SHAPE, (0.07, -3));
    let y = add(&mut m, before, x);
    refused(m.output(y), &["\"kept\"", "scales"]);

    let mut m = Model::default();
    let x = m.input(&SHAPE, SAME);
    let y = m.value(&SHAPE, SAME);
    m.op(B::READ_VARIABLE, &[x], y, None);
    refused(m.output(y), &["operator 0", "handle"]);

    let mut m = Model::default();
    let kept = m.initialized("kept", &SHAPE, SAME, &[0; LENGTH]);
    let x = m.input(&SHAPE, SAME);
    let y = add(&mut m, x, x);
    let read = m.read(kept, &SHAPE, SAME);
    m.op(B::RELU, &[read], x, None);
    refused(m.output(y), &["twice"]);
}
