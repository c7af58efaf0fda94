//! The flatbuffer as plain tables. What is accepted here can be indexed without surprises: every tensor that is named
//! exists, is made once and before it is read, and constants are as long as their shapes say. What operators mean is
//! `lower`'s.

use super::state::{self, Variables};
use crate::error::{Error, Result};
use crate::import::guarded;
use std::collections::{BTreeSet, HashSet};
use tract_tflite::tflite::{self, BuiltinOperator, SubGraph, TensorType};

/// The version of the schema that every file of the last years has.
const VERSION: u32 = 3;

/// A model with one graph.
pub(super) struct File<'a> {
    pub(super) tensors: Vec<Tensor<'a>>,
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) inputs: Vec<usize>,
    pub(super) outputs: Vec<usize>,
    pub(super) variables: Variables<'a>,
}

/// A tensor, computed or constant.
#[derive(Clone)]
pub(super) struct Tensor<'a> {
    /// Unique in the file.
    pub(super) name: String,
    pub(super) kind: TensorType,
    pub(super) dims: Vec<usize>,
    /// One, or one a slice along `axis`; none where the tensor is not quantized.
    pub(super) scales: Vec<f32>,
    /// As many as scales, or none where all are 0.
    pub(super) zeros: Vec<i64>,
    pub(super) axis: usize,
    /// Whether it keeps its value from one inference to the next.
    pub(super) variable: bool,
    /// The bytes of a constant.
    pub(super) data: Option<&'a [u8]>,
}

/// One operator application.
pub(super) struct Node<'a> {
    pub(super) index: usize,
    pub(super) code: BuiltinOperator,
    /// Its name in the schema, or that of a custom operator.
    pub(super) name: String,
    /// Optional inputs that are absent are `None`.
    pub(super) inputs: Vec<Option<usize>>,
    pub(super) outputs: Vec<usize>,
    pub(super) options: tflite::Operator<'a>,
}

impl Tensor<'_> {
    /// The values of an int8 constant, or of a uint8 one with its zero point moved by 128, which is the same.
    pub(super) fn i8s(&self) -> Option<Vec<i8>> {
        let flip = match self.kind {
            TensorType::INT8 => 0,
            TensorType::UINT8 => 0x80,
            _ => return None,
        };
        Some(self.data?.iter().map(|&b| (b ^ flip) as i8).collect())
    }

    /// The values of an integer constant of 32 or 64 bits.
    pub(super) fn integers(&self) -> Option<Vec<i64>> {
        let data = self.data?;
        match self.kind {
            TensorType::INT32 => {
                Some(data.as_chunks().0.iter().map(|&b| i32::from_le_bytes(b).into()).collect())
            }
            TensorType::INT64 => Some(data.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect()),
            _ => None,
        }
    }
}

/// The error for a file that is not what it should be.
pub(super) fn damaged(cause: impl Into<String>) -> Error {
    Error::new("this is not a usable TFLite model")
        .cause(cause)
        .remedy("check that the file is complete, or export it again")
}

pub(super) fn unsupported(cause: impl Into<String>, remedy: &str) -> Error {
    Error::new("cannot import the model").cause(cause).remedy(remedy)
}

/// Reads and checks a file.
pub(super) fn read(bytes: &[u8]) -> Result<File<'_>> {
    if !super::is_tflite(bytes) {
        return Err(damaged("it does not carry the identifier TFL3"));
    }
    guarded(|| parse(bytes)).map_err(damaged)?
}

fn parse(bytes: &[u8]) -> Result<File<'_>> {
    let model = tflite::root_as_model(bytes)
        .map_err(|e| damaged(format!("its flatbuffer is not sound: {}", first_line(&e.to_string()))))?;
    if model.version() != VERSION {
        return Err(damaged(format!("its schema version is {}, not {VERSION}", model.version())));
    }
    let graphs = model.subgraphs().ok_or_else(|| damaged("there is no graph in it"))?;
    if graphs.is_empty() {
        return Err(damaged("there is no graph in it"));
    }
    let graph = graphs.get(0);
    let (tensors, nodes) = parts(&model, &graph)?;
    let once = called_once(&nodes, graphs.len())?;
    if once.len() + 1 != graphs.len() {
        return Err(unsupported(
            format!("it has {} subgraphs: control flow, or several signatures", graphs.len()),
            "export a model without control flow and with one signature",
        ));
    }
    let initialization = once.into_iter().map(|g| parts(&model, &graphs.get(g))).collect::<Result<_>>()?;
    let variables = state::variables(&tensors, &nodes, initialization)?;
    let ends = |which: &str, list: Option<Vec<i32>>| match indices(list, tensors.len())? {
        list if list.is_empty() || list.len() > u16::MAX.into() => {
            Err(damaged(format!("the graph has {} {which}", list.len())))
        }
        list => Ok(list),
    };
    let inputs = ends("inputs", graph.inputs().map(|v| v.iter().collect()))?;
    let outputs = ends("outputs", graph.outputs().map(|v| v.iter().collect()))?;
    let file = File { tensors, nodes, inputs, outputs, variables };
    check_order(&file)?;
    Ok(file)
}

/// A graph's tensors and operators.
fn parts<'a>(model: &tflite::Model<'a>, graph: &SubGraph<'a>) -> Result<(Vec<Tensor<'a>>, Vec<Node<'a>>)> {
    let tensors = tensors(model, graph)?;
    let nodes = nodes(model, graph, tensors.len())?;
    Ok((tensors, nodes))
}

/// The graphs that initialize variables.
fn called_once(nodes: &[Node<'_>], graphs: usize) -> Result<BTreeSet<usize>> {
    let calls = nodes.iter().filter(|n| n.code == BuiltinOperator::CALL_ONCE);
    let graph = |node: &Node<'_>| {
        let options = node.options.builtin_options_as_call_once_options();
        let index = options.and_then(|o| usize::try_from(o.init_subgraph_index()).ok());
        let index = index.filter(|i| (1..graphs).contains(i));
        index.ok_or_else(|| damaged(format!("operator {} calls no graph", node.index)))
    };
    calls.map(graph).collect()
}

/// Verification errors go on with a trace.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("").trim_end_matches('.')
}

fn indices(list: Option<Vec<i32>>, tensors: usize) -> Result<Vec<usize>> {
    let index = |i: i32| usize::try_from(i).ok().filter(|&i| i < tensors);
    let list = list.unwrap_or_default();
    list.into_iter().map(|i| index(i).ok_or_else(|| damaged(format!("there is no tensor {i}")))).collect()
}

fn tensors<'a>(model: &tflite::Model<'a>, graph: &SubGraph<'a>) -> Result<Vec<Tensor<'a>>> {
    let buffers = model.buffers();
    let mut names = HashSet::new();
    let mut tensors = Vec::new();
    for (i, tensor) in graph.tensors().into_iter().flatten().enumerate() {
        let mut name = tensor.name().unwrap_or_default().to_owned();
        if name.is_empty() || !names.insert(name.clone()) {
            name = format!("{name}#{i}");
            names.insert(name.clone());
        }
        let dims: Option<Vec<usize>> =
            tensor.shape().into_iter().flatten().map(|d| usize::try_from(d).ok()).collect();
        let dims = dims.ok_or_else(|| damaged(format!("tensor \"{name}\" has a negative dimension")))?;
        if tensor.sparsity().is_some() {
            return Err(unsupported(
                format!("the constant \"{name}\" is stored sparsely"),
                "export the model with dense weights",
            ));
        }
        let buffer = buffers.filter(|b| (tensor.buffer() as usize) < b.len());
        let buffer = buffer.map(|b| b.get(tensor.buffer() as usize));
        let buffer = buffer
            .ok_or_else(|| damaged(format!("there is no buffer {} for \"{name}\"", tensor.buffer())))?;
        let quantization = tensor.quantization();
        let tensor = Tensor {
            kind: tensor.type_(),
            scales: quantization.and_then(|q| q.scale()).map(|v| v.iter().collect()).unwrap_or_default(),
            zeros: quantization.and_then(|q| q.zero_point()).map(|v| v.iter().collect()).unwrap_or_default(),
            axis: quantization.and_then(|q| usize::try_from(q.quantized_dimension()).ok()).unwrap_or(0),
            variable: tensor.is_variable(),
            data: buffer.data().map(|d| d.bytes()).filter(|d| !d.is_empty()),
            name,
            dims,
        };
        check_length(&tensor)?;
        tensors.push(tensor);
    }
    Ok(tensors)
}

/// A shape is small enough to be counted, and a constant has the bytes that it asks for.
fn check_length(tensor: &Tensor<'_>) -> Result<()> {
    let elements = tensor.dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let elements = elements.filter(|&n| n <= i32::MAX as usize).ok_or_else(|| {
        let cause = format!("tensor \"{}\" has the shape {:?}", tensor.name, tensor.dims);
        unsupported(cause, "export the model with smaller inputs")
    })?;
    let Some(data) = tensor.data else { return Ok(()) };
    let size = match tensor.kind {
        TensorType::INT8 | TensorType::UINT8 | TensorType::BOOL => 1,
        TensorType::INT16 | TensorType::FLOAT16 => 2,
        TensorType::INT32 | TensorType::FLOAT32 => 4,
        TensorType::INT64 | TensorType::FLOAT64 => 8,
        _ => return Ok(()),
    };
    if elements.checked_mul(size) == Some(data.len()) {
        return Ok(());
    }
    Err(damaged(format!(
        "the constant \"{}\" of shape {:?} has {} bytes",
        tensor.name,
        tensor.dims,
        data.len()
    )))
}

fn nodes<'a>(model: &tflite::Model<'a>, graph: &SubGraph<'a>, tensors: usize) -> Result<Vec<Node<'a>>> {
    let codes = model.operator_codes();
    let mut nodes = Vec::new();
    for (index, options) in graph.operators().into_iter().flatten().enumerate() {
        let which = options.opcode_index() as usize;
        let code = codes.filter(|c| which < c.len()).map(|c| c.get(which));
        let code = code.ok_or_else(|| damaged(format!("operator {index} has no operator code")))?;
        // Codes above 127 are only in the newer of both fields; older files have the other.
        let builtin = BuiltinOperator(code.builtin_code().0.max(i32::from(code.deprecated_builtin_code())));
        let name = match code.custom_code().filter(|_| builtin == BuiltinOperator::CUSTOM) {
            Some(custom) => format!("custom operator {custom}"),
            None => {
                builtin.variant_name().map_or_else(|| format!("operator code {}", builtin.0), str::to_owned)
            }
        };
        let optional = |i: i32| match i {
            -1 => Ok(None),
            i => Ok(indices(Some(vec![i]), tensors)?.first().copied()),
        };
        nodes.push(Node {
            index,
            code: builtin,
            name,
            inputs: options.inputs().into_iter().flatten().map(optional).collect::<Result<_>>()?,
            outputs: indices(options.outputs().map(|v| v.iter().collect()), tensors)?,
            options,
        });
    }
    Ok(nodes)
}

/// Every computed tensor is made once, by an operator in front of those that read it.
fn check_order(file: &File<'_>) -> Result<()> {
    let given = |tensor: &Tensor<'_>| tensor.data.is_some() || tensor.variable;
    let mut made: Vec<bool> = file.tensors.iter().map(given).collect();
    let make = |made: &mut Vec<bool>, t: usize| match std::mem::replace(&mut made[t], true) {
        true => Err(damaged(format!("tensor \"{}\" is made twice", file.tensors[t].name))),
        false => Ok(()),
    };
    file.inputs.iter().try_for_each(|&t| make(&mut made, t))?;
    for node in &file.nodes {
        // A tensor without elements is constant without having bytes.
        let missing = node.inputs.iter().flatten().find(|&&t| !made[t] && !file.tensors[t].dims.contains(&0));
        if let Some(&t) = missing {
            let cause = format!("operator {} reads \"{}\"", node.index, file.tensors[t].name);
            return Err(damaged(format!("{cause}, which nothing in front of it makes")));
        }
        node.outputs.iter().try_for_each(|&t| make(&mut made, t))?;
    }
    match file.outputs.iter().find(|&&t| !made[t]) {
        Some(&t) => Err(damaged(format!("nothing makes the output \"{}\"", file.tensors[t].name))),
        None => Ok(()),
    }
}
