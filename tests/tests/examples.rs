//! Every example program runs and says what its lesson is about.

use mote_tests::{Case, examples};
use std::process::Command;

#[test]
fn examples_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("fashion.mote");
    std::fs::write(&model, &*Case::fashion().convert().bytes).expect("room");
    for (name, said) in
        [("classify", "Ankle boot"), ("profile", "stem/relu/out"), ("share", "pauses"), ("embed", "bytes")]
    {
        let done = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--package", "mote-examples", "--example", name, "--"])
            .arg(&model)
            .arg(examples("fashion_labels.txt"))
            .arg(examples("ankle_boot.png"))
            .output()
            .expect("cargo starts");
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(
            done.status.success() && text.contains(said),
            "{name}: {text} {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}
