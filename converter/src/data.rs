//! Samples for calibration, training and evaluation.
//!
//! | source | samples | labels |
//! |---|---|---|
//! | a folder of PNG, JPEG or BMP images, or of WAV recordings | one a file, by name | `--labels` |
//! | a folder of such folders | one a file | the rank of the subfolder's name; or `--labels` |
//! | one image or recording | that one | `--labels` |
//! | an IDX file (MNIST), also `.gz` | one an entry of the first axis | the file with `labels` and `idx1` in its name for `images` and `idx3`, where there is one; or `--labels` |
//! | `.csv`, `.tsv` | one a row | a column of it: `--labels NAME`, or the one more than the model has inputs |
//! | `.npy` | one an entry of the first axis, or one if there is no such axis | `--labels` |
//! | `.npz` | the array named after the input, or `images`, `x`, `data`, or the only or first one | its `labels` or `y`; or `--labels` |
//!
//! Samples are read when their turn comes; only the arrays of numpy are kept in memory, as they are stored. A file that
//! cannot be read is named and left out, unless the caller is strict. A sample has the graph's layout. An array's entry may have that layout (`[h, w, c]`), the file's (`[c, h, w]`)
//! or lack axes of extent 1; where both layouts fit, it is taken for `[h, w, c]`. When fewer samples
//! are wanted than there are, they are taken evenly over the whole source.

mod arrays;
mod folder;
mod idx;
mod images;
mod prepare;
mod rows;
mod sounds;

pub use prepare::Prepare;

use crate::error::{Error, Result};
use crate::progress::warn;
use arrays::Arrays;
use folder::Files;
use ndarray::{Array2, ArrayD, ArrayViewD};
use rows::Rows;
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
    /// Labels in a separate `.npy` or IDX file, or the name of their column in a table.
    pub labels: Option<PathBuf>,
    /// Whether a file that cannot be read is an error.
    pub strict: bool,
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
    skipped: usize,
}

#[derive(Debug)]
enum Source {
    Files(Files),
    Idx(idx::Images),
    Rows(Rows),
    Arrays(Arrays),
}

/// Opens any of the sources.
pub fn open(source: &Path, spec: &Spec) -> Result<Samples> {
    spec.prepare.check(spec.shape.last().copied().unwrap_or(1))?;
    let mut apart = spec.labels.as_deref();
    let (opened, mut labels) = if source.is_dir() {
        let files = Files::of_folder(source, &spec.shape)?;
        let labels = files.labels();
        (Source::Files(files), labels)
    } else if !source.exists() {
        return Err(unreadable(source, "there is no such file or folder"));
    } else if has_extension(source, &["npy"]) {
        (Source::Arrays(Arrays::npy(source, &spec.shape)?), None)
    } else if has_extension(source, &["npz"]) {
        let (arrays, labels) = Arrays::npz(source, &spec.input, &spec.shape)?;
        (Source::Arrays(arrays), labels)
    } else if has_extension(source, &["csv", "tsv"]) {
        let column = apart.take_if(|l| !l.exists()).map(Path::to_string_lossy);
        let (rows, labels) = Rows::open(source, &spec.shape, column.as_deref())?;
        (Source::Rows(rows), labels)
    } else if images::is_image(source) || sounds::is_sound(source) {
        (Source::Files(Files::of_file(source, &spec.shape)?), None)
    } else if idx::is_idx(source) {
        let labels = idx::labels_beside(source).filter(|_| apart.is_none());
        let labels = labels.map(|l| arrays::labels_file(&l)).transpose()?;
        (Source::Idx(idx::Images::open(source, &spec.shape)?), labels)
    } else {
        return Err(unreadable(source, "it is neither called like a file of a known kind nor an IDX file"));
    };
    if let Some(path) = apart {
        labels = Some(arrays::labels_file(path)?);
    }
    let available = opened.len();
    let others = match spec.others.is_empty() {
        true => Vec::new(),
        false if has_extension(source, &["npz"]) => Arrays::named(source, &spec.others)?,
        false => return Err(several(source, spec, "it holds one input")),
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
    Ok(Samples { source: opened, others, spec: spec.clone(), labels, available, wanted, next: 0, skipped: 0 })
}

/// Reads an `.npy` of one row a sample, such as what a teacher has said.
pub fn matrix(path: &Path) -> Result<Array2<f32>> {
    arrays::matrix_npy(path)
}

impl Source {
    fn len(&self) -> usize {
        match self {
            Source::Files(s) => s.len(),
            Source::Idx(s) => s.len(),
            Source::Rows(s) => s.len(),
            Source::Arrays(s) => s.len(),
        }
    }
}

impl Samples {
    /// How many samples are still to come, fewer if some cannot be read.
    #[expect(clippy::len_without_is_empty, reason = "sources without samples are refused")]
    pub fn len(&self) -> usize {
        self.wanted - self.next
    }

    /// How many samples the source has, whatever the limit.
    pub fn available(&self) -> usize {
        self.available
    }

    /// Whether samples that cannot be read are to be left out.
    pub fn skips(&self) -> bool {
        !self.spec.strict && matches!(self.source, Source::Files(_))
    }

    /// The classes of all samples, when they are known.
    pub fn labels(&self) -> Option<&[usize]> {
        self.labels.as_deref()
    }

    /// Reads a sample by its number in the source.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn at(&self, index: usize) -> Result<Sample> {
        let (name, mut x) = match &self.source {
            Source::Files(s) => s.read(index)?,
            Source::Idx(s) => s.read(index)?,
            Source::Rows(s) => s.read(index)?,
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
        while self.next < self.wanted {
            let index = self.next * self.available / self.wanted;
            self.next += 1;
            match self.at(index) {
                Err(e) if self.skips() => {
                    self.skipped += 1;
                    warn(&format!("left out {}: {}", e.at.unwrap_or_default(), e.cause));
                }
                read => return Some(read),
            }
        }
        if self.skipped > 0 {
            warn(&format!("left out {} of {} samples", self.skipped, self.wanted));
            self.skipped = 0;
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.len()))
    }
}

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

/// Whether a file's name ends in one of these, in either case.
fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|e| extensions.contains(&&*e))
}

/// The error for samples of another shape.
fn misshapen(path: &Path, expected: &str, found: &[usize]) -> Error {
    Error::new("the samples do not have the shape of the model's input")
        .at(path.display().to_string())
        .cause(format!("expected {expected}, found {found:?}"))
        .remedy("give samples of the expected shape, or set the model's input with --input-shape")
}

/// The error for a source that cannot be read.
fn unreadable(path: &Path, cause: impl Into<String>) -> Error {
    Error::new("cannot read the samples").at(path.display().to_string()).cause(cause).remedy(
        "give images or WAV recordings (a file, a folder, or a folder a class), a .csv, an .npy, an .npz or an IDX file",
    )
}
