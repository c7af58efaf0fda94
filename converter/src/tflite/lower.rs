//! Operators to steps: what all families of operators share. Each family has a file beside this one.

use super::dilation::Folds;
use super::file::{File, Node, Tensor};
use super::{operators, state, unsigned, words};
use crate::error::{Error, Result};
use crate::ir::short_name;
use crate::program::{self, Operand, Program, Step};
use crate::quantize::weights::i8s;
use mote_format::{DType, Lut, Op as Kernel, Quant, Reshape, Shape};
use mote_kernels::quant::{quantize, quantize16};
use tract_tflite::tflite::{ActivationFunctionType, TensorType};

/// Lowers a whole file.
pub(super) fn lower(file: &File<'_>) -> Result<Program> {
    refuse_unknown(
        file,
        |node| operators::find(node).is_none().then(|| operators::reason(node)),
        &operators::names(),
    )?;
    let quantized = |t: &Tensor<'_>| unsigned::offset(t.kind).is_some() || t.kind == TensorType::INT16;
    if !file.tensors.iter().any(|t| quantized(t) && t.data.is_none()) {
        return Err(Error::new("the model is not quantized")
            .cause("none of the values that it computes is int8, uint8 or int16")
            .remedy("quantize it to int8, or export the float network as ONNX for mote to quantize"));
    }
    let places = vec![None; file.tensors.len()];
    let folds = Folds::find(file);
    let mut lowering = Lowering { file, program: Program::default(), places, values: Vec::new(), folds };
    for &t in &file.inputs {
        let tensor = lowering.tensor(t).map_err(|cause| end_error(file, "input", t, cause))?;
        lowering.program.tensors.push(tensor);
        lowering.places[t] = Some(lowering.program.tensors.len() - 1);
    }
    lowering.program.inputs = file.inputs.len();
    state::begin(&mut lowering)?;
    file.inputs.iter().for_each(|&t| lowering.signed(t));
    let mut refusals = Vec::new();
    for node in &file.nodes {
        let (Some(row), Some(node)) = (operators::find(node), lowering.folds.replace(node)) else { continue };
        let lower = if words::applies(file, &node) {
            words::lowering(&lowering, &node)
        } else {
            lowering.in_8_bits(&node).map(|()| row.lower)
        };
        if let Err(refusal) = lower.and_then(|lower| lower(&mut lowering, &node)) {
            refusals.push(refusal);
            // Whatever reads this is looked at as well; no program comes of it.
            node.outputs.iter().for_each(|&t| lowering.places[t] = Some(0));
        }
    }
    refuse_all(refusals)?;
    for &t in &file.outputs {
        let place = lowering.places[t].filter(|&p| p >= file.inputs.len()).ok_or_else(|| {
            end_error(file, "output", t, "no operator computes it from the input".to_owned())
        })?;
        let end = lowering.unsigned(t, place);
        lowering.program.outputs.push(end);
    }
    state::finish(&mut lowering.program, &lowering.values);
    Ok(lowering.program)
}

/// Operators that nothing here knows, all at once; `unknown` tells them, with what is to be said of each.
pub(super) fn refuse_unknown(
    file: &File<'_>,
    unknown: impl Fn(&Node<'_>) -> Option<&'static str>,
    supported: &str,
) -> Result<()> {
    let all: Vec<String> = file
        .nodes
        .iter()
        .filter_map(|n| Some((n, unknown(n)?)))
        .map(|(n, reason)| format!("{} at {}{reason}", n.name, position(file, n)))
        .collect();
    if all.is_empty() {
        return Ok(());
    }
    Err(Error::new("the model has operators that cannot be imported")
        .cause(all.join("\n"))
        .remedy(format!("supported are {supported}")))
}

/// All refusals of operators as one.
pub(super) fn refuse_all(refusals: Vec<Error>) -> Result<()> {
    let all = refusals.iter().map(|e| format!("{}: {}", e.at.as_deref().unwrap_or(""), e.cause));
    let (all, count) = (all.collect::<Vec<_>>().join("\n"), refusals.len());
    match refusals.into_iter().next() {
        None => Ok(()),
        Some(only) if count == 1 => Err(only),
        Some(first) => {
            Err(Error::new(format!("cannot import {count} operators")).cause(all).remedy(first.remedy))
        }
    }
}

pub(super) fn position(file: &File<'_>, node: &Node<'_>) -> String {
    let output = node.outputs.first().map_or("", |&t| short_name(&file.tensors[t].name));
    format!("operator {}, output \"{output}\"", node.index)
}

fn end_error(file: &File<'_>, which: &str, t: usize, cause: String) -> Error {
    Error::new("cannot import the model")
        .at(format!("{which} \"{}\"", file.tensors[t].name))
        .cause(cause)
        .remedy(
            "export a model that is quantized to int8 throughout and computes its outputs from its inputs",
        )
}

/// A lowering in progress.
pub(super) struct Lowering<'a> {
    pub(super) file: &'a File<'a>,
    pub(super) program: Program,
    /// Which tensor of the program holds each tensor of the file.
    pub(super) places: Vec<Option<usize>>,
    /// Which tensor of the program holds each variable at this moment.
    pub(super) values: Vec<usize>,
    /// Convolutions that are dilated by the operators around them.
    pub(super) folds: Folds,
}

impl<'a> Lowering<'a> {
    /// An error about one operator.
    pub(super) fn refuse(&self, node: &Node<'_>, cause: impl Into<String>) -> Error {
        Error::new("cannot import an operator")
            .at(format!("{} ({})", position(self.file, node), node.name))
            .cause(cause)
            .remedy("export the model in int8 as docs/tflite.md says, or the float network as ONNX for mote to quantize")
    }

    /// The options of an operator; an error where it has none, or those of another operator.
    pub(super) fn options<T>(&self, node: &Node<'_>, options: Option<T>) -> Result<T> {
        options.ok_or_else(|| self.refuse(node, "its options are missing"))
    }

    /// Input `i`.
    pub(super) fn input(&self, node: &Node<'_>, i: usize) -> Result<&'a Tensor<'a>> {
        Ok(&self.file.tensors[self.input_id(node, i)?])
    }

    /// Input `i`, where there is one.
    pub(super) fn optional(&self, node: &Node<'_>, i: usize) -> Option<&'a Tensor<'a>> {
        node.inputs.get(i).copied().flatten().map(|t| &self.file.tensors[t])
    }

    fn input_id(&self, node: &Node<'_>, i: usize) -> Result<usize> {
        let id = node.inputs.get(i).copied().flatten();
        id.ok_or_else(|| self.refuse(node, format!("its input {i} is missing")))
    }

    /// The output of an operator that has one.
    pub(super) fn output(&self, node: &Node<'_>) -> Result<&'a Tensor<'a>> {
        Ok(&self.file.tensors[self.output_id(node)?])
    }

    fn output_id(&self, node: &Node<'_>) -> Result<usize> {
        match node.outputs[..] {
            [t] => Ok(t),
            _ => Err(self.refuse(node, format!("it has {} outputs", node.outputs.len()))),
        }
    }

    /// Output `k` of an operator that may have several.
    pub(super) fn output_at(&self, node: &Node<'_>, k: usize) -> Result<&'a Tensor<'a>> {
        let id =
            node.outputs.get(k).ok_or_else(|| self.refuse(node, format!("its output {k} is missing")))?;
        Ok(&self.file.tensors[*id])
    }

    /// Scale and zero point of an int8 tensor, or of a uint8 one as int8.
    pub(super) fn quant(&self, node: &Node<'_>, tensor: &Tensor<'_>) -> Result<Quant> {
        quant(tensor).map_err(|cause| self.refuse(node, cause))
    }

    /// Where the int8 values of input `i` lie, and their scale. A constant is stored here.
    pub(super) fn operand(&mut self, node: &Node<'_>, i: usize) -> Result<(Operand, Quant)> {
        let tensor = self.input(node, i)?;
        let quant = self.quant(node, tensor)?;
        Ok((self.place(node, i, &tensor.dims)?, quant))
    }

    /// The values of input `i` in another shape of as many elements.
    pub(super) fn place(&mut self, node: &Node<'_>, i: usize, dims: &[usize]) -> Result<Operand> {
        let id = self.input_id(node, i)?;
        let tensor = &self.file.tensors[id];
        let wide = shape(dims).map_err(|cause| self.refuse(node, cause))?;
        if let Some(values) = tensor.i8s() {
            let quant = self.quant(node, tensor)?;
            return Ok(self.program.constant(&tensor.name, dims, quant, &values));
        }
        if let Some(bytes) = tensor.data.filter(|_| tensor.kind == TensorType::INT16) {
            let (quant, dims) = (self.quant(node, tensor)?, wide.dims().to_vec());
            return Ok(Operand::Constant(self.program.constant_bytes(
                &tensor.name,
                DType::I16,
                dims,
                quant,
                bytes,
            )));
        }
        let place = self.places[id]
            .ok_or_else(|| self.refuse(node, format!("its input \"{}\" is constant", tensor.name)))?;
        if dims == tensor.dims {
            return Ok(Operand::Arena(place));
        }
        let wide = program::Tensor { shape: wide, ..self.program.tensors[place].clone() };
        Ok(self.push_as(node, Kernel::Reshape(Reshape {}), Operand::Arena(place), wide))
    }

    /// Appends the step that computes an operator's only output.
    pub(super) fn push(&mut self, node: &Node<'_>, op: Kernel, inputs: &[Operand]) -> Result<()> {
        self.output_id(node)?;
        self.push_output(node, 0, op, inputs)
    }

    /// Appends the step that computes output `k` of an operator.
    pub(super) fn push_output(
        &mut self,
        node: &Node<'_>,
        k: usize,
        op: Kernel,
        inputs: &[Operand],
    ) -> Result<()> {
        let name = self.output_at(node, k)?.name.clone();
        let tensor = self.tensor(node.outputs[k]).map_err(|cause| self.refuse(node, cause))?;
        let place = self.program.push(Step { node: name, op, inputs: inputs.to_vec() }, tensor);
        self.places[node.outputs[k]] = Some(place);
        Ok(())
    }

    /// Appends a step whose result only the operator's next step reads: in another shape, otherwise like its output.
    pub(super) fn push_shaped(
        &mut self,
        node: &Node<'_>,
        op: Kernel,
        inputs: &[Operand],
        dims: &[usize],
    ) -> Result<Operand> {
        let like = self
            .output_at(node, 0)
            .and_then(|_| self.tensor(node.outputs[0]).map_err(|cause| self.refuse(node, cause)))?;
        let shape = shape(dims).map_err(|cause| self.refuse(node, cause))?;
        let name = format!("{}/{}", like.name, self.program.steps.len());
        Ok(Operand::Arena(self.append(node, op, inputs, program::Tensor { name, shape, ..like })))
    }

    /// Appends a step over the elements of `input`, whose result only the next step reads.
    pub(super) fn push_between(
        &mut self,
        node: &Node<'_>,
        op: Kernel,
        input: Operand,
        quant: Quant,
    ) -> Result<Operand> {
        let Operand::Arena(x) = input else {
            return Err(self.refuse(node, "its second operand is constant"));
        };
        let tensor = program::Tensor { quant, ..self.program.tensors[x].clone() };
        Ok(self.push_as(node, op, input, tensor))
    }

    /// Appends the mirrored values of `input`: q becomes −1 − q, so that the order turns around.
    pub(super) fn push_mirror(&mut self, node: &Node<'_>, input: Operand) -> Result<Operand> {
        let Operand::Arena(x) = input else {
            return Err(self.refuse(node, "an operand that is mirrored is constant"));
        };
        let quant = self.program.tensors[x].quant;
        let table: Vec<i8> = (-128..=127i8).map(|q| !q).collect();
        let table = i8s(&mut self.program.writer, &table);
        self.push_between(node, Kernel::Lut(Lut { table }), input, Quant { zero: -1 - quant.zero, ..quant })
    }

    /// Gives what a step between others wrote the type of input `i`, and a scale.
    pub(super) fn requantized(
        &mut self,
        node: &Node<'_>,
        i: usize,
        operand: Operand,
        quant: Quant,
    ) -> Result<()> {
        let wide = self.input(node, i)?.kind == TensorType::INT16;
        if let Operand::Arena(t) = operand {
            let dtype = if wide { DType::I16 } else { DType::I8 };
            (self.program.tensors[t].quant, self.program.tensors[t].dtype) = (quant, dtype);
        }
        Ok(())
    }

    /// Appends a step that writes a tensor between others, under a name of its own.
    pub(super) fn push_as(
        &mut self,
        node: &Node<'_>,
        op: Kernel,
        input: Operand,
        tensor: program::Tensor,
    ) -> Operand {
        let name = format!("{}/{}", tensor.name, self.program.steps.len());
        Operand::Arena(self.append(node, op, &[input], program::Tensor { name, ..tensor }))
    }

    fn append(&mut self, node: &Node<'_>, op: Kernel, inputs: &[Operand], tensor: program::Tensor) -> usize {
        let name = node.outputs.first().map_or("", |&t| &self.file.tensors[t].name);
        self.program.push(Step { node: name.to_owned(), op, inputs: inputs.to_vec() }, tensor)
    }

    /// The tensor of the program that holds one of the file; or why there is none.
    pub(super) fn tensor(&self, t: usize) -> Result<program::Tensor, String> {
        let tensor = &self.file.tensors[t];
        let (dtype, quant) = match tensor.kind {
            TensorType::INT8 | TensorType::UINT8 => (DType::I8, quant(tensor)?),
            TensorType::INT16 => (DType::I16, quant(tensor)?),
            TensorType::FLOAT32 => (DType::F32, Quant { scale: 1.0, zero: 0 }),
            // Indices; those of a model that fits fit 32 bits.
            TensorType::INT32 | TensorType::INT64 => (DType::I32, Quant { scale: 1.0, zero: 0 }),
            kind => {
                return Err(format!(
                    "\"{}\" is {}; activations are int8, uint8 or int16",
                    tensor.name,
                    kind_name(kind)
                ));
            }
        };
        Ok(program::Tensor {
            name: tensor.name.clone(),
            dtype,
            shape: shape(&tensor.dims)?,
            quant,
            value: None,
        })
    }

    /// An error unless the tensor is a float one.
    pub(super) fn float(&self, node: &Node<'_>, tensor: &Tensor<'_>) -> Result<()> {
        if tensor.kind == TensorType::FLOAT32 {
            return Ok(());
        }
        Err(self.refuse(node, format!("\"{}\" is {}, not float", tensor.name, kind_name(tensor.kind))))
    }

    /// An error unless both tensors have one type and, where they are quantized, one scale.
    pub(super) fn same_values(&self, node: &Node<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Result<()> {
        if x.kind != y.kind {
            let cause = format!("it makes {} of {}", kind_name(y.kind), kind_name(x.kind));
            return Err(self.refuse(node, cause));
        }
        if unsigned::offset(x.kind).is_some() || x.kind == TensorType::INT16 {
            self.one_scale(node, x, y)?;
        }
        Ok(())
    }

    /// An error unless input `i` and the output have one scale.
    pub(super) fn keeps_scale(&self, node: &Node<'_>, i: usize) -> Result<Quant> {
        self.one_scale(node, self.input(node, i)?, self.output(node)?)
    }

    fn one_scale(&self, node: &Node<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Result<Quant> {
        let (x, y) = (self.quant(node, x)?, self.quant(node, y)?);
        // LiteRT takes scales that are this close for the same one.
        if x.zero == y.zero && (x.scale - y.scale).abs() <= 1e-6 {
            return Ok(y);
        }
        Err(self.refuse(node, format!("its input has {x:?}, its output {y:?}, and it keeps the scale")))
    }

    /// Bounds of the output with a fused activation, as in `CalculateActivationRangeQuantized`.
    pub(super) fn bounds(
        &self,
        node: &Node<'_>,
        y: Quant,
        activation: ActivationFunctionType,
    ) -> Result<(i8, i8)> {
        let (low, high) = self.clamp(node, activation)?;
        Ok((quantize(low, y), quantize(high, y)))
    }

    /// The same for int16.
    pub(super) fn bounds16(
        &self,
        node: &Node<'_>,
        y: Quant,
        activation: ActivationFunctionType,
    ) -> Result<(i16, i16)> {
        let (low, high) = self.clamp(node, activation)?;
        Ok((quantize16(low, y), quantize16(high, y)))
    }

    /// Bounds that a fused activation sets.
    fn clamp(&self, node: &Node<'_>, activation: ActivationFunctionType) -> Result<(f32, f32)> {
        Ok(match activation {
            ActivationFunctionType::NONE => (f32::NEG_INFINITY, f32::INFINITY),
            ActivationFunctionType::RELU => (0.0, f32::INFINITY),
            ActivationFunctionType::RELU6 => (0.0, 6.0),
            ActivationFunctionType::RELU_N1_TO_1 => (-1.0, 1.0),
            other => {
                let name = other.variant_name().unwrap_or("unknown");
                return Err(self.refuse(node, format!("its fused activation is {name}")));
            }
        })
    }

    /// A parameter in the width that the format has for it.
    pub(super) fn narrow<T: TryFrom<i64>>(&self, node: &Node<'_>, what: &str, value: i64) -> Result<T> {
        T::try_from(value).map_err(|_| self.refuse(node, format!("its {what} is {value}")))
    }

    /// The values of input `i`, a constant of integers.
    pub(super) fn integers(&self, node: &Node<'_>, i: usize) -> Result<Vec<i64>> {
        let tensor = self.input(node, i)?;
        tensor
            .integers()
            .ok_or_else(|| self.refuse(node, format!("\"{}\" is not a constant of integers", tensor.name)))
    }

    /// An error where the file's shape of the output is not what the operator makes.
    pub(super) fn expect_shape(&self, node: &Node<'_>, dims: &[usize]) -> Result<()> {
        let y = self.output(node)?;
        if y.dims == dims {
            return Ok(());
        }
        Err(self.refuse(node, format!("its output is {:?} in the file and {dims:?} computed", y.dims)))
    }
}

/// Scale and zero point of an int8 or int16 tensor, or of a uint8 one as int8; or why it has none.
fn quant(tensor: &Tensor<'_>) -> Result<Quant, String> {
    let name = &tensor.name;
    let wide = tensor.kind == TensorType::INT16;
    let offset = unsigned::offset(tensor.kind)
        .or(wide.then_some(0))
        .ok_or_else(|| format!("\"{name}\" is {}, not int8, uint8 or int16", kind_name(tensor.kind)))?;
    let &[scale] = &tensor.scales[..] else {
        return Err(format!("\"{name}\" has {} scales where it needs one", tensor.scales.len()));
    };
    let stored = tensor.zeros.first().copied().unwrap_or(0);
    let zero = stored.checked_sub(offset).and_then(|zero| i8::try_from(zero).ok());
    match zero {
        Some(zero) if scale.is_finite() && scale > 0.0 && (zero == 0 || !wide) => {
            Ok(Quant { scale, zero: zero.into() })
        }
        _ => Err(format!("\"{name}\" has scale {scale} and zero point {stored}")),
    }
}

/// A shape of the format, or why there is none.
pub(super) fn shape(dims: &[usize]) -> Result<Shape, String> {
    let small: Option<Vec<u32>> = dims.iter().map(|&d| u32::try_from(d).ok()).collect();
    small.and_then(|d| Shape::new(&d)).ok_or_else(|| {
        format!("a shape is {dims:?}; at most six dimensions, none of them 0, and 2^31 elements are possible")
    })
}

/// A type's name in lower case.
pub(super) fn kind_name(kind: TensorType) -> String {
    kind.variant_name().map_or_else(|| format!("of type {}", kind.0), str::to_lowercase)
}
