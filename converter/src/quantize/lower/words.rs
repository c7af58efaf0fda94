//! Lowers to int16 activations: the operators that have a form for them, and no others.

use super::window::{Narrow, channels_last};
use super::{Lowering, narrow, shape};
use crate::error::Result;
use crate::interpolated::{self, UNIT};
use crate::ir::{Activation, Clamp, Node, Op, Window};
use crate::program::Operand;
use crate::quantize::params::Range;
use crate::quantize::weights::{Layer, biases16, i8s, requant16};
use crate::walk::Walk;
use mote_format::{
    Add16, AvgPool2d16, Const, Conv2d16, DType, DepthwiseConv2d16, FullyConnected16, MaxPool2d16, Mul16,
    Op as Kernel, Quant, Requant16, Rescale16, Reshape, Rounding, SumPool2d16,
};
use mote_kernels::quant::{quantize16, scale_of};

const FULL: (i16, i16) = (i16::MIN, i16::MAX);

/// Taps of a depthwise kernel at most.
const MOST_TAPS: usize = 511;

/// The step that brings values to another scale, those below zero by a factor more.
pub(super) fn rescale(from: Quant, to: Quant, factor: f32, (min, max): (i16, i16)) -> Kernel {
    let real = f64::from(from.scale) / f64::from(to.scale);
    let (positive, negative) = (scale_of(real), scale_of(real * f64::from(factor)));
    Kernel::Rescale16(Rescale16 { to: DType::I16, positive, negative, min, max })
}

/// Int16 bounds that hold a real value inside a clamp.
fn bounds(quant: Quant, clamp: Option<Clamp>) -> (i16, i16) {
    clamp.map_or(FULL, |c| (quantize16(c.min, quant), quantize16(c.max, quant)))
}

/// What a layer reads and stores.
struct Stored {
    input: Operand,
    weights: Vec<i8>,
    bias: Const,
    requant: Requant16,
}

impl Lowering<'_> {
    pub(super) fn node16(&mut self, node: &Node) -> Result<()> {
        match &node.op {
            Op::Conv { .. } => self.conv16(node),
            Op::FullyConnected => self.fully_connected16(node),
            Op::MaxPool(w) => self.max_pool16(node, w),
            Op::AveragePool(w) => self.average_pool16(node, w),
            Op::SumPool(w) => self.sum_pool16(node, w, 1.0),
            Op::Add => self.add16(node, 0),
            Op::Sub => self.add16(node, 1),
            Op::Mul => self.mul16(node),
            Op::Activation(a) => self.activation16(node, *a),
            Op::Softmax { axis } if axis + 1 == self.graph.shape(node.output).len() => self.softmax16(node),
            Op::Slice { begin, steps, counts } => self.slice(node, begin, steps, counts),
            Op::Gather { axis, indices } => self.gather(node, *axis, indices),
            Op::Concat { axis } => self.concat(node, *axis),
            Op::Pad { before, value, .. } if *value == 0.0 => self.pad(node, before, *value),
            Op::Reshape => self.reshape(node),
            Op::Transpose { perm } => self.transpose16(node, perm),
            _ => Err(self.no_form(node)),
        }
    }

    fn no_form(&self, node: &Node) -> crate::error::Error {
        let remedy = "convert with --activations int8, or use another operator in the model";
        self.refuse(node, "it has no form for int16 activations", remedy)
    }

    fn bounds16(&self, node: &Node) -> Result<(i16, i16)> {
        Ok(bounds(self.params.of(self.graph, node.output)?, node.clamp))
    }

    /// The input and the integers of a layer with `outputs` output channels.
    fn layer16(&mut self, node: &Node, outputs: usize) -> Result<Stored> {
        let (input, [x, y], layer) = self.real_layer(node, outputs)?;
        // Integers of a file are those for int8.
        let layer = Layer { given: None, round: Rounding::Single, ..layer }.quantize16(x, y);
        let bounds = self.bounds16(node)?;
        let writer = &mut self.program.writer;
        let (bias, requant) = (biases16(writer, &layer.bias), requant16(writer, &layer.multipliers, bounds));
        let requant = requant.ok_or_else(|| {
            let cause = "its outputs are so small beside its sums that these are multiplied by 128 or more";
            self.refuse(node, cause, "calibrate with samples on which it is not idle")
        })?;
        Ok(Stored { input, weights: layer.weights, bias, requant })
    }

    fn conv16(&mut self, node: &Node) -> Result<()> {
        let Op::Conv { stride, dilation, pads, groups } = node.op else { return Ok(()) };
        let (w, x) = (self.graph.shape(node.inputs[1]).to_vec(), self.graph.shape(node.inputs[0])[3]);
        let window = Window { kernel: [w[1], w[2]], stride, dilation, pads };
        let Narrow { kernel: [kh, kw], stride, dilation, pads } = self.narrow(node, &window)?;
        let Stored { input, weights, bias, requant } = self.layer16(node, w[0])?;
        let writer = &mut self.program.writer;
        let op = if groups == x && groups > 1 && w[1] * w[2] <= MOST_TAPS {
            let weights = i8s(writer, &channels_last(&weights, w[0]));
            let op = DepthwiseConv2d16 { kh, kw, stride, dilation, pads, weights, bias, requant };
            Kernel::DepthwiseConv2d16(op)
        } else {
            let (weights, groups) = (i8s(writer, &weights), narrow(node, "number of groups", groups)?);
            Kernel::Conv2d16(Conv2d16 { kh, kw, stride, dilation, pads, groups, weights, bias, requant })
        };
        self.push(node, op, &[input])
    }

    fn fully_connected16(&mut self, node: &Node) -> Result<()> {
        let outputs = self.graph.shape(node.inputs[1])[0];
        let Stored { input, weights, bias, requant } = self.layer16(node, outputs)?;
        let weights = i8s(&mut self.program.writer, &weights);
        self.push(node, Kernel::FullyConnected16(FullyConnected16 { weights, bias, requant }), &[input])
    }

    fn max_pool16(&mut self, node: &Node, w: &Window) -> Result<()> {
        let Narrow { kernel: [kh, kw], stride, pads, .. } = self.pool(node, w)?;
        let (input, (min, max)) = (self.kept(node)?, self.bounds16(node)?);
        self.push(node, Kernel::MaxPool2d16(MaxPool2d16 { kh, kw, stride, pads, min, max }), &[input])
    }

    /// A mean over whole windows is a sum at a scale of its own; one over clipped windows keeps its input's scale.
    fn average_pool16(&mut self, node: &Node, w: &Window) -> Result<()> {
        if w.pads == [0; 4] {
            return self.sum_pool16(node, w, 1.0 / (w.kernel[0] * w.kernel[1]) as f64);
        }
        let Narrow { kernel: [kh, kw], stride, pads, .. } = self.pool(node, w)?;
        let (input, (min, max)) = (self.kept(node)?, self.bounds16(node)?);
        self.push(node, Kernel::AvgPool2d16(AvgPool2d16 { kh, kw, stride, pads, min, max }), &[input])
    }

    fn sum_pool16(&mut self, node: &Node, w: &Window, factor: f64) -> Result<()> {
        let Narrow { kernel: [kh, kw], stride, pads, .. } = self.pool(node, w)?;
        if w.kernel[0] * w.kernel[1] > 0xFFFF {
            return Err(self.refuse(node, "its window has more than 65,535 values", "use smaller windows"));
        }
        let (input, x) = self.operand(node, 0)?;
        let y = self.params.of(self.graph, node.output)?;
        let (min, max) = self.bounds16(node)?;
        let scale = scale_of(factor * f64::from(x.scale) / f64::from(y.scale));
        self.push(node, Kernel::SumPool2d16(SumPool2d16 { kh, kw, stride, pads, scale, min, max }), &[input])
    }

    /// Both inputs go to twice the larger scale: their sum cannot overflow.
    fn add16(&mut self, node: &Node, subtract: u8) -> Result<()> {
        let [(a, qa), (b, qb)] = [self.broadcast16(node, 0)?, self.broadcast16(node, 1)?];
        let y = self.params.of(self.graph, node.output)?;
        let (min, max) = self.bounds16(node)?;
        let common = 2.0 * f64::from(qa.scale).max(f64::from(qb.scale));
        let [a_scale, b_scale] = [qa, qb].map(|q| scale_of(f64::from(q.scale) / common));
        let y = scale_of(common / (f64::from(1 << 15) * f64::from(y.scale)));
        let op = Add16 { a: a_scale, b: b_scale, y, subtract, min, max };
        self.push_binary(node, Kernel::Add16(op), &[a, b])
    }

    fn mul16(&mut self, node: &Node) -> Result<()> {
        let [(a, qa), (b, qb)] = [self.broadcast16(node, 0)?, self.broadcast16(node, 1)?];
        let y = self.params.of(self.graph, node.output)?;
        let (min, max) = self.bounds16(node)?;
        let scale = scale_of(f64::from(qa.scale) * f64::from(qb.scale) / f64::from(y.scale));
        self.push_binary(node, Kernel::Mul16(Mul16 { scale, min, max }), &[a, b])
    }

    /// Input `i` with as many dimensions as the output. A constant is quantized here, over its own range.
    fn broadcast16(&mut self, node: &Node, i: usize) -> Result<(Operand, Quant)> {
        let (value, dims) = (self.graph.value(node.inputs[i]), self.wide(node, i)?);
        let wide = shape(&value.name, &dims)?;
        if value.konst.is_some() {
            let floats = self.floats(node, i)?;
            let most = floats.iter().fold(0f32, |m, v| m.max(v.abs()));
            let quant = Range { min: -most, max: most }.quant16();
            let bytes: Vec<u8> = floats.iter().flat_map(|&v| quantize16(v, quant).to_le_bytes()).collect();
            let dims = wide.dims().to_vec();
            let constant = self.program.constant_bytes(&value.name, DType::I16, dims, quant, &bytes);
            return Ok((Operand::Constant(constant), quant));
        }
        let (place, quant) = self.operand(node, i)?;
        if dims == value.shape {
            return Ok((place, quant));
        }
        Ok((self.push_between(node, Kernel::Reshape(Reshape {}), place, wide, quant), quant))
    }

    fn activation16(&mut self, node: &Node, function: Activation) -> Result<()> {
        let (x, from) = self.operand(node, 0)?;
        let to = self.params.of(self.graph, node.output)?;
        let op = match function {
            Activation::Sigmoid | Activation::Tanh if to.scale == UNIT && node.clamp.is_none() => {
                let tanh = u8::from(function == Activation::Tanh);
                let op = interpolated::sigmoid(&mut self.program.writer, from.scale, tanh);
                Kernel::Sigmoid16(op.ok_or_else(|| self.no_form(node))?)
            }
            Activation::LeakyRelu { alpha } if alpha >= 0.0 => {
                rescale(from, to, alpha, bounds(to, node.clamp))
            }
            _ => {
                let clamp = function.as_clamp().ok_or_else(|| self.no_form(node))?;
                let clamp = node.clamp.map_or(clamp, |next| clamp.then(next));
                rescale(from, to, 1.0, bounds(to, Some(clamp)))
            }
        };
        self.push(node, op, &[x])
    }

    fn softmax16(&mut self, node: &Node) -> Result<()> {
        let (x, from) = self.operand(node, 0)?;
        let (own, y) = (Quant { scale: UNIT, zero: 0 }, self.params.of(self.graph, node.output)?);
        if self.graph.shape(node.output).last().is_none_or(|&d| d > 0xFFFF) {
            return Err(self.refuse(node, "its rows are longer than 65,535", "use fewer classes"));
        }
        let op = Kernel::Softmax16(interpolated::softmax(&mut self.program.writer, from.scale));
        if y == own {
            return self.push(node, op, &[x]);
        }
        let value = self.graph.value(node.output);
        let between = self.push_between(node, op, x, shape(&value.name, &value.shape)?, own);
        self.push(node, rescale(own, y, 1.0, FULL), &[between])
    }

    /// As a walk, which takes values of any width.
    fn transpose16(&mut self, node: &Node, order: &[usize]) -> Result<()> {
        let x = self.kept(node)?;
        let op = Walk::over(self.graph.shape(node.inputs[0])).turn(order).op();
        let op =
            op.ok_or_else(|| self.refuse(node, "it moves along more than six dimensions", "move fewer"))?;
        self.push(node, op, &[x])
    }
}
