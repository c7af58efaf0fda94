//! ONNX Runtime as an oracle, through `onnx_runtime.py` beside this file. Tests include it by its path.

use std::path::Path;
use std::process::Command;

/// The first output for each input, all floats. Says so and gives `None` when Python has no ONNX Runtime; `MOTE_PYTHON`
/// names an interpreter that has.
pub(crate) fn outputs(model: &Path, inputs: &[Vec<f32>]) -> Option<Vec<Vec<f32>>> {
    let python = std::env::var_os("MOTE_PYTHON").unwrap_or_else(|| "python3".into());
    let present = Command::new(&python).args(["-c", "import onnxruntime, numpy"]).output();
    if !present.is_ok_and(|done| done.status.success()) {
        let why = "pip install -r tests/peers/requirements.txt, and name the interpreter in MOTE_PYTHON";
        eprintln!("skipped: {} has no ONNX Runtime ({why})", python.display());
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (given, answers) = (folder.path().join("inputs"), folder.path().join("outputs"));
    let bytes: Vec<u8> = inputs.iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(&given, bytes).expect("room");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/onnx_runtime.py");
    let done = Command::new(&python).arg(script).arg(model).arg(&given).arg(&answers).output();
    let done = done.expect("python starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let answers = std::fs::read(answers).expect("answers");
    let floats: Vec<f32> =
        answers.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Some(floats.chunks_exact(floats.len() / inputs.len()).map(<[f32]>::to_vec).collect())
}
