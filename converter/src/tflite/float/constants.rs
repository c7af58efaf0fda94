//! The values of constants as floats: of 32 and 16 bits, and of integers with scales.

use crate::tflite::file::Tensor;
use ndarray::{ArrayD, IxDyn};
use tract_onnx::prelude::f16;
use tract_tflite::tflite::TensorType;

/// The values of a constant that can be read as floats.
pub(super) fn floats(tensor: &Tensor<'_>) -> Option<ArrayD<f32>> {
    let data = tensor.data?;
    let values: Vec<f32> = match tensor.kind {
        TensorType::FLOAT32 => data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        TensorType::FLOAT16 => data.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        TensorType::INT8 => dequantized(tensor, data.iter().map(|&b| f64::from(b as i8)))?,
        TensorType::UINT8 => dequantized(tensor, data.iter().map(|&b| f64::from(b)))?,
        _ => return None,
    };
    ArrayD::from_shape_vec(IxDyn(&tensor.dims), values).ok()
}

/// Integers times their scales, one for all or one a slice along the axis.
fn dequantized(tensor: &Tensor<'_>, values: impl Iterator<Item = f64>) -> Option<Vec<f32>> {
    let slices = tensor.scales.len();
    let length = tensor.dims.get(tensor.axis).copied().unwrap_or(1);
    if slices == 0 || (slices > 1 && slices != length) {
        return None;
    }
    let inner: usize = tensor.dims.iter().skip(tensor.axis + 1).product();
    let real = |(i, value): (usize, f64)| {
        let slice = if slices == 1 { 0 } else { i / inner % length };
        let zero = tensor.zeros.get(slice).copied().unwrap_or(0);
        ((value - zero as f64) * f64::from(tensor.scales[slice])) as f32
    };
    Some(values.enumerate().map(real).collect())
}
