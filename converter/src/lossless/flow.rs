//! How the channels of a step's output hang together with those of its inputs. Channels are the last dimension.

use super::layer::Layer;
use crate::program::{Operand, Program, Step};
use mote_format::Op;

/// For each channel of the output, the channel of one input that it comes from; none for a border.
pub(super) type Sources = Vec<Option<usize>>;

/// The ways in which a step handles channels.
pub(super) enum Flow {
    /// A layer with weights: any output from any input.
    Mix(Layer),
    /// Each channel of the output comes from one channel of each input, and the other way round at least one channel
    /// of the output from each channel of an input. A depthwise convolution is one of these, with its layer.
    Each(Vec<Sources>, Option<Layer>),
    /// The channels of both sides stay as they are.
    Whole,
}

impl Flow {
    /// The flow of step `k`.
    pub(super) fn of(program: &Program, k: usize) -> Self {
        let (step, y) = (&program.steps[k], program.given() + k);
        if let Some(layer) = Layer::of(program, step, y) {
            return match step.op {
                _ if layer.mixes() => Self::Mix(layer),
                Op::DepthwiseConv2d(_) | Op::DepthwiseConv2dAsymmetric(_) => {
                    let sources = (0..layer.outputs).map(|o| Some(layer.sources(o).start)).collect();
                    Self::Each(vec![sources], Some(layer))
                }
                _ => Self::Whole,
            };
        }
        let sources = (0..step.inputs.len()).map(|i| sources(program, step, y, i));
        sources.collect::<Option<_>>().map_or(Self::Whole, |each| Self::Each(each, None))
    }
}

/// Whether an operator works on pairs of elements, where an input of one channel repeats.
fn in_pairs(op: &Op) -> bool {
    matches!(op, Op::Add(_) | Op::Mul(_) | Op::Maximum(_) | Op::Minimum(_))
}

/// Whether the only channel of input `i` stands for every channel of the output.
pub(super) fn repeats(program: &Program, k: usize, i: usize) -> bool {
    let step = &program.steps[k];
    let (from, to) = (program.shape(step.inputs[i]).channels(), program.output(k).shape.channels());
    in_pairs(&step.op) && from == 1 && to > 1
}

/// The sources of output `y` in input `i`.
fn sources(program: &Program, step: &Step, y: usize, i: usize) -> Option<Sources> {
    let (x, y) = (program.shape(step.inputs[i]), program.tensors[y].shape);
    let (from, to) = (x.channels(), y.channels());
    let same = || (from == to).then(|| (0..to).map(Some).collect());
    match step.op {
        Op::MaxPool2d(_) | Op::AvgPool2d(_) | Op::SumPool2d(_) | Op::Resize(_) => same(),
        Op::Lut(_) | Op::Clamp(_) | Op::Requantize(_) | Op::Dequantize(_) | Op::FlipSign(_) => same(),
        op if in_pairs(&op) && from == 1 => Some(vec![Some(0); to]),
        op if in_pairs(&op) => same(),
        Op::Reshape(_) => to.is_multiple_of(from).then(|| (0..to).map(|o| Some(o % from)).collect()),
        Op::Transpose(p) => {
            let last = y.rank().checked_sub(1)?;
            (usize::from(p.perm[last]) == last).then(same)?
        }
        Op::Pad(p) => {
            let before = usize::from(p.before[y.rank().checked_sub(1)?]);
            Some((0..to).map(|o| o.checked_sub(before).filter(|&c| c < from)).collect())
        }
        Op::Concat(p) if usize::from(p.axis) + 1 == y.rank() => {
            let before: usize = step.inputs[..i].iter().map(|&x| program.shape(x).channels()).sum();
            Some((0..to).map(|o| o.checked_sub(before).filter(|&c| c < from)).collect())
        }
        Op::Concat(_) => same(),
        _ => None,
    }
}

/// The arena tensors that a step reads, with the position of each among its inputs.
pub(super) fn reads(step: &Step) -> impl Iterator<Item = (usize, usize)> {
    step.inputs.iter().enumerate().filter_map(|(i, x)| match *x {
        Operand::Arena(t) => Some((i, t)),
        Operand::Constant(_) => None,
    })
}
