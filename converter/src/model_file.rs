//! Model files on the host: reading them with errors a user can act on, and writing files whole or not at all.

use crate::error::{Error, Result};
use mote_format::AlignedBytes;
use mote_runtime::{Kernels, Model};
use std::io::Write;
use std::path::Path;

/// Reads the bytes of a `.mote` file; [`parse`] checks them.
pub fn read(path: &Path) -> Result<AlignedBytes> {
    let bytes = std::fs::read(path).map_err(|e| {
        Error::new("cannot read the model")
            .at(path.display().to_string())
            .cause(e.to_string())
            .remedy("check the path")
    })?;
    Ok(AlignedBytes::new(&bytes))
}

/// Checks the bytes of a model.
pub fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<Model<'a>> {
    Model::new_checked(bytes).map_err(|e| {
        let remedy = match path.extension().and_then(|x| x.to_str()) {
            Some("onnx") => "convert it first: mote convert IN.onnx -o OUT.mote --calib SAMPLES",
            Some("tflite") => "convert it first: mote convert IN.tflite -o OUT.mote",
            _ => "convert the model again, or copy the file again",
        };
        Error::new("cannot load the model").at(path.display().to_string()).cause(e.to_string()).remedy(remedy)
    })
}

/// The kernels of a named instruction set, or the fastest ones.
pub fn kernels(isa: Option<&str>) -> Result<&'static Kernels> {
    let Some(name) = isa else { return Ok(Kernels::best()) };
    Kernels::named(name).ok_or_else(|| {
        let names: Vec<_> = Kernels::available().map(Kernels::name).collect();
        Error::new("cannot use the instruction set")
            .at(format!("--isa {name}"))
            .cause("this machine or this build has not got it")
            .remedy(format!("use one of: {}", names.join(", ")))
    })
}

/// Writes a file whole or not at all: the bytes go to a temporary file beside it, which then takes its name. Pipes and
/// devices are written to as they are.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let attempt = || -> std::io::Result<()> {
        if path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir()) {
            return std::fs::OpenOptions::new().write(true).open(path)?.write_all(bytes);
        }
        let mut file = tempfile::Builder::new().prefix(".mote-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        set_permissions(&file)?;
        file.persist(path)?;
        Ok(())
    };
    attempt().map_err(|e| {
        Error::new("cannot write the file")
            .at(path.display().to_string())
            .cause(e.to_string())
            .remedy("check that the folder exists, is writable and has room")
    })
}

/// Temporary files are private; results are readable like any other file.
fn set_permissions(file: &tempfile::NamedTempFile) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    let _ = file;
    Ok(())
}
