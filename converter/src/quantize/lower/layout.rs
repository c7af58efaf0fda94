//! Lowers the operators that move values: concatenation, padding, reshape, transpose.

use super::{Lowering, narrow};
use crate::error::Result;
use crate::ir::Node;
use mote_format::{Concat, MAX_INPUTS, MAX_RANK, Op as Kernel, Pad, Reshape, Transpose};
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
