//! Inputs and outputs as a user sees them: bytes, int8 values, real values, best classes.

use heapless::Vec;
use micromath::F32Ext;
use mote_format::{DType, Quant, TensorInfo};
use mote_kernels::quant::{dequantize, quantize, quantize16};

/// A tensor to read.
#[derive(Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tensor<'a> {
    info: TensorInfo,
    bytes: &'a [u8],
}

/// A tensor to write.
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TensorMut<'a> {
    info: TensorInfo,
    bytes: &'a mut [u8],
}

/// One class of a classifier's answer.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Class {
    /// Position among the classes.
    pub index: usize,
    /// Its real value: a probability or a score, as the network gives it.
    pub value: f32,
}

impl<'a> Tensor<'a> {
    /// A tensor over bytes of its own, such as an output that another machine computed.
    pub fn new(info: TensorInfo, bytes: &'a [u8]) -> Self {
        Self { info, bytes }
    }

    /// Type, shape, scale.
    pub fn info(&self) -> &TensorInfo {
        &self.info
    }

    /// The stored bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The real values, in order.
    pub fn reals(&self) -> impl Iterator<Item = f32> + use<'a> {
        let (info, bytes) = (self.info, self.bytes);
        bytes.chunks_exact(info.dtype.size()).map(move |b| match (info.dtype, b) {
            (DType::I8, &[q]) => dequantize(q as i8, info.quant),
            (DType::U8, &[q]) => (i32::from(q) - info.quant.zero) as f32 * info.quant.scale,
            (DType::I16, &[a, b]) => dequantize(i16::from_le_bytes([a, b]), info.quant),
            (DType::I32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]) as f32,
            (DType::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            _ => 0.0,
        })
    }

    /// The `K` largest values with their positions, largest first; the first of equals comes first.
    pub fn top<const K: usize>(&self) -> Vec<Class, K> {
        let mut best = Vec::new();
        for (index, value) in self.reals().enumerate() {
            let at = best.iter().position(|c: &Class| value > c.value).unwrap_or(best.len());
            if best.is_full() && at < best.len() {
                best.pop();
            }
            // Full, and smaller than all that are kept: the value is not among the best.
            let _ = best.insert(at, Class { index, value });
        }
        best
    }

    /// The probability of class `index` when the values are logits: a softmax in floats, for reading only.
    pub fn probability(&self, index: usize) -> f32 {
        let max = self.reals().fold(f32::MIN, f32::max);
        let weight = |v: f32| F32Ext::exp(v - max);
        let sum: f32 = self.reals().map(weight).sum();
        self.reals().nth(index).map_or(0.0, |v| weight(v) / sum)
    }
}

impl TensorMut<'_> {
    /// Type, shape, scale.
    pub fn info(&self) -> &TensorInfo {
        &self.info
    }

    /// The stored bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes
    }

    /// Stores real values, in order: rounded to the tensor's scale when it is quantized. Stops at the shorter of the two.
    pub fn fill(&mut self, reals: impl IntoIterator<Item = f32>) {
        let info = self.info;
        let signed = Quant { zero: info.quant.zero - 128, ..info.quant };
        for (bytes, real) in self.bytes.chunks_exact_mut(info.dtype.size()).zip(reals) {
            match info.dtype {
                DType::I8 => bytes.copy_from_slice(&quantize(real, info.quant).to_le_bytes()),
                DType::U8 => bytes.copy_from_slice(&[quantize(real, signed) as u8 ^ 0x80]),
                DType::I16 => bytes.copy_from_slice(&quantize16(real, info.quant).to_le_bytes()),
                DType::I32 => bytes.copy_from_slice(&(real as i32).to_le_bytes()),
                DType::F32 => bytes.copy_from_slice(&real.to_le_bytes()),
            }
        }
    }
}

impl<'a> TensorMut<'a> {
    /// A tensor over bytes of its own, such as an input that is to be pushed row by row.
    pub fn over(info: TensorInfo, bytes: &'a mut [u8]) -> Self {
        Self { info, bytes }
    }
}
