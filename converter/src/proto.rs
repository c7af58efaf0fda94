//! Parts of an ONNX protobuf that are made in several places: attributes, and inputs and outputs of floats. What they are
//! put together to is said where they are used; reading them is `import/attributes.rs`.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{AttributeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto};

/// An attribute: integers.
pub(crate) fn ints(name: &str, values: impl IntoIterator<Item = i64>) -> AttributeProto {
    let ints = values.into_iter().collect();
    AttributeProto { ints, ..empty(name, AttributeType::Ints) }
}

/// An attribute: extents, indices or numbers of something.
pub(crate) fn sizes(name: &str, values: &[usize]) -> AttributeProto {
    ints(name, values.iter().map(|&v| v as i64))
}

/// An attribute: an integer.
pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..empty(name, AttributeType::Int) }
}

/// An attribute: an extent, an index or a number of something.
pub(crate) fn size(name: &str, value: usize) -> AttributeProto {
    int(name, value as i64)
}

/// An attribute: a float.
pub(crate) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f, ..empty(name, AttributeType::Float) }
}

/// An attribute: a text.
pub(crate) fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: value.into(), ..empty(name, AttributeType::String) }
}

/// An attribute: a tensor.
pub(crate) fn tensor(name: &str, t: TensorProto) -> AttributeProto {
    AttributeProto { t: Some(t), ..empty(name, AttributeType::Tensor) }
}

fn empty(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() }
}

/// An input or output: floats of a shape.
pub(crate) fn info(name: &str, dims: &[usize]) -> ValueInfoProto {
    let dim =
        |&d: &usize| Dimension { value: Some(dimension::Value::DimValue(d as i64)), ..Default::default() };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let value =
        type_proto::Value::TensorType(type_proto::Tensor { elem_type: DataType::Float as i32, shape });
    let r#type = Some(TypeProto { value: Some(value), ..Default::default() });
    ValueInfoProto { name: name.into(), r#type, ..Default::default() }
}
