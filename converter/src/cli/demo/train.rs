//! `mote demo --train`: a teacher and its student are trained, converted and judged, by the commands that anyone would type.
//! Each is printed before it runs.

use super::super::text::line;
use super::super::{Cli, main as run};
use super::{Demo, Files, folder_for};
use crate::error::{Error, Result};
use clap::Parser;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The recipe: the teacher is the example network with fresh weights, the student less than a tenth of it.
pub(super) fn main(args: &Demo, files: &Files) -> Result<()> {
    // The repository has a thousand test images only: without other data these are learnt from, and the calibration's judge.
    let (data, judge) = match &args.data {
        Some(data) => (data.as_path(), &files.test),
        None => (files.test.as_path(), &files.calib),
    };
    let folder = args.output.parent().unwrap_or(Path::new("."));
    folder_for(&args.output)?;
    let [teacher, student, model] = ["teacher.onnx", "student.onnx", "student.mote"].map(|n| folder.join(n));
    let epochs = args.epochs.to_string();
    let path = |path: &Path| path.as_os_str().to_owned();
    let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
    let learn = [
        words("--data"),
        vec![path(data)],
        words("--scale 1/255 --batch 32 --rate 0.005 --epochs"),
        words(&epochs),
    ]
    .concat();
    line("1. The example network learns from fresh weights.\n")?;
    let [begin, end] = [words("train --fresh"), words("-o")];
    command(&[begin, vec![path(&files.network)], learn.clone(), end.clone(), vec![path(&teacher)]].concat())?;
    line(
        "\n2. It teaches a student of less than a tenth of its work, which goes on with the roundings of int8.\n",
    )?;
    let begin =
        [words("distill --teacher"), vec![path(&teacher)], words("--depth 0 --width 0.5 --qat 3")].concat();
    command(&[begin, learn, end, vec![path(&student)]].concat())?;
    line("\n3. The student becomes a model.\n")?;
    command(
        &[words("convert --scale 1/255"), vec![path(&student)], words("-o"), vec![path(&model)]].concat(),
    )?;
    line("\n4. What both know of images that neither has learnt from.\n")?;
    let judged = [words("--data"), vec![path(judge)]].concat();
    command(&[words("eval --scale 1/255"), vec![path(&teacher)], judged.clone()].concat())?;
    command(&[words("eval"), vec![path(&model)], judged].concat())
}

/// Prints a command and runs it.
fn command(words: &[OsString]) -> Result<()> {
    let words: Vec<OsString> = [OsString::from("mote")].into_iter().chain(words.iter().cloned()).collect();
    line(&format!("$ {}", words.join(OsStr::new(" ")).display()))?;
    run(Cli::try_parse_from(words).map_err(|e| Error::internal(e.to_string()))?)
}
