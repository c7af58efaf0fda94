//! Lowers the operators that move values: concatenation, padding, reshape, transpose.

use super::{Lowering, narrow, shape};
use crate::error::Result;
use crate::ir::{Blend, Node};
use crate::program::Operand;
use crate::resample::{self, ONE, Sample};
use crate::walk::Walk;
use mote_format::{
    Concat, Gather, MAX_INPUTS, MAX_RANK, Op as Kernel, Pad, Reshape, Resize, Rounding, Transpose,
};
use mote_kernels::quant::quantize;

impl Lowering<'_> {
    pub(super) fn concat(&mut self, node: &Node, axis: usize) -> Result<()> {
        let y = self.params.of(self.graph, node.output)?;
        let part = |i: usize| Ok((self.at_scale(node, i, y)?, self.graph.shape(node.inputs[i])[axis]));
        let mut parts = (0..node.inputs.len()).map(part).collect::<Result<Vec<_>>>()?;
        let op = Kernel::Concat(Concat { axis: narrow(node, "axis", axis)? });
        // More than a step can join become fewer first.
        while parts.len() > MAX_INPUTS {
            let groups = parts.chunks(MAX_INPUTS).map(<[_]>::to_vec).collect::<Vec<_>>();
            parts.clear();
            for group in groups {
                parts.push(self.joined(node, op, axis, &group)?);
            }
        }
        let inputs: Vec<Operand> = parts.iter().map(|part| part.0).collect();
        self.push(node, op, &inputs)
    }

    /// Some of the tensors that a node joins, and how long they are together.
    fn joined(
        &mut self,
        node: &Node,
        op: Kernel,
        axis: usize,
        parts: &[(Operand, usize)],
    ) -> Result<(Operand, usize)> {
        if let [alone] = parts {
            return Ok(*alone);
        }
        let (value, length) = (self.graph.value(node.output), parts.iter().map(|part| part.1).sum());
        let mut dims = value.shape.clone();
        dims[axis] = length;
        let inputs: Vec<Operand> = parts.iter().map(|part| part.0).collect();
        let y = self.params.of(self.graph, node.output)?;
        Ok((self.push_joined(node, op, &inputs, shape(&value.name, &dims)?, y), length))
    }

    pub(super) fn slice(
        &mut self,
        node: &Node,
        begin: &[usize],
        steps: &[i64],
        counts: &[usize],
    ) -> Result<()> {
        let x = self.kept(node)?;
        let mut way = Walk::over(self.graph.shape(node.inputs[0]));
        for (d, &begin) in begin.iter().enumerate() {
            way = way.slice(d, begin, steps[d], counts[d]);
        }
        let op = way.op();
        let op =
            op.ok_or_else(|| self.refuse(node, "it takes more than six dimensions apart", "slice fewer"))?;
        self.push(node, op, &[x])
    }

    pub(super) fn gather(&mut self, node: &Node, axis: usize, indices: &[usize]) -> Result<()> {
        let x = self.kept(node)?;
        let mut bytes = Vec::new();
        for &i in indices {
            bytes.extend(narrow::<u16>(node, "index", i)?.to_le_bytes());
        }
        let indices = self.program.writer.constant(&bytes);
        self.push(node, Kernel::Gather(Gather { axis: narrow(node, "axis", axis)?, indices }), &[x])
    }

    pub(super) fn resize(&mut self, node: &Node, rows: &[Blend], cols: &[Blend]) -> Result<()> {
        let x = self.kept(node)?;
        let share = |share: f32| (f64::from(share) * ONE as f64).round() as i32;
        let sample = |b: &Blend| Sample { near: b.near, far: b.far, share: share(b.share) };
        let mut table = |blends: &[Blend]| {
            let samples: Vec<Sample> = blends.iter().map(sample).collect();
            resample::store(&mut self.program.writer, &samples)
        };
        let (Some(rows), Some(cols)) = (table(rows), table(cols)) else {
            return Err(self.refuse(node, "its image is larger than 65,536", "resize smaller images"));
        };
        self.push(node, Kernel::Resize(Resize { rows, cols, round: Rounding::Single }), &[x])
    }

    pub(super) fn pad(&mut self, node: &Node, before: &[usize], value: f32) -> Result<()> {
        let x = self.kept(node)?;
        let mut front = [0; MAX_RANK];
        for (f, &b) in front.iter_mut().zip(before) {
            *f = narrow(node, "padding", b)?;
        }
        let value = quantize(value, self.params.of(self.graph, node.output)?);
        self.push(node, Kernel::Pad(Pad { before: front, value }), &[x])
    }

    pub(super) fn reshape(&mut self, node: &Node) -> Result<()> {
        let x = self.kept(node)?;
        self.push(node, Kernel::Reshape(Reshape {}), &[x])
    }

    pub(super) fn transpose(&mut self, node: &Node, order: &[usize]) -> Result<()> {
        let x = self.kept(node)?;
        let perm = self.order(node, order)?;
        self.push(node, Kernel::Transpose(Transpose { perm }), &[x])
    }

    /// An order of axes in the format's width.
    pub(super) fn order(&self, node: &Node, order: &[usize]) -> Result<[u8; MAX_RANK]> {
        let mut perm = [0; MAX_RANK];
        for (p, &axis) in perm.iter_mut().zip(order) {
            *p = narrow(node, "axis", axis)?;
        }
        Ok(perm)
    }
}
