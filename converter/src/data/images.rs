//! Samples from image files, resized with a triangle filter and converted to the model's number of
//! channels: luma for one, RGB for three. Values are 0 to 255.

use super::unreadable;
use crate::error::{Error, Result};
use image::imageops::FilterType;
use ndarray::{Array3, ArrayD};
use std::path::{Path, PathBuf};

/// What image files are called.
pub(crate) const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "bmp"];

/// Image files in the order of their names, with the class of each when they are in class folders.
#[derive(Debug)]
pub(crate) struct Images {
    files: Vec<(PathBuf, Option<usize>)>,
    size: [usize; 3],
}

impl Images {
    /// All images in a folder, or in its subfolders, which then are the classes.
    pub(crate) fn of_folder(folder: &Path, shape: &[usize]) -> Result<Self> {
        let size = image_size(folder, shape)?;
        let (flat, folders) = list(folder)?;
        let mut files: Vec<_> = flat.into_iter().map(|file| (file, None)).collect();
        if files.is_empty() {
            // An empty folder is still a class: the model was trained with it.
            for (class, folder) in folders.into_iter().enumerate() {
                let inside = list(&folder)?.0;
                files.extend(inside.into_iter().map(|file| (file, Some(class))));
            }
        }
        if files.is_empty() {
            return Err(unreadable(folder, "neither it nor its subfolders hold a PNG, JPEG or BMP image"));
        }
        Ok(Images { files, size })
    }

    /// A single image.
    pub(crate) fn of_file(file: &Path, shape: &[usize]) -> Result<Self> {
        let size = image_size(file, shape)?;
        Ok(Images { files: vec![(file.to_owned(), None)], size })
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// The class of every image, when all are in class folders.
    pub(crate) fn labels(&self) -> Option<Vec<usize>> {
        self.files.iter().map(|(_, class)| *class).collect()
    }

    /// Reads one image.
    pub(crate) fn read(&self, index: usize) -> Result<(String, ArrayD<f32>)> {
        let path = &self.files[index].0;
        let opened = image::ImageReader::open(path).map_err(|e| e.to_string());
        let guessed = opened.and_then(|r| r.with_guessed_format().map_err(|e| e.to_string()));
        let decoded = guessed.and_then(|r| r.decode().map_err(|e| e.to_string()));
        let decoded = decoded.map_err(|cause| {
            Error::new("cannot read an image")
                .at(path.display().to_string())
                .cause(cause)
                .remedy("remove or replace this file")
        })?;
        let [height, width, channels] = self.size;
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
        let x = x.map_err(|e| Error::internal(e.to_string()))?;
        Ok((path.display().to_string(), x.into_dyn()))
    }
}

/// The images and the subfolders of a folder, each sorted by name. Hidden ones do not count.
fn list(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let failed = |e: std::io::Error| unreadable(folder, e.to_string());
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.file_name().is_none_or(|n| n.to_string_lossy().starts_with('.')) {
            continue;
        }
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        if path.is_dir() {
            folders.push(path);
        } else if extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str())) {
            files.push(path);
        }
    }
    files.sort();
    folders.sort();
    Ok((files, folders))
}

fn image_size(path: &Path, shape: &[usize]) -> Result<[usize; 3]> {
    match *shape {
        [h, w, c @ (1 | 3)] => Ok([h, w, c]),
        _ => Err(Error::new("the model does not take images")
            .at(path.display().to_string())
            .cause(format!("its input has shape {shape:?}; images have height, width and 1 or 3 channels"))
            .remedy("give the samples as .npy or .npz")),
    }
}
