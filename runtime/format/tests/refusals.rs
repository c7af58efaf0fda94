//! What is refused, why, and at which byte: hand-written cases for every reason that the format knows.

mod common;

use common::{repair, zoo::zoo};
use mote_format::*;

/// Where the error is to point.
#[derive(Clone, Copy)]
enum At {
    /// At a byte of the file.
    Byte(u32),
    /// At the record of a tensor.
    Tensor(u32),
    /// At the record of a step.
    Step(usize),
}

/// What is wrong in a case: a change of what the writer is told, or of the bytes it wrote.
enum Fault {
    Told(fn(&mut ModelWriter)),
    Bytes(fn(&mut Vec<u8>)),
}
use Fault::{Bytes, Told};

struct Case(&'static str, Fault, At, Reason);

/// The parameters of the first step with this operator.
macro_rules! edit {
    ($name:ident, $field:ident $(. $inner:ident)* = $value:expr) => {
        Told(|w| {
            for step in &mut w.steps {
                if let Op::$name(p) = &mut step.op {
                    p.$field $(. $inner)* = $value;
                    return;
                }
            }
            panic!("no such step");
        })
    };
}

/// Positions of the operators in the model's program.
const QUANTIZE: usize = 0;
const PAD: usize = 1;
const CONV: usize = 2;
const DEPTHWISE: usize = 3;
const MAX_POOL: usize = 4;
const LUT: usize = 5;
const ADD: usize = 7;
const MUL: usize = 8;
const CONCAT: usize = 9;
const REQUANTIZE: usize = 10;
const CLAMP: usize = 11;
const AVG_POOL: usize = 12;
const TRANSPOSE: usize = 13;
const SUM_POOL: usize = 14;
const RESHAPE: usize = 15;
const DENSE: usize = 16;
const SOFTMAX: usize = 17;
const ARG_MAX: usize = 18;
const DEQUANTIZE: usize = 19;
/// The tensor that a step writes is this many behind the step's position.
const INPUTS: usize = 2;
const FACTORS: u32 = 22;

fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// Offset of a field of a tensor record.
fn record(id: usize, field: usize) -> usize {
    64 + 48 * id + field
}

fn check_all(cases: impl IntoIterator<Item = Case>) {
    for Case(name, fault, at, reason) in cases {
        let mut writer = zoo().place();
        if let Told(f) = &fault {
            f(&mut writer);
        }
        let mut bytes = writer.finish().to_vec();
        if let Bytes(f) = &fault {
            f(&mut bytes);
        }
        let bytes = repair(&bytes);
        let error = Model::new_checked(&bytes).err().unwrap_or_else(|| panic!("{name}: accepted"));
        let at = match at {
            At::Byte(at) => at,
            At::Tensor(id) => 64 + 48 * id,
            At::Step(k) => step_at(&bytes, k),
        };
        assert_eq!((error.at, error.reason), (at, reason), "{name}");
        assert!(error.to_string().starts_with(&format!("at byte {at}: ")), "{name}");
    }
}

/// Where step `k` starts: each record holds its own length.
fn step_at(bytes: &[u8], k: usize) -> u32 {
    let first = u32::from_le_bytes(bytes[28..32].try_into().expect("four bytes"));
    (0..k).fold(first, |at, _| {
        let at = at as usize;
        at as u32 + u32::from(u16::from_le_bytes([bytes[at + 2], bytes[at + 3]]))
    })
}

/// Changes the byte at an offset of step `k`.
fn patch(bytes: &mut [u8], k: usize, offset: isize, f: fn(u8) -> u8) {
    let at = (step_at(bytes, k) as usize).strict_add_signed(offset);
    bytes[at] = f(bytes[at]);
}

#[test]
fn header() {
    type Row = (&'static str, fn(&mut Vec<u8>), u32, Reason);
    let header: &[Row] = &[
        ("magic", |b| b[0] = b'm', 0, Reason::NotAModel),
        ("version 0", |b| set(b, 4, &[0, 0]), 4, Reason::Version(0)),
        ("version 2", |b| set(b, 4, &[2, 0]), 4, Reason::Version(2)),
        ("header length", |b| set(b, 6, &[60, 0]), 6, Reason::Header),
        ("too many tensors", |b| set(b, 24, &[1, 16]), 16, Reason::Header),
        ("too many steps", |b| set(b, 26, &[1, 16]), 16, Reason::Header),
        ("fewer tensors than are written", |b| set(b, 24, &[21, 0]), 24, Reason::Header),
        ("no inputs", |b| set(b, 36, &[0, 0]), 16, Reason::Header),
        ("more inputs than tensors", |b| set(b, 36, &[255, 0]), 16, Reason::Header),
        ("no outputs", |b| set(b, 38, &[0, 0]), 16, Reason::Header),
        ("arena beyond i32", |b| set(b, 16, &[0, 0, 0, 0x80]), 16, Reason::Header),
        ("schedule of odd length", |b| b[62] = 1, 16, Reason::Header),
        ("more states than tensors", |b| set(b, 60, &[99, 0]), 16, Reason::Header),
        ("tensors behind the end", |b| set(b, 20, &[0, 0, 1, 0]), 20, Reason::Section),
        ("tensors in the header", |b| set(b, 20, &[60, 0, 0, 0]), 20, Reason::Section),
        ("steps misaligned", |b| b[28] += 1, 28, Reason::Section),
        ("steps too long", |b| set(b, 32, &[0xFF; 4]), 28, Reason::Section),
        ("outputs odd", |b| b[40] += 1, 40, Reason::Section),
        ("constants misaligned", |b| b[44] += 4, 44, Reason::Section),
        ("metadata too long", |b| set(b, 56, &[0, 0, 1, 0]), 52, Reason::Section),
    ];
    check_all(header.iter().map(|&(name, f, at, reason)| Case(name, Bytes(f), At::Byte(at), reason)));
}

#[test]
fn bytes_in_memory() {
    let model = zoo().finish();
    let mut shifted = AlignedBytes::new(&vec![0; model.len() + ALIGN]);
    for offset in 1..ALIGN {
        shifted[offset..offset + model.len()].copy_from_slice(&model);
        let error = Model::new_checked(&shifted[offset..]).err();
        assert_eq!(error, Some(Error { at: 0, reason: Reason::Misaligned(16) }));
    }
    let mut damaged = model.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    assert_eq!(Model::new_checked(&damaged).err(), Some(Error { at: 12, reason: Reason::Checksum }));
    let error = Model::new_checked(&[]).err();
    assert_eq!(error, Some(Error { at: 0, reason: Reason::Truncated(64) }), "nothing at all");
}

#[test]
fn tensors() {
    check_all([
        Case("seven dimensions", Bytes(|b| b[record(0, 17)] = 7), At::Tensor(0), Reason::Tensor),
        Case("unknown type", Bytes(|b| b[record(3, 16)] = 9), At::Tensor(3), Reason::Tensor),
        Case("unknown place", Bytes(|b| b[record(3, 18)] = 2), At::Tensor(3), Reason::Tensor),
        Case("unused dimension", Bytes(|b| b[record(3, 40)] = 2), At::Tensor(3), Reason::Tensor),
        Case("no elements", Told(|w| w.tensors[4].dims[1] = 0), At::Tensor(4), Reason::Tensor),
        Case("too many elements", Told(|w| w.tensors[4].dims[1] = 1 << 30), At::Tensor(4), Reason::Tensor),
        Case(
            "offset beyond i32",
            Told(|w| w.tensors[4].offset = i32::MAX as u32),
            At::Tensor(4),
            Reason::Tensor,
        ),
        Case("scale zero", Told(|w| w.tensors[5].quant.scale = 0.0), At::Tensor(5), Reason::Tensor),
        Case("scale below zero", Told(|w| w.tensors[5].quant.scale = -1.0), At::Tensor(5), Reason::Tensor),
        Case("scale NaN", Told(|w| w.tensors[5].quant.scale = f32::NAN), At::Tensor(5), Reason::Tensor),
        Case(
            "scale infinite",
            Told(|w| w.tensors[5].quant.scale = f32::INFINITY),
            At::Tensor(5),
            Reason::Tensor,
        ),
        Case("zero point", Told(|w| w.tensors[5].quant.zero = 128), At::Tensor(5), Reason::Tensor),
        Case("read before written", Bytes(|b| set(b, record(5, 6), &[0, 0])), At::Tensor(5), Reason::Tensor),
        Case("read after the end", Bytes(|b| set(b, record(5, 6), &[22, 0])), At::Tensor(5), Reason::Tensor),
        Case("input written late", Bytes(|b| b[record(1, 4)] = 1), At::Tensor(1), Reason::Tensor),
        Case("written constant", Bytes(|b| b[record(5, 18)] = 1), At::Tensor(5), Reason::Tensor),
        Case("constant in the arena", Bytes(|b| b[record(22, 18)] = 0), At::Tensor(FACTORS), Reason::Tensor),
        Case(
            "constant misaligned",
            Told(|w| w.constants[0].offset += 4),
            At::Tensor(FACTORS),
            Reason::Constant,
        ),
        Case(
            "constant outside",
            Told(|w| w.constants[0].offset = 1 << 20),
            At::Tensor(FACTORS),
            Reason::Constant,
        ),
        Case("arena too small", Told(|w| w.arena = 300), At::Tensor(3), Reason::OutsideArena),
    ]);
}

#[test]
fn memory() {
    check_all([
        Case("inputs overlap", Told(|w| w.tensors[1].offset = 143), At::Tensor(0), Reason::Overlap(1)),
        Case(
            "output on a live tensor",
            Told(|w| w.tensors[3].offset = w.tensors[0].offset),
            At::Step(PAD),
            Reason::Overlap(0),
        ),
        Case(
            "output on the input of an operator that is not in place",
            Told(|w| w.tensors[14].offset = w.tensors[13].offset),
            At::Step(AVG_POOL),
            Reason::Overlap(13),
        ),
        Case(
            "in place, but a byte further",
            Told(|w| w.tensors[7].offset += 1),
            At::Step(LUT),
            Reason::Overlap(6),
        ),
        Case(
            "in place on an input that is still needed",
            Told(|w| w.steps[CLAMP + 1].inputs = vec![12]),
            At::Step(CLAMP),
            Reason::Overlap(12),
        ),
        Case(
            "scratch on the input",
            Told(|w| w.steps[CONV].scratch.0 = w.tensors[3].offset),
            At::Step(CONV),
            Reason::Overlap(3),
        ),
        Case(
            "scratch on the output",
            Told(|w| w.steps[CONV].scratch.0 = w.tensors[4].offset),
            At::Step(CONV),
            Reason::Overlap(4),
        ),
        Case(
            "scratch outside",
            Told(|w| w.steps[CONV].scratch.0 = w.arena - 71),
            At::Step(CONV),
            Reason::OutsideArena,
        ),
        Case(
            "empty scratch outside",
            Told(|w| w.steps[PAD].scratch = (w.arena + 1, 0)),
            At::Step(PAD),
            Reason::OutsideArena,
        ),
    ]);
}

#[test]
fn program() {
    check_all([
        Case("operator 0", Bytes(|b| patch(b, 2, 0, |_| 0)), At::Step(2), Reason::UnknownOperator(0)),
        Case("operator 99", Bytes(|b| patch(b, 2, 0, |_| 99)), At::Step(2), Reason::UnknownOperator(99)),
        Case("step length", Bytes(|b| patch(b, 2, 2, |v| v + 4)), At::Step(2), Reason::Step),
        Case("step padding", Bytes(|b| patch(b, 2, -1, |_| 1)), At::Step(1), Reason::Step),
        Case("scratch wraps", Told(|w| w.steps[CONV].scratch = (u32::MAX, 2)), At::Step(CONV), Reason::Step),
        Case(
            "unknown rounding",
            Bytes(|b| patch(b, REQUANTIZE, 14 + 5, |_| 3)),
            At::Step(REQUANTIZE),
            Reason::Step,
        ),
        Case(
            "steps left over",
            Bytes(|b| {
                b[26] -= 1;
                (19..22).for_each(|id| set(b, record(id, 6), &[20, 0]));
                set(b, record(21, 18), &[1, 0]);
                set(b, record(21, 0), &[0; 4]);
            }),
            At::Step(DEQUANTIZE),
            Reason::Step,
        ),
        Case("too few inputs", Told(|w| w.steps[ADD].inputs.truncate(1)), At::Step(ADD), Reason::Arity),
        Case("too many inputs", Told(|w| w.steps[PAD].inputs.push(0)), At::Step(PAD), Reason::Arity),
        Case("no inputs", Told(|w| w.steps[CONCAT].inputs.clear()), At::Step(CONCAT), Reason::Arity),
        Case("nine inputs", Told(|w| w.steps[CONCAT].inputs = vec![2; 9]), At::Step(CONCAT), Reason::Arity),
        Case("no such tensor", Told(|w| w.steps[PAD].inputs = vec![99]), At::Step(PAD), Reason::NotLive(99)),
        Case(
            "read before written",
            Told(|w| w.steps[PAD].inputs = vec![4]),
            At::Step(PAD),
            Reason::NotLive(4),
        ),
        Case("own output read", Told(|w| w.steps[LUT].inputs = vec![7]), At::Step(LUT), Reason::NotLive(7)),
        Case("input dead", Bytes(|b| set(b, record(0, 6), &[1, 0])), At::Step(PAD), Reason::NotLive(0)),
        Case(
            "output written at another time",
            Bytes(|b| set(b, record(4, 4), &[4, 0])),
            At::Step(CONV),
            Reason::NotLive(4),
        ),
        Case(
            "model output dead",
            Bytes(|b| set(b, record(21, 6), &[20, 0])),
            At::Byte(64 + 48 * 23),
            Reason::NotLive(21),
        ),
        Case(
            "model output unknown",
            Told(|w| w.outputs[1] = 77),
            At::Byte(64 + 48 * 23),
            Reason::NotLive(77),
        ),
        Case("constant as output", Told(|w| w.outputs[1] = 22), At::Byte(64 + 48 * 23), Reason::NotLive(22)),
    ]);
}

#[test]
fn types() {
    let float = |id: usize| move |w: &mut ModelWriter| w.tensors[id].dtype = DType::F32;
    for (step, id) in [(ARG_MAX, ARG_MAX), (QUANTIZE, QUANTIZE), (DEQUANTIZE, SOFTMAX)] {
        let mut writer = zoo().place();
        float(id + INPUTS)(&mut writer);
        let end = writer.arena + 100;
        (writer.tensors[id + INPUTS].offset, writer.arena) = (end, end + 400);
        let bytes = writer.finish();
        let error = Model::new_checked(&bytes).err().expect("refused");
        let at = step_at(&bytes, step.min(id));
        assert_eq!((error.at, error.reason), (at, Reason::DType));
    }
}

#[test]
fn a_reshape_keeps_the_type() {
    check_all([Case(
        "reshape",
        Told(|w| (w.tensors[17].dtype, w.arena) = (DType::F32, w.arena + 1000)),
        At::Step(RESHAPE),
        Reason::DType,
    )]);
}

#[test]
fn five_dimensions_are_too_many_to_repeat() {
    let op = Op::Mul(Mul { scale: Scale { mult: 1, shift: 0 }, round: Rounding::Single, min: 0, max: 0 });
    for (dims, accepted) in [(&[1, 2, 1, 2][..], true), (&[1, 1, 2, 1, 2], false)] {
        let mut b = common::builder::Builder::default();
        let quant = common::builder::quant(1.0, 0);
        let x = b.input("x", DType::I8, dims, quant);
        let y = b.step(op, &[x, x], (DType::I8, dims, quant), 0);
        b.output(y);
        let reason = Model::new_checked(&b.finish()).err().map(|e| e.reason);
        assert_eq!(reason, (!accepted).then_some(Reason::Shape));
    }
}

#[test]
fn shapes() {
    check_all([
        Case("convolution rank", Told(|w| w.tensors[4].dims = vec![16, 6]), At::Step(CONV), Reason::Shape),
        Case("convolution height", Told(|w| w.tensors[4].dims[1] = 3), At::Step(CONV), Reason::Shape),
        Case("kernel larger than the image", edit!(Conv2d, kh = 11), At::Step(CONV), Reason::Shape),
        Case("stride", edit!(MaxPool2d, stride.w = 1), At::Step(MAX_POOL), Reason::Shape),
        Case(
            "images",
            Told(|w| (w.tensors[6].dims[0], w.arena) = (2, w.arena + 1000)),
            At::Step(MAX_POOL),
            Reason::Shape,
        ),
        Case("pool channels", Told(|w| w.tensors[6].dims[3] = 11), At::Step(MAX_POOL), Reason::Shape),
        Case("depthwise multiplier", Told(|w| w.tensors[5].dims[3] = 11), At::Step(DEPTHWISE), Reason::Shape),
        Case("add", Told(|w| w.tensors[9].dims = vec![1, 2, 3, 2]), At::Step(ADD), Reason::Shape),
        Case("product", Told(|w| w.constants[0].dims = vec![1, 1, 3, 1]), At::Step(MUL), Reason::Shape),
        Case("broadcast rank", Told(|w| w.constants[0].dims = vec![3]), At::Step(MUL), Reason::Shape),
        Case("concat sum", Told(|w| w.steps[CONCAT].inputs = vec![10]), At::Step(CONCAT), Reason::Shape),
        Case("concat others", edit!(Concat, axis = 2), At::Step(CONCAT), Reason::Shape),
        Case("table", Told(|w| w.tensors[7].dims = vec![1, 4, 12]), At::Step(LUT), Reason::Shape),
        Case("pad", edit!(Pad, before = [0, 3, 1, 0, 0, 0]), At::Step(PAD), Reason::Shape),
        Case(
            "transpose repeats",
            edit!(Transpose, perm = [0, 3, 1, 1, 0, 0]),
            At::Step(TRANSPOSE),
            Reason::Shape,
        ),
        Case("reshape", Told(|w| w.tensors[17].dims = vec![1, 3]), At::Step(RESHAPE), Reason::Shape),
        Case("dense rows", Told(|w| w.tensors[17].dims = vec![2, 2]), At::Step(DENSE), Reason::Shape),
        Case("softmax", Told(|w| w.tensors[19].dims = vec![5]), At::Step(SOFTMAX), Reason::Shape),
        Case("arg max", Told(|w| w.tensors[20].dims = vec![2]), At::Step(ARG_MAX), Reason::Shape),
    ]);
}

#[test]
fn parameters() {
    const BAD: Scale = Scale { mult: 1, shift: 31 };
    check_all([
        Case("kernel 0", edit!(Conv2d, kw = 0), At::Step(CONV), Reason::Parameter),
        Case("stride 0", edit!(MaxPool2d, stride.h = 0), At::Step(MAX_POOL), Reason::Parameter),
        Case("dilation 0", edit!(DepthwiseConv2d, dilation.h = 0), At::Step(DEPTHWISE), Reason::Parameter),
        Case(
            "padding as wide as the kernel",
            edit!(AvgPool2d, pads.left = 2),
            At::Step(AVG_POOL),
            Reason::Parameter,
        ),
        Case("groups 0", edit!(Conv2d, groups = 0), At::Step(CONV), Reason::Parameter),
        Case("groups that do not divide", edit!(Conv2d, groups = 3), At::Step(CONV), Reason::Parameter),
        Case("bounds crossed", edit!(Clamp, min = 91), At::Step(CLAMP), Reason::Parameter),
        Case("bounds of a pool", edit!(MaxPool2d, max = -101), At::Step(MAX_POOL), Reason::Parameter),
        Case("left shift", edit!(Add, left = 21), At::Step(ADD), Reason::Parameter),
        Case("float sum", edit!(Add, round = Rounding::Float), At::Step(ADD), Reason::Parameter),
        Case("exponent too large", edit!(Requantize, scale = BAD), At::Step(REQUANTIZE), Reason::Parameter),
        Case("multiplier below zero", edit!(Mul, scale.mult = -1), At::Step(MUL), Reason::Parameter),
        Case(
            "float with an exponent",
            edit!(SumPool2d, round = Rounding::Float),
            At::Step(SUM_POOL),
            Reason::Parameter,
        ),
        Case(
            "softmax difference that does not fit",
            edit!(Softmax, scale.shift = 24),
            At::Step(SOFTMAX),
            Reason::Parameter,
        ),
        Case("softmax difference", edit!(Softmax, diff_min = 1), At::Step(SOFTMAX), Reason::Parameter),
        Case("concat axis", edit!(Concat, axis = 4), At::Step(CONCAT), Reason::Parameter),
        Case(
            "pad beyond the rank",
            edit!(Pad, before = [0, 1, 1, 0, 1, 0]),
            At::Step(PAD),
            Reason::Parameter,
        ),
        Case(
            "transpose axis",
            edit!(Transpose, perm = [0, 3, 1, 4, 0, 0]),
            At::Step(TRANSPOSE),
            Reason::Parameter,
        ),
        Case(
            "transpose beyond the rank",
            edit!(Transpose, perm = [0, 3, 1, 2, 1, 0]),
            At::Step(TRANSPOSE),
            Reason::Parameter,
        ),
    ]);
}

#[test]
fn constants() {
    check_all([
        Case("weights short", edit!(Conv2d, weights.len = 107), At::Step(CONV), Reason::Constant),
        Case("weights outside", edit!(Conv2d, weights.at = 1 << 16), At::Step(CONV), Reason::Constant),
        Case("weights wrap", edit!(Conv2d, weights.at = u32::MAX - 15), At::Step(CONV), Reason::Constant),
        Case("bias misaligned", edit!(Conv2d, bias.at = 4), At::Step(CONV), Reason::Constant),
        Case("multipliers short", edit!(Conv2d, requant.mult.len = 20), At::Step(CONV), Reason::Constant),
        Case(
            "shifts in the float profile",
            edit!(Conv2d, requant.round = Rounding::Float),
            At::Step(CONV),
            Reason::Constant,
        ),
        Case("table of 255", edit!(Lut, table.len = 255), At::Step(LUT), Reason::Constant),
        Case("dense bias", edit!(FullyConnected, bias.len = 16), At::Step(DENSE), Reason::Constant),
    ]);
}

#[test]
fn metadata() {
    let model = zoo().finish();
    let field = |at: usize| u32::from_le_bytes(model[at..at + 4].try_into().expect("four bytes"));
    let (meta, length) = (field(52), field(56));
    let tags = [1, 2, 3, 4, 4, 5];
    let mut records = vec![meta];
    while records.len() < tags.len() {
        let at = *records.last().expect("one") as usize;
        assert_eq!(tags[records.len() - 1], field(at), "records come in this order");
        records.push(at as u32 + 8 + field(at + 4).next_multiple_of(4));
    }
    let short = (length - 4).to_le_bytes();
    for (name, at, value, error_at) in [
        ("name too long", meta + 4, [0xFF, 0xFF, 0, 0], meta),
        ("labels without a count", records[2] + 4, [3, 0, 0, 0], records[2]),
        ("preparation too short", records[4] + 4, [8, 0, 0, 0], records[4]),
        ("preparation's count", records[4] + 8, [1, 0, 0, 2], records[4]),
        ("original of another length", records[5], [6, 0, 0, 0], records[5]),
        ("bound of another length", records[5], [7, 0, 0, 0], records[5]),
        ("section shorter than its records", 56, short, records[5]),
    ] {
        let mut bytes = model.to_vec();
        set(&mut bytes, at as usize, &value);
        let error = Model::new_checked(&repair(&bytes)).err().unwrap_or_else(|| panic!("{name}: accepted"));
        assert_eq!((error.at, error.reason), (error_at, Reason::Metadata), "{name}");
    }
    let mut writer = zoo().place();
    writer.preparations[1].2.push(1.0);
    assert!(Model::new_checked(&writer.finish()).is_err(), "as many means as scales");
}

/// A program without an operator refuses the first step that needs it, and takes the model otherwise.
#[test]
fn missing_operators_are_refused_by_code() {
    let readers = READERS.iter().zip(OPERATORS).filter(|(_, name)| **name != "Softmax");
    let all_but_softmax = Vec::leak(readers.map(|(reader, _)| *reader).collect());
    let bytes = zoo().finish();
    let model = Model::new_checked(&bytes).expect("a model");
    let step = model.steps().find(|s| s.op.name() == "Softmax").expect("the zoo has all operators");
    let error = Model::with_readers(&bytes, all_but_softmax).err().expect("refused");
    assert_eq!((error.at, error.reason), (step.at, Reason::MissingOperator(Softmax::CODE)));
    assert!(error.to_string().contains("Softmax"), "{error}");
    assert!(Model::with_readers(&bytes, READERS).is_ok());
}

/// No reason is left without a case: this file and states.rs name all but those that only the runtime gives.
#[test]
fn every_reason_has_a_case() {
    let source = include_str!("../src/error.rs");
    let body = &source[source.find("pub enum Reason {").expect("the enum")..];
    let body = &body[..body.find("\n}").expect("its end")];
    let names = body.lines().skip(1).map(str::trim).filter(|l| !l.starts_with('/'));
    for name in names.map(|l| l.trim_end_matches(',').split('(').next().expect("a name")) {
        let here = [include_str!("refusals.rs"), include_str!("states.rs"), include_str!("lockstep.rs")];
        let here = here.iter().any(|file| file.contains(&format!("Reason::{name}")));
        assert!(here || ["Scratch", "MissingWay"].contains(&name), "no case for Reason::{name}");
    }
}
