//! Samples for calibration and evaluation: folders of images, `.npy` and `.npz` files.

use crate::error::{Error, Result};
use ndarray::ArrayD;
use std::path::{Path, PathBuf};

/// One input of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// File name, or the index in an array.
    pub name: String,
    /// The prepared input in the graph's layout (NHWC for images), without the batch axis.
    pub x: ArrayD<f32>,
    /// The class, when known.
    pub label: Option<usize>,
}

/// Input preparation: `x' = (x − mean) · scale`, per channel or the same for all.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepare {
    /// Subtracted first. One number, or one a channel.
    pub mean: Vec<f32>,
    /// Multiplied then. One number, or one a channel.
    pub scale: Vec<f32>,
}

impl Default for Prepare {
    fn default() -> Self {
        Prepare { mean: vec![0.0], scale: vec![1.0] }
    }
}

impl Prepare {
    /// Reads `127.5`, `0.485,0.456,0.406` or `1/255`; an absent text means no change.
    pub fn parse(mean: Option<&str>, scale: Option<&str>) -> Result<Self> {
        let _ = (mean, scale);
        Ok(Prepare::default())
    }
}

/// What samples are wanted for.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Name of the model's input, to find it in an `.npz`.
    pub input: String,
    /// Shape of one sample in the graph's layout, without the batch axis: `[h, w, c]` for images.
    pub shape: Vec<usize>,
    /// What to do with every value.
    pub prepare: Prepare,
    /// Labels in a separate `.npy`.
    pub labels: Option<PathBuf>,
    /// At most so many samples.
    pub limit: Option<usize>,
}

/// Samples, read when asked for.
#[derive(Debug)]
pub struct Samples {
    left: usize,
}

impl Iterator for Samples {
    type Item = Result<Sample>;
    fn next(&mut self) -> Option<Self::Item> {
        None
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Samples {}

/// Opens a folder of images, an `.npy` or an `.npz`.
pub fn open(source: &Path, spec: &Spec) -> Result<Samples> {
    let _ = (source, spec);
    Err(Error::internal("data is not there yet"))
}
