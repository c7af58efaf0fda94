//! Steps that give their input unchanged, and steps that repeat an earlier one: readers take the other tensor instead.

use super::flow::reads;
use super::interval::Interval;
use super::rebuild::Rebuild;
use crate::error::{Error, Result};
use crate::ir::Removed;
use crate::program::{Operand, Program, Step};
use mote_format::{Op, Shape};
use mote_kernels::quant::Output;

/// Writes the program again without such steps.
pub(super) fn drop_redundant(program: &Program, ranges: &[Vec<Interval>]) -> Result<(Program, Vec<Removed>)> {
    let mut new = Rebuild::new(program);
    let mut removed = Vec::new();
    // The steps that stay, as old index and with the inputs that they read now.
    let mut stay: Vec<(usize, Vec<Operand>)> = Vec::new();
    for (k, step) in program.steps.iter().enumerate() {
        let y = program.given() + k;
        let inputs = step.inputs.iter().map(|&i| match i {
            Operand::Arena(x) => new.place(x).ok_or_else(|| Error::internal("a step reads a later one")),
            Operand::Constant(c) => Ok(new.whole_constant(c)),
        });
        let inputs: Vec<Operand> = inputs.collect::<Result<_>>()?;
        let unchanged =
            unchanged(program, step, y, ranges).map(|x| (x, "it never changes a value".to_owned()));
        let repeated = || {
            let same = |(e, read): &&(usize, Vec<Operand>)| {
                program.steps[*e].op == step.op
                    && *read == inputs
                    && same_tensor(program, program.given() + e, y)
            };
            let (e, _) = stay.iter().find(same)?;
            Some((program.given() + e, format!("it computes what {} does", program.output(*e).name)))
        };
        match unchanged.or_else(repeated).filter(|_| !program.lasting().any(|t| t == y)) {
            Some((same, reason)) => {
                new.replace(y, same);
                let node = program.tensors[y].name.clone();
                removed.push(Removed { node, op: step.op.name().to_owned(), reason });
            }
            None => {
                stay.push((k, inputs.clone()));
                let op = new.constants(step.op);
                new.push(k, op, inputs, program.tensors[y].clone());
            }
        }
    }
    Ok((new.finish()?, removed))
}

/// Whether two tensors are alike but for their contents.
fn same_tensor(program: &Program, a: usize, b: usize) -> bool {
    let (a, b) = (&program.tensors[a], &program.tensors[b]);
    (a.dtype, a.shape, a.quant) == (b.dtype, b.shape, b.quant)
}

/// The input that a step gives as its output, whatever the network is fed.
fn unchanged(program: &Program, step: &Step, y: usize, ranges: &[Vec<Interval>]) -> Option<usize> {
    let (_, x) = reads(step).next()?;
    // What a state held is gone once it holds its next value: a copy of it is not redundant.
    let state = (program.inputs..program.given()).contains(&x);
    if state || step.inputs.len() > 1 || !same_tensor(program, x, y) {
        return None;
    }
    let zero = program.tensors[x].quant.zero;
    let each = |f: &dyn Fn(i8) -> i8| {
        (-128..=127i8)
            .all(|q| f(q) == q || !ranges[x].iter().any(|r| r.low <= q.into() && i64::from(q) <= r.high))
    };
    let same = match step.op {
        Op::Clamp(p) => each(&|q| q.max(p.min).min(p.max)),
        Op::Requantize(p) => {
            let output = Output { round: p.round, zero, min: p.min, max: p.max };
            each(&|q| output.apply(i32::from(q) - zero, p.scale))
        }
        Op::Lut(p) => {
            let table = program.writer.bytes(p.table);
            each(&|q| table.get((i16::from(q) + 128) as usize).map_or(0, |&v| v as i8))
        }
        Op::Reshape(_) | Op::Concat(_) | Op::Pad(_) => true,
        Op::Transpose(p) => is_order(&p.perm, &program.tensors[y].shape),
        _ => false,
    };
    same.then_some(x)
}

/// Whether a permutation leaves every dimension in its place.
fn is_order(perm: &[u8], shape: &Shape) -> bool {
    perm.iter().take(shape.rank()).enumerate().all(|(d, &p)| d == usize::from(p))
}
