//! Samples for calibration and evaluation: images, `.npy` and `.npz` files.
//!
//! | source | samples | labels |
//! |---|---|---|
//! | a folder of PNG, JPEG or BMP images | one an image, by name | `--labels` |
//! | a folder of such folders | one an image | the rank of the subfolder's name; or `--labels` |
//! | one image | that one | `--labels` |
//! | `.npy` | one an entry of the first axis, or one if there is no such axis | `--labels` |
//! | `.npz` | the array named after the input, or `images`, `x`, `data`, or the only or first one | its `labels` or `y`; or `--labels` |
//!
//! Images are read when their turn comes; arrays are kept in memory as they are stored. A sample has
//! the graph's layout. An array's entry may have that layout (`[h, w, c]`), the file's (`[c, h, w]`)
//! or lack axes of extent 1; where both layouts fit, it is taken for `[h, w, c]`. When fewer samples
//! are wanted than there are, they are taken evenly over the whole source.

mod arrays;
mod images;
mod prepare;

pub use prepare::Prepare;

use crate::error::{Error, Result};
use arrays::Arrays;
use images::Images;
use ndarray::{ArrayD, ArrayViewD};
use std::path::{Path, PathBuf};

/// One input of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// File name, or the index in an array.
    pub name: String,
    /// The prepared input in the graph's layout (NHWC for images), without the batch axis.
    pub x: ArrayD<f32>,
    /// The model's other inputs, in its order.
    pub others: Vec<ArrayD<f32>>,
    /// The class, when known.
    pub label: Option<usize>,
}

/// What samples are wanted for.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Name of the model's input, to find it in an `.npz`.
    pub input: String,
    /// Shape of one sample in the graph's layout, without the batch axis: `[h, w, c]` for images.
    pub shape: Vec<usize>,
    /// Names and shapes of the model's other inputs; only an `.npz` can hold them, by these names.
    pub others: Vec<(String, Vec<usize>)>,
    /// What to do with every value of the first input.
    pub prepare: Prepare,
    /// Labels in a separate `.npy`.
    pub labels: Option<PathBuf>,
    /// At most so many samples.
    pub limit: Option<usize>,
}

/// Samples, read when asked for.
#[derive(Debug)]
pub struct Samples {
    source: Source,
    others: Vec<Arrays>,
    spec: Spec,
    labels: Option<Vec<usize>>,
    /// How many the source has, and how many of them are given.
    available: usize,
    wanted: usize,
    next: usize,
}

#[derive(Debug)]
enum Source {
    Images(Images),
    Arrays(Arrays),
}

/// Opens a folder of images, an image, an `.npy` or an `.npz`.
pub fn open(source: &Path, spec: &Spec) -> Result<Samples> {
    spec.prepare.check(spec.shape.last().copied().unwrap_or(1))?;
    let extension = source.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    let (opened, mut labels) = match extension.as_str() {
        _ if source.is_dir() => {
            let images = Images::of_folder(source, &spec.shape)?;
            let labels = images.labels();
            (Source::Images(images), labels)
        }
        _ if !source.exists() => return Err(unreadable(source, "there is no such file or folder")),
        "npy" => (Source::Arrays(Arrays::npy(source, &spec.shape)?), None),
        "npz" => {
            let (arrays, labels) = Arrays::npz(source, &spec.input, &spec.shape)?;
            (Source::Arrays(arrays), labels)
        }
        e if images::EXTENSIONS.contains(&e) => (Source::Images(Images::of_file(source, &spec.shape)?), None),
        _ => {
            return Err(unreadable(source, "its name ends neither in .npy or .npz nor like an image"));
        }
    };
    if let Some(path) = &spec.labels {
        labels = Some(arrays::labels_npy(path)?);
    }
    let available = opened.len();
    let others = match extension.as_str() {
        _ if spec.others.is_empty() => Vec::new(),
        "npz" => Arrays::named(source, &spec.others)?,
        _ => return Err(several(source, spec, "an array alone is one input")),
    };
    if let Some((k, other)) = others.iter().enumerate().find(|(_, o)| o.len() != available) {
        let cause =
            format!("{} samples of \"{}\", {available} of \"{}\"", other.len(), spec.others[k].0, spec.input);
        return Err(several(source, spec, cause));
    }
    if let Some(labels) = labels.as_ref().filter(|l| l.len() != available) {
        return Err(Error::new("labels and samples do not go together")
            .at(spec.labels.as_deref().unwrap_or(source).display().to_string())
            .cause(format!("{} labels for {available} samples", labels.len()))
            .remedy("give one label per sample, in the same order"));
    }
    let wanted = spec.limit.map_or(available, |l| l.min(available));
    Ok(Samples { source: opened, others, spec: spec.clone(), labels, available, wanted, next: 0 })
}

impl Source {
    fn len(&self) -> usize {
        match self {
            Source::Images(s) => s.len(),
            Source::Arrays(s) => s.len(),
        }
    }
}

impl Samples {
    fn read(&self, index: usize) -> Result<Sample> {
        let (name, mut x) = match &self.source {
            Source::Images(s) => s.read(index)?,
            Source::Arrays(s) => s.read(index)?,
        };
        if let Some(value) = x.iter().find(|v| !v.is_finite()) {
            return Err(not_finite(&name, *value));
        }
        self.spec.prepare.apply(&mut x);
        if let Some(value) = x.iter().find(|v| !v.is_finite()) {
            return Err(not_finite(&name, *value));
        }
        let others = self.others.iter().map(|o| Ok(o.read(index)?.1)).collect::<Result<Vec<_>>>()?;
        if let Some(value) = others.iter().flatten().find(|v| !v.is_finite()) {
            return Err(not_finite(&name, *value));
        }
        Ok(Sample { name, x, others, label: self.labels.as_ref().map(|l| l[index]) })
    }
}

impl Iterator for Samples {
    type Item = Result<Sample>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.wanted {
            return None;
        }
        let index = self.next * self.available / self.wanted;
        self.next += 1;
        Some(self.read(index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.wanted - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Samples {}

impl Sample {
    /// All inputs, in the model's order.
    pub fn inputs(&self) -> Vec<ArrayViewD<'_, f32>> {
        std::iter::once(&self.x).chain(&self.others).map(|x| x.view()).collect()
    }
}

/// The error for samples that are not those of several inputs.
fn several(source: &Path, spec: &Spec, cause: impl Into<String>) -> Error {
    let names: Vec<&str> =
        std::iter::once(&spec.input).chain(spec.others.iter().map(|o| &o.0)).map(String::as_str).collect();
    Error::new("cannot read the samples of several inputs")
        .at(source.display().to_string())
        .cause(cause)
        .remedy(format!("give an .npz with as many samples of each input, named {}", names.join(", ")))
}

fn not_finite(name: &str, value: f32) -> Error {
    Error::new("a sample cannot be used")
        .at(format!("sample {name}"))
        .cause(format!("it holds the value {value}"))
        .remedy("remove the sample, or correct it")
}

/// The error for a source that cannot be read.
fn unreadable(path: &Path, cause: impl Into<String>) -> Error {
    Error::new("cannot read the samples").at(path.display().to_string()).cause(cause).remedy(
        "give a folder of PNG, JPEG or BMP images (class subfolders allowed), an image, an .npy or an .npz",
    )
}
