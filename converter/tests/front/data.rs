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
        strict: true,
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

/// An IDX file of bytes.
fn idx(kind: u8, shape: &[u32], elements: &[u8]) -> Vec<u8> {
    let extents: Vec<u8> = shape.iter().flat_map(|d| d.to_be_bytes()).collect();
    [&[0, 0, kind, shape.len() as u8], &*extents, elements].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn idx_files_plain_and_compressed_with_labels_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let pixels: Vec<u8> = (0..24).collect();
    let images = idx(8, &[4, 2, 3], &pixels);
    let labels = idx(8, &[4], &[3, 1, 2, 1]);
    std::fs::write(at("t-images-idx3-ubyte.gz"), gzip(&images)).unwrap();
    std::fs::write(at("t-labels-idx1-ubyte.gz"), gzip(&labels)).unwrap();
    std::fs::write(at("other.idx3-ubyte"), &images).unwrap();
    let classes = |samples: &[Sample]| samples.iter().map(|s| s.label).collect::<Option<Vec<_>>>();
    let packed = all(&at("t-images-idx3-ubyte.gz"), &spec(&[2, 3, 1]));
    assert_eq!(classes(&packed), Some(vec![3, 1, 2, 1]));
    assert_eq!(packed[3].x[[1, 2, 0]], 23.0);
    let plain = all(&at("other.idx3-ubyte"), &spec(&[2, 3, 1]));
    assert_eq!(classes(&plain), None);
    assert!(plain.iter().zip(&packed).all(|(a, b)| a.x == b.x));
    let labels = Some(at("t-labels-idx1-ubyte.gz"));
    assert_eq!(
        classes(&all(&at("other.idx3-ubyte"), &Spec { labels, ..spec(&[2, 3, 1]) })),
        classes(&packed)
    );
    let few = all(&at("other.idx3-ubyte"), &Spec { limit: Some(2), ..spec(&[2, 3, 1]) });
    assert_eq!(few[1].x.iter().copied().collect::<Vec<_>>(), [12.0, 13.0, 14.0, 15.0, 16.0, 17.0]);
}

#[test]
fn idx_elements_of_every_type() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.idx");
    let cases = [
        (0x08, vec![255, 7], [255.0, 7.0]),
        (0x09, vec![255, 7], [-1.0, 7.0]),
        (0x0b, vec![255, 254, 1, 0], [-2.0, 256.0]),
        (0x0c, vec![255, 255, 255, 253, 0, 1, 0, 0], [-3.0, 65536.0]),
        (0x0d, [(-1.5f32).to_be_bytes(), 2f32.to_be_bytes()].concat(), [-1.5, 2.0]),
        (0x0e, [(-1.5f64).to_be_bytes(), 2f64.to_be_bytes()].concat(), [-1.5, 2.0]),
    ];
    for (kind, bytes, values) in cases {
        std::fs::write(&path, idx(kind, &[1, 2], &bytes)).unwrap();
        assert_eq!(all(&path, &spec(&[2]))[0].x.iter().copied().collect::<Vec<_>>(), values, "type {kind}");
    }
}

#[test]
fn idx_files_that_promise_too_much_or_are_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.idx");
    let good = idx(8, &[2, 2], &[1, 2, 3, 4]);
    let mut files = vec![
        idx(8, &[u32::MAX, u32::MAX, u32::MAX], &[0; 8]),
        idx(8, &[3, 2], &[0; 5]),
        idx(8, &[0, 2], &[]),
        idx(7, &[2, 2], &[0; 4]),
        idx(8, &[2, 3], &[0; 6]),
    ];
    files.extend((0..good.len()).map(|n| good[..n].to_vec()));
    let packed = gzip(&good);
    files.push(packed[..packed.len() - 12].to_vec());
    files.extend(files.clone().iter().map(|f| gzip(f)));
    for bytes in files {
        std::fs::write(&path, bytes).unwrap();
        fails(&path, &spec(&[2]));
    }
}

#[test]
fn tables_with_and_without_names_and_labels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    let read = |text: &str, labels: Option<&str>| {
        std::fs::write(&path, text).unwrap();
        let samples = all(&path, &Spec { labels: labels.map(Into::into), ..spec(&[2]) });
        let x: Vec<f32> = samples.iter().flat_map(|s| s.x.iter().copied().collect::<Vec<_>>()).collect();
        (x, samples.iter().map(|s| s.label).collect::<Option<Vec<_>>>())
    };
    let x = vec![1.0, 2.5, -3.0, 4.0];
    assert_eq!(read("1,2.5\n-3,4\n", None), (x.clone(), None));
    assert_eq!(read("1,2.5,7\n-3,4,0\n", None), (x.clone(), Some(vec![7, 0])));
    assert_eq!(read("a,b\r\n1, 2.5\r\n\r\n-3,4", None), (x.clone(), None));
    assert_eq!(read("0,1,kind\n1,2.5,2\n-3,4,1", None), (x.clone(), Some(vec![2, 1])));
    assert_eq!(read("a,Label,b\n1,dog,2.5\n-3,\"cat, big\",4\n", None), (x.clone(), Some(vec![1, 0])));
    assert_eq!(read("a,mood,b\n1,10,2.5\n-3,9,4\n", Some("mood")), (x.clone(), Some(vec![10, 9])));
    assert_eq!(read("1,2.5,dog\n-3,4,cat\n", None), (x, Some(vec![1, 0])));
    for bad in ["", "a,b\n", "1,2,3,4\n", "1,2\n1\n", "1,2\n1,x\n", "1,2\n1,nan\n", "1\n"] {
        std::fs::write(&path, bad).unwrap();
        fails(&path, &spec(&[2]));
    }
    std::fs::write(&path, "a,b,c\n1,2,3\n").unwrap();
    let e = fails(&path, &Spec { labels: Some("other".into()), ..spec(&[2]) });
    assert!(e.cause.contains("no column is called \"other\""), "{e}");
}

fn recording(path: &Path, rate: u32, channels: u16, values: &[i16]) {
    let format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: format };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    values.iter().for_each(|&v| writer.write_sample(v).unwrap());
    writer.finalize().unwrap();
}

#[test]
fn recordings_are_cut_or_followed_by_silence() {
    let folder = tempfile::tempdir().unwrap();
    for (class, values) in [("yes", &[16384i16, -32768][..]), ("no", &[8192, 0, -8192, 1])] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
        recording(&folder.path().join(class).join("1.wav"), 8000, 1, values);
    }
    let samples = all(folder.path(), &spec(&[1, 3, 1]));
    let got: Vec<_> = samples.iter().map(|s| (s.label, s.x.iter().copied().collect::<Vec<f32>>())).collect();
    assert_eq!(got, [(Some(0), vec![0.25, 0.0, -0.25]), (Some(1), vec![0.5, -1.0, 0.0])]);
    let e = fails(folder.path(), &spec(&[3, 3]));
    assert!(e.cause.contains("[3, 3]"), "{e}");
    recording(&folder.path().join("no/2.wav"), 16000, 1, &[0; 4]);
    let e = fails(folder.path(), &spec(&[3]));
    assert!(e.cause.contains("16000") && e.remedy.contains("-ar 8000"), "{e}");
    recording(&folder.path().join("no/2.wav"), 8000, 2, &[0; 4]);
    assert!(fails(folder.path(), &spec(&[3])).cause.contains("2 channels"));
    picture(&folder.path().join("no/2.png"), [0; 3], 2);
    fails(folder.path(), &spec(&[3]));
}

#[test]
fn what_cannot_be_read_is_left_out_unless_the_caller_is_strict() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..4u8 {
        picture(&folder.path().join(format!("{i}.png")), [i; 3], 2);
    }
    std::fs::write(folder.path().join("2.png"), b"\x89PNG\r\n\x1a\nbroken").unwrap();
    let strict = spec(&[2, 2, 1]);
    assert!(fails(folder.path(), &strict).at.unwrap().ends_with("2.png"));
    let mut samples = data::open(folder.path(), &Spec { strict: false, ..strict.clone() }).unwrap();
    let values: Vec<f32> = samples.by_ref().map(|s| s.unwrap().x[[0, 0, 0]]).collect();
    assert_eq!((values, samples.len()), (vec![0.0, 1.0, 3.0], 0));

    let sounds = tempfile::tempdir().unwrap();
    recording(&sounds.path().join("1.wav"), 8000, 1, &[1, 2]);
    std::fs::write(sounds.path().join("2.wav"), b"RIFF\x04\0\0\0WAVEfmt ").unwrap();
    let spec = Spec { strict: false, ..spec(&[2]) };
    assert_eq!(data::open(sounds.path(), &spec).unwrap().count(), 1);
    fails(sounds.path(), &Spec { strict: true, ..spec });
}

/// Fashion-MNIST as it is published, where it is at hand.
#[test]
fn published_idx_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/fashion_mnist");
    let images = folder.join("t10k-images-idx3-ubyte.gz");
    if !images.exists() {
        println!("left out: {} is not there", images.display());
        return;
    }
    let samples = data::open(&images, &spec(&[28, 28, 1])).unwrap();
    let labels = samples.labels().unwrap();
    let counts: Vec<_> = (0..10).map(|c| labels.iter().filter(|&&l| l == c).count()).collect();
    assert_eq!((samples.available(), counts), (10_000, vec![1000; 10]));
    assert!(samples.at(9999).unwrap().x.iter().any(|&v| v > 200.0));
}
