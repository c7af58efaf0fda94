//! Samples from WAV recordings: one channel, values from −1 to 1, the beginning of what is longer than the model's input
//! and silence after what is shorter. Recordings are not resampled: all of a set have one rate, the one of the training.

use super::has_extension;
use crate::error::{Error, Result};
use crate::import::guarded;
use hound::{SampleFormat, WavReader};
use ndarray::{ArrayD, IxDyn};
use std::path::Path;

/// Whether a file is called like a recording.
pub(crate) fn is_sound(path: &Path) -> bool {
    has_extension(path, &["wav"])
}

/// Refuses recordings of several channels, or of another rate than the others have. What cannot be read at all is not
/// looked at.
pub(crate) fn same_rate<'a>(files: impl Iterator<Item = &'a Path>) -> Result<()> {
    let mut first: Option<(&Path, u32)> = None;
    for file in files {
        let Ok(Ok(reader)) = guarded(|| WavReader::open(file)) else { continue };
        let spec = reader.spec();
        let refuse = |cause: String, remedy: String| {
            let e = Error::new("a recording does not fit").at(file.display().to_string());
            Err(e.cause(cause).remedy(remedy))
        };
        if spec.channels != 1 {
            return refuse(
                format!("it has {} channels, the model hears one", spec.channels),
                "mix it down, for example: ffmpeg -i in.wav -ac 1 out.wav".into(),
            );
        }
        let (path, rate) = *first.get_or_insert((file, spec.sample_rate));
        if rate != spec.sample_rate {
            return refuse(
                format!("it has {} samples a second, {} has {rate}", spec.sample_rate, path.display()),
                format!(
                    "bring all to the rate of the training, for example: ffmpeg -i in.wav -ar {rate} out.wav"
                ),
            );
        }
    }
    Ok(())
}

/// How many samples of sound the model takes, and in what shape.
#[derive(Debug)]
pub(crate) struct Length {
    shape: Vec<usize>,
    samples: usize,
}

impl Length {
    /// That of a model that takes inputs of this shape.
    pub(crate) fn of(source: &Path, shape: &[usize]) -> Result<Self> {
        let mut long = shape.iter().copied().filter(|&d| d != 1);
        match (long.next(), long.next()) {
            (Some(samples), None) => Ok(Length { shape: shape.to_vec(), samples }),
            _ => Err(Error::new("the model does not take sound")
                .at(source.display().to_string())
                .cause(format!("its input has shape {shape:?}; sound has one axis, that of time"))
                .remedy("give the features that it takes, such as a spectrogram, as .npy, .npz or .csv")),
        }
    }

    /// Reads one recording.
    pub(crate) fn read(&self, path: &Path) -> Result<ArrayD<f32>> {
        let decoded = guarded(|| decode(path, self.samples)).and_then(|d| d.map_err(|e| e.to_string()));
        let mut values = decoded.map_err(|cause| {
            Error::new("cannot read a recording")
                .at(path.display().to_string())
                .cause(cause)
                .remedy("remove this file, or replace it by a WAV file of integers or floats")
        })?;
        values.resize(self.samples, 0.0);
        ArrayD::from_shape_vec(IxDyn(&self.shape), values).map_err(|e| Error::internal(e.to_string()))
    }
}

/// At most so many values from the beginning.
fn decode(path: &Path, most: usize) -> Result<Vec<f32>, hound::Error> {
    let mut reader = WavReader::open(path)?;
    let spec = reader.spec();
    match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().take(most).collect(),
        SampleFormat::Int => {
            let unit = 0.5f32.powi(i32::from(spec.bits_per_sample) - 1);
            reader.samples::<i32>().take(most).map(|v| Ok(v? as f32 * unit)).collect()
        }
    }
}
