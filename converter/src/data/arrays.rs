//! Samples and labels from numpy's files.

use super::{idx, misshapen, unreadable};
use crate::error::{Error, Result};
use crate::import::guarded;
use ndarray::{Array2, ArrayD, ArrayView, Axis, IxDyn};
use ndarray_npy::{ReadNpyError, ReadNpyExt, ReadableElement};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zip::ZipArchive;

/// An array as it is stored.
#[derive(Debug)]
enum Numbers {
    U8(ArrayD<u8>),
    I8(ArrayD<i8>),
    U16(ArrayD<u16>),
    I16(ArrayD<i16>),
    I32(ArrayD<i32>),
    I64(ArrayD<i64>),
    F32(ArrayD<f32>),
    F64(ArrayD<f64>),
}

/// Applies an expression to the array inside, whatever its type.
macro_rules! each {
    ($numbers:expr, $t:ident => $body:expr) => {
        match $numbers {
            Numbers::U8($t) => $body,
            Numbers::I8($t) => $body,
            Numbers::U16($t) => $body,
            Numbers::I16($t) => $body,
            Numbers::I32($t) => $body,
            Numbers::I64($t) => $body,
            Numbers::F32($t) => $body,
            Numbers::F64($t) => $body,
        }
    };
}

/// How an entry of the array becomes a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The elements are in the sample's order already.
    Same,
    /// `[c, h, w]` becomes `[h, w, c]`.
    ChannelsFirst,
}

/// Samples from an array.
#[derive(Debug)]
pub(crate) struct Arrays {
    numbers: Numbers,
    /// Whether the first axis counts samples; otherwise there is one.
    many: bool,
    order: Order,
    shape: Vec<usize>,
}

impl Arrays {
    /// Opens an `.npy`.
    pub(crate) fn npy(path: &Path, shape: &[usize]) -> Result<Self> {
        Self::of(npy(path)?, path, shape)
    }

    /// Opens an `.npz`; with labels when it holds any.
    pub(crate) fn npz(path: &Path, input: &str, shape: &[usize]) -> Result<(Self, Option<Vec<usize>>)> {
        let file = File::open(path).map_err(|e| unreadable(path, e.to_string()))?;
        let mut npz = ZipArchive::new(file).map_err(|e| unreadable(path, e.to_string()))?;
        let entries = npz.file_names().map(|n| n.strip_suffix(".npy").unwrap_or(n).to_owned());
        let names: Vec<String> = entries.collect();
        let is_label = |n: &&String| ["labels", "y"].contains(&n.as_str());
        let wanted = [input, "images", "x", "data"].into_iter().find(|w| names.iter().any(|n| n == w));
        let first = names.iter().find(|n| !is_label(n)).map(String::as_str);
        let Some(name) = wanted.or(first) else {
            return Err(unreadable(path, format!("there is no array of samples in it, only {names:?}")));
        };
        let mut read = |name: &str| {
            let bytes = entry(&mut npz, name).map_err(|cause| unreadable(path, cause))?;
            array(&bytes).map_err(|cause| unreadable(path, cause))
        };
        let samples = Self::of(read(name)?, path, shape)?;
        let labels = match names.iter().find(is_label).filter(|l| *l != name) {
            Some(label) => Some(to_labels(&read(label)?, path)?),
            None => None,
        };
        Ok((samples, labels))
    }

    /// Opens the arrays of an `.npz` that have these names and hold samples of these shapes.
    pub(crate) fn named(path: &Path, wanted: &[(String, Vec<usize>)]) -> Result<Vec<Self>> {
        let file = File::open(path).map_err(|e| unreadable(path, e.to_string()))?;
        let mut npz = ZipArchive::new(file).map_err(|e| unreadable(path, e.to_string()))?;
        let mut one = |(name, shape): &(String, Vec<usize>)| {
            let numbers = entry(&mut npz, name).and_then(|bytes| array(&bytes));
            Self::of(numbers.map_err(|cause| unreadable(path, cause))?, path, shape)
        };
        wanted.iter().map(&mut one).collect()
    }

    fn of(numbers: Numbers, path: &Path, shape: &[usize]) -> Result<Self> {
        let found: Vec<usize> = each!(&numbers, t => t.shape().to_vec());
        let many = found.split_first().and_then(|(_, one)| order(one, shape)).map(|o| (true, o));
        let Some((many, order)) = many.or_else(|| order(&found, shape).map(|o| (false, o))) else {
            return Err(misshapen(path, &expected(shape), &found));
        };
        if found.contains(&0) {
            return Err(unreadable(path, format!("an array of shape {found:?} holds no samples")));
        }
        Ok(Arrays { numbers, many, order, shape: shape.to_vec() })
    }

    pub(crate) fn len(&self) -> usize {
        if self.many { each!(&self.numbers, t => t.len_of(Axis(0))) } else { 1 }
    }

    /// One sample.
    #[allow(clippy::unnecessary_cast, reason = "one expression for every element type")]
    pub(crate) fn read(&self, index: usize) -> Result<(String, ArrayD<f32>)> {
        let x = each!(&self.numbers, t => if self.many {
            self.order.sample(t.index_axis(Axis(0), index), &self.shape, |&v| v as f32)
        } else {
            self.order.sample(t.view(), &self.shape, |&v| v as f32)
        });
        x.map(|x| (index.to_string(), x)).ok_or_else(|| Error::internal("a sample of another shape"))
    }
}

impl Order {
    /// An entry as a sample of shape `shape`.
    pub(super) fn sample<T>(
        self,
        entry: ArrayView<'_, T, IxDyn>,
        shape: &[usize],
        float: impl Fn(&T) -> f32,
    ) -> Option<ArrayD<f32>> {
        let entry = match self {
            Order::Same => entry,
            Order::ChannelsFirst => entry.permuted_axes(&[1, 2, 0][..]),
        };
        ArrayD::from_shape_vec(IxDyn(shape), entry.iter().map(float).collect()).ok()
    }
}

/// How an entry of shape `found` becomes a sample of shape `wanted`, if it can.
pub(super) fn order(found: &[usize], wanted: &[usize]) -> Option<Order> {
    let long = |s: &[usize]| s.iter().copied().filter(|&d| d != 1).collect::<Vec<_>>();
    match *wanted {
        _ if found == wanted => Some(Order::Same),
        [h, w, c] if found == [c, h, w] => Some(Order::ChannelsFirst),
        _ if long(found) == long(wanted) && found.len() < wanted.len() => Some(Order::Same),
        _ => None,
    }
}

pub(super) fn expected(shape: &[usize]) -> String {
    let list = |s: &[usize]| s.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match *shape {
        [h, w, c] if c != 1 => format!("[n, {}] or [n, {}]", list(shape), list(&[c, h, w])),
        _ => format!("[n, {}]", list(shape)),
    }
}

/// Class indices from an `.npy` or an IDX file.
pub(crate) fn labels_file(path: &Path) -> Result<Vec<usize>> {
    if idx::is_idx(path) { classes(&idx::list(path)?, path) } else { to_labels(&npy(path)?, path) }
}

/// Reads an array of two axes.
#[allow(clippy::unnecessary_cast, reason = "one expression for every element type")]
pub(crate) fn matrix_npy(path: &Path) -> Result<Array2<f32>> {
    let all: ArrayD<f32> = each!(npy(path)?, t => t.mapv(|v| v as f32));
    let shape = all.shape().to_vec();
    all.into_dimensionality().map_err(|_| {
        unreadable(path, format!("an array of shape {shape:?}; a row for each sample is needed"))
    })
}

#[allow(clippy::unnecessary_cast, reason = "one expression for every element type")]
fn to_labels(numbers: &Numbers, path: &Path) -> Result<Vec<usize>> {
    let values: Vec<f64> = each!(numbers, t => t.iter().map(|&v| v as f64).collect());
    classes(&values, path)
}

fn classes(values: &[f64], path: &Path) -> Result<Vec<usize>> {
    let class = |&v: &f64| (v >= 0.0 && v.fract() == 0.0 && v < f64::from(u32::MAX)).then_some(v as usize);
    let bad = values.iter().position(|v| class(v).is_none());
    let labels: Option<Vec<usize>> = values.iter().map(class).collect();
    labels.ok_or_else(|| {
        let index = bad.unwrap_or(0);
        Error::new("cannot read the labels")
            .at(format!("{}, entry {index}", path.display()))
            .cause(format!("{} is not a class index", values[index]))
            .remedy("give whole numbers from 0 on")
    })
}

fn npy(path: &Path) -> Result<Numbers> {
    let bytes = std::fs::read(path).map_err(|e| unreadable(path, e.to_string()))?;
    array(&bytes).map_err(|cause| unreadable(path, cause))
}

/// An array of this many bytes is taken for a mistake, or for an attack by compression.
const MOST_BYTES: u64 = 1 << 31;

/// The bytes of an array in an archive.
fn entry(npz: &mut ZipArchive<File>, name: &str) -> Result<Vec<u8>, String> {
    let stored = [format!("{name}.npy"), name.to_owned()];
    let stored = stored.iter().find(|n| npz.index_for_name(n).is_some());
    let stored = stored.ok_or_else(|| format!("there is no array \"{name}\" in it"))?;
    let mut bytes = Vec::new();
    let file = npz.by_name(stored).map_err(|e| e.to_string())?;
    // Memory grows with what is there, not with what is promised.
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 == MOST_BYTES {
        return Err(format!("its array \"{name}\" has {MOST_BYTES} bytes or more"));
    }
    Ok(bytes)
}

/// An array in numpy's format, whose header promises no more than there is.
fn array(bytes: &[u8]) -> Result<Numbers, String> {
    let length = match bytes {
        [b'\x93', b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => {
            usize::from(u16::from_le_bytes([*a, *b])) + 10
        }
        [b'\x93', b'N', b'U', b'M', b'P', b'Y', 2..=255, _, a, b, c, d, ..] => {
            (u32::from_le_bytes([*a, *b, *c, *d]) as usize).saturating_add(12)
        }
        _ => return Err("it is no array of numpy".to_owned()),
    };
    let (header, data) = bytes.split_at_checked(length).ok_or("its header is cut off")?;
    let header = String::from_utf8_lossy(header);
    let shape =
        header.split_once("'shape'").and_then(|(_, rest)| rest.split_once(')')).map_or("", |(s, _)| s);
    let dims = shape.split(|c: char| !c.is_ascii_digit()).filter_map(|d| d.parse::<u128>().ok());
    let elements = dims.fold(1u128, u128::saturating_mul);
    if elements > data.len() as u128 {
        return Err(format!("its header promises {elements} elements, {} bytes follow it", data.len()));
    }
    any_type(bytes)
}

/// Reads an array as a type that must be the stored one.
fn read<T: ReadableElement>(bytes: &[u8]) -> Result<ArrayD<T>, Mismatch> {
    guarded(|| ArrayD::<T>::read_npy(bytes)).map_err(Mismatch::Broken)?.map_err(|error| match error {
        ReadNpyError::WrongDescriptor(kind) => Mismatch::OtherType(kind.to_string()),
        e => Mismatch::Broken(e.to_string()),
    })
}

enum Mismatch {
    OtherType(String),
    Broken(String),
}

impl Mismatch {
    /// Tries another type, unless that cannot help.
    fn or<T: ReadableElement>(
        self,
        bytes: &[u8],
        wrap: fn(ArrayD<T>) -> Numbers,
    ) -> Result<Numbers, Mismatch> {
        match self {
            Mismatch::OtherType(_) => read(bytes).map(wrap),
            Mismatch::Broken(_) => Err(self),
        }
    }
}

/// Reads whatever type is stored; only the header is read for those that are not.
fn any_type(bytes: &[u8]) -> Result<Numbers, String> {
    let read = read(bytes).map(Numbers::U8);
    let read = read.or_else(|m| m.or(bytes, Numbers::F32));
    let read = read.or_else(|m| m.or(bytes, Numbers::I64));
    let read = read.or_else(|m| m.or(bytes, Numbers::I32));
    let read = read.or_else(|m| m.or(bytes, Numbers::F64));
    let read = read.or_else(|m| m.or(bytes, Numbers::I8));
    let read = read.or_else(|m| m.or(bytes, Numbers::U16));
    let read = read.or_else(|m| m.or(bytes, Numbers::I16));
    read.map_err(|m| match m {
        Mismatch::Broken(cause) => cause,
        Mismatch::OtherType(kind) => {
            format!("its elements have the type {kind}; integers up to 64 bits and floats are read")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_of_entries() {
        assert_eq!(order(&[3, 3, 3], &[3, 3, 3]), Some(Order::Same));
        assert_eq!(order(&[3, 8, 9], &[8, 9, 3]), Some(Order::ChannelsFirst));
        assert_eq!(order(&[28, 28], &[28, 28, 1]), Some(Order::Same));
        assert_eq!(order(&[28, 29], &[28, 28, 1]), None);
        assert_eq!(order(&[4], &[4]), Some(Order::Same));
    }
}
