//! Rules of the operators that move elements without changing them.

use super::{Check, Operands, require};
use crate::error::Reason;
use crate::ops::{Concat, Gather, Pad, Reshape, StridedCopy, Transpose};
use crate::tensor::DType;

impl Concat {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let axis = usize::from(self.axis);
        let y = io.y.shape;
        require(axis < y.rank() && matches!(io.y.dtype, DType::I8 | DType::I16), Reason::Parameter)?;
        let mut sum = 0u32;
        for i in 0..io.inputs.len() {
            let x = io.x(i)?;
            require(x.dtype == io.y.dtype, Reason::DType)?;
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
        let (x, y) = (io.x(0)?, io.y);
        // Each byte of the border is the value.
        let alike = x.dtype == DType::I8 || x.dtype == DType::I16 && self.value == 0;
        require(x.dtype == y.dtype && alike, Reason::DType)?;
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

impl StridedCopy {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let x = io.x(0)?;
        require(x.dtype == io.y.dtype, Reason::DType)?;
        let count = self.dims.iter().try_fold(1u32, |n, &d| n.checked_mul(d)).ok_or(Reason::Parameter)?;
        require(count as usize == io.y.shape.elements(), Reason::Shape)?;
        // The lowest and the highest element that the walk meets. All dimensions together have fewer than 2^31 steps.
        let (mut low, mut high) = (i64::from(self.start), i64::from(self.start));
        for (&dim, &step) in self.dims.iter().zip(&self.steps) {
            let reach = i64::from(dim - 1) * i64::from(step);
            (low, high) = (low + reach.min(0), high + reach.max(0));
        }
        require(low >= 0 && high < x.shape.elements() as i64, Reason::Parameter)
    }
}

impl Gather {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let x = io.x(0)?;
        require(x.dtype == io.y.dtype, Reason::DType)?;
        let length = *x.shape.dims().get(usize::from(self.axis)).ok_or(Reason::Parameter)? as usize;
        let slices = x.shape.elements() / length;
        let count = io.y.shape.elements() / slices;
        require(count * slices == io.y.shape.elements(), Reason::Shape)?;
        io.constant(self.indices, count, 2)?;
        let inside = |i: &[u8]| usize::from(u16::from_le_bytes([i[0], i[1]])) < length;
        require(io.model.bytes_of(self.indices).chunks_exact(2).all(inside), Reason::Parameter)
    }
}
