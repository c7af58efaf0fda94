//! Operands that share bytes, that are constants, or whose numbers coincide although they do not: the kernel gets
//! the right ones.

#[path = "../format/tests/common/mod.rs"]
mod common;

use common::builder::{Builder, quant};
use common::noise;
use mote_format::*;
use mote_runtime::{Kernels, Model, Session};

const SAME: Quant = Quant { scale: 1.0, zero: 0 };

/// A sum whose result is exactly a + b, held to int8.
fn add() -> Op {
    let half = Scale { mult: 1 << 30, shift: 0 };
    let y = Scale { mult: 1 << 30, shift: -18 };
    Op::Add(Add { a: half, b: half, y, left: 20, round: Rounding::Double, min: -128, max: 127 })
}

fn sum(a: u8, b: u8) -> u8 {
    (a as i8).saturating_add(b as i8) as u8
}

fn run(writer: &ModelWriter, input: &[u8], kernels: &'static Kernels) -> Vec<u8> {
    let bytes = writer.finish();
    let model = Model::new_checked(&bytes).unwrap_or_else(|e| panic!("{e}"));
    let mut arena = vec![0x5A; model.arena_bytes()];
    let mut session = Session::with_kernels(&model, &mut arena, kernels).expect("large enough");
    session.input_mut(0).expect("an input").bytes_mut().copy_from_slice(input);
    session.run();
    session.output(0).expect("an output").bytes().to_vec()
}

/// The model gives `expected` on every instruction set.
fn check(writer: &ModelWriter, input: &[u8], expected: &[u8]) {
    for kernels in Kernels::available().chain([Kernels::naive()]) {
        assert_eq!(run(writer, input, kernels), expected, "{}", kernels.name());
    }
}

fn shaped(dims: &[u32]) -> (DType, &[u32], Quant) {
    (DType::I8, dims, SAME)
}

#[test]
fn a_tensor_added_to_itself() {
    for in_place in [false, true] {
        let mut b = Builder::default();
        let x = b.input("x", DType::I8, &[1, 2, 3, 5], SAME);
        let y = b.step(add(), &[x, x], shaped(&[1, 2, 3, 5]), 0);
        if in_place {
            b.in_place();
        }
        b.output(y);
        let input = noise(1, 30);
        let expected: Vec<u8> = input.iter().map(|&v| sum(v, v)).collect();
        check(&b.place(), &input, &expected);
    }
}

#[test]
fn a_tensor_joined_with_itself() {
    let mut b = Builder::default();
    let x = b.input("x", DType::I8, &[2, 3], SAME);
    let y = b.step(Op::Concat(Concat { axis: 1 }), &[x, x, x], shaped(&[2, 9]), 0);
    b.output(y);
    check(&b.place(), &[1, 2, 3, 4, 5, 6], &[1, 2, 3, 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6, 4, 5, 6]);
}

/// An in-place step on either operand, the other apart.
#[test]
fn in_place_on_either_operand() {
    for second in [false, true] {
        let mut b = Builder::default();
        let x = b.input("x", DType::I8, &[1, 8], SAME);
        let clamped = b.step(Op::Clamp(Clamp { min: -50, max: 50 }), &[x], shaped(&[1, 8]), 0);
        let inputs = if second { [clamped, x] } else { [x, clamped] };
        let y = b.step(add(), &inputs, shaped(&[1, 8]), 0);
        b.in_place();
        b.output(y);
        let input: Vec<u8> = [-128i8, -60, -50, 0, 1, 50, 51, 127].map(|v| v as u8).to_vec();
        let expected = input.iter().map(|&v| sum(v, (v as i8).clamp(-50, 50) as u8)).collect::<Vec<_>>();
        check(&b.place(), &input, &expected);
    }
}

#[test]
fn a_chain_in_place_needs_the_memory_of_one_tensor() {
    let mut b = Builder::default();
    let table: Vec<u8> = (0..256).map(|i| (i as u8 ^ 0x80).wrapping_add(3)).collect();
    let mut x = b.input("x", DType::I8, &[1, 4, 4, 3], SAME);
    for k in 0..6 {
        let op = match k % 3 {
            0 => Op::Lut(Lut { table: b.i8s(&table) }),
            1 => Op::Reshape(Reshape {}),
            _ => Op::Clamp(Clamp { min: -100, max: 99 }),
        };
        let dims: &[u32] = if (1..4).contains(&k) { &[1, 48] } else { &[1, 4, 4, 3] };
        x = b.step(op, &[x], shaped(dims), 0);
        b.in_place();
    }
    b.output(x);
    let writer = b.place();
    assert_eq!(writer.arena, 48);
    let step = |v: i8| v.wrapping_add(3).clamp(-100, 99);
    let input = noise(2, 48);
    let expected: Vec<u8> = input.iter().map(|&v| step(step(v as i8)) as u8).collect();
    check(&writer, &input, &expected);
}

/// A constant and a buffer that happen to have the same offset and length, in their own memories.
#[test]
fn a_constant_at_the_same_numbers_as_a_buffer() {
    for constant_first in [false, true] {
        let mut b = Builder::default();
        let x = b.input("x", DType::I8, &[1, 16], SAME);
        let c = b.constant("c", &noise(3, 16), &[1, 16], SAME);
        let inputs = if constant_first { [c, x] } else { [x, c] };
        let y = b.step(add(), &inputs, shaped(&[1, 16]), 0);
        b.output(y);
        let writer = b.place();
        assert_eq!(writer.constants[0].offset, writer.tensors[0].offset, "the coincidence in question");
        let input = noise(4, 16);
        let expected: Vec<u8> = input.iter().zip(noise(3, 16)).map(|(&a, b)| sum(a, b)).collect();
        check(&writer, &input, &expected);
    }
}

/// The same, with the output on the offset of the constant.
#[test]
fn a_constant_at_the_same_numbers_as_the_output() {
    let mut b = Builder::default();
    let x = b.input("x", DType::I8, &[1, 16], SAME);
    let c = b.constant("c", &noise(5, 16), &[1, 16], SAME);
    let y = b.step(Op::Concat(Concat { axis: 0 }), &[c, x, c], shaped(&[3, 16]), 0);
    b.output(y);
    let mut writer = b.place();
    (writer.tensors[0].offset, writer.tensors[1].offset) = (48, 0);
    let (input, constant) = (noise(6, 16), noise(5, 16));
    check(&writer, &input, &[&constant[..], &input, &constant].concat());
}

#[test]
fn two_constants() {
    let mut b = Builder::default();
    b.input("unused", DType::I8, &[1], SAME);
    let (one, two) = (noise(7, 6), noise(8, 3));
    let a = b.constant("a", &one, &[2, 3], SAME);
    let c = b.constant("c", &two, &[1, 3], SAME);
    let y = b.step(add(), &[a, c], shaped(&[2, 3]), 0);
    b.output(y);
    let expected: Vec<u8> = (0..6).map(|i| sum(one[i], two[i % 3])).collect();
    check(&b.place(), &[0], &expected);
}

/// A step without scratch may say any offset inside the arena for it.
#[test]
fn empty_scratch_inside_a_buffer() {
    let mut b = Builder::default();
    let x = b.input("x", DType::I8, &[1, 16], SAME);
    let y = b.step(Op::Clamp(Clamp { min: -5, max: 5 }), &[x], shaped(&[1, 16]), 0);
    b.output(y);
    let mut writer = b.place();
    let input = noise(9, 16);
    let expected: Vec<u8> = input.iter().map(|&v| (v as i8).clamp(-5, 5) as u8).collect();
    for at in 0..=32 {
        writer.steps[0].scratch = (at, 0);
        check(&writer, &input, &expected);
    }
}

/// A model without steps gives its input back.
#[test]
fn no_steps() {
    let mut b = Builder::default();
    let x = b.input("x", DType::I8, &[4], quant(0.5, 1));
    b.output(x);
    check(&b.place(), &[1, 2, 3, 4], &[1, 2, 3, 4]);
}
