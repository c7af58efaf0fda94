//! Trained models, where the shared folder with them is at hand (beside the repository, or named by
//! `MOTE_SHARED`); and the model that comes with the repository.

use crate::{ops, same_with};
use mote_converter::import::{self, InputShapes};
use std::path::{Path, PathBuf};

fn shared(file: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("MOTE_SHARED").map_or_else(beside, PathBuf::from);
    let path = folder.join("models").join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

fn check(path: &Path, spread: f32) -> Vec<&'static str> {
    let bytes = import::read(path).unwrap();
    let graph = same_with(&bytes, &InputShapes::default(), spread);
    assert!(!ops(&graph).contains(&"Transpose"), "{graph}");
    ops(&graph)
}

#[test]
fn fashion() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models/fashion.onnx");
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return;
    }
    let ops = check(&path, 1.0);
    let only = ["Conv", "MaxPool", "Add", "AveragePool", "Reshape", "FullyConnected", "Softmax"];
    assert!(ops.iter().all(|o| only.contains(o)), "{ops:?}");
}

#[test]
fn mnist_cntk() {
    let Some(path) = shared("mnist/mnist_cntk.onnx") else { return };
    assert_eq!(check(&path, 100.0), ["Conv", "MaxPool", "Conv", "MaxPool", "Reshape", "FullyConnected"]);
}

#[test]
fn resnet8() {
    let Some(path) = shared("mlperf_tiny_onnx/ic_resnet8_float.onnx") else { return };
    assert_eq!(check(&path, 100.0).len(), 16);
}

#[test]
fn visual_wake_words() {
    let Some(path) = shared("mlperf_tiny_onnx/vww_96_float.onnx") else { return };
    assert_eq!(check(&path, 1.0).len(), 31);
}

#[test]
fn nanotrack_backbone() {
    let Some(path) = shared("tracking/nanotrackv2_backbone.onnx") else { return };
    check(&path, 1.0);
}

#[test]
fn every_model_imports_or_says_why_not() {
    for folder in
        ["audio", "detection", "mlperf_tiny_onnx", "mnist", "ocr", "segmentation", "text", "tracking"]
    {
        let Some(folder) = shared(folder) else { continue };
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "onnx") {
                continue;
            }
            for shapes in ["", "1,3,48,96"] {
                let shapes: Vec<&str> = [shapes].into_iter().filter(|s| !s.is_empty()).collect();
                let shapes = InputShapes::parse(&shapes).unwrap();
                match import::onnx_file(&path, &shapes) {
                    Ok(mut graph) => mote_converter::passes::run(&mut graph).unwrap(),
                    Err(e) => assert!(!e.remedy.is_empty() && !e.cause.is_empty(), "{e}"),
                }
            }
        }
    }
}
