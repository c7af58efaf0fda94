//! Trained networks of others, quantized here and by ONNX Runtime with the same calibration data: `docs/accuracy.md`. Needs the
//! folder of trained models, `MOTE_SHARED` or `shared` beside the checkout, and a Python with what
//! `tests/peers/requirements-peers.txt` lists; says so when one is absent.

use mote_converter::convert::float_network;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Networks that only TFLite files hold.
const TFLITE: [&str; 1] = ["mlperf_tiny/kws_ref_model_float32.tflite"];

#[test]
#[ignore = "takes minutes, and needs Python with ONNX Runtime"]
fn as_accurate_as_float_and_onnx_runtime() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let shared = std::env::var_os("MOTE_SHARED").map_or(root.join("../shared"), PathBuf::from);
    if !shared.join("models").is_dir() {
        eprintln!("skipped: no trained models at {} (set MOTE_SHARED)", shared.display());
        return;
    }
    let python = std::env::var_os("MOTE_PYTHON").unwrap_or_else(|| "python3".into());
    let modules = Command::new(&python).args(["-c", "import numpy, onnx, onnxruntime, PIL"]).output();
    if !modules.is_ok_and(|done| done.status.success()) {
        eprintln!(
            "skipped: pip install -r tests/peers/requirements-peers.txt, and name the interpreter in MOTE_PYTHON"
        );
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for network in TFLITE {
        let path = shared.join("models").join(network);
        let bytes = std::fs::read(&path).expect("a network");
        let onnx = float_network(&path, &bytes).expect("a network").expect("a float one");
        let name = path.with_extension("onnx");
        std::fs::write(folder.path().join(name.file_name().expect("a name")), onnx).expect("room");
    }
    let script = root.join("tests/peers/accuracy.py");
    let mut run = Command::new(&python);
    run.arg(script).arg(env!("CARGO_BIN_EXE_mote")).arg(&shared).arg(folder.path());
    let done = run.output().expect("Python starts");
    println!("{}", String::from_utf8_lossy(&done.stdout));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
