//! Weights that an ONNX file keeps in files beside it: read into it, so that everything behind this sees one file.
//!
//! A place is taken only where it lies in the model's folder, links followed, and holds as many bytes as the tensor's shape
//! says; all together at most what one ONNX file could hold.

use super::guard::guarded;
use crate::error::{Error, Result};
use prost::Message;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::{ModelProto, TensorProto};

/// What a protobuf can hold.
const MOST_BYTES: u64 = 1 << 31;

pub(super) fn is_external(tensor: &TensorProto) -> bool {
    tensor.data_location == Some(DataLocation::External as i32)
}

/// The bytes of an ONNX file with the weights that it keeps elsewhere; anything else comes back as it is.
pub(super) fn inlined(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let Ok(Ok(mut proto)) = guarded(|| ModelProto::decode(&bytes[..])) else { return Ok(bytes) };
    let Some(graph) = &mut proto.graph else { return Ok(bytes) };
    let attributes = graph.node.iter_mut().flat_map(|n| &mut n.attribute).filter_map(|a| a.t.as_mut());
    let mut external = graph.initializer.iter_mut().chain(attributes).filter(|t| is_external(t)).peekable();
    if external.peek().is_none() {
        return Ok(bytes);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut room = MOST_BYTES;
    for tensor in external {
        tensor.raw_data = read(tensor, folder, &mut room).map_err(|cause| {
            Error::new("cannot read the weights beside the model")
                .at(format!("{}, tensor \"{}\"", path.display(), tensor.name))
                .cause(cause)
                .remedy(
                    "put the file of weights beside the model, or save both in one file: \
                     onnx.save_model(m, path, save_as_external_data=False)",
                )
        })?;
        tensor.external_data.clear();
        tensor.data_location = None;
    }
    Ok(proto.encode_to_vec())
}

fn read(tensor: &TensorProto, folder: &Path, room: &mut u64) -> Result<Vec<u8>, String> {
    let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
    let number = |key: &str| match entry(key) {
        None | Some("") => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| format!("its {key} is \"{text}\"")),
    };
    let location = entry("location").filter(|l| !l.is_empty()).ok_or("it names no file")?;
    let file = inside(folder, location)?;
    let wanted = bytes_of(tensor)?;
    if number("length")?.is_some_and(|length| length != wanted) {
        let length = entry("length").unwrap_or_default();
        return Err(format!("its length is {length} bytes; its shape {:?} takes {wanted}", tensor.dims));
    }
    *room = room.checked_sub(wanted).ok_or("all weights together exceed 2 GiB")?;
    let (offset, failed) = (number("offset")?.unwrap_or(0), |e| format!("\"{location}\": {e}"));
    let mut file = File::open(&file).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(format!("\"{location}\" is no file"));
    }
    if offset.checked_add(wanted).is_none_or(|end| end > about.len()) {
        let length = about.len();
        return Err(format!(
            "it takes {wanted} bytes from {offset} on of \"{location}\", which has {length}"
        ));
    }
    let mut data = vec![0; usize::try_from(wanted).map_err(|_| "it is too large")?];
    file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut data)).map_err(failed)?;
    Ok(data)
}

/// A path below the folder, also where links lead.
fn inside(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let path = Path::new(location);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let outside = || format!("\"{location}\" lies outside the model's folder");
    if !plain {
        return Err(outside());
    }
    let failed = |e: std::io::Error| format!("\"{location}\": {e}");
    let file = folder.join(path).canonicalize().map_err(failed)?;
    if file.starts_with(folder.canonicalize().map_err(failed)?) { Ok(file) } else { Err(outside()) }
}

/// What the tensor's shape takes.
fn bytes_of(tensor: &TensorProto) -> Result<u64, String> {
    let width: u64 = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float | DataType::Int32 | DataType::Uint32) => 4,
        Ok(DataType::Double | DataType::Int64 | DataType::Uint64) => 8,
        Ok(DataType::Float16 | DataType::Bfloat16 | DataType::Int16 | DataType::Uint16) => 2,
        Ok(DataType::Int8 | DataType::Uint8 | DataType::Bool) => 1,
        _ => return Err("its type is none of numbers".to_owned()),
    };
    let extent = |so_far: u64, &d: &i64| so_far.checked_mul(u64::try_from(d).ok()?);
    let bytes = tensor.dims.iter().try_fold(width, extent).filter(|&b| b <= MOST_BYTES);
    bytes.ok_or_else(|| format!("its shape {:?} is none, or too large", tensor.dims))
}
