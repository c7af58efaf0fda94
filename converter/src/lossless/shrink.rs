//! A program with the channels that stay, and the constants that these need.

use super::flow::{Flow, repeats};
use super::interval::Interval;
use super::keep::Keep;
use super::rebuild::Rebuild;
use crate::error::{Error, Result};
use crate::program::{Operand, Program, Tensor};
use mote_format::{Op, Shape};

/// Writes the program again with fewer channels.
pub(super) fn shrink(
    program: &Program,
    flows: &[Flow],
    ranges: &[Vec<Interval>],
    keep: &Keep,
) -> Result<Program> {
    let mut new = Rebuild::new(program);
    for k in (0..program.steps.len()).filter(|&k| keep.live(program, k)) {
        let (step, y) = (&program.steps[k], program.given() + k);
        let channels = keep.channels(y);
        let mut inputs = Vec::new();
        for (i, &input) in step.inputs.iter().enumerate() {
            inputs.extend(match input {
                Operand::Arena(x) => new.place(x),
                Operand::Constant(c) => constant(&mut new, program, k, i, c, &flows[k], &channels),
            });
        }
        let op = match (&flows[k], step.op) {
            (Flow::Mix(layer) | Flow::Each(_, Some(layer)), op) => {
                let Operand::Arena(x) = step.inputs[0] else { continue };
                let computed = |o: usize| keep.needed[y][o] && ranges[y][o].constant().is_none();
                let outputs: Vec<_> = channels.iter().map(|&o| (o, computed(o))).collect();
                let part = layer.part(&keep.channels(x), &outputs, &ranges[x]);
                part.store(op, new.writer())
            }
            (Flow::Each(..), Op::Pad(mut p)) => {
                let before = &mut p.before[program.tensors[y].shape.rank() - 1];
                *before = channels.iter().filter(|&&o| o < usize::from(*before)).count() as u16;
                Op::Pad(p)
            }
            (_, op) => new.constants(op),
        };
        let tensor = &program.tensors[y];
        let changed = channels.len() < keep.kept[y].len();
        let tensor = Tensor { shape: last(tensor.shape, channels.len())?, ..tensor.clone() };
        new.push(k, op, inputs, if changed { Tensor { value: None, ..tensor } } else { tensor });
    }
    new.finish()
}

/// The constant input of a step, with the channels that stay; nothing where none does.
fn constant(
    new: &mut Rebuild<'_>,
    program: &Program,
    k: usize,
    i: usize,
    c: usize,
    flow: &Flow,
    channels: &[usize],
) -> Option<Operand> {
    match flow {
        Flow::Each(sources, _) if !repeats(program, k, i) => {
            let mut own: Vec<usize> = channels.iter().filter_map(|&o| sources[i][o]).collect();
            own.sort_unstable();
            own.dedup();
            (!own.is_empty()).then(|| new.constant(c, &own))
        }
        _ => Some(new.whole_constant(c)),
    }
}

/// A shape with another last dimension.
fn last(shape: Shape, channels: usize) -> Result<Shape> {
    let mut dims = shape.dims().to_vec();
    if let Some(d) = dims.last_mut() {
        *d = channels as u32;
    }
    Shape::new(&dims).ok_or_else(|| Error::internal("a tensor without channels stays"))
}
