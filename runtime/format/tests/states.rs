//! States: what is written of them is read again, and what is ill-formed is refused.

mod common;

use common::{recurrent::recurrent, repair, streams::streams, walk::walk};
use mote_format::*;

const TOTAL: usize = 1;
const LAST: usize = 2;
const SUM: u16 = 4;
const COPY: u16 = 7;
const BEFORE: u16 = 8;
/// Where the first state's entry lies.
const ENTRY: u32 = 64 + 48 * 10 + 2 * 2;

fn refused(change: impl Fn(&mut ModelWriter)) -> (u32, Reason) {
    let mut writer = streams().place();
    change(&mut writer);
    let error = Model::new_checked(&repair(&writer.finish())).err().expect("refused");
    assert!(!error.to_string().is_empty());
    (error.at, error.reason)
}

#[test]
fn round_trip() -> Result<(), Error> {
    let bytes = streams().finish();
    let model = Model::new_checked(&bytes)?;
    let states: Vec<State> = model.states().collect();
    let state = |tensor, next, initial| State { tensor, next, initial };
    assert_eq!(states, [state(1, SUM, None), state(2, COPY, Some(BEFORE)), state(3, 3, Some(BEFORE + 1))]);
    assert_eq!((model.inputs(), model.steps_len()), (1, 4));
    assert_eq!(model.steps().map(|s| s.output).collect::<Vec<_>>(), [4, 5, 6, 7]);
    assert!(walk(&model) > 0);
    Ok(())
}

/// What is wrong, and how it becomes so.
type Fault = (&'static str, fn(&mut ModelWriter));

#[test]
fn a_next_value_that_is_not_the_states() {
    let cases: [Fault; 6] = [
        ("lies elsewhere", |w| w.states[0].next = 5),
        ("is an input", |w| w.states[0].next = 0),
        ("is another state", |w| w.states[0].next = 3),
        ("is a constant", |w| w.states[0].next = BEFORE),
        ("does not exist", |w| w.states[0].next = 99),
        ("has another type", |w| {
            w.tensors[TOTAL].dtype = DType::I16;
            w.tensors[TOTAL].quant.zero = 0;
            w.tensors[TOTAL].dims = vec![1, 4];
            w.steps[0].inputs = vec![0, 0];
        }),
    ];
    for (name, change) in cases {
        let (at, reason) = refused(change);
        assert_eq!((at, reason), (ENTRY, Reason::State), "{name}");
    }
}

#[test]
fn a_next_value_that_is_not_kept_to_the_end() {
    let mut writer = streams().place();
    writer.outputs = vec![6];
    let mut bytes = writer.finish().to_vec();
    bytes[64 + 48 * usize::from(SUM) + 6] = 2;
    let error = Model::new_checked(&repair(&bytes)).err().expect("refused");
    assert_eq!((error.at, error.reason), (ENTRY - 2, Reason::State));
    let (_, reason) = refused(|w| w.tensors[6].offset = w.tensors[usize::from(SUM)].offset);
    assert_eq!(reason, Reason::Overlap(SUM));
}

#[test]
fn an_initial_value_that_is_none() {
    let cases: [Fault; 4] = [
        ("does not exist", |w| w.states[1].initial = Some(99)),
        ("is no constant", |w| w.states[1].initial = Some(0)),
        ("has another size", |w| w.constants[0].dims = vec![1, 4]),
        ("has another type", |w| {
            w.constants[0].dtype = DType::I16;
            w.constants[0].dims = vec![1, 4];
        }),
    ];
    for (name, change) in cases {
        assert_eq!(refused(change), (ENTRY + 4, Reason::State), "{name}");
    }
}

#[test]
fn memory_of_states() {
    let (at, reason) = refused(|w| w.tensors[LAST].offset = w.tensors[TOTAL].offset);
    assert_eq!((at, reason), (64 + 48, Reason::Overlap(2)));
    let (_, reason) = refused(|w| w.tensors[0].offset = w.tensors[LAST].offset);
    assert_eq!(reason, Reason::Overlap(2));
    let (_, reason) = refused(|w| w.tensors[6].offset = w.tensors[3].offset);
    assert_eq!(reason, Reason::Overlap(3), "a state that is never written keeps its bytes");
}

#[test]
fn a_list_of_states_outside_the_file() {
    let mut bytes = streams().finish().to_vec();
    let outputs = bytes.len() as u32 - 8;
    bytes[40..44].copy_from_slice(&outputs.to_le_bytes());
    let error = Model::new_checked(&repair(&bytes)).err().expect("refused");
    assert_eq!((error.at, error.reason), (40, Reason::Section));
}

#[test]
fn changes_of_what_is_no_state() {
    type Change = fn(&mut ModelWriter);
    let cases: [(&str, usize, Change, Reason); 12] = [
        ("an input", 0, |w| w.steps[0].inputs[1] = 0, Reason::State),
        ("a constant", 0, |w| w.steps[0].inputs[1] = 7, Reason::State),
        ("one state twice", 0, |w| w.steps[0].inputs[2] = 1, Reason::State),
        ("the input as well", 0, |w| w.steps[0].inputs[0] = 1, Reason::State),
        ("hidden and cell exchanged", 0, |w| w.steps[0].inputs[1..].swap(0, 1), Reason::DType),
        ("a cell of another size", 0, |w| w.tensors[2].dims = vec![1, 1], Reason::Shape),
        ("weights", 0, |w| lstm(w).recurrent_weights.len -= 1, Reason::Constant),
        ("cell bits", 0, |w| lstm(w).cell_bits = 7, Reason::Parameter),
        ("exponents", 0, |w| lstm(w).shift.at = lstm(w).input_weights.at, Reason::Parameter),
        ("features of another size", 2, |w| w.tensors[3].dims = vec![2, 6], Reason::Shape),
        ("time weights", 2, |w| svdf(w).time_weights.len -= 2, Reason::Constant),
        ("no memory", 2, |w| svdf(w).memory = 0, Reason::Parameter),
    ];
    for (name, step, change, reason) in cases {
        let mut writer = recurrent().place();
        change(&mut writer);
        let bytes = writer.finish();
        let error = Model::new_checked(&bytes).err().unwrap_or_else(|| panic!("{name}: accepted"));
        let field = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let at = (0..step).fold(field(28), |at, _| at + (field(at as usize) >> 16));
        assert_eq!((error.at, error.reason), (at, reason), "{name}");
    }
}

fn lstm(w: &mut ModelWriter) -> &mut Lstm {
    let Op::Lstm(p) = &mut w.steps[0].op else { panic!("the first step") };
    p
}

fn svdf(w: &mut ModelWriter) -> &mut Svdf {
    let Op::Svdf(p) = &mut w.steps[2].op else { panic!("the third step") };
    p
}

/// A state that a step changes, but that dies before the end.
#[test]
fn a_changed_state_that_is_not_kept() {
    let mut bytes = recurrent().finish().to_vec();
    bytes[64 + 48 * 2 + 6] = 1;
    let error = Model::new_checked(&repair(&bytes)).err().expect("refused");
    assert_eq!(error.reason, Reason::State);
}
