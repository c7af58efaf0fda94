//! What each operator of the graph computes, over autodiff tensors. Which node comes when, and where parameters are, is
//! `net.rs`.
//!
//! Autodiff tensors have a static rank. All values have rank [`RANK`] here: their own axes, after leading ones of extent 1.
//! The batch is the first axis that the graph has; it is of any extent, whatever the graph says.

use crate::ir::{Activation, Blend, Clamp, Op, Window};
use burn::tensor::module::{
    avg_pool2d, batch_norm, batch_norm_train, conv_transpose2d, conv2d, linear, max_pool2d,
};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, ConvTransposeOptions, MaxPoolOptions, PadMode};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

/// Axes of every tensor.
pub(super) const RANK: usize = 5;

/// A value.
pub(super) type Real = Tensor<RANK>;

/// The extents of a value of at most [`RANK`] axes, after leading ones.
pub(super) fn lifted(shape: &[usize]) -> Option<[usize; RANK]> {
    let mut all = [1; RANK];
    all[RANK.checked_sub(shape.len())?..].copy_from_slice(shape);
    Some(all)
}

/// A tensor of numbers.
pub(super) fn real(values: Vec<f32>, shape: [usize; RANK], device: &Device) -> Real {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Mean and variance of each channel in one batch.
pub(super) type Statistics = [Tensor<1>; 2];

/// One application of an operator.
pub(super) struct Call<'a> {
    pub(super) op: &'a Op,
    pub(super) inputs: &'a [Real],
    /// Rank of the result in the graph.
    pub(super) rank: usize,
    /// The result's extents, for this batch.
    pub(super) shape: [usize; RANK],
    /// Whether batch normalisation takes the statistics of the batch.
    pub(super) learning: bool,
}

impl Call<'_> {
    /// The result, and the statistics of the batch where the operator has taken them.
    pub(super) fn result(&self) -> Result<(Real, Option<Statistics>), String> {
        if let Op::BatchNorm { epsilon } = *self.op {
            return Ok(self.batch_norm(f64::from(epsilon)));
        }
        Ok((self.plain()?, None))
    }

    fn plain(&self) -> Result<Real, String> {
        let x = self.inputs[0].clone();
        Ok(match self.op {
            Op::Conv { stride, dilation, pads, groups } => {
                let ends = [(pads[0], pads[2]), (pads[1], pads[3])];
                let options = ConvOptions::new_with_padding(*stride, ends, *dilation, *groups);
                let bias = self.inputs.get(2).map(|b| flat(b.clone()));
                images(conv2d(image(x), image(self.inputs[1].clone()), bias, options))
            }
            Op::ConvTranspose { stride, cut } => {
                let weights = image(self.inputs[1].clone()).swap_dims(0, 1);
                let bias = self.inputs.get(2).map(|b| flat(b.clone()));
                let options = ConvTransposeOptions::new(*stride, [0; 2], [0; 2], [1; 2], 1);
                let whole = images(conv_transpose2d(image(x), weights, bias, options));
                let [height, width] = [self.shape[RANK - 2], self.shape[RANK - 1]];
                if whole.dims()[RANK - 2] < cut[0] + height || whole.dims()[RANK - 1] < cut[1] + width {
                    return Err("its output is padded".into());
                }
                whole.narrow(RANK - 2, cut[0], height).narrow(RANK - 1, cut[1], width)
            }
            Op::FullyConnected => {
                let bias = self.inputs.get(2).map(|b| flat(b.clone()));
                matrices(linear(matrix(x), matrix(self.inputs[1].clone()).transpose(), bias))
            }
            Op::MaxPool(window) => images(max_pool2d(image(x), max_options(window))),
            Op::AveragePool(window) => average(x, window, false),
            Op::SumPool(window) => {
                average(x, window, true).mul_scalar((window.kernel[0] * window.kernel[1]) as f32)
            }
            Op::Add => x + self.inputs[1].clone(),
            Op::Sub => x - self.inputs[1].clone(),
            Op::Mul => x * self.inputs[1].clone(),
            Op::Div => x / self.inputs[1].clone(),
            Op::Maximum => x.max_pair(self.inputs[1].clone()),
            Op::Minimum => x.min_pair(self.inputs[1].clone()),
            Op::PRelu => {
                let below = x.clone().clamp_max(0.0) * self.inputs[1].clone();
                x.clamp_min(0.0) + below
            }
            Op::Activation(function) => apply(*function, x),
            Op::Softmax { axis } => activation::softmax(x, self.axis(*axis)?),
            Op::ArgMax { .. } | Op::TopK { .. } => {
                return Err("the choice of the largest has no gradient".into());
            }
            Op::Function(_) => {
                return Err("it is a table already; only imported operators can be trained".into());
            }
            Op::Slice { begin, steps, counts } => self.slice(x, begin, steps, counts)?,
            Op::Gather { axis, indices } => select(x, self.axis(*axis)?, indices),
            Op::Resize { rows, cols } => blend(blend(x, RANK - 2, rows), RANK - 1, cols),
            Op::Concat { axis } => Tensor::cat(self.inputs.to_vec(), self.axis(*axis)?),
            Op::Pad { before, after, value } => {
                let ends: Vec<(usize, usize)> = before.iter().copied().zip(after.iter().copied()).collect();
                x.pad(ends.as_slice(), PadMode::Constant(*value))
            }
            Op::Reshape => x.reshape(self.shape),
            Op::Transpose { perm } => {
                if perm.first() != Some(&0) {
                    return Err("it moves the axis of the batch".into());
                }
                let lead = RANK - perm.len();
                x.permute(std::array::from_fn::<usize, RANK, _>(|i| {
                    if i < lead { i } else { lead + perm[i - lead] }
                }))
            }
            Op::Identity => x,
            Op::BatchNorm { .. } => unreachable!("it has a function of its own"),
        })
    }

    fn batch_norm(&self, epsilon: f64) -> (Real, Option<Statistics>) {
        let [scale, bias, mean, variance] = std::array::from_fn(|i| flat(self.inputs[i + 1].clone()));
        let x = self.inputs[0].clone();
        let dims = x.dims();
        // The channels are the second axis that the graph has.
        let channels = RANK - self.rank + 1;
        let rest = dims[channels + 1..].iter().product();
        let x: Tensor<3> = x.reshape([dims[channels - 1], dims[channels], rest]);
        if !self.learning {
            return (batch_norm(x, scale, bias, mean, variance, epsilon).reshape(dims), None);
        }
        let normal = batch_norm_train(x, scale, bias, epsilon);
        (normal.output.reshape(dims), Some([normal.mean, normal.variance]))
    }

    /// An axis of the graph, which is not the batch's, in a tensor.
    fn axis(&self, axis: usize) -> Result<usize, String> {
        if axis == 0 {
            return Err("it works along the axis of the batch".into());
        }
        Ok(RANK - self.rank + axis)
    }

    fn slice(&self, x: Real, begin: &[usize], steps: &[i64], counts: &[usize]) -> Result<Real, String> {
        let mut x = x;
        for axis in 0..counts.len() {
            let place = RANK - counts.len() + axis;
            let whole =
                begin[axis] == 0 && steps[axis] == 1 && (axis == 0 || counts[axis] == x.dims()[place]);
            if whole {
                continue;
            }
            let at = |i: usize| (begin[axis] as i64 + steps[axis] * i as i64) as usize;
            x = select(x, self.axis(axis)?, &(0..counts[axis]).map(at).collect::<Vec<_>>());
        }
        Ok(x)
    }
}

/// A node's bounds.
pub(super) fn bounded(x: Real, clamp: Clamp) -> Real {
    let x = if clamp.min == f32::NEG_INFINITY { x } else { x.clamp_min(clamp.min) };
    if clamp.max == f32::INFINITY { x } else { x.clamp_max(clamp.max) }
}

/// An element-wise function.
fn apply(function: Activation, x: Real) -> Real {
    match function {
        Activation::Relu => activation::relu(x),
        Activation::Clip { min, max } => bounded(x, Clamp { min, max }),
        Activation::LeakyRelu { alpha } => activation::leaky_relu(x, f64::from(alpha)),
        Activation::Sigmoid => activation::sigmoid(x),
        Activation::Tanh => activation::tanh(x),
        Activation::HardSwish => activation::hard_swish(x),
        Activation::HardSigmoid { alpha, beta } => {
            activation::hard_sigmoid(x, f64::from(alpha), f64::from(beta))
        }
        Activation::Elu { alpha, gamma } => activation::elu(x, f64::from(alpha)).mul_scalar(gamma),
        Activation::ThresholdedRelu { alpha } => activation::thresholded_relu(x, f64::from(alpha)),
        Activation::Gelu => activation::gelu(x),
        Activation::GeluTanh => activation::gelu_approximate(x),
        Activation::Mish => activation::mish(x),
        Activation::Softplus => activation::softplus(x, 1.0),
        Activation::Softsign => activation::softsign(x),
        Activation::Abs => x.abs(),
        Activation::Sign => x.sign(),
        Activation::Floor => x.floor(),
        Activation::Ceil => x.ceil(),
        Activation::Round => x.round(),
        Activation::Exp => x.exp(),
        Activation::Log => x.log(),
        Activation::Sqrt => x.sqrt(),
        Activation::Reciprocal => x.recip(),
        Activation::Pow { exponent } => x.powf_scalar(exponent),
        Activation::Erf => x.erf(),
        Activation::Sin => x.sin(),
        Activation::Cos => x.cos(),
    }
}

/// The slices of an axis in the order of a list.
fn select(x: Real, axis: usize, indices: &[usize]) -> Real {
    let list: Vec<i32> = indices.iter().map(|&i| i as i32).collect();
    let list = Tensor::<1, Int>::from_data(TensorData::new(list, [indices.len()]), &x.device());
    x.select(axis, list)
}

/// Mixtures of two slices each.
fn blend(x: Real, axis: usize, blends: &[Blend]) -> Real {
    let pick = |of: fn(&Blend) -> usize| select(x.clone(), axis, &blends.iter().map(of).collect::<Vec<_>>());
    let near = pick(|b| b.near);
    if blends.iter().all(|b| b.share == 0.0) {
        return near;
    }
    let mut shape = [1; RANK];
    shape[axis] = blends.len();
    let share = real(blends.iter().map(|b| b.share).collect(), shape, &x.device());
    near.clone() + (pick(|b| b.far) - near) * share
}

fn average(x: Real, window: &Window, padding_counts: bool) -> Real {
    let [height, width] = [x.dims()[RANK - 2], x.dims()[RANK - 1]];
    if *window == Window::global(height, width) {
        return x.mean_dim(RANK - 1).mean_dim(RANK - 2);
    }
    let mut options = AvgPoolOptions::new(window.kernel);
    options.stride = window.stride;
    options.padding = ends(window);
    options.count_include_pad = padding_counts;
    images(avg_pool2d(image(x), options))
}

fn max_options(window: &Window) -> MaxPoolOptions<2> {
    let mut options = MaxPoolOptions::new(window.kernel);
    options.stride = window.stride;
    options.dilation = window.dilation;
    options.padding = ends(window);
    options
}

fn ends(window: &Window) -> [(usize, usize); 2] {
    [(window.pads[0], window.pads[2]), (window.pads[1], window.pads[3])]
}

fn image(x: Real) -> Tensor<4> {
    let [_, n, c, h, w] = x.dims();
    x.reshape([n, c, h, w])
}

fn images(x: Tensor<4>) -> Real {
    x.unsqueeze()
}

fn matrix(x: Real) -> Tensor<2> {
    let [.., n, k] = x.dims();
    x.reshape([n, k])
}

fn matrices(x: Tensor<2>) -> Real {
    x.unsqueeze()
}

fn flat(x: Real) -> Tensor<1> {
    let n: usize = x.dims().iter().product();
    x.reshape([n])
}
