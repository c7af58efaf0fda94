//! Training with the roundings of the deployed network: every value at a scale, weights as integers, sums multiplied and rounded as
//! the kernels do it.
//!
//! Integers are held in floats. Products and sums of them are exact below 2^24, which int8 layers of up to a thousand taps stay
//! far below; a multiplication and a rounding half to even after it are those of the *float* rounding profile, with which a
//! network that brings its scales is converted. Gradients pass a rounding as if it were not there (straight-through, Bengio et
//! al., 2013), so that scales learn as well (Esser et al., Learned Step Size Quantization, 2020).

use super::fit::deployed;
use super::forward::{RANK, Real};
use crate::data::Sample;
use crate::error::Result;
use crate::ir::{Activation, Clamp, Graph, Node, Op, ValueId};
use crate::progress::Progress;
use crate::quantize::Calibration;
use burn::tensor::Tensor;
use mote_format::Quant;
use std::collections::HashMap;

/// A scale that several values share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    /// What calibration has found.
    pub(super) quant: Quant,
    /// Whether the function that makes the value fixes it.
    pub(super) fixed: bool,
}

/// Scales of the values of a graph whose layers are folded.
#[derive(Debug, Clone, Default)]
pub struct Scales {
    pub(super) shared: Vec<Shared>,
    /// Which of them each value has.
    pub(super) of: HashMap<ValueId, usize>,
}

impl Scales {
    /// Finds scales for a folded graph by running samples through it.
    pub fn calibrated(
        graph: &Graph,
        samples: impl Iterator<Item = Result<Sample>>,
        method: Calibration,
        show: Progress,
    ) -> Result<Self> {
        let (deployed, params) = deployed(graph, samples, method, show)?;
        let mut known: HashMap<&str, Quant> = HashMap::new();
        for &id in deployed.inputs.iter().chain(deployed.nodes.iter().map(|n| &n.output)) {
            let origin = deployed.value(id).origin.as_ref().filter(|o| o.clamp.is_none());
            if let Some(origin) = origin {
                known.entry(&origin.tensor).or_insert(params.of(&deployed, id)?);
            }
        }
        let mut scales = Scales::default();
        for &input in &graph.inputs {
            scales.add(input, known.get(graph.value(input).name.as_str()), false);
        }
        for node in &graph.nodes {
            let own = known.get(graph.value(node.output).name.as_str());
            let before = scales.of.get(&node.inputs[0]).copied();
            // Values that are only moved stay what they are, at the scale that they have.
            let moved =
                before.filter(|&b| keeps(&node.op) && own.is_none_or(|q| *q == scales.shared[b].quant));
            match moved {
                Some(shared) => {
                    scales.of.insert(node.output, shared);
                }
                None => scales.add(node.output, own, is_fixed(&node.op)),
            }
        }
        Ok(scales)
    }

    fn add(&mut self, id: ValueId, quant: Option<&Quant>, fixed: bool) {
        if let Some(&quant) = quant {
            self.of.insert(id, self.shared.len());
            self.shared.push(Shared { quant, fixed });
        }
    }
}

/// Operators whose result holds elements of their operand only.
fn keeps(op: &Op) -> bool {
    matches!(
        op,
        Op::MaxPool(_)
            | Op::Reshape
            | Op::Transpose { .. }
            | Op::Slice { .. }
            | Op::Gather { .. }
            | Op::Identity
    )
}

/// Operators whose result has a scale that follows from the function alone.
fn is_fixed(op: &Op) -> bool {
    matches!(op, Op::Softmax { .. } | Op::Activation(Activation::Sigmoid | Activation::Tanh))
}

/// A value in integers, less the zero point, and the real value of one.
#[derive(Clone)]
pub(super) struct Whole {
    pub(super) integers: Real,
    pub(super) scale: Real,
}

impl Whole {
    /// Rounds values at a scale, which is a tensor of one element.
    pub(super) fn round(units: Real, scale: Real, quant: Quant, clamp: Option<Clamp>) -> Self {
        let unit = |real: f32| (f64::from(real) / f64::from(quant.scale)).round() as f32;
        let (mut low, mut high) = ((-128 - quant.zero) as f32, (127 - quant.zero) as f32);
        if let Some(clamp) = clamp {
            low = low.max(unit(clamp.min));
            high = high.min(unit(clamp.max)).max(low);
        }
        let held = units.clamp(low, high);
        let integers = through(held.clone(), held.round());
        Whole { integers, scale }
    }

    /// An input of the network, rounded as a program that feeds the device rounds it: half away from zero.
    pub(super) fn input(x: Real, scale: Real, quant: Quant) -> Self {
        let units = x / scale.clone();
        let away = units.clone().abs().add_scalar(0.5).floor() * units.clone().sign();
        Whole::round(through(units, away), scale, quant, None)
    }

    /// The real values.
    pub(super) fn reals(&self) -> Real {
        self.integers.clone() * self.scale.clone()
    }
}

/// `value`, with the gradient of `of`.
fn through(of: Real, value: Real) -> Real {
    of.clone() + (value - of).detach()
}

/// The integers of a layer's weights and bias: `[outputs, …]`, and the scale of each output.
pub(super) struct Layer {
    pub(super) weights: Real,
    pub(super) bias: Option<Real>,
    /// `[outputs]`.
    pub(super) scales: Tensor<1>,
}

impl Layer {
    /// Rounds weights `shape`, whose first axis counts the outputs, and a bias for an input at scale `x`.
    pub(super) fn round(weights: Real, bias: Option<Real>, shape: &[usize], x: &Real) -> Self {
        let outputs = shape[0];
        let whole = weights.dims();
        let rows: Tensor<2> = weights.reshape([outputs, shape[1..].iter().product::<usize>()]);
        let scales = rows.clone().detach().abs().max_dim(1).div_scalar(127.0).clamp_min(1e-12);
        let units = rows / scales.clone();
        let integers = units.clone() + (units.clone().round() - units).detach();
        let scales: Tensor<1> = scales.reshape([outputs]);
        let bias = bias.map(|bias| {
            let units = bias / (row(scales.clone(), RANK - 1) * x.clone());
            through(units.clone(), units.round())
        });
        Layer { weights: integers.reshape(whole), bias, scales }
    }
}

/// Numbers along an axis.
pub(super) fn row(numbers: Tensor<1>, axis: usize) -> Real {
    let mut shape = [1; RANK];
    shape[axis] = numbers.dims()[0];
    numbers.reshape(shape)
}

/// The axis of a layer's outputs in its result.
pub(super) fn outputs_axis(node: &Node) -> usize {
    if matches!(node.op, Op::FullyConnected) { RANK - 1 } else { RANK - 3 }
}

#[cfg(test)]
mod tests {
    use super::super::net::{Net, numbers};
    use super::*;
    use crate::convert::{Options, convert, spec};
    use crate::data::{self, Prepare};
    use crate::export;
    use crate::import::{self, InputShapes};
    use crate::infer::{infer, input_bytes};
    use crate::passes;
    use burn::tensor::Device;
    use mote_runtime::{Model, Session};
    use std::path::{Path, PathBuf};

    fn example(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models").join(name)
    }

    /// What the rounded forward pass says is what the converted model says: the same classes, and no probability more than a
    /// unit apart (additions and the softmax are computed in fixed point on the device).
    #[test]
    fn the_forward_pass_is_the_deployed_network() {
        let prepare = Prepare::parse(None, Some("1/255")).unwrap();
        let bytes = std::fs::read(example("fashion.onnx")).unwrap();
        let graph = import::onnx(&bytes, &InputShapes::default()).unwrap();
        let mut deployed = graph.clone();
        passes::run(&mut deployed).unwrap();
        let samples = |file: &str, limit| {
            data::open(&example(file), &spec(&deployed, prepare.clone(), None, Some(limit))).unwrap()
        };
        let mut folded = graph.clone();
        passes::fold(&mut folded).unwrap();
        let scales = Scales::calibrated(
            &folded,
            samples("fashion_calib.npz", 50),
            Calibration::MinMax,
            Progress::Hidden,
        );
        let net = Net::new(folded.clone(), &Device::flex(), |_| true).unwrap().rounded(scales.unwrap());

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rounded.onnx");
        std::fs::write(&path, export::quantized(&folded, &net.quants().unwrap()).unwrap()).unwrap();
        let options = Options {
            prepare: prepare.clone(),
            strict: true,
            calibration: Calibration::MinMax,
            ..Options::default()
        };
        let converted = convert(&path, &options).unwrap();
        let model = Model::new_checked(&converted.bytes).unwrap();
        let mut arena = vec![0; model.arena_bytes()];
        let mut session = Session::new(&model, &mut arena).unwrap();
        let info = model.inputs().next().unwrap();
        let input = deployed.value(deployed.inputs[0]);
        let best = |row: &[f32]| (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        for sample in samples("fashion_test.npz", 60) {
            let sample = sample.unwrap();
            let x = input.to_reference(sample.x.view()).unwrap().into_iter().collect();
            let pass = net.run(x, 1, false, &[]).unwrap();
            let here = numbers(pass.rows(folded.outputs[0], 1).unwrap()).unwrap();
            infer(&mut session, &input_bytes(info, sample.x.iter().copied()), &mut ()).unwrap();
            let there: Vec<f32> = session.output(0).unwrap().reals().collect();
            assert_eq!(best(&here), best(&there), "{}: {here:?} {there:?}", sample.name);
            assert!(here.iter().zip(&there).all(|(a, b)| (a - b).abs() < 1.5 / 256.0), "{here:?} {there:?}");
        }
    }

    #[test]
    fn gradients_pass_roundings_and_bounds_stop_them() {
        let device = Device::flex().autodiff();
        let x =
            crate::train::forward::real(vec![0.26, -9.0, 0.9, 0.4], [1, 1, 1, 1, 4], &device).require_grad();
        let scale = crate::train::forward::real(vec![0.5], [1; RANK], &device);
        let quant = Quant { scale: 0.5, zero: -128 };
        let whole = Whole::round(x.clone() / scale.clone(), scale, quant, Some(Clamp { min: 0.0, max: 0.5 }));
        assert_eq!(numbers(whole.integers.clone()).unwrap(), [1.0, 0.0, 1.0, 1.0]);
        let tape = whole.reals().sum().backward();
        assert_eq!(numbers(x.grad(&tape).unwrap()).unwrap(), [1.0, 0.0, 0.0, 1.0]);
    }
}
