//! Writes small `.tflite` files for tests, and random numbers that are the same on every run.

use flatbuffers::{FlatBufferBuilder, UnionWIPOffset, WIPOffset};
use std::rc::Rc;
use tract_tflite::tflite::*;

#[path = "../common/random.rs"]
mod random;

pub(crate) use random::Random;

/// Writes the options of an operator.
pub(crate) type Options =
    (BuiltinOptions, Rc<dyn Fn(&mut FlatBufferBuilder<'static>) -> WIPOffset<UnionWIPOffset>>);

/// The options of an operator: their table, its arguments, and the fields that differ from the default.
macro_rules! options {
    ($table:ident, $args:ident { $($field:ident: $value:expr),* }) => {{
        $(#[allow(clippy::redundant_locals)] let $field = $value;)*
        let write = move |b: &mut flatbuffers::FlatBufferBuilder<'static>| {
            #[allow(clippy::needless_update)]
            let args = tract_tflite::tflite::$args { $($field,)* ..Default::default() };
            tract_tflite::tflite::$table::create(b, &args).as_union_value()
        };
        let options: crate::builder::Options =
            (tract_tflite::tflite::BuiltinOptions::$table, std::rc::Rc::new(write));
        options
    }};
}
pub(crate) use options;

/// Scale and zero point.
pub(crate) type Q = (f32, i64);

#[derive(Clone)]
struct Value {
    name: String,
    kind: TensorType,
    dims: Vec<i32>,
    scales: Vec<f32>,
    zeros: Vec<i64>,
    axis: i32,
    data: Vec<u8>,
    /// Whether it keeps its value.
    variable: bool,
}

#[derive(Clone)]
struct Step {
    code: BuiltinOperator,
    inputs: Vec<i32>,
    outputs: Vec<i32>,
    /// Tensors inside the operator.
    intermediates: Vec<i32>,
    options: Option<Options>,
}

/// A model under construction.
#[derive(Clone, Default)]
pub(crate) struct Model {
    values: Vec<Value>,
    steps: Vec<Step>,
    inputs: Vec<i32>,
    outputs: Vec<i32>,
    /// The graph that is called once, where there is one.
    once: Option<Box<Model>>,
}

impl Model {
    fn add(
        &mut self,
        kind: TensorType,
        dims: &[i32],
        (scales, zeros, axis): (&[f32], &[i64], i32),
        data: Vec<u8>,
    ) -> i32 {
        let name = format!("t{}", self.values.len());
        let (dims, scales, zeros) = (dims.to_vec(), scales.to_vec(), zeros.to_vec());
        self.values.push(Value { name, kind, dims, scales, zeros, axis, data, variable: false });
        self.values.len() as i32 - 1
    }

    /// A computed int8 tensor.
    pub(crate) fn value(&mut self, dims: &[i32], (scale, zero): Q) -> i32 {
        self.add(TensorType::INT8, dims, (&[scale], &[zero], 0), Vec::new())
    }

    /// A computed tensor of another type.
    pub(crate) fn other(&mut self, kind: TensorType, dims: &[i32]) -> i32 {
        self.add(kind, dims, (&[], &[], 0), Vec::new())
    }

    /// An int8 input.
    pub(crate) fn input(&mut self, dims: &[i32], q: Q) -> i32 {
        let t = self.value(dims, q);
        self.take(t)
    }

    /// Makes a tensor an input.
    pub(crate) fn take(&mut self, t: i32) -> i32 {
        self.inputs.push(t);
        t
    }

    /// An int8 constant with a scale a slice along `axis`.
    pub(crate) fn weights(&mut self, dims: &[i32], scales: &[f32], axis: i32, values: &[i8]) -> i32 {
        let bytes = values.iter().map(|&v| v as u8).collect();
        self.add(TensorType::INT8, dims, (scales, &vec![0; scales.len()], axis), bytes)
    }

    /// A uint8 tensor, constant where it has data.
    pub(crate) fn unsigned_value(&mut self, dims: &[i32], (scale, zero): Q, data: &[u8]) -> i32 {
        self.add(TensorType::UINT8, dims, (&[scale], &[zero], 0), data.to_vec())
    }

    /// An int8 constant with a zero point.
    pub(crate) fn constant(&mut self, dims: &[i32], (scale, zero): Q, values: &[i8]) -> i32 {
        let bytes = values.iter().map(|&v| v as u8).collect();
        self.add(TensorType::INT8, dims, (&[scale], &[zero], 0), bytes)
    }

    /// A computed int16 tensor.
    pub(crate) fn wide(&mut self, dims: &[i32], scale: f32) -> i32 {
        self.add(TensorType::INT16, dims, (&[scale], &[0], 0), Vec::new())
    }

    /// A bias of 64 bits.
    pub(crate) fn bias64(&mut self, values: &[i64], scales: &[f32]) -> i32 {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let zeros = vec![0; scales.len()];
        self.add(TensorType::INT64, &[values.len() as i32], (scales, &zeros, 0), bytes)
    }

    /// A constant of 16-bit integers.
    pub(crate) fn words(&mut self, dims: &[i32], scale: f32, values: &[i16]) -> i32 {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.add(TensorType::INT16, dims, (&[scale], &[0], 0), bytes)
    }

    /// A tensor that keeps its value.
    pub(crate) fn kept(&mut self, kind: TensorType, dims: &[i32], (scale, zero): Q) -> i32 {
        let t = self.add(kind, dims, (&[scale], &[zero], 0), Vec::new());
        self.values[t as usize].variable = true;
        t
    }

    /// Tensors that are inside the last operator.
    pub(crate) fn intermediates(&mut self, tensors: &[i32]) {
        self.steps.last_mut().expect("an operator").intermediates = tensors.to_vec();
    }

    /// A constant of integers, also a bias.
    pub(crate) fn ints(&mut self, dims: &[i32], values: &[i32]) -> i32 {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.add(TensorType::INT32, dims, (&[], &[], 0), bytes)
    }

    /// A constant of floats.
    pub(crate) fn floats(&mut self, dims: &[i32], values: &[f32]) -> i32 {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.add(TensorType::FLOAT32, dims, (&[], &[], 0), bytes)
    }

    /// A constant of floats of 16 bits.
    pub(crate) fn halves(&mut self, dims: &[i32], values: &[u16]) -> i32 {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.add(TensorType::FLOAT16, dims, (&[], &[], 0), bytes)
    }

    /// The same, with a scale, as converters give biases.
    pub(crate) fn bias(&mut self, values: &[i32], scales: &[f32]) -> i32 {
        let t = self.ints(&[values.len() as i32], values);
        self.values[t as usize].zeros = vec![0; scales.len()];
        self.values[t as usize].scales = scales.to_vec();
        t
    }

    pub(crate) fn op(
        &mut self,
        code: BuiltinOperator,
        inputs: &[i32],
        output: i32,
        options: Option<Options>,
    ) -> &mut Self {
        self.several(code, inputs, &[output], options)
    }

    /// An operator with several outputs.
    pub(crate) fn several(
        &mut self,
        code: BuiltinOperator,
        inputs: &[i32],
        outputs: &[i32],
        options: Option<Options>,
    ) -> &mut Self {
        let (inputs, outputs, intermediates) = (inputs.to_vec(), outputs.to_vec(), Vec::new());
        self.steps.push(Step { code, inputs, outputs, intermediates, options });
        self
    }

    /// An operator without outputs.
    fn effect(&mut self, code: BuiltinOperator, inputs: &[i32], options: Options) {
        let (inputs, outputs, intermediates) = (inputs.to_vec(), Vec::new(), Vec::new());
        self.steps.push(Step { code, inputs, outputs, intermediates, options: Some(options) });
    }

    /// The handle of a variable.
    pub(crate) fn variable(&mut self, name: &'static str) -> i32 {
        let handle = self.other(TensorType::RESOURCE, &[]);
        let write = move |b: &mut FlatBufferBuilder<'static>| {
            let shared_name = Some(b.create_string(name));
            VarHandleOptions::create(b, &VarHandleOptionsArgs { container: None, shared_name })
                .as_union_value()
        };
        let options: Options = (BuiltinOptions::VarHandleOptions, Rc::new(write));
        self.op(BuiltinOperator::VAR_HANDLE, &[], handle, Some(options));
        handle
    }

    /// The handle of a variable that holds these values at the start; to be made in front of all operators.
    pub(crate) fn initialized(&mut self, name: &'static str, dims: &[i32], q: Q, values: &[i8]) -> i32 {
        if self.once.is_none() {
            let once = options!(CallOnceOptions, CallOnceOptionsArgs { init_subgraph_index: 1 });
            self.effect(BuiltinOperator::CALL_ONCE, &[], once);
        }
        let once = self.once.get_or_insert_default();
        let (handle, value) = (once.variable(name), once.constant(dims, q, values));
        once.assign(handle, value);
        self.variable(name)
    }

    /// What a variable holds at this moment.
    pub(crate) fn read(&mut self, handle: i32, dims: &[i32], q: Q) -> i32 {
        let value = self.value(dims, q);
        let options = options!(ReadVariableOptions, ReadVariableOptionsArgs {});
        self.op(BuiltinOperator::READ_VARIABLE, &[handle], value, Some(options));
        value
    }

    pub(crate) fn assign(&mut self, handle: i32, value: i32) {
        let options = options!(AssignVariableOptions, AssignVariableOptionsArgs {});
        self.effect(BuiltinOperator::ASSIGN_VARIABLE, &[handle, value], options);
    }

    pub(crate) fn output(&mut self, t: i32) -> &mut Self {
        self.outputs.push(t);
        self
    }

    /// The model with every int8 tensor as uint8, 128 higher; `None` where there is none, or one has scales by channel.
    pub(crate) fn unsigned(&self) -> Option<Model> {
        let mut model = self.clone();
        let int8 = |v: &&mut Value| v.kind == TensorType::INT8;
        for value in model.values.iter_mut().filter(int8) {
            value.kind = TensorType::UINT8;
            value.zeros.iter_mut().for_each(|z| *z += 128);
            value.data.iter_mut().for_each(|b| *b ^= 0x80);
        }
        let by_channel = model.values.iter().any(|v| v.scales.len() > 1);
        let inputs = self.inputs.iter().all(|&t| self.values[t as usize].kind == TensorType::INT8);
        (!by_channel && inputs).then_some(model)
    }

    /// The model with every int8 tensor as int16, with zero points of 0; `None` where one is constant.
    pub(crate) fn widened(&self) -> Option<Model> {
        let mut model = self.clone();
        for value in model.values.iter_mut().filter(|v| v.kind == TensorType::INT8) {
            value.kind = TensorType::INT16;
            value.zeros = vec![0];
        }
        let constant = |v: &Value| v.kind == TensorType::INT8 && !v.data.is_empty();
        (!self.values.iter().any(constant)).then_some(model)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut b = FlatBufferBuilder::new();
        let mut buffers = vec![Buffer::create(&mut b, &BufferArgs::default())];
        let mut codes = Vec::new();
        let mut graphs = vec![self.graph(&mut b, &mut buffers, &mut codes)];
        graphs.extend(self.once.iter().map(|once| once.graph(&mut b, &mut buffers, &mut codes)));
        let args = ModelArgs {
            version: 3,
            operator_codes: Some(b.create_vector(&codes)),
            subgraphs: Some(b.create_vector(&graphs)),
            buffers: Some(b.create_vector(&buffers)),
            ..Default::default()
        };
        let model = tract_tflite::tflite::Model::create(&mut b, &args);
        b.finish(model, Some("TFL3"));
        b.finished_data().to_vec()
    }

    fn graph(
        &self,
        b: &mut FlatBufferBuilder<'static>,
        buffers: &mut Vec<WIPOffset<Buffer<'static>>>,
        codes: &mut Vec<WIPOffset<OperatorCode<'static>>>,
    ) -> WIPOffset<SubGraph<'static>> {
        let mut tensors = Vec::new();
        for value in &self.values {
            let buffer = if value.data.is_empty() { 0 } else { buffers.len() as u32 };
            if buffer > 0 {
                let data = Some(b.create_vector(&value.data));
                buffers.push(Buffer::create(b, &BufferArgs { data }));
            }
            tensors.push(tensor(b, value, buffer));
        }
        let mut operators = Vec::new();
        for step in &self.steps {
            let args = OperatorCodeArgs {
                deprecated_builtin_code: step.code.0.min(127) as i8,
                builtin_code: step.code,
                version: 1,
                ..Default::default()
            };
            codes.push(OperatorCode::create(b, &args));
            let options = step.options.as_ref().map(|(kind, write)| (*kind, write(b)));
            let args = OperatorArgs {
                opcode_index: codes.len() as u32 - 1,
                inputs: Some(b.create_vector(&step.inputs)),
                outputs: Some(b.create_vector(&step.outputs)),
                intermediates: Some(b.create_vector(&step.intermediates)),
                builtin_options_type: options.map_or(BuiltinOptions::NONE, |o| o.0),
                builtin_options: options.map(|o| o.1),
                ..Default::default()
            };
            operators.push(Operator::create(b, &args));
        }
        let graph = SubGraphArgs {
            tensors: Some(b.create_vector(&tensors)),
            inputs: Some(b.create_vector(&self.inputs)),
            outputs: Some(b.create_vector(&self.outputs)),
            operators: Some(b.create_vector(&operators)),
            ..Default::default()
        };
        SubGraph::create(b, &graph)
    }
}

fn tensor(b: &mut FlatBufferBuilder<'static>, value: &Value, buffer: u32) -> WIPOffset<Tensor<'static>> {
    let quantization = (!value.scales.is_empty()).then(|| {
        let args = QuantizationParametersArgs {
            scale: Some(b.create_vector(&value.scales)),
            zero_point: Some(b.create_vector(&value.zeros)),
            quantized_dimension: value.axis,
            ..Default::default()
        };
        QuantizationParameters::create(b, &args)
    });
    let args = TensorArgs {
        shape: Some(b.create_vector(&value.dims)),
        type_: value.kind,
        buffer,
        name: Some(b.create_string(&value.name)),
        quantization,
        is_variable: value.variable,
        ..Default::default()
    };
    Tensor::create(b, &args)
}

impl Random {
    pub(crate) fn i8s(&mut self, n: usize) -> Vec<i8> {
        (0..n).map(|_| self.next() as i8).collect()
    }

    pub(crate) fn ints(&mut self, n: usize, bound: i32) -> Vec<i32> {
        (0..n).map(|_| self.below(2 * bound as usize) as i32 - bound).collect()
    }

    /// A scale between 1/4 of `around` and twice that.
    pub(crate) fn scale(&mut self, around: f32) -> f32 {
        around * (0.25 + self.below(1_000_003) as f32 / 571_429.0)
    }

    pub(crate) fn q(&mut self, around: f32) -> Q {
        (self.scale(around), self.below(200) as i64 - 100)
    }
}
