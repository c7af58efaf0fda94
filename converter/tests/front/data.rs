//! Samples from every kind of source, and what is said about sources that do not fit.

use mote_converter::data::{self, Prepare, Sample, Spec};
use mote_converter::error::{Error, Result};
use ndarray::{Array, Array1, Array4, ArrayD, Dimension, IxDyn};
use ndarray_npy::{NpzWriter, WritableElement, write_npy};
use std::fs::File;
use std::path::Path;

fn spec(shape: &[usize]) -> Spec {
    Spec {
        input: "x".into(),
        shape: shape.to_vec(),
        others: Vec::new(),
        prepare: Prepare::default(),
        labels: None,
        limit: None,
    }
}

fn all(source: &Path, spec: &Spec) -> Vec<Sample> {
    let samples = data::open(source, spec).unwrap_or_else(|e| panic!("{e}"));
    let announced = samples.len();
    let samples: Vec<Sample> = samples.collect::<Result<_>>().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(samples.len(), announced);
    assert!(samples.iter().all(|s| s.x.shape() == spec.shape));
    samples
}

fn fails(source: &Path, spec: &Spec) -> Error {
    match data::open(source, spec).and_then(|s| s.collect::<Result<Vec<_>>>()) {
        Ok(samples) => panic!("{} samples", samples.len()),
        Err(e) => {
            assert!(!e.cause.is_empty() && !e.remedy.is_empty(), "{e:?}");
            e
        }
    }
}

fn picture(path: &Path, color: [u8; 3], size: u32) {
    image::RgbImage::from_pixel(size, size, image::Rgb(color)).save(path).unwrap();
}

#[test]
fn folders_of_classes_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    for (class, value) in [("cat", 10), ("ant", 20), ("empty", 0), ("dog", 30)] {
        let class_folder = folder.path().join(class);
        std::fs::create_dir(&class_folder).unwrap();
        if value > 0 {
            picture(&class_folder.join("b.png"), [value; 3], 4);
            picture(&class_folder.join("a.bmp"), [value + 1, 0, 0], 4);
            std::fs::write(class_folder.join("notes.txt"), "no image").unwrap();
        }
    }
    let samples = all(folder.path(), &spec(&[2, 3, 3]));
    let labels: Vec<_> = samples.iter().map(|s| s.label.unwrap()).collect();
    assert_eq!(labels, [0, 0, 1, 1, 2, 2]);
    let first: Vec<f32> = samples.iter().map(|s| s.x[[1, 2, 0]]).collect();
    assert_eq!(first, [21.0, 20.0, 11.0, 10.0, 31.0, 30.0]);
    assert!(samples[0].name.ends_with("a.bmp"));
    let grey = all(folder.path(), &spec(&[4, 4, 1]));
    assert_eq!(grey[1].x[[0, 0, 0]], 20.0);
    let few = all(folder.path(), &Spec { limit: Some(3), ..spec(&[4, 4, 1]) });
    assert_eq!(
        few.iter().map(|s| s.label.unwrap()).collect::<Vec<_>>(),
        [0, 1, 2],
        "evenly over the classes"
    );
}

#[test]
fn a_flat_folder_a_single_image_and_a_broken_one() {
    let folder = tempfile::tempdir().unwrap();
    picture(&folder.path().join("2.png"), [2; 3], 5);
    picture(&folder.path().join("1.jpg"), [100; 3], 5);
    let samples = all(folder.path(), &spec(&[5, 5, 3]));
    assert_eq!(samples.iter().map(|s| s.label).collect::<Vec<_>>(), [None, None]);
    assert!(samples[0].name.ends_with("1.jpg"));
    let labels = folder.path().join("labels.npy");
    write_npy(&labels, &Array1::from(vec![7u8, 3])).unwrap();
    let labelled = all(folder.path(), &Spec { labels: Some(labels), ..spec(&[5, 5, 3]) });
    assert_eq!(labelled.iter().map(|s| s.label.unwrap()).collect::<Vec<_>>(), [7, 3]);
    assert_eq!(all(&folder.path().join("2.png"), &spec(&[5, 5, 3])).len(), 1);
    std::fs::write(folder.path().join("3.png"), b"\x89PNG\r\n\x1a\nbroken").unwrap();
    let e = fails(folder.path(), &spec(&[5, 5, 3]));
    assert!(e.at.unwrap().ends_with("3.png"));
    fails(folder.path(), &spec(&[10]));
}

fn npy_of<T: WritableElement, D: Dimension>(array: &Array<T, D>) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    write_npy(&path, array).unwrap();
    (folder, path)
}

#[test]
fn arrays_of_every_type_and_layout() {
    let count = |i: (usize, usize, usize, usize)| (i.0 * 60 + i.1 * 20 + i.2 * 5 + i.3) as u8;
    // [n, h, w, c] = [2, 3, 4, 5]
    let last = Array4::from_shape_fn((2, 3, 4, 5), count);
    let first = last.clone().permuted_axes([0, 3, 1, 2]);
    macro_rules! check {
        ($($t:ty)*) => {$(
            for array in [last.mapv(|v| v as $t), first.mapv(|v| v as $t).as_standard_layout().into_owned()] {
                let (_keep, path) = npy_of(&array);
                let samples = all(&path, &spec(&[3, 4, 5]));
                assert_eq!(samples.len(), 2);
                assert_eq!(samples[1].x[[2, 3, 4]], 119.0);
                assert_eq!(samples[0].x[[1, 2, 3]], 33.0);
            }
        )*};
    }
    check!(u8 u16 i16 i32 i64 f32 f64);
    let (_keep, path) = npy_of(&first);
    assert_eq!(all(&path, &spec(&[3, 4, 5]))[1].x[[2, 3, 4]], 119.0, "Fortran order");
    let (_keep, path) = npy_of(&ArrayD::<i8>::from_elem(IxDyn(&[6, 3, 4]), -3));
    assert_eq!(all(&path, &spec(&[3, 4, 1])).len(), 6, "no channel axis");
    let (_keep, path) = npy_of(&ArrayD::<f32>::zeros(IxDyn(&[3, 4, 1])));
    assert_eq!(all(&path, &spec(&[3, 4, 1])).len(), 1, "a single sample");
}

#[test]
fn arrays_of_another_shape_or_with_nan() {
    let (_keep, path) = npy_of(&ArrayD::<f32>::zeros(IxDyn(&[2, 3, 4, 6])));
    let e = fails(&path, &spec(&[3, 4, 5]));
    assert!(e.cause.contains("expected [n, 3, 4, 5] or [n, 5, 3, 4], found [2, 3, 4, 6]"), "{e}");
    let mut x = ArrayD::<f32>::zeros(IxDyn(&[3, 2]));
    for bad in [f32::NAN, f32::INFINITY] {
        x[[2, 1]] = bad;
        let (_keep, path) = npy_of(&x);
        let e = fails(&path, &spec(&[2]));
        assert_eq!(e.at.as_deref(), Some("sample 2"));
    }
    let (_keep, path) = npy_of(&ArrayD::<f32>::zeros(IxDyn(&[0, 2])));
    fails(&path, &spec(&[2]));
    std::fs::write(&path, b"\x93NUMPY\x01\0broken").unwrap();
    fails(&path, &spec(&[2]));
    fails(Path::new("no/such/file.npy"), &spec(&[2]));
}

#[test]
fn npz_with_labels_compressed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let x = ArrayD::<u8>::from_elem(IxDyn(&[4, 2, 2]), 9);
    let y = Array1::from(vec![3i64, 2, 1, 0]);
    for (compressed, image_name, label_name) in
        [(true, "images", "labels"), (false, "x", "y"), (true, "other", "y")]
    {
        let path = folder.path().join(format!("{image_name}.npz"));
        let file = File::create(&path).unwrap();
        let mut npz = if compressed { NpzWriter::new_compressed(file) } else { NpzWriter::new(file) };
        npz.add_array(label_name, &y).unwrap();
        npz.add_array(image_name, &x).unwrap();
        npz.finish().unwrap();
        let samples = all(&path, &spec(&[2, 2, 1]));
        assert_eq!(samples.iter().map(|s| s.label.unwrap()).collect::<Vec<_>>(), [3, 2, 1, 0]);
        assert_eq!(samples[0].x[[1, 1, 0]], 9.0);
    }
    let labels = folder.path().join("short.npy");
    write_npy(&labels, &Array1::from(vec![0u8])).unwrap();
    let e = fails(&folder.path().join("x.npz"), &Spec { labels: Some(labels), ..spec(&[2, 2, 1]) });
    assert!(e.cause.contains("1 labels for 4 samples"), "{e}");
}

#[test]
fn preparation_is_applied_and_must_fit() {
    let (_keep, path) = npy_of(&ArrayD::<u8>::from_elem(IxDyn(&[1, 2, 2, 3]), 255));
    let prepare = Prepare::parse(Some("0,127.5,255"), Some("1/255")).unwrap();
    let sample = &all(&path, &Spec { prepare, ..spec(&[2, 2, 3]) })[0];
    assert_eq!(sample.x.iter().take(3).copied().collect::<Vec<_>>(), [1.0, 0.5, 0.0]);
    let prepare = Prepare::parse(Some("1,2"), None).unwrap();
    fails(&path, &Spec { prepare, ..spec(&[2, 2, 3]) });
}

/// Headers that promise more than there is, by far.
#[test]
fn arrays_that_are_not_there() {
    let header = |text: &str| {
        let text = format!("{text:<117}\n");
        [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), &[0; 32]].concat()
    };
    let shapes = ["(1000000000000, 4)", "(4611686018427387904, 4, 4)", "(800000000, 4)", "(-1, 4)", "(9, 4)"];
    let mut files: Vec<Vec<u8>> = shapes
        .iter()
        .map(|shape| header(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}")))
        .collect();
    files.extend([b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(), b"\x93NUMPY".to_vec(), Vec::new()]);
    let folder = tempfile::tempdir().unwrap();
    for bytes in files {
        let (npy, npz) = (folder.path().join("x.npy"), folder.path().join("x.npz"));
        std::fs::write(&npy, &bytes).unwrap();
        let mut archive = zip::ZipWriter::new(File::create(&npz).unwrap());
        archive.start_file("x.npy", zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, &bytes).unwrap();
        archive.finish().unwrap();
        for path in [npy, npz] {
            let e = fails(&path, &spec(&[4]));
            assert!(!e.cause.is_empty(), "{e}");
        }
    }
}
