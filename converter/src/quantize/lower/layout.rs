//! Lowers the operators that move values: concatenation, padding, reshape, transpose.

use super::{Lowering, narrow};
use crate::error::Result;
use crate::ir::{Blend, Node};
use crate::resample::{self, ONE, Sample};
use crate::walk::Walk;
use mote_format::{
    Concat, Gather, MAX_INPUTS, MAX_RANK, Op as Kernel, Pad, Reshape, Resize, Rounding, Transpose,
};
use mote_kernels::quant::quantize;

impl Lowering<'_> {
    pub(super) fn concat(&mut self, node: &Node, axis: usize) -> Result<()> {
        let count = node.inputs.len();
        if count > MAX_INPUTS {
            let cause = format!("it joins {count} tensors, the kernel at most {MAX_INPUTS}");
            return Err(self.refuse(node, cause, "join them in two steps in the model"));
        }
        let y = self.params.of(self.graph, node.output)?;
        let inputs = (0..count).map(|i| self.at_scale(node, i, y)).collect::<Result<Vec<_>>>()?;
        let axis = narrow(node, "axis", axis)?;
        self.push(node, Kernel::Concat(Concat { axis }), &inputs)
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
        let mut perm = [0; MAX_RANK];
        for (p, &axis) in perm.iter_mut().zip(order) {
            *p = narrow(node, "axis", axis)?;
        }
        self.push(node, Kernel::Transpose(Transpose { perm }), &[x])
    }
}
