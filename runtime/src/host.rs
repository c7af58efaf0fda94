//! A model made ready for a host: weights packed for its vectors, tensors apart so that each layer runs whole, and
//! threads. It has the bits of the plain model and takes more memory: a second copy of the weights, and no buffer runs
//! into another.

use core::ops::Range;
use std::sync::Arc;
use std::vec::Vec;

use mote_format::{Groups, Ids, State, StepInfo, TensorInfo};
use mote_kernels::naming;
use mote_kernels::packed::{Packed, Threads};
use mote_kernels::table::{Columns, Kernels};
use mote_kernels::view::{Io, View, ViewMut};

use crate::model::Model;
use crate::program::{Program, Tensors};

/// Offsets are multiples of a cache line.
const LINE: usize = 64;

/// A model with packed weights, for sessions on a host.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use mote_runtime::{Host, Kernels, Model, Session};
/// let bytes = mote_runtime::Aligned(*b"a model");
/// let model = Model::new_checked(&bytes.0)?;
/// let host = Host::new(&model, Kernels::best(), 2);
/// let mut arena = vec![0; host.arena_bytes()];
/// let mut session = Session::with_kernels(&host, &mut arena, Kernels::best())?;
/// session.run();
/// # Ok(())
/// # }
/// ```
pub struct Host<'m> {
    model: &'m Model<'m>,
    tensors: Vec<TensorInfo>,
    layers: Vec<Option<Layer>>,
    threads: Threads,
    /// The model's, read once, with scratch behind the tensors.
    steps: Arc<[StepInfo<'m>]>,
    arena: usize,
}

impl<'m> Host<'m> {
    /// Packs the weights for an instruction set; up to `threads` threads share a layer.
    pub fn new(model: &'m Model<'m>, kernels: &Kernels, threads: usize) -> Self {
        let packed: Vec<_> = model.steps().map(|step| pack(model, kernels, step)).collect();
        let (tensors, scratch) = apart(model, &packed);
        let layer = |(step, packed): (StepInfo<'_>, Option<Packed>)| Layer::new(&step, packed?, &tensors);
        let layers = model.steps().zip(packed).map(layer).collect();
        let arena = scratch + model.steps().map(|s| s.scratch_len as usize).max().unwrap_or(0);
        let steps = model.steps().map(|step| StepInfo { scratch_at: scratch as u32, ..step }).collect();
        Self { model, layers, threads: Threads::new(threads), steps, arena, tensors }
    }

    /// RAM that a session needs, in bytes.
    pub fn arena_bytes(&self) -> usize {
        self.arena
    }

    /// Bytes of packed weights.
    pub fn packed_bytes(&self) -> usize {
        self.layers.iter().flatten().map(|layer| layer.packed.bytes()).sum()
    }

    /// The micro-kernel that a step comes down to, and the family of vectors that it runs on: see
    /// [`mote_kernels::naming`].
    pub fn micro_kernel(&self, step: u16, isa: &'static str) -> (&'static str, &'static str) {
        let layer = self.layers.get(usize::from(step)).and_then(Option::as_ref);
        layer.map_or_else(|| (micro_kernel(self.model, step, isa), isa), |layer| layer.packed.micro_kernel())
    }

    /// Threads that share a layer.
    pub fn threads(&self) -> usize {
        self.threads.count()
    }
}

/// The micro-kernel that a step of a model comes down to on the instruction set of this name, of this machine or of
/// another; empty where there is no such step.
pub fn micro_kernel(model: &Model<'_>, step: u16, isa: &str) -> &'static str {
    let Some(step) = model.steps().nth(step.into()) else { return "" };
    let x = step.inputs.get(0).and_then(|id| model.tensor(id));
    let Some((x, y)) = x.zip(model.tensor(step.output)) else { return "" };
    naming::micro_kernel(isa, &step.op, &x.shape, &y.shape, step.scratch_len as usize)
}

/// A packed layer and where its operands lie.
struct Layer {
    packed: Packed,
    x: [Source; 2],
    y: Range<usize>,
}

/// Where an input lies.
#[derive(Default)]
struct Source {
    constant: bool,
    range: Range<usize>,
}

impl Layer {
    fn new(step: &StepInfo<'_>, packed: Packed, tensors: &[TensorInfo]) -> Option<Self> {
        let tensor = |id: u16| tensors.get(usize::from(id));
        let source = |id| tensor(id).map(|x| Source { constant: x.constant, range: x.range() });
        let mut sources = step.inputs.iter().filter_map(source);
        let x = core::array::from_fn(|_| sources.next().unwrap_or_default());
        Some(Self { packed, x, y: tensor(step.output)?.range() })
    }

    /// `None` when the operands do not lie there.
    fn run(&self, constants: &[u8], arena: &mut [u8], threads: &Threads) -> Option<()> {
        let (before, rest) = arena.split_at_mut_checked(self.y.start)?;
        let (y, behind) = rest.split_at_mut_checked(self.y.len())?;
        // Inputs lie before the output or behind it, or they are constants.
        let read = |x: &Source| match x.range.clone() {
            range if x.constant => constants.get(range),
            range if range.end <= self.y.start => before.get(range),
            range => {
                let skipped = self.y.end;
                behind.get(range.start.checked_sub(skipped)?..range.end.checked_sub(skipped)?)
            }
        };
        let [a, b] = &self.x;
        let x = [read(a)?, read(b)?].map(bytemuck::cast_slice);
        self.packed.run(x, bytemuck::cast_slice_mut(y), threads);
        Some(())
    }
}

/// The step with its weights packed, if it has that form.
fn pack<'m>(model: &Model<'m>, kernels: &Kernels, step: StepInfo<'m>) -> Option<Packed> {
    let inputs: Vec<TensorInfo> = step.inputs.iter().filter_map(|id| model.tensor(id)).collect();
    let x: Vec<_> = inputs.iter().map(|x| View { shape: &x.shape, quant: &x.quant, bytes: None }).collect();
    let y = model.tensor(step.output)?;
    let y = ViewMut { shape: &y.shape, quant: &y.quant, bytes: &mut [] };
    let (states, constants) = (Default::default(), model.constants());
    Packed::new(kernels.name(), &step.op, &Io { x: &x, y, states, scratch: &mut [], constants })
}

/// The tensors at places of their own while they live, save those that a step writes onto its input; and the end. Packed
/// layers do not write onto their inputs.
fn apart(model: &Model<'_>, layers: &[Option<Packed>]) -> (Vec<TensorInfo>, usize) {
    let tensor = |id| model.tensor(id).map(|t| TensorInfo { kept: 0, ..t });
    let mut tensors: Vec<TensorInfo> = (0..model.format().tensors()).filter_map(tensor).collect();
    let mut owner: Vec<usize> = (0..tensors.len()).collect();
    let states: Vec<usize> = model.states().map(|state| usize::from(state.tensor)).collect();
    for (step, layer) in model.steps().zip(layers) {
        let y = usize::from(step.output);
        // A state's new value goes where the old one lies, whoever makes it.
        let inputs = step.inputs.iter().map(usize::from).filter(|_| layer.is_none());
        let mut candidates = inputs.chain(states.iter().copied());
        let onto = |x: usize| !tensors[x].constant && tensors[x].range() == tensors[y].range();
        if let Some(x) = candidates.find(|&x| onto(x)) {
            owner[y] = owner[x];
        }
    }
    let life = |group: usize| {
        let members = || (0..tensors.len()).filter(|&t| owner[t] == group).map(|t| &tensors[t]);
        (members().map(|t| t.first).min().unwrap_or(0), members().map(|t| t.last).max().unwrap_or(0))
    };
    let mut placed: Vec<(usize, usize, (u16, u16))> = Vec::new();
    let mut offsets = std::vec![0; tensors.len()];
    for group in (0..tensors.len()).filter(|&t| owner[t] == t && !tensors[t].constant) {
        let (bytes, (first, last)) = (tensors[group].bytes(), life(group));
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|(_, _, (f, l))| *f <= last && first <= *l)
            .map(|&(start, end, _)| (start, end))
            .collect();
        taken.sort_unstable();
        let mut at = 0;
        for (start, end) in taken {
            if at + bytes <= start {
                break;
            }
            at = at.max(end.next_multiple_of(LINE));
        }
        offsets[group] = at;
        placed.push((at, at + bytes, (first, last)));
    }
    for (tensor, &owner) in tensors.iter_mut().zip(&owner).filter(|(tensor, _)| !tensor.constant) {
        tensor.offset = offsets[owner] as u32;
    }
    let end = placed.iter().map(|&(_, end, _)| end).max().unwrap_or(0);
    (tensors, end.next_multiple_of(LINE))
}

/// The steps that are left.
#[derive(Clone)]
pub struct HostSteps<'m> {
    steps: Arc<[StepInfo<'m>]>,
    next: usize,
}

impl<'m> Iterator for HostSteps<'m> {
    type Item = StepInfo<'m>;

    fn next(&mut self) -> Option<StepInfo<'m>> {
        self.nth(0)
    }

    fn nth(&mut self, n: usize) -> Option<StepInfo<'m>> {
        let step = self.steps.get(self.next + n).copied();
        self.next += n + 1;
        step
    }
}

impl Tensors for Host<'_> {
    fn tensor(&self, id: u16) -> Option<TensorInfo> {
        self.tensors.get(usize::from(id)).copied()
    }

    fn name(&self, tensor: &TensorInfo) -> &str {
        self.model.name(tensor)
    }
}

impl<'m> Program<'m> for Host<'m> {
    const ROW_BY_ROW: bool = false;
    const LOCKSTEP: bool = false;

    type Step = StepInfo<'m>;
    type Steps = HostSteps<'m>;
    type Tensor = TensorInfo;

    fn info(&self, id: u16) -> Option<TensorInfo> {
        self.tensor(id)
    }

    fn steps(&self) -> HostSteps<'m> {
        HostSteps { steps: Arc::clone(&self.steps), next: 0 }
    }

    fn arena_bytes(&self) -> usize {
        self.arena
    }

    fn inputs(&self) -> u16 {
        Program::inputs(self.model)
    }

    fn states(&self) -> impl Iterator<Item = State> {
        self.model.states()
    }

    fn outputs(&self) -> Ids<'m> {
        Program::outputs(self.model)
    }

    fn groups(&self) -> Groups<'m> {
        Groups::default()
    }

    fn constants(&self) -> &'m [u8] {
        Program::constants(self.model)
    }

    fn columns(&self) -> &'static Columns {
        Program::columns(self.model)
    }

    fn compute(&self, step: &StepInfo<'_>, _: &TensorInfo, arena: &mut [u8]) -> bool {
        let Some(layer) = self.layers.get(usize::from(step.index)).and_then(Option::as_ref) else {
            return false;
        };
        layer.run(self.constants(), arena, &self.threads).is_some()
    }
}
