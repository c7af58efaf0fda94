//! Constant tensors: 32-bit floats, or 64-bit integers for indices and shapes. Cloning is cheap.
//!
//! No arithmetic here; folding belongs to the passes.

use ndarray::{ArcArray, ArrayD, IxDyn};

/// A constant, shared rather than copied.
#[derive(Debug, Clone, PartialEq)]
pub enum Tensor {
    /// Weights, biases and everything else that is computed with.
    F32(ArcArray<f32, IxDyn>),
    /// Shapes, axes and indices.
    I64(ArcArray<i64, IxDyn>),
}

impl Tensor {
    /// The extent of every axis.
    pub fn shape(&self) -> &[usize] {
        match self {
            Tensor::F32(t) => t.shape(),
            Tensor::I64(t) => t.shape(),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Tensor::F32(t) => t.len(),
            Tensor::I64(t) => t.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The floats, if that is what it holds.
    pub fn as_f32(&self) -> Option<&ArcArray<f32, IxDyn>> {
        match self {
            Tensor::F32(t) => Some(t),
            Tensor::I64(_) => None,
        }
    }

    /// The integers, if that is what it holds.
    pub fn as_i64(&self) -> Option<&ArcArray<i64, IxDyn>> {
        match self {
            Tensor::I64(t) => Some(t),
            Tensor::F32(_) => None,
        }
    }

    /// The same elements with axes permuted; `perm[i]` is the source of axis `i`.
    /// `None` when `perm` is not a permutation of the axes.
    pub fn transposed(&self, perm: &[usize]) -> Option<Tensor> {
        if !is_permutation(perm, self.shape().len()) {
            return None;
        }
        Some(match self {
            Tensor::F32(t) => {
                Tensor::F32(t.view().permuted_axes(perm).as_standard_layout().into_owned().into_shared())
            }
            Tensor::I64(t) => {
                Tensor::I64(t.view().permuted_axes(perm).as_standard_layout().into_owned().into_shared())
            }
        })
    }

    /// The same elements in order under another shape; `None` when their number differs.
    pub fn reshaped(&self, shape: &[usize]) -> Option<Tensor> {
        match self {
            Tensor::F32(t) => t.to_shape(shape).ok().map(|t| Tensor::F32(t.into_owned().into_shared())),
            Tensor::I64(t) => t.to_shape(shape).ok().map(|t| Tensor::I64(t.into_owned().into_shared())),
        }
    }
}

impl From<ArrayD<f32>> for Tensor {
    fn from(t: ArrayD<f32>) -> Self {
        Tensor::F32(t.into_shared())
    }
}

impl From<ArrayD<i64>> for Tensor {
    fn from(t: ArrayD<i64>) -> Self {
        Tensor::I64(t.into_shared())
    }
}

/// Whether `perm` names each of `rank` axes exactly once.
pub fn is_permutation(perm: &[usize], rank: usize) -> bool {
    let mut seen = vec![false; rank];
    perm.len() == rank && perm.iter().all(|&p| p < rank && !std::mem::replace(&mut seen[p], true))
}
