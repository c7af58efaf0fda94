//! Lowers convolutions, dense layers and pools.

use super::{Lowering, narrow};
use crate::error::Result;
use crate::ir::{Node, Op, Window};
use crate::phases;
use crate::program::Operand;
use crate::quantize::weights::{Layer, Quantized, i8s, i32s, multiplier, requant};
use mote_format::{
    AvgPool2d, Const, Conv2d, Conv2dAsymmetric, DepthwiseConv2d, DepthwiseConv2dAsymmetric, FullyConnected,
    FullyConnectedAsymmetric, MaxPool2d, Op as Kernel, Pads, Quant, Requant, Stride, SumPool2d,
    TransposeConv2d,
};

/// A window in the format's widths.
pub(super) struct Narrow {
    pub(super) kernel: [u16; 2],
    pub(super) stride: Stride,
    pub(super) dilation: Stride,
    pub(super) pads: Pads,
}

/// Constants that every layer has beside its weights.
struct Stored {
    bias: Const,
    requant: Requant,
}

impl Lowering<'_> {
    pub(super) fn narrow(&self, node: &Node, w: &Window) -> Result<Narrow> {
        let [top, left, bottom, right] = w.pads;
        for axis in 0..2 {
            let extent = (w.kernel[axis] - 1) * w.dilation[axis] + 1;
            if w.pads[axis].max(w.pads[axis + 2]) >= extent {
                let cause = format!("its padding {:?} is not smaller than its window {:?}", w.pads, w.kernel);
                return Err(self.refuse(node, cause, "use less padding, or an explicit Pad in front"));
            }
        }
        Ok(Narrow {
            kernel: [narrow(node, "kernel", w.kernel[0])?, narrow(node, "kernel", w.kernel[1])?],
            stride: Stride {
                h: narrow(node, "stride", w.stride[0])?,
                w: narrow(node, "stride", w.stride[1])?,
            },
            dilation: Stride {
                h: narrow(node, "dilation", w.dilation[0])?,
                w: narrow(node, "dilation", w.dilation[1])?,
            },
            pads: Pads {
                top: narrow(node, "padding", top)?,
                left: narrow(node, "padding", left)?,
                bottom: narrow(node, "padding", bottom)?,
                right: narrow(node, "padding", right)?,
            },
        })
    }

    pub(super) fn conv(&mut self, node: &Node) -> Result<()> {
        let Op::Conv { stride, dilation, pads, groups } = node.op else { return Ok(()) };
        let (w, x) = (self.graph.shape(node.inputs[1]).to_vec(), self.graph.shape(node.inputs[0]));
        let window = Window { kernel: [w[1], w[2]], stride, dilation, pads };
        let Narrow { kernel: [kh, kw], stride, dilation, pads } = self.narrow(node, &window)?;
        let (input, layer) = self.layer(node, w[0])?;
        let Stored { bias, requant } = self.store(node, &layer)?;
        let writer = &mut self.program.writer;
        let op = if groups == x[3] && groups > 1 {
            let weights = i8s(writer, &channels_last(&layer.weights, w[0]));
            let op = DepthwiseConv2d { kh, kw, stride, dilation, pads, weights, bias, requant };
            match layer.weight_zero {
                0 => Kernel::DepthwiseConv2d(op),
                weight_zero => {
                    Kernel::DepthwiseConv2dAsymmetric(DepthwiseConv2dAsymmetric { layer: op, weight_zero })
                }
            }
        } else {
            let weights = i8s(writer, &layer.weights);
            let groups = narrow(node, "number of groups", groups)?;
            let op = Conv2d { kh, kw, stride, dilation, pads, groups, weights, bias, requant };
            match layer.weight_zero {
                0 => Kernel::Conv2d(op),
                weight_zero => Kernel::Conv2dAsymmetric(Conv2dAsymmetric { layer: op, weight_zero }),
            }
        };
        self.push(node, op, &[input])
    }

    pub(super) fn conv_transpose(&mut self, node: &Node, stride: [usize; 2], cut: [usize; 2]) -> Result<()> {
        let &[outputs, kh, kw, channels] = self.graph.shape(node.inputs[1]) else {
            return Err(self.refuse(node, "its weights are not those of an image", "export it again"));
        };
        let (input, layer) = self.layer(node, outputs)?;
        if layer.weight_zero != 0 {
            return Err(self.refuse(node, "its weights have a zero point", "quantize them symmetrically"));
        }
        let (_, x) = self.operand(node, 0)?;
        let phases = phases::cut(&layer.weights, [outputs, kh, kw, channels], stride);
        let bias = phases.bias(&layer.weights, &layer.bias, x.zero);
        let (bounds, round) = (self.bounds(node)?, self.round());
        let writer = &mut self.program.writer;
        let op = TransposeConv2d {
            kh: narrow(node, "kernel", kh.max(stride[0]))?,
            kw: narrow(node, "kernel", kw.max(stride[1]))?,
            stride: Stride { h: narrow(node, "stride", stride[0])?, w: narrow(node, "stride", stride[1])? },
            top: narrow(node, "padding", cut[0])?,
            left: narrow(node, "padding", cut[1])?,
            weights: i8s(writer, &phases.weights),
            bias: i32s(writer, bias.into_iter()),
            requant: requant(writer, round, &layer.multipliers, bounds),
        };
        self.push(node, Kernel::TransposeConv2d(op), &[input])
    }

    pub(super) fn fully_connected(&mut self, node: &Node) -> Result<()> {
        let outputs = self.graph.shape(node.inputs[1])[0];
        let (input, layer) = self.layer(node, outputs)?;
        let Stored { bias, requant } = self.store(node, &layer)?;
        let weights = i8s(&mut self.program.writer, &layer.weights);
        let op = FullyConnected { weights, bias, requant };
        let op = match layer.weight_zero {
            0 => Kernel::FullyConnected(op),
            weight_zero => {
                Kernel::FullyConnectedAsymmetric(FullyConnectedAsymmetric { layer: op, weight_zero })
            }
        };
        self.push(node, op, &[input])
    }

    /// The input and the integers of a layer with `outputs` output channels.
    fn layer(&self, node: &Node, outputs: usize) -> Result<(Operand, Quantized)> {
        let (input, [x, y], layer) = self.real_layer(node, outputs)?;
        Ok((input, layer.quantize(x, y)?))
    }

    /// The input of a layer, the scales of its input and output, and its weights as they are before they are rounded.
    pub(super) fn real_layer<'n>(
        &'n self,
        node: &'n Node,
        outputs: usize,
    ) -> Result<(Operand, [Quant; 2], Layer<'n>)> {
        let (input, x) = self.operand(node, 0)?;
        let y = self.params.of(self.graph, node.output)?;
        let weights = self.floats(node, 1)?;
        let bias = if node.inputs.len() > 2 { Some(self.floats(node, 2)?) } else { None };
        let layer = Layer {
            name: &node.name,
            means: self.means(node, weights.len() / outputs.max(1), outputs),
            weights,
            bias,
            outputs,
            given: self.graph.given.layer(&node.name),
            round: self.round(),
        };
        Ok((input, [x, y], layer))
    }

    /// The mean input of each weight of a convolution or dense layer, where biases are to be corrected.
    fn means(&self, node: &Node, run: usize, outputs: usize) -> Option<Vec<f32>> {
        let groups = match node.op {
            Op::Conv { groups, .. } => groups,
            Op::FullyConnected => 1,
            _ => return None,
        };
        let channels = self.means?.channel_means(node.inputs[0])?;
        let (of_group, own) = (outputs / groups, channels.len() / groups);
        let at = |o: usize, j: usize| channels.get(o / of_group * own + j % own).copied();
        (0..outputs).flat_map(|o| (0..run).map(move |j| at(o, j))).collect()
    }

    /// Stores what every layer has beside its weights.
    fn store(&mut self, node: &Node, layer: &Quantized) -> Result<Stored> {
        let (bounds, round) = (self.bounds(node)?, self.round());
        let writer = &mut self.program.writer;
        let bias = i32s(writer, layer.bias.iter().copied());
        Ok(Stored { bias, requant: requant(writer, round, &layer.multipliers, bounds) })
    }

    pub(super) fn max_pool(&mut self, node: &Node, w: &Window) -> Result<()> {
        let Narrow { kernel: [kh, kw], stride, pads, .. } = self.pool(node, w)?;
        let input = self.kept(node)?;
        let (min, max) = self.bounds(node)?;
        self.push(node, Kernel::MaxPool2d(MaxPool2d { kh, kw, stride, pads, min, max }), &[input])
    }

    /// A mean over whole windows is a sum at a scale of its own; one over clipped windows keeps its input's scale.
    pub(super) fn average_pool(&mut self, node: &Node, w: &Window) -> Result<()> {
        if w.pads == [0; 4] {
            return self.sum_pool(node, w, 1.0 / (w.kernel[0] * w.kernel[1]) as f64);
        }
        let Narrow { kernel: [kh, kw], stride, pads, .. } = self.pool(node, w)?;
        let input = self.kept(node)?;
        let (min, max) = self.bounds(node)?;
        self.push(node, Kernel::AvgPool2d(AvgPool2d { kh, kw, stride, pads, origin: 0, min, max }), &[input])
    }

    pub(super) fn sum_pool(&mut self, node: &Node, w: &Window, factor: f64) -> Result<()> {
        let Narrow { kernel: [kh, kw], stride, pads, .. } = self.pool(node, w)?;
        let (input, x) = self.operand(node, 0)?;
        let y = self.params.of(self.graph, node.output)?;
        let (min, max) = self.bounds(node)?;
        let round = self.round();
        let scale = multiplier(round, factor * f64::from(x.scale) / f64::from(y.scale));
        let op = SumPool2d { kh, kw, stride, pads, scale, round, min, max };
        self.push(node, Kernel::SumPool2d(op), &[input])
    }

    pub(super) fn pool(&self, node: &Node, w: &Window) -> Result<Narrow> {
        if w.dilation != [1, 1] {
            return Err(self.refuse(node, "its window is dilated", "use a pool without dilation"));
        }
        self.narrow(node, w)
    }
}

/// Depthwise weights `[out][taps]` as `[taps][out]`.
pub(super) fn channels_last(weights: &[i8], outputs: usize) -> Vec<i8> {
    let taps = weights.len() / outputs.max(1);
    (0..taps).flat_map(|t| (0..outputs).map(move |o| weights[o * taps + t])).collect()
}
