//! Samples from tables: `.csv`, or `.tsv` with tabs, one sample a row, its values in the order of the graph's layout.
//!
//! The first row may name the columns. Where there is one column more than the model has inputs, it is the label: the
//! one called `label`, `class`, `target` or `y`, or else the last. Labels are class indices, or names, which then count
//! in their order. A first pass remembers where each row begins; values are read when their turn comes.

use super::unreadable;
use crate::error::{Error, Result};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use ndarray::{ArrayD, IxDyn};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What a column of labels is usually called.
const NAMES: [&str; 4] = ["label", "class", "target", "y"];

/// Samples from a table.
#[derive(Debug)]
pub(crate) struct Rows {
    file: Mutex<File>,
    delimiter: u8,
    starts: Vec<u64>,
    label: Option<usize>,
    path: PathBuf,
    shape: Vec<usize>,
}

impl Rows {
    /// Opens a table; `column` names the labels, if the caller knows.
    pub(crate) fn open(
        path: &Path,
        shape: &[usize],
        column: Option<&str>,
    ) -> Result<(Self, Option<Vec<usize>>)> {
        let failed = |e: io::Error| unreadable(path, e.to_string());
        let delimiter = if super::has_extension(path, &["tsv"]) { b'\t' } else { b',' };
        let mut records = Records::new(File::open(path).map_err(failed)?, delimiter);
        let first = records.next().map_err(failed)?.unwrap_or_default();
        let second_at = records.at;
        let second = records.next().map_err(failed)?.unwrap_or_default();
        let header = is_header(&first, &second).then_some(&first);
        let values: usize = shape.iter().product();
        let label = label_column(header, first.len(), values, column).map_err(|c| unreadable(path, c))?;

        let mut file = records.source.into_inner();
        let mut at = if header.is_some() { second_at } else { 0 };
        file.seek(SeekFrom::Start(at)).map_err(failed)?;
        let mut records = Records { at, ..Records::new(file, delimiter) };
        let (mut starts, mut classes) = (Vec::new(), Classes::default());
        while let Some(row) = records.next().map_err(failed)? {
            if row.len() != first.len() {
                let (n, here, there) = (starts.len(), row.len(), first.len());
                return Err(unreadable(
                    path,
                    format!("sample {n} has {here} columns, the first row {there}"),
                ));
            }
            starts.push(std::mem::replace(&mut at, records.at));
            if let Some(label) = label {
                classes.add(&row[label]);
            }
        }
        if starts.is_empty() {
            return Err(unreadable(path, "it holds no samples"));
        }
        let labels = label.map(|_| classes.indices());
        let file = Mutex::new(records.source.into_inner());
        Ok((Rows { file, delimiter, starts, label, path: path.to_owned(), shape: shape.to_vec() }, labels))
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// One row.
    pub(crate) fn read(&self, index: usize) -> Result<(String, ArrayD<f32>)> {
        let row = self.row(self.starts[index]).map_err(|e| unreadable(&self.path, e.to_string()))?;
        let cells = row.iter().enumerate().filter(|(c, _)| Some(*c) != self.label);
        let number = |(c, text): (usize, &String)| {
            number(text).ok_or_else(|| {
                let cause = format!("sample {index}, column {}: \"{text}\" is not a number", c + 1);
                unreadable(&self.path, cause)
            })
        };
        let values = cells.map(number).collect::<Result<Vec<f32>>>()?;
        let x = ArrayD::from_shape_vec(IxDyn(&self.shape), values);
        Ok((index.to_string(), x.map_err(|e| Error::internal(e.to_string()))?))
    }

    fn row(&self, start: u64) -> io::Result<Vec<String>> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start))?;
        Ok(Records::new(&mut *file, self.delimiter).next()?.unwrap_or_default())
    }
}

/// The records of a file, one after the other.
struct Records<F> {
    core: Reader,
    source: BufReader<F>,
    /// Where the next record begins.
    at: u64,
}

impl<F: io::Read> Records<F> {
    fn new(file: F, delimiter: u8) -> Self {
        let core = ReaderBuilder::new().delimiter(delimiter).build();
        Records { core, source: BufReader::new(file), at: 0 }
    }

    /// The cells of the next record, without spaces around them.
    fn next(&mut self) -> io::Result<Option<Vec<String>>> {
        let (mut text, mut ends) = (vec![0; 1024], vec![0; 64]);
        let (mut text_len, mut ends_len) = (0, 0);
        loop {
            let (result, read, written, ended) =
                self.core.read_record(self.source.fill_buf()?, &mut text[text_len..], &mut ends[ends_len..]);
            self.source.consume(read);
            self.at += read as u64;
            (text_len, ends_len) = (text_len + written, ends_len + ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => text.resize(2 * text.len(), 0),
                ReadRecordResult::OutputEndsFull => ends.resize(2 * ends.len(), 0),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        let mut start = 0;
        let cell = |&end: &usize| {
            let cell = String::from_utf8_lossy(&text[std::mem::replace(&mut start, end)..end]);
            cell.trim_start_matches('\u{feff}').trim().to_owned()
        };
        Ok(Some(ends[..ends_len].iter().map(cell).collect()))
    }
}

fn number(text: &str) -> Option<f32> {
    text.parse().ok()
}

/// Whether the first row names the columns. Its last cell alone may also be the name of a class, unless those of the
/// next row are numbers throughout.
fn is_header(first: &[String], second: &[String]) -> bool {
    let wordy = |row: &[String]| row.iter().map(|cell| number(cell).is_none()).collect::<Vec<_>>();
    match wordy(first).split_last() {
        Some((last, rest)) => {
            rest.contains(&true) || (*last && !second.is_empty() && !wordy(second).contains(&true))
        }
        None => false,
    }
}

/// Where the labels are, in a table of so many columns for a model of so many inputs.
fn label_column(
    header: Option<&Vec<String>>,
    columns: usize,
    values: usize,
    wanted: Option<&str>,
) -> Result<Option<usize>, String> {
    let find = |name: &str| header.and_then(|h| h.iter().position(|c| c.eq_ignore_ascii_case(name)));
    let label = match wanted {
        Some(name) => Some(find(name).ok_or_else(|| format!("no column is called \"{name}\""))?),
        None if columns == values + 1 => NAMES.iter().find_map(|n| find(n)).or(Some(values)),
        None => None,
    };
    match columns - usize::from(label.is_some()) {
        found if found == values => Ok(label),
        found => Err(format!(
            "it has {found} columns beside labels; the model takes {values} values, in the order of its layout"
        )),
    }
}

/// Texts of the labels, each kept once.
#[derive(Default)]
struct Classes {
    known: BTreeMap<String, usize>,
    of_rows: Vec<usize>,
}

impl Classes {
    fn add(&mut self, text: &str) {
        let next = self.known.len();
        let id = match self.known.get(text) {
            Some(&id) => id,
            None => *self.known.entry(text.to_owned()).or_insert(next),
        };
        self.of_rows.push(id);
    }

    /// The class of every row: what the texts say, or their ranks.
    fn indices(self) -> Vec<usize> {
        let whole = |text: &str| {
            let v: f64 = text.parse().ok()?;
            (v >= 0.0 && v.fract() == 0.0 && v < f64::from(u32::MAX)).then_some(v as usize)
        };
        let numbers: Option<Vec<usize>> = self.known.keys().map(|text| whole(text)).collect();
        let mut of_ids = vec![0; self.known.len()];
        for (rank, &id) in self.known.values().enumerate() {
            of_ids[id] = numbers.as_ref().map_or(rank, |n| n[rank]);
        }
        self.of_rows.iter().map(|&id| of_ids[id]).collect()
    }
}
