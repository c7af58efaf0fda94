//! Variables: what a model keeps from one inference to the next. Resources with handles (`VAR_HANDLE` and what reads and
//! assigns them) and tensors that are marked as variable become states of the program.
//!
//! A read gives the value that is there at that moment: the state itself, or what an operator in front of it has assigned.
//! The last value assigned is laid over the state where that is possible, and copied there at the end otherwise.

use super::file::{File, Node, Tensor, damaged, unsupported};
use super::lower::Lowering;
use crate::error::{Error, Result};
use crate::program::{self, Operand, Program, State, Step};
use mote_format::{DType, Op as Kernel, Reshape};
use std::collections::HashMap;
use tract_tflite::tflite::BuiltinOperator;

/// One variable of a file.
pub(super) struct Variable<'a> {
    name: String,
    /// A tensor of the graph that has its type, shape and scale.
    like: usize,
    /// The constant that initialization assigns.
    initial: Option<Tensor<'a>>,
}

/// The variables of a file.
#[derive(Default)]
pub(super) struct Variables<'a> {
    list: Vec<Variable<'a>>,
    /// Which variable a tensor of the graph is, or is the handle of.
    of: HashMap<usize, usize>,
}

/// What names a variable in all graphs of a file: container and name.
type Key = (String, String);

/// The tensors and operators of one graph.
type Graph<'a> = (Vec<Tensor<'a>>, Vec<Node<'a>>);

/// Finds the variables of a graph; `initialization` are the graphs that are called once.
pub(super) fn variables<'a>(
    tensors: &[Tensor<'a>],
    nodes: &[Node<'a>],
    initialization: Vec<Graph<'a>>,
) -> Result<Variables<'a>> {
    let mut initial = HashMap::new();
    initialization.into_iter().try_for_each(|graph| initialize(graph, &mut initial))?;
    let (mut found, mut known, mut handles) = (Variables::default(), HashMap::new(), HashMap::new());
    for node in nodes {
        let Some((handle, key, like)) = access(node, &mut handles)? else { continue };
        let index = *known.entry(key.clone()).or_insert(found.list.len());
        if index == found.list.len() {
            let initial = initial.remove(&key);
            if initial.is_none() && node.code == BuiltinOperator::READ_VARIABLE {
                let cause = format!("the variable \"{}\" is read before anything is assigned to it", key.1);
                return Err(unsupported(cause, "initialize the variable when exporting the model"));
            }
            found.list.push(Variable { name: key.1, like, initial });
        }
        found.of.insert(handle, index);
        let Variable { name, like: first, initial } = &found.list[index];
        let others = [Some(&tensors[like]), initial.as_ref()];
        if !others.into_iter().flatten().all(|other| alike(other, &tensors[*first])) {
            let cause = format!("the variable \"{name}\" has values of different types, shapes or scales");
            return Err(unsupported(cause, "export the model with one of each for a variable"));
        }
    }
    for (t, tensor) in tensors.iter().enumerate().filter(|(_, tensor)| tensor.variable) {
        found.of.insert(t, found.list.len());
        found.list.push(Variable { name: tensor.name.clone(), like: t, initial: None });
    }
    Ok(found)
}

/// The handle, the variable and the value of an operator that reads or assigns; notes the handle that one makes.
fn access(node: &Node<'_>, handles: &mut HashMap<usize, Key>) -> Result<Option<(usize, Key, usize)>> {
    let (handle, value) = match (node.code, &node.inputs[..], &node.outputs[..]) {
        (BuiltinOperator::VAR_HANDLE, [], &[handle]) => {
            let options = node.options.builtin_options_as_var_handle_options();
            let options =
                options.ok_or_else(|| damaged(format!("operator {} names no variable", node.index)))?;
            let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
            handles.insert(handle, (text(options.container()), text(options.shared_name())));
            return Ok(None);
        }
        (BuiltinOperator::READ_VARIABLE, &[Some(handle)], &[value])
        | (BuiltinOperator::ASSIGN_VARIABLE, &[Some(handle), Some(value)], []) => (handle, value),
        (
            BuiltinOperator::VAR_HANDLE | BuiltinOperator::READ_VARIABLE | BuiltinOperator::ASSIGN_VARIABLE,
            ..,
        ) => {
            return Err(damaged(format!("operator {} has the wrong number of tensors", node.index)));
        }
        _ => return Ok(None),
    };
    let key = handles.get(&handle).cloned();
    let key = key.ok_or_else(|| damaged(format!("operator {} has no variable's handle", node.index)))?;
    Ok(Some((handle, key, value)))
}

/// Whether two tensors have the same type, shape and scale.
fn alike(a: &Tensor<'_>, b: &Tensor<'_>) -> bool {
    (a.kind, &a.dims, &a.scales, &a.zeros) == (b.kind, &b.dims, &b.scales, &b.zeros)
}

/// Notes what a graph that is called once assigns: constants to variables.
fn initialize<'a>((tensors, nodes): Graph<'a>, initial: &mut HashMap<Key, Tensor<'a>>) -> Result<()> {
    let mut handles = HashMap::new();
    for node in &nodes {
        match access(node, &mut handles)? {
            Some((_, key, value)) if node.outputs.is_empty() && tensors[value].data.is_some() => {
                initial.insert(key, tensors[value].clone());
            }
            None if node.code == BuiltinOperator::VAR_HANDLE => {}
            _ => {
                let cause = format!(
                    "operator {} of its initialization ({}) is not the assignment of a constant",
                    node.index, node.name
                );
                return Err(unsupported(cause, "initialize variables with constants"));
            }
        }
    }
    Ok(())
}

/// Makes a state of every variable, behind the inputs.
pub(super) fn begin(l: &mut Lowering<'_>) -> Result<()> {
    let file = l.file;
    for variable in &file.variables.list {
        let tensor = l.tensor(variable.like).map_err(|cause| {
            Error::new("cannot import a variable")
                .at(variable.name.as_str())
                .cause(cause)
                .remedy("export the model in int8 as docs/tflite.md says")
        })?;
        let name = l.program.unique(&variable.name);
        let tensor = program::Tensor { name, ..tensor };
        let place = l.program.tensors.len();
        let initial = variable.initial.as_ref().and_then(|initial| initial_bytes(initial, &tensor));
        let dims = tensor.shape.dims().to_vec();
        let initial = initial
            .map(|bytes| l.program.constant_bytes(&tensor.name, tensor.dtype, dims, tensor.quant, &bytes));
        l.program.tensors.push(tensor);
        l.program.states.push(State { next: place, initial });
        l.values.push(place);
    }
    Ok(())
}

/// The bytes of an initial value, unless they are those that a state has without one.
fn initial_bytes(initial: &Tensor<'_>, state: &program::Tensor) -> Option<Vec<u8>> {
    let bytes = match initial.i8s() {
        Some(values) => values.iter().map(|&v| v as u8).collect(),
        None => initial.data?.to_vec(),
    };
    let rest = if state.dtype == DType::I8 { state.quant.zero as u8 } else { 0 };
    bytes.iter().any(|&b| b != rest).then_some(bytes)
}

/// Makes the last value of every variable, `values`, the next one of its state.
pub(super) fn finish(program: &mut Program, values: &[usize]) {
    let given = program.inputs..program.given();
    for i in 0..program.outputs.len() {
        if given.contains(&program.outputs[i]) {
            program.outputs[i] = copy(program, program.outputs[i]);
        }
    }
    let mut waiting = Vec::new();
    for (i, &value) in values.iter().enumerate() {
        let state = program.inputs + i;
        let read = program.steps.iter().rposition(|s| s.inputs.contains(&Operand::Arena(state)));
        let free = value.checked_sub(given.end).is_some_and(|written| {
            read < Some(written) || (read == Some(written) && program.steps[written].op.in_place())
        });
        if free && program.states.iter().all(|s| s.next != value) {
            program.states[i].next = value;
        } else if value != state {
            waiting.push((i, value));
        }
    }
    // Values of other states move to bytes of their own first, so that none is overwritten before it has been read.
    for (_, value) in &mut waiting {
        if given.contains(value) {
            *value = copy(program, *value);
        }
    }
    for (i, value) in waiting {
        program.states[i].next = copy(program, value);
    }
}

/// Appends a step that copies a tensor.
fn copy(program: &mut Program, from: usize) -> usize {
    let tensor = program.tensors[from].clone();
    let node = tensor.name.clone();
    program.push(Step { node, op: Kernel::Reshape(Reshape {}), inputs: vec![Operand::Arena(from)] }, tensor)
}

/// Nothing is left to do: handles are names, and the initialization is part of the states.
pub(super) fn nothing<'a>(_: &mut Lowering<'a>, _: &Node<'a>) -> Result<()> {
    Ok(())
}

pub(super) fn read<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let variable = variable(l.file, node);
    l.places[node.outputs[0]] = Some(l.values[variable]);
    Ok(())
}

pub(super) fn assign<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let variable = variable(l.file, node);
    let dims = &l.input(node, 1)?.dims;
    l.values[variable] = match l.place(node, 1, dims)? {
        Operand::Arena(value) => value,
        constant => {
            let tensor = l.program.tensors[l.program.inputs + variable].clone();
            let Operand::Arena(value) = l.push_as(node, Kernel::Reshape(Reshape {}), constant, tensor) else {
                return Err(l.refuse(node, "a step's output is a constant"));
            };
            value
        }
    };
    Ok(())
}

/// The state that a variable tensor is; only the operators that change it may read it.
pub(super) fn of_tensor(l: &Lowering<'_>, tensor: usize) -> Option<Operand> {
    let variable = l.file.variables.of.get(&tensor)?;
    Some(Operand::Arena(l.program.inputs + variable))
}

/// The variable whose handle is a node's first input; reading the file has found one for each.
fn variable(file: &File<'_>, node: &Node<'_>) -> usize {
    node.inputs.first().copied().flatten().and_then(|t| file.variables.of.get(&t)).copied().unwrap_or(0)
}
