//! Samples from image files, resized with a triangle filter and converted to the model's number of
//! channels: luma for one, RGB for three. Values are 0 to 255.

use super::has_extension;
use crate::error::{Error, Result};
use image::imageops::FilterType;
use ndarray::{Array3, ArrayD};
use std::path::Path;

/// Whether a file is called like an image.
pub(crate) fn is_image(path: &Path) -> bool {
    has_extension(path, &["png", "jpg", "jpeg", "bmp"])
}

/// Height, width and channels that every image is brought to.
#[derive(Debug)]
pub(crate) struct Size([usize; 3]);

impl Size {
    /// That of a model that takes samples of this shape.
    pub(crate) fn of(source: &Path, shape: &[usize]) -> Result<Self> {
        match *shape {
            [h, w, c @ (1 | 3)] => Ok(Size([h, w, c])),
            _ => Err(Error::new("the model does not take images")
                .at(source.display().to_string())
                .cause(format!(
                    "its input has shape {shape:?}; images have height, width and 1 or 3 channels"
                ))
                .remedy("give the samples as .npy, .npz or .csv")),
        }
    }

    /// Reads one image.
    pub(crate) fn read(&self, path: &Path) -> Result<ArrayD<f32>> {
        let opened = image::ImageReader::open(path).map_err(|e| e.to_string());
        let guessed = opened.and_then(|r| r.with_guessed_format().map_err(|e| e.to_string()));
        let decoded = guessed.and_then(|r| r.decode().map_err(|e| e.to_string()));
        let decoded = decoded.map_err(|cause| {
            Error::new("cannot read an image")
                .at(path.display().to_string())
                .cause(cause)
                .remedy("remove or replace this file")
        })?;
        let [height, width, channels] = self.0;
        let side = |s: usize| u32::try_from(s).unwrap_or(u32::MAX);
        let decoded = if channels == 1 {
            image::DynamicImage::ImageLuma8(decoded.to_luma8())
        } else {
            image::DynamicImage::ImageRgb8(decoded.to_rgb8())
        };
        let (w, h) = (side(width), side(height));
        let resized = if (decoded.width(), decoded.height()) == (w, h) {
            decoded
        } else {
            decoded.resize_exact(w, h, FilterType::Triangle)
        };
        let values = resized.as_bytes().iter().map(|&v| f32::from(v)).collect();
        let x = Array3::from_shape_vec((height, width, channels), values);
        Ok(x.map_err(|e| Error::internal(e.to_string()))?.into_dyn())
    }
}
