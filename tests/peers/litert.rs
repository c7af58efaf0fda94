//! LiteRT's kernels as an oracle, through `litert.py` beside this file. Tests include it by its path.

use std::path::Path;
use std::process::Command;

/// The bytes of all outputs for each input, or of the named tensors, by one set of LiteRT's kernels: `BUILTIN_REF` are the
/// reference kernels. Says so and gives `None` when Python has no LiteRT; `MOTE_PYTHON` names an interpreter that has.
pub(crate) fn outputs(
    kernels: &str,
    model: &Path,
    inputs: &[Vec<u8>],
    tensors: &[String],
) -> Option<Vec<Vec<u8>>> {
    let python = std::env::var_os("MOTE_PYTHON").unwrap_or_else(|| "python3".into());
    let present = Command::new(&python).args(["-c", "import ai_edge_litert, numpy"]).output();
    if !present.is_ok_and(|done| done.status.success()) {
        let why = "pip install -r tests/peers/requirements.txt, and name the interpreter in MOTE_PYTHON";
        eprintln!("skipped: {} has no LiteRT ({why})", python.display());
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (given, answers) = (folder.path().join("inputs"), folder.path().join("outputs"));
    std::fs::write(&given, inputs.concat()).expect("room");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/litert.py");
    let done = Command::new(&python)
        .arg(script)
        .arg(kernels)
        .arg(model)
        .arg(&given)
        .arg(&answers)
        .args(tensors)
        .output();
    let done = done.expect("python starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let answers = std::fs::read(answers).expect("answers");
    Some(answers.chunks_exact(answers.len() / inputs.len()).map(<[u8]>::to_vec).collect())
}
