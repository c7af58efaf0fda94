//! What the examples share: the model's bytes, aligned in memory as they would be in flash.

use std::path::PathBuf;

/// Arguments: the model, the class names, an image. Without them, those of `mote demo`.
pub fn arguments() -> [PathBuf; 3] {
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models");
    let ours = [
        PathBuf::from("target/demo/fashion.mote"),
        models.join("fashion_labels.txt"),
        models.join("ankle_boot.png"),
    ];
    let mut given = std::env::args_os().skip(1).map(PathBuf::from);
    ours.map(|own| given.next().unwrap_or(own))
}
