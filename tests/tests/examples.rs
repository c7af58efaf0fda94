//! Every example program runs and says what its lesson is about.

use mote_tests::{Case, examples};
use std::path::Path;
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

/// The included model says what the interpreter says of the same file.
#[test]
fn the_included_model_agrees_with_the_interpreter() {
    // Where `mote demo` puts it, and where the example looks for it.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/demo");
    std::fs::create_dir_all(&folder).expect("a folder");
    let model = folder.join("fashion.mote");
    mote_converter::model_file::write(&model, &Case::fashion().convert().bytes).expect("room");
    let said = |name: &str, features: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["run", "--quiet", "--package", "mote-examples", "--example", name]).args(features);
        cargo.arg("--").arg(&model).arg(examples("fashion_labels.txt")).arg(examples("ankle_boot.png"));
        let done = cargo.output().expect("cargo starts");
        assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    };
    let included = said("include", &["--features", "demo"]);
    assert!(included.contains("Ankle boot"), "{included}");
    assert_eq!(included, said("classify", &[]));
}
