//! How many bytes an inference moves in each buffer: what decides which buffers deserve fast RAM. A count of what the
//! operators read and write, not of what a processor's cache makes of it.

use super::lockstep::{Lockstep, image};
use crate::program::{Operand, Program};
use mote_format::{Conv2dAsymmetric, Conv2dPalette, DepthwiseConv2dAsymmetric, Op, Shape};

/// Bytes moved in each tensor, then in each step's scratch.
///
/// A tensor is written once, by a step or by whoever fills an input, and each step that reads it reads each tap of each
/// window. Outputs are read once more. What a step gathers in its scratch is written and read there. A tensor that keeps
/// some rows moves these up for every row that follows.
pub(super) fn traffic(program: &Program, scratch: &[usize], groups: &[Lockstep]) -> Vec<u64> {
    let states = program.inputs..program.given();
    let written = |t: usize| if states.contains(&t) { 0 } else { program.tensors[t].bytes() as u64 };
    let mut moved: Vec<u64> = (0..program.tensors.len()).map(written).collect();
    moved.resize(program.tensors.len() + scratch.len(), 0);
    for (k, step) in program.steps.iter().enumerate() {
        let y = &program.output(k).shape;
        for input in &step.inputs {
            let Operand::Arena(x) = *input else { continue };
            let read = read(&step.op, &program.tensors[x].shape, y) * program.tensors[x].dtype.size() as u64;
            moved[x] += read;
            if scratch[k] > 0 {
                moved[program.tensors.len() + k] += 2 * read.max(scratch[k] as u64);
            }
        }
    }
    for &t in &program.outputs {
        moved[t] += program.tensors[t].bytes() as u64;
    }
    for &(t, rows) in groups.iter().flat_map(|g| &g.kept) {
        if let Some(image) = image(program, t) {
            moved[t] += 2 * ((rows - 1) * image.row * (image.height - rows)) as u64;
        }
    }
    moved
}

/// Elements of its input that a step reads, those of several windows several times.
fn read(op: &Op, x: &Shape, y: &Shape) -> u64 {
    let taps = match op {
        Op::Conv2d(p)
        | Op::Conv2dAsymmetric(Conv2dAsymmetric { layer: p, .. })
        | Op::Conv2dPalette(Conv2dPalette { layer: p, .. }) => (p.kh, p.kw),
        Op::DepthwiseConv2d(p)
        | Op::DepthwiseConv2dAsymmetric(DepthwiseConv2dAsymmetric { layer: p, .. }) => (p.kh, p.kw),
        Op::Conv2d16(p) => (p.kh, p.kw),
        Op::DepthwiseConv2d16(p) => (p.kh, p.kw),
        Op::MaxPool2d16(p) => (p.kh, p.kw),
        Op::AvgPool2d16(p) => (p.kh, p.kw),
        Op::SumPool2d16(p) => (p.kh, p.kw),
        Op::MaxPool2d(p) => (p.kh, p.kw),
        Op::AvgPool2d(p) => (p.kh, p.kw),
        Op::SumPool2d(p) => (p.kh, p.kw),
        Op::TransposeConv2d(p) => return x.elements() as u64 * u64::from(p.kh) * u64::from(p.kw),
        _ => return x.elements() as u64,
    };
    let positions = (y.elements() / y.channels()) as u64;
    positions * u64::from(taps.0) * u64::from(taps.1) * x.channels() as u64
}
