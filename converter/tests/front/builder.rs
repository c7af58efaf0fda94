//! Writes small ONNX files for tests, and random numbers that are the same on every run.

use ndarray::{ArrayD, IxDyn};
use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::*;

#[path = "../common/random.rs"]
mod random;

pub(crate) use random::Random;

/// A model under construction.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) proto: ModelProto,
    random: Random,
}

impl Model {
    pub(crate) fn new(opset: i64) -> Self {
        let proto = ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto { version: opset, ..Default::default() }],
            graph: Some(GraphProto { name: "test".into(), ..Default::default() }),
            ..Default::default()
        };
        Model { proto, random: Random::new(opset as u64) }
    }

    pub(crate) fn graph(&mut self) -> &mut GraphProto {
        self.proto.graph.as_mut().unwrap()
    }

    /// An input; a negative extent is the symbol `N`.
    pub(crate) fn input(&mut self, name: &str, shape: &[i64]) -> &mut Self {
        let info = value_info(name, shape);
        self.graph().input.push(info);
        self
    }

    pub(crate) fn output(&mut self, name: &str) -> &mut Self {
        let info = ValueInfoProto { name: name.into(), ..Default::default() };
        self.graph().output.push(info);
        self
    }

    /// A constant with the given floats.
    pub(crate) fn floats(&mut self, name: &str, shape: &[i64], data: &[f32]) -> &mut Self {
        let tensor = TensorProto {
            name: name.into(),
            dims: shape.to_vec(),
            data_type: DataType::Float as i32,
            raw_data: data.iter().flat_map(|x| x.to_le_bytes()).collect(),
            ..Default::default()
        };
        self.graph().initializer.push(tensor);
        self
    }

    /// A constant of random floats around 0.
    pub(crate) fn weights(&mut self, name: &str, shape: &[i64]) -> &mut Self {
        let n = shape.iter().product::<i64>() as usize;
        let data: Vec<f32> = (0..n).map(|_| self.random.float()).collect();
        self.floats(name, shape, &data)
    }

    /// A constant of random floats above 0.
    pub(crate) fn positive(&mut self, name: &str, shape: &[i64]) -> &mut Self {
        let n = shape.iter().product::<i64>() as usize;
        let data: Vec<f32> = (0..n).map(|_| 0.5 + self.random.float().abs()).collect();
        self.floats(name, shape, &data)
    }

    /// A constant list of integers.
    pub(crate) fn integers(&mut self, name: &str, data: &[i64]) -> &mut Self {
        let tensor = TensorProto {
            name: name.into(),
            dims: vec![data.len() as i64],
            data_type: DataType::Int64 as i32,
            int64_data: data.to_vec(),
            ..Default::default()
        };
        self.graph().initializer.push(tensor);
        self
    }

    /// A node, named after its output.
    pub(crate) fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attribute: &[AttributeProto],
    ) -> &mut Self {
        self.nodes(op, inputs, &[output], attribute)
    }

    /// A node with several outputs, named after the first.
    pub(crate) fn nodes(
        &mut self,
        op: &str,
        inputs: &[&str],
        outputs: &[&str],
        attribute: &[AttributeProto],
    ) -> &mut Self {
        let node = NodeProto {
            op_type: op.into(),
            name: format!("n_{}", outputs[0]),
            input: inputs.iter().map(|&s| s.into()).collect(),
            output: outputs.iter().map(|&s| s.into()).collect(),
            attribute: attribute.to_vec(),
            ..Default::default()
        };
        self.graph().node.push(node);
        self
    }

    /// Batch normalisation with random statistics of `channels` channels.
    pub(crate) fn batch_norm(&mut self, x: &str, y: &str, channels: i64) -> &mut Self {
        let [s, b, m, v] = ["s", "b", "m", "v"].map(|p| format!("{y}_{p}"));
        self.weights(&s, &[channels]).weights(&b, &[channels]).weights(&m, &[channels]);
        self.positive(&v, &[channels]);
        self.node("BatchNormalization", &[x, &s, &b, &m, &v], y, &[float("epsilon", 1e-3)])
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.proto.encode_to_vec()
    }
}

pub(crate) fn value_info(name: &str, shape: &[i64]) -> ValueInfoProto {
    let dim = |&d: &i64| Dimension {
        value: Some(if d < 0 {
            dimension::Value::DimParam("N".into())
        } else {
            dimension::Value::DimValue(d)
        }),
        ..Default::default()
    };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto { dim: shape.iter().map(dim).collect() }),
    };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: name.into(), r#type: Some(kind), ..Default::default() }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() }
}

pub(crate) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { ints: ints.to_vec(), ..attribute(name, AttributeType::Ints) }
}

pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..attribute(name, AttributeType::Int) }
}

pub(crate) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f, ..attribute(name, AttributeType::Float) }
}

pub(crate) fn text(name: &str, s: &str) -> AttributeProto {
    AttributeProto { s: s.as_bytes().to_vec(), ..attribute(name, AttributeType::String) }
}

impl Random {
    /// From −1 to 1.
    pub(crate) fn float(&mut self) -> f32 {
        (self.next() % 20_001) as f32 / 10_000.0 - 1.0
    }

    pub(crate) fn tensor(&mut self, shape: &[usize]) -> ArrayD<f32> {
        ArrayD::from_shape_simple_fn(IxDyn(shape), || self.float())
    }
}
