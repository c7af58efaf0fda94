//! Numbers of other widths: halves and doubles become floats, and so do inputs of small integers that the network converts
//! to floats at once.

use crate::error::Result;
use crate::import::model::{damaged, initializer_names};
use std::collections::HashSet;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto, TypeProto, type_proto};
use tract_onnx::prelude::f16;

const FLOAT: i32 = DataType::Float as i32;

/// Whether a type is of floats, but not of 32 bits.
fn is_other(kind: i32) -> bool {
    [DataType::Float16 as i32, DataType::Double as i32, DataType::Bfloat16 as i32].contains(&kind)
}

pub(super) fn to_floats(graph: &mut GraphProto) -> Result<()> {
    for tensor in &mut graph.initializer {
        widen(tensor)?;
    }
    for attribute in graph.node.iter_mut().flat_map(|n| &mut n.attribute) {
        if let Some(tensor) = &mut attribute.t {
            widen(tensor)?;
        }
    }
    for node in graph.node.iter_mut().filter(|n| n.op_type == "Cast") {
        node.attribute.iter_mut().filter(|a| a.name == "to" && is_other(a.i as i32)).for_each(|a| {
            a.i = FLOAT.into();
        });
    }
    let constants: HashSet<String> = initializer_names(graph).into_iter().map(str::to_owned).collect();
    let (nodes, outputs) = (&graph.node, &graph.output);
    for input in graph.input.iter_mut() {
        let own = kind_of(&mut input.r#type);
        let Some(own) = own else { continue };
        let casts = || {
            let mut readers = nodes.iter().filter(|n| n.input.contains(&input.name)).peekable();
            readers.peek().is_some() && readers.all(to_float) && outputs.iter().all(|o| o.name != input.name)
        };
        let small = [DataType::Uint8, DataType::Int8, DataType::Uint16, DataType::Int16, DataType::Int32];
        let small = small.iter().any(|&k| k as i32 == *own);
        if is_other(*own) || (small && !constants.contains(&input.name) && casts()) {
            *own = FLOAT;
        }
    }
    for output in graph.output.iter_mut() {
        if let Some(kind) = kind_of(&mut output.r#type).filter(|k| is_other(**k)) {
            *kind = FLOAT;
        }
    }
    Ok(())
}

fn to_float(node: &NodeProto) -> bool {
    let to = |a: &AttributeProto| a.name == "to" && a.i == i64::from(FLOAT);
    node.op_type == "Cast" && node.attribute.iter().any(to)
}

fn kind_of(kind: &mut Option<TypeProto>) -> Option<&mut i32> {
    match kind.as_mut()?.value.as_mut()? {
        type_proto::Value::TensorType(tensor) => Some(&mut tensor.elem_type),
    }
}

/// Gives a tensor of halves or doubles floats.
fn widen(tensor: &mut TensorProto) -> Result<()> {
    if !is_other(tensor.data_type) {
        return Ok(());
    }
    let raw = &tensor.raw_data;
    // Halves that are not raw bytes are the low bits of 32-bit integers.
    let halves = || -> Vec<u16> {
        match tensor.int32_data.is_empty() {
            true => raw.as_chunks().0.iter().map(|&b| u16::from_le_bytes(b)).collect(),
            false => tensor.int32_data.iter().map(|&v| v as u16).collect(),
        }
    };
    let values: Vec<f32> = match tensor.data_type {
        k if k == DataType::Float16 as i32 => {
            halves().into_iter().map(|h| f16::from_bits(h).to_f32()).collect()
        }
        k if k == DataType::Bfloat16 as i32 => {
            halves().into_iter().map(|h| f32::from_bits(u32::from(h) << 16)).collect()
        }
        _ if tensor.double_data.is_empty() => {
            raw.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect()
        }
        _ => tensor.double_data.iter().map(|&v| v as f32).collect(),
    };
    let count = tensor.dims.iter().try_fold(1usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?));
    if count != Some(values.len()) {
        let cause = format!("\"{}\" of shape {:?} has {} values", tensor.name, tensor.dims, values.len());
        return Err(damaged(cause));
    }
    tensor.data_type = FLOAT;
    tensor.raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    (tensor.int32_data, tensor.double_data) = (Vec::new(), Vec::new());
    Ok(())
}
