//! A planned program as the bytes of a model. What the bytes mean is `mote-format`'s.

use crate::data::Prepare;
use crate::error::{Error, Result};
use crate::ir::Removed;
use crate::plan::{Lockstep, Plan};
use crate::program::{Operand, Program};
use mote_format::{
    AlignedBytes, Bound, GroupSpec, MAX_STEPS, MAX_TENSORS, Original, RegionSpec, StateSpec, StepSpec,
    TensorSpec,
};
use mote_runtime::Model;

/// What a model says of itself beside the program.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Class names of the first output.
    pub labels: Vec<String>,
    /// How raw data becomes the first input.
    pub prepare: Prepare,
    /// Whether the original network took channels first.
    pub channels_first: bool,
    /// What was taken out of the original network.
    pub removed: Vec<Removed>,
    /// What the model took before the lossless optimiser.
    pub original: Option<Original>,
}

/// Writes the model and proves that the runtime accepts it.
pub fn encode(program: &Program, plan: &Plan, metadata: &Metadata) -> Result<AlignedBytes> {
    let constants = program.writer.constants.len();
    if program.steps.len() > MAX_STEPS || program.tensors.len() + constants > MAX_TENSORS {
        return Err(Error::new("cannot convert the model")
            .cause(format!(
                "it has {} steps and {} tensors",
                program.steps.len(),
                program.tensors.len() + constants
            ))
            .remedy(format!("a model has at most {MAX_STEPS} steps and {MAX_TENSORS} tensors")));
    }
    let mut writer = program.writer.clone();
    writer.name = metadata.name.clone();
    writer.arena = plan.arena as u32;
    writer.bound = Some(Bound { arena_bytes: plan.lower_bound as u32, cost: plan.cost_bound });
    let regions = plan.regions.iter().map(|r| RegionSpec {
        name: r.name.clone(),
        moved: r.moved,
        cost: r.cost,
        end: r.end as u32,
    });
    writer.regions = regions.collect();
    let tensors = program.tensors.iter().zip(&plan.tensors);
    writer.tensors = tensors
        .map(|(t, &offset)| TensorSpec {
            name: t.name.clone(),
            dtype: t.dtype,
            dims: t.shape.dims().to_vec(),
            quant: t.quant,
            offset: offset as u32,
        })
        .collect();
    let index = |operand: &Operand| match *operand {
        Operand::Arena(t) => t as u16,
        Operand::Constant(c) => (program.tensors.len() + c) as u16,
    };
    let steps = program.steps.iter().zip(&plan.scratch);
    writer.steps = steps
        .map(|(s, &(at, len))| StepSpec {
            op: s.op,
            inputs: s.inputs.iter().map(index).collect(),
            scratch: (at as u32, len as u32),
        })
        .collect();
    writer.groups = plan.groups.iter().map(group).collect();
    writer.kept = plan.groups.iter().flat_map(|g| &g.kept).map(|&(t, rows)| (t as u16, rows as u8)).collect();
    let constant = |c: usize| (program.tensors.len() + c) as u16;
    writer.states = program
        .states
        .iter()
        .map(|s| StateSpec { next: s.next as u16, initial: s.initial.map(constant) })
        .collect();
    writer.outputs = program.outputs.iter().map(|&t| t as u16).collect();
    if !metadata.labels.is_empty() {
        writer.labels = vec![(0, metadata.labels.clone())];
    }
    let Prepare { mean, scale } = &metadata.prepare;
    let channels = mean.len().max(scale.len());
    let spread = |v: &[f32], neutral: f32| {
        (0..channels).map(|c| v.get(c).or(v.last()).copied().unwrap_or(neutral)).collect()
    };
    writer.preparations = vec![(0, metadata.channels_first, spread(mean, 0.0), spread(scale, 1.0))];
    writer.removed =
        metadata.removed.iter().map(|r| [r.node.clone(), r.op.clone(), r.reason.clone()]).collect();
    writer.original = metadata.original;
    let bytes = writer.finish();
    Model::new_checked(&bytes).map_err(|e| Error::internal(format!("the runtime refuses the model: {e}")))?;
    Ok(bytes)
}

fn group(group: &Lockstep) -> GroupSpec {
    let first = group.steps.start as u16;
    GroupSpec { first, steps: group.steps.len() as u8, calls: group.calls.clone() }
}
