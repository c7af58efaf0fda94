//! Rules of the operators that move elements without changing them.

use super::{Check, Operands, require};
use crate::error::Reason;
use crate::ops::{Concat, Pad, Reshape, Transpose};
use crate::tensor::DType;

impl Concat {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let axis = usize::from(self.axis);
        let y = io.y.shape;
        require(axis < y.rank() && io.y.dtype == DType::I8, Reason::Parameter)?;
        let mut sum = 0u32;
        for i in 0..io.inputs.len() {
            let x = io.x(i)?;
            require(x.dtype == DType::I8, Reason::DType)?;
            require(x.shape.rank() == y.rank(), Reason::Shape)?;
            let mut pairs = x.shape.dims().iter().zip(y.dims()).enumerate();
            require(pairs.all(|(d, (x, y))| d == axis || x == y), Reason::Shape)?;
            sum = sum.checked_add(x.shape.dims()[axis]).ok_or(Reason::Shape)?;
        }
        require(sum == y.dims()[axis], Reason::Shape)
    }
}

impl Pad {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int8()?;
        require(x.shape.rank() == y.shape.rank(), Reason::Shape)?;
        let (used, unused) = self.before.split_at(x.shape.rank());
        require(unused.iter().all(|&b| b == 0), Reason::Parameter)?;
        let mut dims = x.shape.dims().iter().zip(y.shape.dims()).zip(used);
        let fits = dims.all(|((&x, &y), &before)| x.checked_add(before.into()).is_some_and(|end| end <= y));
        require(fits, Reason::Shape)
    }
}

impl Reshape {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let x = io.x(0)?;
        require(x.dtype == io.y.dtype, Reason::DType)?;
        require(x.shape.elements() == io.y.shape.elements(), Reason::Shape)
    }
}

impl Transpose {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int8()?;
        let rank = x.shape.rank();
        require(rank == y.shape.rank(), Reason::Shape)?;
        let (used, unused) = self.perm.split_at(rank);
        require(unused.iter().all(|&p| p == 0), Reason::Parameter)?;
        let mut seen = [false; crate::MAX_RANK];
        for (&p, &length) in used.iter().zip(y.shape.dims()) {
            let from = x.shape.dims().get(usize::from(p)).ok_or(Reason::Parameter)?;
            let new = !core::mem::replace(&mut seen[usize::from(p)], true);
            require(new && *from == length, Reason::Shape)?;
        }
        Ok(())
    }
}
