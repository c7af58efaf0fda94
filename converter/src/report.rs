//! What can be said of a model by looking at it: sizes, operators, memory. The JSON names are an interface that other
//! programs read.

use crate::quantize::{Spread, Trial};
use crate::sensitivity::SensitivityReport;
use crate::verify::StepError;
use mote_format::{INT4, Op};
use mote_runtime::{Model, macs};
use serde::Serialize;

/// One operator of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperatorReport {
    /// The tensor that it writes.
    pub name: String,
    /// The operator.
    pub op: &'static str,
    /// Shape of its output.
    pub shape: Vec<u32>,
    /// Scale of its output.
    pub scale: f32,
    /// Zero point of its output.
    pub zero: i32,
    /// What its weights are stored in; null when it has none.
    pub weights: Option<&'static str>,
    /// Multiply-accumulate operations.
    pub macs: u64,
    /// Offset of its output in the arena.
    pub offset: u32,
    /// Bytes of its output.
    pub bytes: usize,
    /// Bytes of its scratch buffer.
    pub scratch_bytes: u32,
    /// Signal to quantization noise ratio against the float model in dB; null when it was not measured, or when there
    /// is no difference.
    pub sqnr_db: Option<f32>,
    /// Largest absolute difference to the float model.
    pub max_abs_error: Option<f32>,
}

/// A node of the original network that does not run, or runs with fewer channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemovedReport {
    /// Its name.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Why it is not needed.
    pub reason: String,
}

/// A region of the RAM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegionReport {
    /// Its name.
    pub name: String,
    /// Bytes that the model needs there.
    pub bytes: usize,
    /// Bytes that an inference reads and writes there.
    pub moved_bytes: u64,
    /// What it costs to move one, compared with the other regions.
    pub cost: u32,
}

/// What a model took before the lossless optimiser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OriginalReport {
    /// Multiply-accumulate operations of one inference.
    pub macs: u64,
    /// Bytes of weights, biases, multipliers and tables.
    pub weight_bytes: usize,
    /// Bytes of RAM for activations and scratch.
    pub arena_bytes: usize,
}

/// How a network was quantized.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantizationReport {
    /// What was tried, in order.
    pub trials: Vec<Trial>,
    /// Index of the one that was taken.
    pub taken: usize,
    /// The layer that min-max ranges alone would have lost the most in; null when it would have lost little.
    pub repaired: Option<RepairReport>,
}

/// A layer that min-max ranges alone would break.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RepairReport {
    /// The tensor that it writes.
    pub layer: String,
    /// Its operator.
    pub op: &'static str,
    /// Signal to quantization noise ratio with min-max ranges alone, in dB.
    pub naive_sqnr_db: f32,
    /// The same as it was quantized.
    pub sqnr_db: f32,
}

/// A loss of fewer dB is not told.
const LOSS_DB: f32 = 6.0;

impl RepairReport {
    /// The layer that loses the most beyond what the layer before it has lost, from the errors of two programs.
    pub(crate) fn new(naive: &[StepError], taken: &[StepError]) -> Option<Self> {
        let mut before = 0.0;
        let losses = naive.iter().filter_map(|naive| {
            let taken = taken.iter().find(|t| t.name == naive.name)?;
            let loss = taken.sqnr_db - naive.sqnr_db;
            let own = if loss.is_finite() { loss - std::mem::replace(&mut before, loss) } else { 0.0 };
            Some((own, naive, taken))
        });
        let (own, naive, taken) = losses.max_by(|a, b| a.0.total_cmp(&b.0))?;
        (own >= LOSS_DB).then(|| RepairReport {
            layer: naive.name.clone(),
            op: naive.op,
            naive_sqnr_db: naive.sqnr_db,
            sqnr_db: taken.sqnr_db,
        })
    }
}

/// A model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelReport {
    /// Its name.
    pub name: String,
    /// Bytes of the file.
    pub model_bytes: usize,
    /// Bytes of weights, biases, multipliers and tables.
    pub weight_bytes: usize,
    /// Bytes of RAM for activations and scratch.
    pub arena_bytes: usize,
    /// No plan takes fewer bytes of RAM than this; null when it is not known.
    pub arena_bound: Option<usize>,
    /// The regions of the RAM; none when it is one piece.
    pub regions: Vec<RegionReport>,
    /// With regions: no split of the buffers of these steps costs less, in bytes times cost.
    pub cost_bound: Option<u64>,
    /// Of the arena, bytes that keep their values from one inference to the next.
    pub state_bytes: usize,
    /// Multiply-accumulate operations of one inference.
    pub macs: u64,
    /// Its operators in order.
    pub operators: Vec<OperatorReport>,
    /// What the converter took out.
    pub removed: Vec<RemovedReport>,
    /// What it took before steps and channels were removed that its outputs do not depend on; null when there were none.
    pub original: Option<OriginalReport>,
    /// How it was quantized; null when it has not just been converted, or when there was nothing to choose.
    pub quantization: Option<QuantizationReport>,
    /// How the values of each layer are spread; empty when it has not just been converted from floats. Not in JSON.
    #[serde(skip)]
    pub values: Vec<Spread>,
    /// What the outputs would gain by single layers in float; null when it has not been measured.
    pub sensitivity: Option<SensitivityReport>,
}

/// What an operator's weights are stored in.
fn weights(model: &mote_format::Model<'_>, op: &Op) -> Option<&'static str> {
    let palette = match op {
        Op::Conv2dPalette(p) => p.palette,
        Op::FullyConnectedPalette(p) => p.palette,
        Op::Lstm(_) | Op::Svdf(_) => return Some("int8"),
        op => {
            let weighs = ["conv2d", "fully_connected"].iter().any(|of| op.module().contains(of));
            return weighs.then_some("int8");
        }
    };
    let is_int4 = model.bytes_of(palette).iter().map(|&entry| entry as i8).eq(INT4);
    Some(if is_int4 { "int4" } else { "palette16" })
}

impl ModelReport {
    /// Describes a model; `errors` are what verification measured, if it has just been converted.
    pub fn new(model: &Model<'_>, errors: &[StepError]) -> Self {
        let format = model.format();
        let operators: Vec<_> = format
            .steps()
            .filter_map(|step| {
                let y = format.tensor(step.output)?;
                let name = format.tensor_name(&y).to_owned();
                let error = errors.iter().find(|e| e.name == name);
                Some(OperatorReport {
                    op: step.op.name(),
                    shape: y.shape.dims().to_vec(),
                    scale: y.quant.scale,
                    zero: y.quant.zero,
                    weights: weights(format, &step.op),
                    macs: macs(format, &step),
                    offset: y.offset,
                    bytes: y.bytes(),
                    scratch_bytes: step.scratch_len,
                    sqnr_db: error.map(|e| e.sqnr_db).filter(|db| db.is_finite()),
                    max_abs_error: error.map(|e| e.max_abs),
                    name,
                })
            })
            .collect();
        let removed = format.removed().map(|[node, op, reason]| RemovedReport {
            node: node.to_owned(),
            op: op.to_owned(),
            reason: reason.to_owned(),
        });
        let regions = format.named_regions().zip(format.regions()).map(|(named, region)| RegionReport {
            name: named.name.to_owned(),
            bytes: region.len(),
            moved_bytes: named.moved,
            cost: named.cost,
        });
        let regions: Vec<_> = regions.collect();
        ModelReport {
            name: format.name().to_owned(),
            model_bytes: format.bytes().len(),
            weight_bytes: format.constant_bytes(),
            arena_bytes: model.arena_bytes(),
            arena_bound: format.bound().map(|bound| bound.arena_bytes as usize),
            cost_bound: format.bound().map(|bound| bound.cost).filter(|_| !regions.is_empty()),
            regions,
            state_bytes: format.states().filter_map(|s| format.tensor(s.tensor)).map(|t| t.bytes()).sum(),
            macs: operators.iter().map(|o| o.macs).sum(),
            operators,
            removed: removed.collect(),
            quantization: None,
            values: Vec::new(),
            sensitivity: None,
            original: format.original().map(|o| OriginalReport {
                macs: o.macs,
                weight_bytes: o.constant_bytes as usize,
                arena_bytes: o.arena_bytes as usize,
            }),
        }
    }
}
