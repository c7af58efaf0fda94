//! Ways through the elements of a tensor: slices, turned and split dimensions, composed, and what step of the format takes
//! them. What an operator's attributes mean is its importer's business.

use mote_format::{MAX_RANK, Op as Kernel, Reshape, StridedCopy};

/// A way through a tensor. Each dimension has a length and the distance of its neighbours in the tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Walk {
    /// Elements of the tensor.
    elements: i64,
    start: i64,
    dims: Vec<(usize, i64)>,
}

impl Walk {
    /// All elements of a tensor of this shape, as they lie.
    pub(crate) fn over(dims: &[usize]) -> Self {
        let (mut step, mut all) = (1, Vec::new());
        for &d in dims.iter().rev() {
            all.push((d, step));
            step *= d as i64;
        }
        all.reverse();
        Self { elements: step, start: 0, dims: all }
    }

    /// `count` of the elements along `axis`, from `begin` in steps of `step`, which may be negative. All must exist.
    pub(crate) fn slice(mut self, axis: usize, begin: usize, step: i64, count: usize) -> Self {
        let (length, distance) = &mut self.dims[axis];
        self.start += begin as i64 * *distance;
        (*length, *distance) = (count, *distance * step);
        self
    }

    /// One dimension as several, whose lengths multiply to its own; the last one has the old neighbours.
    pub(crate) fn split(mut self, axis: usize, parts: &[usize]) -> Self {
        let (_, distance) = self.dims[axis];
        let inside = Self::over(parts).dims.into_iter().map(|(d, step)| (d, step * distance));
        self.dims.splice(axis..=axis, inside);
        self
    }

    /// A new dimension in front of `axis`, along which everything repeats.
    pub(crate) fn repeat(mut self, axis: usize, count: usize) -> Self {
        self.dims.insert(axis, (count, 0));
        self
    }

    /// The dimensions in another order.
    pub(crate) fn turn(mut self, order: &[usize]) -> Self {
        self.dims = order.iter().map(|&d| self.dims[d]).collect();
        self
    }

    /// The step that takes this way; `None` where that has more dimensions than the format's.
    pub(crate) fn op(&self) -> Option<Kernel> {
        let mut joined: Vec<(usize, i64)> = Vec::new();
        for &(d, step) in self.dims.iter().filter(|(d, _)| *d != 1) {
            match joined.last_mut() {
                Some((outer, distance)) if *distance == step * d as i64 => {
                    (*outer, *distance) = (*outer * d, step)
                }
                _ => joined.push((d, step)),
            }
        }
        let whole = joined.is_empty() && self.elements == 1 || joined == [(self.elements as usize, 1)];
        if whole {
            return Some(Kernel::Reshape(Reshape {}));
        }
        let (mut dims, mut steps) = ([1; MAX_RANK], [0; MAX_RANK]);
        let lead = MAX_RANK.checked_sub(joined.len())?;
        for (i, (d, step)) in joined.into_iter().enumerate() {
            (dims[lead + i], steps[lead + i]) = (u32::try_from(d).ok()?, i32::try_from(step).ok()?);
        }
        Some(Kernel::StridedCopy(StridedCopy { start: u32::try_from(self.start).ok()?, dims, steps }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The elements on the way, by the definition.
    fn visit(walk: &Walk) -> Vec<i64> {
        let step = |at: Vec<i64>, &(d, step): &(usize, i64)| {
            at.iter().flat_map(|at| (0..d as i64).map(move |i| at + i * step)).collect()
        };
        walk.dims.iter().fold(vec![walk.start], step)
    }

    /// The same by the step.
    fn taken(op: Kernel, elements: i64) -> Vec<i64> {
        match op {
            Kernel::StridedCopy(p) => {
                let dims = p.dims.iter().zip(p.steps).map(|(&d, s)| (d as usize, s.into())).collect();
                visit(&Walk { elements, start: p.start.into(), dims })
            }
            _ => (0..elements).collect(),
        }
    }

    #[test]
    fn steps_take_the_way() {
        let all = Walk::over(&[2, 6, 1, 4]);
        let ways = [
            all.clone(),
            all.clone().slice(1, 5, -2, 3),
            all.clone().slice(3, 1, 1, 2).slice(0, 1, 1, 1),
            all.clone().split(1, &[2, 3]).turn(&[2, 0, 3, 4, 1]),
            all.clone().turn(&[2, 0, 1, 3]),
            all.clone().repeat(1, 3).repeat(0, 2),
            all.clone().slice(2, 0, 1, 1).repeat(2, 5),
            Walk::over(&[]),
        ];
        for way in ways {
            assert_eq!(taken(way.op().expect("few dimensions"), way.elements), visit(&way), "{way:?}");
        }
        assert_eq!(all.op(), Some(Kernel::Reshape(Reshape {})));
        assert_eq!(visit(&Walk::over(&[2, 3]).slice(1, 2, -2, 2)), [2, 0, 5, 3]);
        let many = Walk::over(&[2; 8]).turn(&[7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(many.op(), None);
    }
}
