//! Weights in files beside the model.

use crate::builder::Model;
use mote_converter::import::{self, InputShapes};
use std::path::Path;
use tract_onnx::pb::StringStringEntryProto;

/// A dense layer whose weights, 4 × 2 floats, are said to lie elsewhere.
fn dense(entries: &[(&str, &str)]) -> (Vec<u8>, Vec<u8>) {
    let mut m = Model::new(13);
    m.input("x", &[1, 4]).weights("w", &[4, 2]).node("MatMul", &["x", "w"], "y", &[]).output("y");
    let weights = &mut m.graph().initializer[0];
    let entry =
        |&(key, value): &(&str, &str)| StringStringEntryProto { key: key.into(), value: value.into() };
    weights.external_data = entries.iter().map(entry).collect();
    weights.data_location = Some(1);
    let data = std::mem::take(&mut weights.raw_data);
    (m.bytes(), data)
}

fn refused(path: &Path) -> String {
    let e = import::read(path).unwrap_err();
    assert!(!e.remedy.is_empty());
    e.to_string()
}

#[test]
fn weights_beside_the_file_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (model, data) = dense(&[("location", "w.bin"), ("offset", "64"), ("length", "32")]);
    std::fs::write(at("net.onnx"), &model).unwrap();
    std::fs::write(at("w.bin"), [vec![7; 64], data.clone(), vec![7; 3]].concat()).unwrap();
    let graph = import::onnx_file(&at("net.onnx"), &InputShapes::default()).unwrap();
    let weights = graph.values.iter().find(|v| v.name == "w").and_then(|v| v.konst.as_ref()).unwrap();
    let floats: Vec<f32> = data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    let mut read: Vec<f32> = weights.as_f32().unwrap().iter().copied().collect();
    let mut floats_sorted = floats.clone();
    read.sort_by(f32::total_cmp);
    floats_sorted.sort_by(f32::total_cmp);
    assert_eq!(read, floats_sorted);
    // Without the folder there is nothing to read.
    let e = import::onnx(&model, &InputShapes::default()).unwrap_err();
    assert!(e.to_string().contains("another file") && e.to_string().contains("\"w\""), "{e}");
}

#[test]
fn other_places_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(folder.path().join("secret"), [0; 64]).unwrap();
    std::fs::write(inner.join("w.bin"), [0; 31]).unwrap();
    std::fs::create_dir(inner.join("folder")).unwrap();
    let outside = folder.path().join("secret").display().to_string();
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("location", "../secret")], "outside"),
        (&[("location", &outside)], "outside"),
        (&[("location", "folder/../../secret")], "outside"),
        (&[("location", "absent.bin")], "absent.bin"),
        (&[("location", "w.bin")], "has 31"),
        (&[("location", "w.bin"), ("offset", "18446744073709551615")], "has 31"),
        (&[("location", "w.bin"), ("offset", "-1")], "its offset is \"-1\""),
        (&[("location", "w.bin"), ("length", "31")], "takes 32"),
        (&[("location", "folder")], "no file"),
        (&[("location", "")], "names no file"),
        (&[], "names no file"),
    ];
    for (entries, cause) in cases {
        std::fs::write(inner.join("net.onnx"), dense(entries).0).unwrap();
        let said = refused(&inner.join("net.onnx"));
        assert!(said.contains(cause) && said.contains("\"w\""), "{entries:?}: {said}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path().join("secret"), inner.join("link")).unwrap();
        std::fs::write(inner.join("net.onnx"), dense(&[("location", "link")]).0).unwrap();
        assert!(refused(&inner.join("net.onnx")).contains("outside"));
    }
}
