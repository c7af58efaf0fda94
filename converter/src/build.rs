//! For build scripts: a network in the source tree becomes a model in `OUT_DIR`, where `include_model!` finds it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Command, FromArgMatches};

use crate::cli::convert::Convert;
use crate::error::{Error, Result};

/// Does in a build script what `mote convert` does with the same arguments, and gives the file that it wrote:
/// `OUT_DIR`, the network's name, `.mote`. Cargo runs the script again when one of the files that it read changes. An
/// error ends the build, with the cause and the remedy.
///
/// ```no_run
/// // In the main function of build.rs, with mote-converter among the [build-dependencies].
/// mote_converter::build::convert(["nets/kws.onnx", "--calib", "nets/kws_samples.npz", "--labels", "nets/words.txt"]);
/// ```
///
/// In the program, `include_model!(pub Kws = "$OUT_DIR/kws.mote")`.
pub fn convert(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> PathBuf {
    let folder = std::env::var_os("OUT_DIR").map(PathBuf::from);
    let folder = folder.ok_or_else(|| {
        Error::new("cannot convert the network")
            .cause("OUT_DIR is not set")
            .remedy("this function is for build scripts; elsewhere, use `mote convert`")
    });
    folder.and_then(|folder| convert_to(folder, arguments)).unwrap_or_else(|error| {
        for line in error.to_string().lines() {
            println!("cargo::error={line}");
        }
        std::process::exit(1)
    })
}

/// As [`convert`], into a folder.
fn convert_to(folder: PathBuf, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<PathBuf> {
    let command = Convert::augment_args(Command::new("convert").no_binary_name(true));
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let matches = command.try_get_matches_from(arguments);
    let convert = matches.and_then(|matches| Convert::from_arg_matches(&matches)).map_err(|e| {
        Error::new("cannot convert the network")
            .at("the build script's arguments")
            .cause(e.to_string())
            .remedy("give what `mote convert` takes")
    })?;
    for file in convert.files() {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    let output = folder.join(convert.output().file_name().unwrap_or_default());
    convert.write(&output)?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_script_converts_like_the_command() {
        let folder = tempfile::tempdir().expect("a folder");
        let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/models");
        let [network, calib] = ["fashion.onnx", "fashion_calib.npz"].map(|name| format!("{models}/{name}"));
        let output =
            convert_to(folder.path().to_path_buf(), [&network, "--calib", &calib, "--scale", "1/255"])
                .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(output, folder.path().join("fashion.mote"));
        assert!(
            mote_runtime::Model::new_checked(&mote_format::AlignedBytes::new(
                &std::fs::read(output).expect("a file")
            ))
            .is_ok()
        );
        let error =
            convert_to(folder.path().to_path_buf(), [&network, "--calibrate", &calib]).expect_err("refused");
        assert!(error.to_string().contains("--calibrate"), "{error}");
    }
}
