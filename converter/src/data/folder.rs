//! Samples that are a file each: which files a folder holds, in which order, and which class each is of. What is in a
//! file is for `images` and `sounds` to read.

use super::images::{self, Size};
use super::sounds::{self, Length};
use super::unreadable;
use crate::error::Result;
use ndarray::ArrayD;
use std::path::{Path, PathBuf};

/// Files in the order of their names, with the class of each when they are in class folders.
#[derive(Debug)]
pub(crate) struct Files {
    files: Vec<(PathBuf, Option<usize>)>,
    decoder: Decoder,
}

/// What the files are, and what becomes of one.
#[derive(Debug)]
enum Decoder {
    Image(Size),
    Sound(Length),
}

impl Files {
    /// All images or recordings in a folder, or in its subfolders, which then are the classes.
    pub(crate) fn of_folder(folder: &Path, shape: &[usize]) -> Result<Self> {
        let (flat, folders) = list(folder)?;
        let mut files: Vec<_> = flat.into_iter().map(|file| (file, None)).collect();
        if files.is_empty() {
            // An empty folder is still a class: the model was trained with it.
            for (class, folder) in folders.into_iter().enumerate() {
                let inside = list(&folder)?.0;
                files.extend(inside.into_iter().map(|file| (file, Some(class))));
            }
        }
        let recordings = files.iter().filter(|(file, _)| sounds::is_sound(file)).count();
        if files.is_empty() {
            return Err(unreadable(folder, "neither it nor its subfolders hold an image or a recording"));
        }
        if recordings != 0 && recordings != files.len() {
            return Err(unreadable(
                folder,
                "it holds images and recordings, of which a model takes one kind",
            ));
        }
        Self::of_files(files, folder, shape)
    }

    /// A single image or recording.
    pub(crate) fn of_file(file: &Path, shape: &[usize]) -> Result<Self> {
        Self::of_files(vec![(file.to_owned(), None)], file, shape)
    }

    fn of_files(files: Vec<(PathBuf, Option<usize>)>, source: &Path, shape: &[usize]) -> Result<Self> {
        let decoder = if files.iter().any(|(file, _)| sounds::is_sound(file)) {
            sounds::same_rate(files.iter().map(|(file, _)| &**file))?;
            Decoder::Sound(Length::of(source, shape)?)
        } else {
            Decoder::Image(Size::of(source, shape)?)
        };
        Ok(Files { files, decoder })
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// The class of every file, when all are in class folders.
    pub(crate) fn labels(&self) -> Option<Vec<usize>> {
        self.files.iter().map(|(_, class)| *class).collect()
    }

    /// Reads one file.
    pub(crate) fn read(&self, index: usize) -> Result<(String, ArrayD<f32>)> {
        let path = &self.files[index].0;
        let x = match &self.decoder {
            Decoder::Image(size) => size.read(path)?,
            Decoder::Sound(length) => length.read(path)?,
        };
        Ok((path.display().to_string(), x))
    }
}

/// The images and recordings and the subfolders of a folder, each sorted by name. Hidden ones do not count.
fn list(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let failed = |e: std::io::Error| unreadable(folder, e.to_string());
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.file_name().is_none_or(|n| n.to_string_lossy().starts_with('.')) {
            continue;
        }
        if path.is_dir() {
            folders.push(path);
        } else if images::is_image(&path) || sounds::is_sound(&path) {
            files.push(path);
        }
    }
    files.sort();
    folders.sort();
    Ok((files, folders))
}
