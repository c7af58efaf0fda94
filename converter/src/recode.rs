//! Layers of a quantized program with weights on sixteen levels, so that four bits hold one: which layers, which levels,
//! and what becomes of their scales and biases. The weights stay int8 here, for everything that looks at programs;
//! `lossless/palette.rs` stores them as indices in the end.

mod levels;
mod moments;
mod refine;

use crate::error::{Error, Result};
use crate::program::{Operand, Program};
use crate::quantize::weights::{fold, i8s, i32s, multiplier, requant};
use levels::{Row, Weighed};
use mote_format::{Const, Conv2d, FullyConnected, INT4, Op, PALETTE, Requant, Rounding, Scale, palette_row};
use ndarray::Array2;
use std::collections::{BTreeSet, HashSet};
use std::str::FromStr;

pub use moments::{Moments, Runs};

/// What a layer's weights are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// A byte each.
    #[default]
    Int8,
    /// Four bits each, −8 to 7 times a scale per output.
    Int4,
    /// Four bits each, indices of sixteen int8 values times a scale per output.
    Palette16,
}

/// What is asked of the weights of layers, by name or of all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Weights {
    /// Of layers that are not named; `None` for the smallest that keeps the outputs close.
    pub others: Choice,
    /// Of a node of the network, or of the tensor that it writes.
    pub named: Vec<(String, Encoding)>,
}

/// An encoding, or one by what it does to the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// This one.
    One(Encoding),
    /// The smallest that keeps the outputs close.
    Auto,
}

impl Default for Choice {
    fn default() -> Self {
        Self::One(Encoding::Int8)
    }
}

impl FromStr for Encoding {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = [("int8", Self::Int8), ("int4", Self::Int4), ("palette16", Self::Palette16)];
        known.iter().find(|(name, _)| *name == text).map(|&(_, encoding)| encoding).ok_or_else(|| {
            Error::new("cannot read --weights")
                .at(format!("\"{text}\""))
                .cause("weights are int8, int4 or palette16; auto chooses for all layers")
                .remedy("give one of these, or LAYER=int4 for one layer")
        })
    }
}

impl Weights {
    /// From what was given one after the other: an encoding, `auto`, or `LAYER=ENCODING`.
    pub fn parse<S: AsRef<str>>(given: &[S]) -> Result<Self> {
        let mut weights = Self::default();
        for text in given.iter().map(AsRef::as_ref) {
            match text.rsplit_once('=') {
                Some((layer, encoding)) => weights.named.push((layer.to_owned(), encoding.parse()?)),
                None if text == "auto" => weights.others = Choice::Auto,
                None => weights.others = Choice::One(text.parse()?),
            }
        }
        Ok(weights)
    }

    /// Whether every layer stays as it is.
    pub fn is_int8(&self) -> bool {
        self.others == Choice::default() && self.named.iter().all(|(_, e)| *e == Encoding::Int8)
    }
}

/// Noise that `auto` adds to the outputs at most, in dB below them.
const CLOSE_DB: f64 = 20.0;

/// The program with its weights as they are asked for, and the nodes that have sixteen levels then. `runs` are samples,
/// which weigh errors and correct biases; `auto` needs them.
pub fn recode(program: &Program, weights: &Weights, runs: &Runs) -> Result<(Program, HashSet<String>)> {
    if weights.is_int8() {
        return Ok((program.clone(), HashSet::new()));
    }
    let named = named(program, weights)?;
    let moments = runs.moments(program)?;
    let chosen = match weights.others {
        Choice::One(encoding) => large(program, encoding),
        Choice::Auto => auto(program, &moments, runs, |k| named[k].is_none())?,
    };
    apply(program, |k| named[k].unwrap_or(chosen[k]), &moments)
}

/// An encoding for all layers but those with less than a hundredth of the weights: these, often the first and the last, cost
/// accuracy and save next to nothing.
fn large(program: &Program, encoding: Encoding) -> Vec<Encoding> {
    let weights = |k| Stored::of(program, k).map_or(0, |stored| stored.weights.len());
    let weights: Vec<usize> = (0..program.steps.len()).map(weights).collect();
    let least = weights.iter().sum::<usize>() / 100;
    weights.iter().map(|&n| if n > least { encoding } else { Encoding::Int8 }).collect()
}

/// What is asked of each step by name.
fn named(program: &Program, weights: &Weights) -> Result<Vec<Option<Encoding>>> {
    let mut all = vec![None; program.steps.len()];
    for (name, encoding) in &weights.named {
        let is = |k: &usize| program.steps[*k].node == *name || program.output(*k).name == *name;
        let steps: Vec<usize> = (0..program.steps.len()).filter(is).collect();
        let can = steps.iter().any(|&k| Stored::of(program, k).is_some());
        if !can {
            let layers = (0..program.steps.len()).filter(|&k| Stored::of(program, k).is_some());
            let layers: Vec<_> = layers.map(|k| program.output(k).name.as_str()).collect();
            let cause = if steps.is_empty() {
                "the model has no such layer"
            } else {
                "it is no convolution or dense layer with int8 weights that are symmetric"
            };
            return Err(Error::new("cannot choose the weights of a layer")
                .at(format!("\"{name}\""))
                .cause(cause)
                .remedy(format!("name one of these: {}", layers.join(", "))));
        }
        steps.iter().for_each(|&k| all[k] = Some(*encoding));
    }
    Ok(all)
}

/// For each step that `may` be changed the smallest encoding, as long as all of them together keep the outputs close.
/// What a layer adds to their noise is measured with it alone; noises add up.
fn auto(
    program: &Program,
    moments: &Moments,
    runs: &Runs,
    may: impl Fn(usize) -> bool,
) -> Result<Vec<Encoding>> {
    let int8 = runs.outputs(program)?.ok_or_else(|| {
        Error::new("cannot choose the weights of layers")
            .cause("auto measures what they do to the outputs, and there are no samples")
            .remedy("give samples with --calib, or say --weights int4")
    })?;
    let measured = |changes: &[&Change]| -> Result<f64> {
        let changed = changed(program, changes.iter().copied());
        Ok(runs.outputs(&changed)?.map_or(f64::INFINITY, |outputs| int8.noise(&outputs)))
    };
    let mut found = Vec::new();
    for (k, stored) in (0..program.steps.len()).filter_map(|k| Some((k, Stored::of(program, k)?))) {
        if !may(k) || !stored.gains() {
            continue;
        }
        let encodings = [Encoding::Int4, Encoding::Palette16];
        let covariance = stored.covariance(moments);
        let both = encodings.map(|encoding| stored.on_levels(encoding, moments, covariance.as_ref()));
        let [Some(int4), Some(palette)] = both else { continue };
        let [plain, better] = [measured(&[&int4])?, measured(&[&palette])?];
        // Int4 is decoded faster.
        let (noise, change, encoding) = if better < 0.5 * plain {
            (better, palette, Encoding::Palette16)
        } else {
            (plain, int4, Encoding::Int4)
        };
        found.push((noise / stored.weights.len() as f64, change, encoding));
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let most = 10f64.powf(-CLOSE_DB / 10.0);
    let mut chosen = vec![Encoding::Int8; program.steps.len()];
    // The most layers whose noise together is small enough; together they may do more than one by one.
    for count in (1..=found.len()).rev() {
        let changes: Vec<&Change> = found[..count].iter().map(|(_, change, _)| change).collect();
        if measured(&changes)? <= most {
            found[..count].iter().for_each(|(_, change, encoding)| chosen[change.step] = *encoding);
            break;
        }
    }
    Ok(chosen)
}

/// The program with the encoding that `choose` gives for each step, where that takes fewer bytes; and the nodes that have
/// sixteen levels then.
pub fn apply(
    program: &Program,
    choose: impl Fn(usize) -> Encoding,
    moments: &Moments,
) -> Result<(Program, HashSet<String>)> {
    let change = |k| {
        let encoding = choose(k);
        let stored = Stored::of(program, k).filter(|s| encoding != Encoding::Int8 && s.gains())?;
        // Sums that could leave 32 bits stay as they are.
        stored.on_levels(encoding, moments, stored.covariance(moments).as_ref())
    };
    let changes: Vec<Change> = (0..program.steps.len()).filter_map(change).collect();
    let nodes = changes.iter().map(|change| program.steps[change.step].node.clone()).collect();
    Ok((changed(program, &changes), nodes))
}

/// What becomes of a layer.
struct Change {
    step: usize,
    weights: Vec<i8>,
    bias: Vec<i32>,
    scales: Vec<Scale>,
}

/// The program with some layers changed.
fn changed<'c>(program: &Program, changes: impl IntoIterator<Item = &'c Change>) -> Program {
    let mut new = program.clone();
    for Change { step, weights, bias, scales } in changes {
        let writer = &mut new.writer;
        let (weights, bias) = (i8s(writer, weights), i32s(writer, bias.iter().copied()));
        let mut requantized = |old: Requant| requant(writer, old.round, scales, (old.min, old.max));
        new.steps[*step].op = match new.steps[*step].op {
            Op::Conv2d(p) => Op::Conv2d(Conv2d { weights, bias, requant: requantized(p.requant), ..p }),
            Op::FullyConnected(p) => {
                Op::FullyConnected(FullyConnected { weights, bias, requant: requantized(p.requant) })
            }
            op => op,
        };
    }
    new
}

/// A layer whose weights may have four bits: its constants.
struct Stored {
    step: usize,
    /// The tensor that it reads.
    x: usize,
    zero: i32,
    outputs: usize,
    /// Input channels that an output reads, and outputs that read the same.
    own: usize,
    of_group: usize,
    weights: Vec<i8>,
    bias: Vec<i32>,
    /// Real value of a unit of each sum over that of the output.
    multipliers: Vec<f64>,
    requant: Requant,
}

impl Stored {
    /// `None` for other operators.
    fn of(program: &Program, k: usize) -> Option<Self> {
        let step = &program.steps[k];
        let &[Operand::Arena(x)] = &step.inputs[..] else { return None };
        let (weights, bias, requant, groups) = match step.op {
            Op::Conv2d(p) => (p.weights, p.bias, p.requant, usize::from(p.groups)),
            Op::FullyConnected(p) => (p.weights, p.bias, p.requant, 1),
            _ => return None,
        };
        let bytes = |c: Const| program.writer.bytes(c);
        let words = |c| bytes(c).chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let shifts = bytes(requant.shift);
        let real = |(o, mult): (usize, i32)| match requant.round {
            Rounding::Float => f64::from(f32::from_bits(mult as u32)),
            _ => f64::from(mult) * 2f64.powi(shifts.get(o).map_or(0, |&s| i32::from(s as i8)) - 31),
        };
        let bias: Vec<i32> = words(bias).collect();
        let (channels, outputs) = (program.tensors[x].shape.channels(), bias.len());
        Some(Self {
            step: k,
            x,
            zero: program.tensors[x].quant.zero,
            outputs,
            own: channels / groups.max(1),
            of_group: (outputs / groups.max(1)).max(1),
            weights: bytes(weights).iter().map(|&w| w as i8).collect(),
            multipliers: words(requant.mult).enumerate().map(real).collect(),
            bias,
            requant,
        })
        .filter(|s| s.outputs > 0 && s.own > 0 && !s.weights.is_empty())
    }

    /// Weights of an output.
    fn row(&self) -> usize {
        self.weights.len() / self.outputs
    }

    /// Whether indices and a palette take fewer bytes.
    fn gains(&self) -> bool {
        palette_row(self.row()).is_some_and(|row| self.outputs * row + PALETTE < self.weights.len())
    }

    /// The covariance of what its weights meet, where that is known.
    fn covariance(&self, moments: &Moments) -> Option<Array2<f32>> {
        refine::covariance(moments.patches(self.step, self.row())?)
    }

    /// The layer with weights on levels; `None` where sums could leave 32 bits.
    fn on_levels(
        &self,
        encoding: Encoding,
        moments: &Moments,
        covariance: Option<&Array2<f32>>,
    ) -> Option<Change> {
        let channel = |o: usize, j: usize| o / self.of_group * self.own + j % self.own;
        let weigh = |(o, w): (usize, &[i8])| Weighed {
            weights: w.to_vec(),
            counts: (0..w.len()).map(|j| moments.variance(self.x, channel(o, j))).collect(),
            output: self.multipliers[o].powi(2),
        };
        let rows: Vec<Weighed> = self.weights.chunks_exact(self.row()).enumerate().map(weigh).collect();
        let mut coded: Vec<Row> = match encoding {
            Encoding::Int8 => return None,
            Encoding::Int4 => rows.iter().map(levels::int4).collect(),
            Encoding::Palette16 => levels::palette(&rows),
        };
        if let Some(covariance) = covariance {
            let used = coded.iter().flat_map(|row| row.values.iter().copied());
            let levels: BTreeSet<i8> =
                if encoding == Encoding::Int4 { INT4.into_iter().collect() } else { used.collect() };
            let levels: Vec<i8> = levels.into_iter().collect();
            for (row, coded) in rows.iter().zip(&mut coded) {
                refine::refine(&row.weights, coded, &levels, covariance);
            }
        }
        let mut bias = Vec::new();
        for (o, (old, Row { scale, values })) in rows.iter().zip(&coded).enumerate() {
            let sum: i64 = old.weights.iter().map(|&w| i64::from(w)).sum();
            let plain = f64::from(self.bias[o]) + f64::from(self.zero) * sum as f64;
            // What the new weights add to the mean of the sum is taken off.
            let moved = old.weights.iter().zip(values).enumerate().map(|(j, (&w, &v))| {
                (scale * f64::from(v) - f64::from(w)) * moments.mean(self.x, channel(o, j))
            });
            let plain = (plain - moved.sum::<f64>()) / scale;
            bias.push(fold(plain.round() as i64, self.zero, values.iter().map(|&v| i64::from(v))).ok()?);
        }
        let round = self.requant.round;
        let scales: Vec<Scale> =
            coded.iter().zip(&self.multipliers).map(|(row, m)| multiplier(round, row.scale * m)).collect();
        let weights = coded.into_iter().flat_map(|row| row.values).collect();
        Some(Change { step: self.step, weights, bias, scales })
    }
}
