//! Each operator, written once over [`crate::isa::Isa`]. No intrinsics here, no `unsafe`.
//!
//! A file holds `scratch` (bytes of working memory, on any instruction set), `naive` (the definition, as plain
//! loops) and `run` (the kernel). Operands have passed the format's check.

pub(crate) mod add;
pub(crate) mod add16;
pub(crate) mod arg_max;
mod asymmetric;
pub(crate) mod avg_pool2d;
pub(crate) mod avg_pool2d16;
mod broadcast;
pub(crate) mod cast;
pub(crate) mod clamp;
pub(crate) mod concat;
pub(crate) mod conv2d;
pub(crate) mod conv2d16;
pub(crate) mod conv2d_asymmetric;
pub(crate) mod conv2d_palette;
pub(crate) mod depthwise_conv2d;
pub(crate) mod depthwise_conv2d16;
pub(crate) mod depthwise_conv2d_asymmetric;
pub(crate) mod dequantize;
pub(crate) mod dequantize16;
pub(crate) mod div;
mod dots16;
pub(crate) mod flip_sign;
pub(crate) mod fully_connected;
pub(crate) mod fully_connected16;
pub(crate) mod fully_connected_asymmetric;
pub(crate) mod fully_connected_palette;
pub(crate) mod gather;
pub(crate) mod l2_norm;
pub(crate) mod lstm;
pub(crate) mod lut;
mod matrix;
pub(crate) mod max_pool2d;
pub(crate) mod max_pool2d16;
pub(crate) mod maximum;
pub(crate) mod minimum;
pub(crate) mod mul;
pub(crate) mod mul16;
pub(crate) mod pad;
mod palette;
mod pool16;
pub(crate) mod prelu;
pub(crate) mod products;
mod products16;
pub(crate) mod quantize;
pub(crate) mod quantize16;
pub(crate) mod requantize;
pub(crate) mod rescale16;
pub(crate) mod reshape;
pub(crate) mod resize;
pub(crate) mod sigmoid16;
pub(crate) mod softmax;
pub(crate) mod softmax16;
pub(crate) mod strided_copy;
pub(crate) mod sum_pool2d;
pub(crate) mod sum_pool2d16;
pub(crate) mod svdf;
pub(crate) mod top_k;
pub(crate) mod transpose;
pub(crate) mod transpose_conv2d;
mod window;

#[cfg(feature = "std")]
pub(crate) use window::Window;
