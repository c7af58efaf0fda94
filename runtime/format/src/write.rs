//! Puts a model together from tensors, constants and steps. The writer lays out bytes; it does not judge them:
//! run the result through `Model::new_checked`.

use alloc::string::String;
use alloc::vec::Vec;

use crate::crc::crc32;
use crate::field::{Const, Field};
use crate::header::{ALIGN, HEADER, MAGIC, VERSION};
use crate::lockstep::Call;
use crate::meta::{BOUND, Bound, LABELS, NAME, ORIGINAL, Original, PREPARATION, REGIONS, REMOVED, STRINGS};
use crate::ops::Op;
use crate::tensor::{DType, MAX_RANK, Quant, RECORD};

/// A tensor to be written.
#[derive(Debug, Clone)]
pub struct TensorSpec {
    /// Name, empty for none.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Dimensions.
    pub dims: Vec<u32>,
    /// Scale and zero point.
    pub quant: Quant,
    /// Offset in the arena, or what [`ModelWriter::constant`] returned.
    pub offset: u32,
}

/// A step to be written.
#[derive(Debug, Clone)]
pub struct StepSpec {
    /// What it computes.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<u16>,
    /// Offset and length of its scratch buffer in the arena.
    pub scratch: (u32, u32),
}

/// A state to be written; its tensor's place among the states is its own.
#[derive(Debug, Clone, Copy)]
pub struct StateSpec {
    /// Index of the tensor that holds its value after an inference.
    pub next: u16,
    /// Index of the constant tensor that it holds at the start.
    pub initial: Option<u16>,
}

/// Steps that run in lockstep.
#[derive(Debug, Clone)]
pub struct GroupSpec {
    /// The first of them.
    pub first: u16,
    /// How many they are.
    pub steps: u8,
    /// The calls of their kernels.
    pub calls: Vec<Call>,
}

/// A region of RAM.
#[derive(Debug, Clone)]
pub struct RegionSpec {
    /// Its name.
    pub name: String,
    /// Bytes that an inference moves there.
    pub moved: u64,
    /// What it costs to move a byte there.
    pub cost: u32,
    /// Where it ends in the arena; the last one ends with it.
    pub end: u32,
}

/// Collects a model. Tensors come in the order that the format wants: inputs, states,
/// the output of each step, constants.
#[derive(Debug, Clone, Default)]
pub struct ModelWriter {
    /// Name of the model.
    pub name: String,
    /// Bytes of RAM.
    pub arena: u32,
    /// The regions of the arena, if these are several.
    pub regions: Vec<RegionSpec>,
    /// What no plan of the memory goes below; `None` where it is not known.
    pub bound: Option<Bound>,
    /// Inputs, then states, then step outputs.
    pub tensors: Vec<TensorSpec>,
    /// Tensors in the constant section; their indices follow those of `tensors`.
    pub constants: Vec<TensorSpec>,
    /// The program.
    pub steps: Vec<StepSpec>,
    /// Indices of the output tensors.
    pub outputs: Vec<u16>,
    /// What becomes of each state.
    pub states: Vec<StateSpec>,
    /// Steps that run in lockstep, in order.
    pub groups: Vec<GroupSpec>,
    /// Tensors of which the arena holds some rows only, and how many.
    pub kept: Vec<(u16, u8)>,
    /// Class names of outputs, by position in `outputs`.
    pub labels: Vec<(u16, Vec<String>)>,
    /// Per input: whether channels came first, then mean and scale.
    pub preparations: Vec<(u16, bool, Vec<f32>, Vec<f32>)>,
    /// Nodes of the original network that do not run, each as node, operator and reason.
    pub removed: Vec<[String; 3]>,
    /// What the model took before that; `None` where it is not known.
    pub original: Option<Original>,
    section: Vec<u8>,
}

impl ModelWriter {
    /// Adds bytes to the constant section, or finds equal ones that are already there.
    pub fn constant(&mut self, bytes: &[u8]) -> Const {
        let len = bytes.len() as u32;
        let found = (0..self.section.len()).step_by(ALIGN).find(|&at| self.section[at..].starts_with(bytes));
        let at = found.unwrap_or_else(|| {
            let at = self.section.len().next_multiple_of(ALIGN);
            self.section.resize(at, 0);
            self.section.extend_from_slice(bytes);
            at
        });
        Const { at: if len == 0 { 0 } else { at as u32 }, len }
    }

    /// The bytes of a constant; empty for one that this writer does not hold.
    pub fn bytes(&self, constant: Const) -> &[u8] {
        let Const { at, len } = constant;
        self.section.get(at as usize..).and_then(|s| s.get(..len as usize)).unwrap_or(&[])
    }

    /// The bytes of the model.
    pub fn finish(&self) -> AlignedBytes {
        let steps: Vec<u8> = self.steps.iter().flat_map(step_record).collect();
        let tensors_at = HEADER + 4 * self.borders().count();
        let n_tensors = self.tensors.len() + self.constants.len();
        let outputs_at = tensors_at + RECORD * n_tensors;
        let schedule = self.schedule();
        let lists = 2 * self.outputs.len() + 4 * self.states.len() + schedule.len();
        let steps_at = (outputs_at + lists).next_multiple_of(4);
        let consts_at = (steps_at + steps.len()).next_multiple_of(ALIGN);
        let meta_at = (consts_at + self.section.len()).next_multiple_of(4);
        let (meta, names) = self.metadata(meta_at);

        let mut out = self.header(&[
            tensors_at,
            n_tensors,
            outputs_at,
            steps_at,
            steps.len(),
            consts_at,
            meta_at,
            meta.len(),
        ]);
        let last = self.last_reads();
        for (id, (tensor, name)) in self.tensors.iter().chain(&self.constants).zip(names).enumerate() {
            let life = last.get(id).map(|&last| (self.written(id), last));
            let kept = self.kept.iter().find(|k| usize::from(k.0) == id).map_or(0, |k| k.1);
            tensor_record(&mut out, tensor, life, kept, name);
        }
        self.outputs.iter().for_each(|id| id.put(&mut out));
        self.states.iter().for_each(|s| [s.next, s.initial.unwrap_or(u16::MAX)].put(&mut out));
        out.extend(schedule);
        out.resize(steps_at, 0);
        out.extend(steps);
        out.resize(consts_at, 0);
        out.extend_from_slice(&self.section);
        out.resize(meta_at, 0);
        out.extend(meta);
        let length = out.len() as u32;
        out[8..12].copy_from_slice(&length.to_le_bytes());
        let crc = crc32(&out[16..]);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        AlignedBytes::new(&out)
    }

    /// Where one region ends and the next begins.
    fn borders(&self) -> impl Iterator<Item = u32> {
        self.regions.iter().take(self.regions.len().saturating_sub(1)).map(|region| region.end)
    }

    /// Inputs and states.
    fn given(&self) -> usize {
        self.tensors.len().saturating_sub(self.steps.len())
    }

    /// The steps that step `k` runs in lockstep with, itself included.
    fn group(&self, k: usize) -> core::ops::Range<usize> {
        let groups =
            self.groups.iter().map(|g| usize::from(g.first)..usize::from(g.first) + usize::from(g.steps));
        groups.into_iter().find(|g| g.contains(&k)).unwrap_or(k..k + 1)
    }

    /// When a tensor is written: 0, or the time of the first step of its group.
    fn written(&self, id: usize) -> u16 {
        id.checked_sub(self.given()).map_or(0, |k| self.group(k).start as u16 + 1)
    }

    /// For each written tensor the time of its last read, at least the end of the group that writes it.
    fn last_reads(&self) -> Vec<u16> {
        let given = self.given();
        let end = |k: usize| self.group(k).end as u16;
        let mut last: Vec<u16> =
            (0..self.tensors.len()).map(|id| id.checked_sub(given).map_or(0, end)).collect();
        for (k, step) in self.steps.iter().enumerate() {
            for &id in &step.inputs {
                if let Some(l) = last.get_mut(usize::from(id)) {
                    *l = end(k);
                }
            }
        }
        for &id in self.outputs.iter().chain(self.states.iter().map(|s| &s.next)) {
            if let Some(l) = last.get_mut(usize::from(id)) {
                *l = self.steps.len() as u16 + 1;
            }
        }
        last
    }

    fn schedule(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for group in &self.groups {
            [group.first, group.calls.len() as u16].put(&mut out);
            [group.steps, 0].put(&mut out);
            out.extend(group.calls.iter().map(|call| call.byte()));
            out.resize(out.len().next_multiple_of(2), 0);
        }
        out
    }

    fn header(&self, at: &[usize; 8]) -> Vec<u8> {
        let [tensors, n_tensors, outputs, steps, steps_len, consts, meta, meta_len] = at.map(|v| v as u32);
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        VERSION.put(&mut out);
        (tensors as u16).put(&mut out);
        [0u32, 0, self.arena, tensors].put(&mut out);
        [n_tensors as u16, self.steps.len() as u16].put(&mut out);
        [steps, steps_len].put(&mut out);
        [self.given().saturating_sub(self.states.len()) as u16, self.outputs.len() as u16].put(&mut out);
        [outputs, consts, self.section.len() as u32, meta, meta_len].put(&mut out);
        [self.states.len() as u16, self.schedule().len() as u16].put(&mut out);
        self.borders().for_each(|border| border.put(&mut out));
        out
    }

    /// The metadata section that starts at `base`, and where each tensor's name lies.
    fn metadata(&self, base: usize) -> (Vec<u8>, Vec<u32>) {
        let mut out = Vec::new();
        if !self.name.is_empty() {
            record(&mut out, NAME, self.name.as_bytes());
        }
        let mut strings = Vec::new();
        let mut names = Vec::new();
        for tensor in self.tensors.iter().chain(&self.constants) {
            let at = base + out.len() + 8 + strings.len();
            names.push(if tensor.name.is_empty() { 0 } else { at as u32 });
            if !tensor.name.is_empty() {
                put_string(&mut strings, &tensor.name);
            }
        }
        record(&mut out, STRINGS, &strings);
        for (output, labels) in &self.labels {
            let mut payload = Vec::new();
            [*output, labels.len() as u16].put(&mut payload);
            labels.iter().for_each(|label| put_string(&mut payload, label));
            record(&mut out, LABELS, &payload);
        }
        for (input, channels_first, mean, scale) in &self.preparations {
            let mut payload = Vec::new();
            input.put(&mut payload);
            [u8::from(*channels_first), mean.len() as u8].put(&mut payload);
            mean.iter().chain(scale).for_each(|v| v.put(&mut payload));
            record(&mut out, PREPARATION, &payload);
        }
        if !self.removed.is_empty() {
            let mut payload = Vec::new();
            self.removed.iter().flatten().for_each(|text| put_string(&mut payload, text));
            record(&mut out, REMOVED, &payload);
        }
        if let Some(original) = &self.original {
            let mut payload = Vec::new();
            original.put(&mut payload);
            record(&mut out, ORIGINAL, &payload);
        }
        if let Some(bound) = &self.bound {
            let mut payload = Vec::new();
            bound.put(&mut payload);
            record(&mut out, BOUND, &payload);
        }
        if !self.regions.is_empty() {
            let mut payload = Vec::new();
            for region in &self.regions {
                region.moved.put(&mut payload);
                region.cost.put(&mut payload);
                put_string(&mut payload, &region.name);
            }
            record(&mut out, REGIONS, &payload);
        }
        (out, names)
    }
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    let cut =
        (0..=text.len().min(usize::from(u16::MAX))).rev().find(|&n| text.is_char_boundary(n)).unwrap_or(0);
    (cut as u16).put(out);
    out.extend_from_slice(&text.as_bytes()[..cut]);
}

fn record(out: &mut Vec<u8>, tag: u16, payload: &[u8]) {
    [tag, 0].put(out);
    (payload.len() as u32).put(out);
    out.extend_from_slice(payload);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn step_record(step: &StepSpec) -> Vec<u8> {
    let mut params = Vec::new();
    step.op.put(&mut params);
    let length = (12 + 2 * step.inputs.len() + params.len()).next_multiple_of(4);
    let mut out = Vec::new();
    [step.op.code(), step.inputs.len() as u8].put(&mut out);
    (length as u16).put(&mut out);
    [step.scratch.0, step.scratch.1].put(&mut out);
    step.inputs.iter().for_each(|id| id.put(&mut out));
    out.extend(params);
    out.resize(length, 0);
    out
}

/// `life` is the time of writing and of the last read; constants have none. `kept` is 0 for all rows.
fn tensor_record(out: &mut Vec<u8>, tensor: &TensorSpec, life: Option<(u16, u16)>, kept: u8, name: u32) {
    let mut dims = [1u32; MAX_RANK];
    for (d, &length) in dims.iter_mut().zip(&tensor.dims) {
        *d = length;
    }
    let (first, last) = life.unwrap_or((0, 0));
    tensor.offset.put(out);
    [first, last].put(out);
    tensor.quant.scale.put(out);
    tensor.quant.zero.put(out);
    [tensor.dtype as u8, tensor.dims.len() as u8].put(out);
    [u8::from(life.is_none()), kept].put(out);
    dims.put(out);
    name.put(out);
}

/// Bytes that start at a multiple of [`ALIGN`] in memory, as `Model::new_checked` wants them.
#[derive(Debug)]
pub struct AlignedBytes {
    buffer: Vec<u8>,
    start: usize,
    length: usize,
}

impl AlignedBytes {
    /// An aligned copy.
    pub fn new(bytes: &[u8]) -> Self {
        let mut buffer = alloc::vec![0; bytes.len() + ALIGN];
        let start = buffer.as_ptr().addr().next_multiple_of(ALIGN) - buffer.as_ptr().addr();
        buffer[start..start + bytes.len()].copy_from_slice(bytes);
        Self { buffer, start, length: bytes.len() }
    }
}

impl Clone for AlignedBytes {
    fn clone(&self) -> Self {
        Self::new(self)
    }
}

impl core::ops::Deref for AlignedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.length]
    }
}

impl core::ops::DerefMut for AlignedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.start + self.length]
    }
}
