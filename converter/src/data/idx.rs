//! IDX files, which MNIST and its relatives come in, plain or compressed by gzip:
//!
//! ```text
//! 0 0 type axes | extent (big endian, 4 bytes) … | elements (big endian), the last axis fastest
//! ```
//!
//! Elements are read when their turn comes. Compressed files are unpacked into a temporary one for that.

use super::arrays::{Order, expected, order};
use super::unreadable;
use crate::error::{Error, Result};
use flate2::read::GzDecoder;
use ndarray::{ArrayD, IxDyn};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A file of more bytes is taken for a mistake, or for an attack by compression.
const MOST_BYTES: u64 = 1 << 31;

/// What the elements are.
#[derive(Debug, Clone, Copy)]
enum Element {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Element {
    fn of(code: u8) -> Option<Self> {
        Some(match code {
            0x08 => Element::U8,
            0x09 => Element::I8,
            0x0b => Element::I16,
            0x0c => Element::I32,
            0x0d => Element::F32,
            0x0e => Element::F64,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Element::U8 | Element::I8 => 1,
            Element::I16 => 2,
            Element::I32 | Element::F32 => 4,
            Element::F64 => 8,
        }
    }

    /// The values in bytes.
    fn values(self, bytes: &[u8]) -> Vec<f64> {
        fn each<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<f64> {
            bytes.as_chunks().0.iter().map(|&b| f(b)).collect()
        }
        match self {
            Element::U8 => each(bytes, |b| u8::from_be_bytes(b).into()),
            Element::I8 => each(bytes, |b| i8::from_be_bytes(b).into()),
            Element::I16 => each(bytes, |b| i16::from_be_bytes(b).into()),
            Element::I32 => each(bytes, |b| i32::from_be_bytes(b).into()),
            Element::F32 => each(bytes, |b| f32::from_be_bytes(b).into()),
            Element::F64 => each(bytes, f64::from_be_bytes),
        }
    }
}

/// A file whose header has been read and that is as long as it says.
#[derive(Debug)]
struct Idx {
    file: Mutex<File>,
    element: Element,
    shape: Vec<usize>,
    /// Where the elements begin.
    start: u64,
}

impl Idx {
    fn open(path: &Path) -> Result<Self, String> {
        let mut source = plain(path).map_err(|e| e.to_string())?;
        let (element, shape) = header(&mut source)?;
        let elements = shape.iter().fold(1u64, |n, &d| n.saturating_mul(d as u64));
        let bytes = elements.saturating_mul(element.bytes() as u64);
        if bytes > MOST_BYTES {
            return Err(format!("its header promises {bytes} bytes; {MOST_BYTES} are read at most"));
        }
        let (file, start, there) = match source {
            Plain::File(file) => {
                let length = file.metadata().map_err(|e| e.to_string())?.len();
                let start = 4 + 4 * shape.len() as u64;
                (file, start, length.saturating_sub(start))
            }
            Plain::Gzip(packed) => {
                let mut file = tempfile::tempfile().map_err(|e| e.to_string())?;
                let there = io::copy(&mut packed.take(bytes), &mut file).map_err(|e| e.to_string())?;
                (file, 0, there)
            }
        };
        if there < bytes {
            return Err(format!("its header promises {bytes} bytes, {there} follow it"));
        }
        Ok(Idx { file: Mutex::new(file), element, shape, start })
    }

    /// So many elements from one on.
    fn read(&self, first: usize, count: usize) -> io::Result<Vec<f64>> {
        let size = self.element.bytes();
        let mut bytes = vec![0; count * size];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.start + (first * size) as u64))?;
        file.read_exact(&mut bytes)?;
        Ok(self.element.values(&bytes))
    }
}

/// A file as it was before it was compressed.
enum Plain {
    File(File),
    Gzip(Box<GzDecoder<io::BufReader<File>>>),
}

impl Read for Plain {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Plain::File(file) => file.read(bytes),
            Plain::Gzip(file) => file.read(bytes),
        }
    }
}

fn plain(path: &Path) -> io::Result<Plain> {
    let mut file = File::open(path)?;
    let mut magic = Vec::new();
    Read::by_ref(&mut file).take(2).read_to_end(&mut magic)?;
    file.rewind()?;
    Ok(match &*magic {
        [0x1f, 0x8b] => Plain::Gzip(Box::new(GzDecoder::new(io::BufReader::new(file)))),
        _ => Plain::File(file),
    })
}

fn header(source: &mut impl Read) -> Result<(Element, Vec<usize>), String> {
    let mut word = || {
        let mut bytes = [0; 4];
        source.read_exact(&mut bytes).map(|()| bytes).map_err(|e| format!("its header cannot be read: {e}"))
    };
    let [0, 0, code, axes @ 1..=255] = word()? else { return Err("it is no IDX file".into()) };
    let element = Element::of(code).ok_or_else(|| format!("its elements have the unknown type {code}"))?;
    let shape = (0..axes).map(|_| Ok(u32::from_be_bytes(word()?) as usize)).collect::<Result<_, String>>()?;
    Ok((element, shape))
}

/// Whether a file begins like an IDX file.
pub(crate) fn is_idx(path: &Path) -> bool {
    plain(path).is_ok_and(|mut source| header(&mut source).is_ok())
}

/// The numbers of a file with one axis.
pub(crate) fn list(path: &Path) -> Result<Vec<f64>> {
    let idx = Idx::open(path).map_err(|cause| unreadable(path, cause))?;
    match idx.shape[..] {
        [n] => idx.read(0, n).map_err(|e| unreadable(path, e.to_string())),
        _ => {
            Err(unreadable(path, format!("an array of shape {:?}; one number a sample is needed", idx.shape)))
        }
    }
}

/// The labels that belong to `…-images-idx3-ubyte`: `…-labels-idx1-ubyte` beside it, where there is such a file.
pub(crate) fn labels_beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    let beside = path.with_file_name(&labels);
    (labels != name && is_idx(&beside)).then_some(beside)
}

/// Samples from an IDX file; its first axis counts them.
#[derive(Debug)]
pub(crate) struct Images {
    idx: Idx,
    path: PathBuf,
    order: Order,
    shape: Vec<usize>,
}

impl Images {
    /// Opens a file.
    pub(crate) fn open(path: &Path, shape: &[usize]) -> Result<Self> {
        let idx = Idx::open(path).map_err(|cause| unreadable(path, cause))?;
        let Some(order) = order(&idx.shape[1..], shape) else {
            return Err(super::misshapen(path, &expected(shape), &idx.shape));
        };
        if idx.shape[0] == 0 {
            return Err(unreadable(path, "it holds no samples"));
        }
        Ok(Images { idx, path: path.to_owned(), order, shape: shape.to_vec() })
    }

    pub(crate) fn len(&self) -> usize {
        self.idx.shape[0]
    }

    /// One sample.
    pub(crate) fn read(&self, index: usize) -> Result<(String, ArrayD<f32>)> {
        let one = &self.idx.shape[1..];
        let count = one.iter().product::<usize>();
        let values = self.idx.read(index * count, count);
        let values = values.map_err(|e| unreadable(&self.path, e.to_string()))?;
        let values = values.into_iter().map(|v| v as f32).collect();
        let entry = ArrayD::from_shape_vec(IxDyn(one), values);
        let entry = entry.map_err(|e| Error::internal(e.to_string()))?;
        let x = self.order.sample(entry.view(), &self.shape, |&v| v);
        Ok((index.to_string(), x.ok_or_else(|| Error::internal("a sample of another shape"))?))
    }
}
