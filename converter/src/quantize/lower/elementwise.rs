//! Lowers sums, products, functions of one value, softmax, argmax and topk.

use super::{Lowering, bounds, shape};
use crate::error::Result;
use crate::ir::{Activation, Node};
use crate::program::{Operand, Tensor};
use crate::quantize::params::Range;
use crate::quantize::weights::{i8s, multiplier};
use mote_format::{
    Add, ArgMax, DType, Div, Lut, Mul, Op as Kernel, Prelu, Quant, Reshape, Rounding, Shape, Softmax, TopK,
    Transpose,
};
use mote_kernels::quant::{dequantize, quantize, scale_of};

/// Bits by which the inputs of a sum are widened before they are brought to one scale.
const LEFT: u8 = 20;

/// Dimensions that kernels with two operands have at most.
const MOST_BROADCAST: usize = 4;

/// Shapes of one rank, where neighbours along which the same operands repeat have become one dimension.
fn joined(all: &[Vec<usize>; 3]) -> Option<[Vec<usize>; 3]> {
    let [a, b, y] = all;
    let mut joined: [Vec<usize>; 3] = Default::default();
    let mut last = None;
    for d in (0..y.len()).filter(|&d| y[d] > 1) {
        let repeats = [a[d] == 1, b[d] == 1];
        for (to, from) in joined.iter_mut().zip(all) {
            match to.last_mut() {
                Some(length) if last == Some(repeats) => *length = length.checked_mul(from[d])?,
                _ => to.push(from[d]),
            }
        }
        last = Some(repeats);
    }
    if joined[2].is_empty() {
        joined = [vec![1], vec![1], vec![1]];
    }
    Some(joined)
}

impl Lowering<'_> {
    /// `a + sign · b`. Both inputs go to eight times the larger scale: their sum cannot
    /// overflow, and their multipliers are so small that one high multiply and one shift apply them.
    pub(super) fn add(&mut self, node: &Node, sign: f32) -> Result<()> {
        let (a, qa) = self.broadcast(node, 0, 1.0)?;
        let (b, qb) = self.broadcast(node, 1, sign)?;
        let y = self.params.of(self.graph, node.output)?;
        let (min, max) = self.bounds(node)?;
        let common = 8.0 * f64::from(qa.scale).max(f64::from(qb.scale));
        let op = Add {
            a: scale_of(f64::from(qa.scale) / common),
            b: scale_of(f64::from(qb.scale) / common),
            y: scale_of(common / (f64::from(1 << LEFT) * f64::from(y.scale))),
            left: LEFT,
            round: Rounding::Single,
            min,
            max,
        };
        self.push_binary(node, Kernel::Add(op), &[a, b])
    }

    pub(super) fn mul(&mut self, node: &Node) -> Result<()> {
        let (a, qa) = self.broadcast(node, 0, 1.0)?;
        let (b, qb) = self.broadcast(node, 1, 1.0)?;
        let y = self.params.of(self.graph, node.output)?;
        let (min, max) = self.bounds(node)?;
        let round = self.round();
        let scale = multiplier(round, f64::from(qa.scale) * f64::from(qb.scale) / f64::from(y.scale));
        self.push_binary(node, Kernel::Mul(Mul { scale, round, min, max }), &[a, b])
    }

    pub(super) fn prelu(&mut self, node: &Node) -> Result<()> {
        let (x, from) = self.broadcast(node, 0, 1.0)?;
        let (slopes, unit) = self.broadcast(node, 1, 1.0)?;
        let y = self.params.of(self.graph, node.output)?;
        let (round, real) = (self.round(), f64::from(from.scale) / f64::from(y.scale));
        let positive = multiplier(round, real);
        let negative = multiplier(round, real * f64::from(unit.scale));
        self.push_binary(node, Kernel::Prelu(Prelu { positive, negative, round }), &[x, slopes])
    }

    /// Input `i` times `sign`, with as many dimensions as the output. A constant is quantized here, over its own range.
    fn broadcast(&mut self, node: &Node, i: usize, sign: f32) -> Result<(Operand, Quant)> {
        let (value, dims) = (self.graph.value(node.inputs[i]), self.wide(node, i)?);
        if value.konst.is_some() {
            let floats: Vec<f32> = self.floats(node, i)?.into_iter().map(|v| v * sign).collect();
            let range = floats
                .iter()
                .fold(Range { min: 0.0, max: 0.0 }, |r, &v| Range { min: r.min.min(v), max: r.max.max(v) });
            let quant = range.quant();
            let values: Vec<i8> = floats.iter().map(|&v| quantize(v, quant)).collect();
            return Ok((self.program.constant(&value.name, &dims, quant, &values), quant));
        }
        let (place, quant) = self.operand(node, i)?;
        let wide = shape(&value.name, &dims)?;
        if sign < 0.0 {
            return Ok(self.push_negation(node, place, wide, quant));
        }
        if dims == value.shape {
            return Ok((place, quant));
        }
        Ok((self.push_between(node, Kernel::Reshape(Reshape {}), place, wide, quant), quant))
    }

    /// `−x`, exactly: `!q` at the mirrored zero point.
    fn push_negation(&mut self, node: &Node, x: Operand, shape: Shape, quant: Quant) -> (Operand, Quant) {
        let table: Vec<i8> = (-128..=127i8).map(|q| !q).collect();
        let table = i8s(&mut self.program.writer, &table);
        let mirrored = Quant { zero: -1 - quant.zero, ..quant };
        (self.push_between(node, Kernel::Lut(Lut { table }), x, shape, mirrored), mirrored)
    }

    /// Functions that only clamp are requantizations with bounds; all others are tables.
    pub(super) fn activation(&mut self, node: &Node, function: Activation) -> Result<()> {
        if let Some(clamp) = function.as_clamp() {
            let (x, from) = self.operand(node, 0)?;
            let to = self.params.of(self.graph, node.output)?;
            let clamp = node.clamp.map_or(clamp, |next| clamp.then(next));
            return self.push(node, self.requantize(from, to, bounds(to, Some(clamp))), &[x]);
        }
        self.table(node, |x| function.eval(x))
    }

    /// A table of a function of one value.
    pub(super) fn table(&mut self, node: &Node, function: impl Fn(f32) -> f32) -> Result<()> {
        let (x, from) = self.operand(node, 0)?;
        let to = self.params.of(self.graph, node.output)?;
        let (min, max) = bounds(to, node.clamp);
        let entry = |q| quantize(function(dequantize(q, from)), to).clamp(min, max);
        let table: Vec<i8> = (-128..=127i8).map(entry).collect();
        let table = i8s(&mut self.program.writer, &table);
        self.push(node, Kernel::Lut(Lut { table }), &[x])
    }

    pub(super) fn div(&mut self, node: &Node) -> Result<()> {
        let (a, qa) = self.broadcast(node, 0, 1.0)?;
        let (b, qb) = self.broadcast(node, 1, 1.0)?;
        let y = self.params.of(self.graph, node.output)?;
        let (min, max) = self.bounds(node)?;
        let scale = scale_of(f64::from(qa.scale) / (f64::from(qb.scale) * f64::from(y.scale)));
        if scale.shift > 23 {
            let cause = format!("its quotients reach {} times its divisors", f64::from(y.scale).recip());
            return Err(self.refuse(node, cause, "keep the divisor away from zero in the model"));
        }
        self.push_binary(node, Kernel::Div(Div { scale, min, max }), &[a, b])
    }

    /// The larger or smaller of each two values, at the scale of the result, which holds it.
    pub(super) fn larger(&mut self, node: &Node, op: Kernel) -> Result<()> {
        let y = self.params.of(self.graph, node.output)?;
        let [a, b] = [0, 1].map(|i| self.broadcast_at(node, i, y));
        self.push_binary(node, op, &[a?, b?])
    }

    /// Input `i` with as many dimensions as the output, at a scale.
    fn broadcast_at(&mut self, node: &Node, i: usize, y: Quant) -> Result<Operand> {
        let value = self.graph.value(node.inputs[i]);
        let dims = self.wide(node, i)?;
        if value.konst.is_some() {
            let values: Vec<i8> = self.floats(node, i)?.into_iter().map(|v| quantize(v, y)).collect();
            return Ok(self.program.constant(&value.name, &dims, y, &values));
        }
        let x = self.at_scale(node, i, y)?;
        if dims == value.shape {
            return Ok(x);
        }
        let wide = shape(&value.name, &dims)?;
        Ok(self.push_between(node, Kernel::Reshape(Reshape {}), x, wide, y))
    }

    /// The shape of input `i` with as many dimensions as the output has; of more than four, neighbours are joined.
    pub(super) fn wide(&self, node: &Node, i: usize) -> Result<Vec<usize>> {
        Ok(self.shapes(node)?[i].clone())
    }

    /// The shapes of both operands and of the result of a node, of one rank of at most four.
    fn shapes(&self, node: &Node) -> Result<[Vec<usize>; 3]> {
        let rank = self.graph.shape(node.output).len();
        let all = [node.inputs[0], node.inputs[1], node.output].map(|id| {
            let shape = self.graph.shape(id);
            [vec![1; rank.saturating_sub(shape.len())], shape.to_vec()].concat()
        });
        if rank <= MOST_BROADCAST {
            return Ok(all);
        }
        joined(&all).filter(|[_, _, y]| y.len() <= MOST_BROADCAST).ok_or_else(|| {
            let cause = "its operands repeat along more than four dimensions";
            self.refuse(node, cause, "reshape the operands in the model")
        })
    }

    /// Appends the step of a node with two operands.
    pub(super) fn push_binary(&mut self, node: &Node, op: Kernel, inputs: &[Operand]) -> Result<()> {
        let value = self.graph.value(node.output);
        let [_, _, dims] = self.shapes(node)?;
        if dims == value.shape {
            return self.push(node, op, inputs);
        }
        let y = self.params.of(self.graph, node.output)?;
        let x = self.push_joined(node, op, inputs, shape(&value.name, &dims)?, y);
        self.push(node, Kernel::Reshape(Reshape {}), &[x])
    }

    /// Differences below −31 at the kernel's scale have exponentials that vanish; source: TFLite, `CalculateInputRadius`.
    pub(super) fn softmax(&mut self, node: &Node, axis: usize) -> Result<()> {
        let (x, quant, back) = self.along_last(node, axis)?;
        let scale = scale_of((f64::from(quant.scale) * f64::from(1 << 26)).min(f64::from(i32::MAX)));
        let radius = (31.0 * f64::from(1 << 26) / 2f64.powi(scale.shift.into())).floor();
        let diff_min = -(radius.min(255.0) as i32);
        let op = Kernel::Softmax(Softmax { scale, diff_min });
        let (own, y) = (Quant { scale: 1.0 / 256.0, zero: -128 }, self.params.of(self.graph, node.output)?);
        if y == own && back.is_none() {
            return self.push(node, op, &[x]);
        }
        let value = self.graph.value(node.output);
        let dims = back.as_ref().map_or(value.shape.clone(), |b| b.iter().map(|&d| value.shape[d]).collect());
        let mut x = self.push_between(node, op, x, shape(&value.name, &dims)?, own);
        let requantize = self.requantize(own, y, (-128, 127));
        let Some(back) = back else { return self.push(node, requantize, &[x]) };
        if y != own {
            x = self.push_between(node, requantize, x, shape(&value.name, &dims)?, y);
        }
        // The same exchange of two axes leads there and back.
        let perm = self.order(node, &back)?;
        self.push(node, Kernel::Transpose(Transpose { perm }), &[x])
    }

    pub(super) fn arg_max(&mut self, node: &Node, axis: usize) -> Result<()> {
        let (x, quant) = self.operand(node, 0)?;
        let dims = self.graph.shape(node.inputs[0]).to_vec();
        // The others stay in order, as they are in the result.
        let order: Vec<usize> = (0..dims.len()).filter(|&d| d != axis).chain([axis]).collect();
        let x = self.turned(node, x, quant, &order)?;
        let tensor = Tensor { dtype: DType::I32, ..self.tensor(node.output)? };
        self.push_to(node, Kernel::ArgMax(ArgMax {}), &[x], tensor);
        Ok(())
    }

    pub(super) fn top_k(&mut self, node: &Node, axis: usize, indices: bool) -> Result<()> {
        if axis + 1 != self.graph.shape(node.inputs[0]).len() {
            let cause =
                format!("it works along axis {axis}; the kernel works along the last one (the channels)");
            return Err(self.refuse(node, cause, "transpose in front of it in the model"));
        }
        if indices {
            let (x, _) = self.operand(node, 0)?;
            let tensor = Tensor { dtype: DType::I32, ..self.tensor(node.output)? };
            self.push_to(node, Kernel::TopK(TopK {}), &[x], tensor);
            return Ok(());
        }
        let x = self.kept(node)?;
        self.push(node, Kernel::TopK(TopK {}), &[x])
    }

    /// Input 0 with `axis` last, and the exchange of axes that this took.
    fn along_last(&mut self, node: &Node, axis: usize) -> Result<(Operand, Quant, Option<Vec<usize>>)> {
        let (x, quant) = self.operand(node, 0)?;
        let last = self.graph.shape(node.inputs[0]).len() - 1;
        if axis == last {
            return Ok((x, quant, None));
        }
        let mut order: Vec<usize> = (0..=last).collect();
        order.swap(axis, last);
        Ok((self.turned(node, x, quant, &order)?, quant, Some(order)))
    }

    /// Input 0 with its axes in another order.
    fn turned(&mut self, node: &Node, x: Operand, quant: Quant, order: &[usize]) -> Result<Operand> {
        if order.is_sorted() {
            return Ok(x);
        }
        let value = self.graph.value(node.inputs[0]);
        let dims: Vec<usize> = order.iter().map(|&d| value.shape[d]).collect();
        let perm = self.order(node, order)?;
        let turned = shape(&value.name, &dims)?;
        Ok(self.push_between(node, Kernel::Transpose(Transpose { perm }), x, turned, quant))
    }
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn neighbours_that_repeat_alike_are_one() {
        let y = vec![1, 3, 8, 8, 2];
        let all = [y.clone(), vec![1, 3, 1, 1, 2], y.clone()];
        assert_eq!(joined(&all), Some([vec![3, 64, 2], vec![3, 1, 2], vec![3, 64, 2]]));
        let all = [y.clone(), vec![1; 5], y.clone()];
        assert_eq!(joined(&all), Some([vec![384], vec![1], vec![384]]));
        assert_eq!(joined(&[vec![1; 5], vec![1; 5], vec![1; 5]]), Some([vec![1], vec![1], vec![1]]));
    }
}
