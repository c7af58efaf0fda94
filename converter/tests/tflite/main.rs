//! Tests of the import of `.tflite` files, seen from outside: small files from `builder`, what they compute held against
//! `oracle`'s wide integers and, where Python has it, LiteRT.

mod builder;
mod command;
mod elementwise;
mod float;
mod float_slices;
mod float_window;
mod layout;
mod oracle;
mod recurrent;
mod reduce;
mod refusals;
mod resize;
mod slices;
mod state;
mod transpose_conv;
mod unsigned;
mod window;
mod words;

#[path = "../../../tests/peers/litert.rs"]
mod litert;

use builder::Random;
use mote_converter::encode::{Metadata, encode};
use mote_converter::plan::plan;
use mote_converter::tflite;
use mote_format::DType;
use mote_runtime::{Model, Session};
use std::rc::Rc;

/// The bytes of a model's output from those of its inputs.
type Oracle = Rc<dyn Fn(&[i8]) -> Vec<u8>>;

/// A small model and what it should compute.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    oracle: Oracle,
    /// How far the output may be from the oracle, which is a real function where this is not 0. LiteRT has the last word.
    slack: u8,
    /// The same model on uint8 values, where that can be told.
    twin: Option<Vec<u8>>,
    /// The same model on int16 values, where that can be told.
    wide: Option<Vec<u8>>,
}

impl Case {
    fn new(name: &'static str, m: &builder::Model, oracle: impl Fn(&[i8]) -> Vec<u8> + 'static) -> Self {
        Case {
            name,
            bytes: m.bytes(),
            oracle: Rc::new(oracle),
            slack: 0,
            twin: m.unsigned().map(|m| m.bytes()),
            wide: m.widened().map(|m| m.bytes()),
        }
    }
}

fn cases() -> Vec<Case> {
    let int8 = [
        window::cases(),
        elementwise::cases(),
        layout::cases(),
        reduce::cases(),
        resize::cases(),
        slices::cases(),
        transpose_conv::cases(),
    ];
    let int8: Vec<Case> = int8.into_iter().flatten().collect();
    let twins: Vec<Case> = int8.iter().filter_map(unsigned::twin).collect();
    let wide: Vec<Case> = int8.iter().filter_map(words::twin).collect();
    int8.into_iter()
        .chain(twins)
        .chain(unsigned::cases())
        .chain(wide)
        .chain(words::cases())
        .chain(state::cases())
        .chain(recurrent::cases())
        .collect()
}

/// The bytes of a mote model.
fn convert(tflite: &[u8]) -> mote_converter::error::Result<mote_format::AlignedBytes> {
    let program = tflite::program(tflite)?;
    encode(&program, &plan(&program, &Default::default())?, &Metadata::default())
}

/// Random bytes for all inputs.
fn input(model: &Model<'_>, random: &mut Random) -> Vec<u8> {
    let length = model.inputs().map(|i| i.bytes()).sum();
    (0..length).map(|_| random.next() as u8).collect()
}

/// The outputs of one inference after the other.
fn run_all(model: &Model<'_>, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(model, &mut arena).expect("room");
    let mut run = |input: &Vec<u8>| {
        let mut rest = &input[..];
        for (i, info) in model.inputs().enumerate() {
            let (mine, others) = rest.split_at(info.bytes());
            session.input_mut(i).expect("an input").bytes_mut().copy_from_slice(mine);
            rest = others;
        }
        session.run();
        session.outputs().flat_map(|o| o.bytes().to_vec()).collect()
    };
    inputs.iter().map(&mut run).collect()
}

/// Numbers, byte by byte unless they are int16.
fn values(bytes: &[u8], dtype: DType) -> impl Iterator<Item = i32> {
    let (size, flip) = (if dtype == DType::I16 { 2 } else { 1 }, if dtype == DType::U8 { 0x80 } else { 0 });
    bytes.chunks_exact(size).map(move |b| match *b {
        [low, high] => i16::from_le_bytes([low, high]).into(),
        _ => i32::from((b[0] ^ flip) as i8),
    })
}

#[test]
fn every_operator_is_what_wide_integers_say() {
    for case in cases() {
        let bytes = convert(&case.bytes).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let model = Model::new_checked(&bytes).expect("a model");
        let dtype = model.outputs().next().map_or(DType::I8, |o| o.dtype);
        let mut random = Random::new(11);
        let inputs: Vec<Vec<u8>> = (0..20).map(|_| input(&model, &mut random)).collect();
        for (input, ours) in inputs.iter().zip(run_all(&model, &inputs)) {
            let signed: Vec<i8> = input.iter().map(|&b| b as i8).collect();
            let expected = (case.oracle)(&signed);
            assert_eq!(ours.len(), expected.len(), "{}", case.name);
            let apart = values(&ours, dtype).zip(values(&expected, dtype)).map(|(a, b)| a.abs_diff(b)).max();
            assert!(apart <= Some(case.slack.into()), "{}: {ours:?} {expected:?}", case.name);
        }
    }
}

#[test]
#[ignore = "needs Python with LiteRT"]
fn every_operator_gives_the_bits_of_litert() {
    let mut wrong = Vec::new();
    // It knows BROADCAST_TO by a later version of the operator only.
    for case in cases().into_iter().filter(|case| case.name != "BROADCAST_TO") {
        let bytes = convert(&case.bytes).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let model = Model::new_checked(&bytes).expect("a model");
        let mut random = Random::new(12);
        let inputs: Vec<Vec<u8>> = (0..100).map(|_| input(&model, &mut random)).collect();
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), &case.bytes).expect("room");
        // The reference kernels have no ELU, and take any type for uint8 in SUM. LiteRT's others have both; SUM is rounded in
        // floats there, a step apart at most.
        let sum = case.name.ends_with("SUM");
        let others = case.name == "ELU" || sum;
        let kernels = if others { "BUILTIN_WITHOUT_DEFAULT_DELEGATES" } else { "BUILTIN_REF" };
        let expected = litert::outputs(kernels, file.path(), &inputs, &[]);
        let Some(mut expected) = expected else { return };
        let ours = run_all(&model, &inputs);
        if ours[0].len() * 2 == expected[0].len() {
            // Indices of 64 bits, which mote gives as 32.
            let low = |b: &mut Vec<u8>| *b = b.chunks_exact(8).flat_map(|b| b[..4].to_vec()).collect();
            expected.iter_mut().for_each(low);
        }
        let pairs = ours.concat().into_iter().zip(expected.concat());
        let differ = pairs.filter(|(a, b)| a != b).count();
        println!("{}: {differ} of {} bytes differ", case.name, expected.concat().len());
        let dtype = model.outputs().next().map_or(DType::I8, |o| o.dtype);
        let (all, every) = (ours.concat(), expected.concat());
        let most = values(&all, dtype).zip(values(&every, dtype)).map(|(a, b)| a.abs_diff(b)).max();
        if ours != expected && (!sum || most > Some(1)) {
            wrong.push(case.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_operator_has_a_case() {
    let tried: std::collections::HashSet<i32> = cases()
        .iter()
        .filter_map(|case| tract_tflite::tflite::root_as_model(&case.bytes).ok())
        .flat_map(|m| {
            m.operator_codes().into_iter().flatten().map(|c| c.builtin_code().0).collect::<Vec<_>>()
        })
        .collect();
    let name = |code: &i32| tract_tflite::tflite::BuiltinOperator(*code).variant_name();
    let tried: Vec<&str> = tried.iter().filter_map(name).collect();
    for [name, ..] in tflite::supported() {
        assert!(tried.contains(&name), "{name}");
    }
}
