//! The float graph: what an imported network is until it is quantized.
//!
//! Here live the data structures and the questions one asks of them. Building a graph is
//! `import`, changing one is `passes`; both must leave a graph that [`Graph::check`] accepts.

mod check;
mod display;
mod function;
mod given;
mod op;
mod shape;
mod tensor;

pub(crate) use function::erfc;
pub use function::{Activation, Formula, Term};
pub use given::{Given, GivenLayer};
pub use op::{Blend, Clamp, Op, Window};
pub(crate) use shape::{broadcast, infer};
pub use tensor::{Tensor, is_permutation};

use ndarray::{ArrayD, ArrayViewD};
use std::collections::{BTreeMap, HashSet};

/// Index of a value in [`Graph::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// Where the channels of rank-4 values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// ONNX's order: channels before the image.
    Nchw,
    /// The runtime's order: channels last.
    Nhwc,
}

impl Layout {
    /// Axis of the channels in a value of this rank: 1 as imported, the last after the layout pass
    /// for images, and always 1 for matrices.
    pub fn channel_axis(self, rank: usize) -> usize {
        match self {
            Layout::Nhwc if rank == 4 => 3,
            _ => 1.min(rank.saturating_sub(1)),
        }
    }

    /// Axes of height and width in a rank-4 value.
    pub fn spatial_axes(self) -> [usize; 2] {
        match self {
            Layout::Nchw => [2, 3],
            Layout::Nhwc => [1, 2],
        }
    }
}

/// How a value follows from a tensor of the imported file, so that the float model can be asked for
/// it: the tensor under the shape `view`, its axes permuted, taken under the value's shape, clamped.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Name of the tensor in the imported file.
    pub tensor: String,
    /// Shape under which `perm` applies; the tensor's own unless a pass moved a reshape.
    pub view: Vec<usize>,
    /// `perm[i]` is the axis of the view that comes at place `i`.
    pub perm: Vec<usize>,
    /// Bounds that a pass moved before this value.
    pub clamp: Option<Clamp>,
    /// What each channel, the last axis in memory, is divided by in the graph; empty where nothing is.
    pub divided: Vec<f32>,
}

impl Origin {
    /// The tensor as it is.
    pub fn of(tensor: impl Into<String>, shape: &[usize]) -> Self {
        Origin {
            tensor: tensor.into(),
            view: shape.to_vec(),
            perm: (0..shape.len()).collect(),
            clamp: None,
            divided: Vec::new(),
        }
    }

    /// The origin of a value of `shape` after its axes are permuted; `None` when it cannot be told.
    pub fn permuted(&self, shape: &[usize], perm: &[usize]) -> Option<Origin> {
        let ordered = self.perm.iter().map(|&p| self.view[p]);
        if ordered.eq(shape.iter().copied()) {
            let perm = perm.iter().map(|&p| self.perm[p]).collect();
            return Some(Origin { perm, ..self.clone() });
        }
        // Reshaped after a permutation: two orders would have to be kept.
        let in_order = self.perm.iter().copied().eq(0..self.perm.len());
        in_order.then(|| Origin { view: shape.to_vec(), perm: perm.to_vec(), ..self.clone() })
    }
}

/// A tensor that flows through the graph, or a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Unique in the graph. The ONNX tensor's name where there is one.
    pub name: String,
    /// Extents, batch included.
    pub shape: Vec<usize>,
    /// The value itself, when known.
    pub konst: Option<Tensor>,
    /// Which tensor of the imported file this is. `None` for constants and for values that have no
    /// counterpart there.
    pub origin: Option<Origin>,
}

impl Value {
    /// This value, made from the tensor that its [`origin`](Value::origin) names.
    /// `None` when there is no origin or the sizes do not agree.
    pub fn from_reference(&self, tensor: ArrayViewD<'_, f32>) -> Option<ArrayD<f32>> {
        let origin = self.origin.as_ref()?;
        let view = tensor.to_shape(&*origin.view).ok()?;
        if !is_permutation(&origin.perm, view.ndim()) {
            return None;
        }
        let permuted = view.view().permuted_axes(&*origin.perm).as_standard_layout().into_owned();
        let mut value = permuted.into_shape_with_order(&*self.shape).ok()?;
        if let Some(clamp) = origin.clamp {
            value.mapv_inplace(|x| clamp.apply(x));
        }
        value.iter_mut().zip(origin.divided.iter().cycle()).for_each(|(x, by)| *x /= by);
        Some(value)
    }

    /// The tensor of the imported file, made from this value: how a prepared input is given to the
    /// float model. `None` when there is no origin or the sizes do not agree. Bounds are ignored.
    pub fn to_reference(&self, value: ArrayViewD<'_, f32>) -> Option<ArrayD<f32>> {
        let origin = self.origin.as_ref()?;
        if !is_permutation(&origin.perm, origin.view.len()) {
            return None;
        }
        let ordered: Vec<usize> = origin.perm.iter().map(|&p| origin.view[p]).collect();
        let mut back = vec![0; ordered.len()];
        for (place, &axis) in origin.perm.iter().enumerate() {
            back[axis] = place;
        }
        let value = value.to_shape(ordered).ok()?;
        Some(value.view().permuted_axes(back).as_standard_layout().into_owned())
    }
}

/// One operator application.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Unique in the graph.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Operands in the operator's order.
    pub inputs: Vec<ValueId>,
    /// The result.
    pub output: ValueId,
    /// Bounds applied to the result: a fused activation.
    pub clamp: Option<Clamp>,
}

/// A node of the imported file that does not run on the device, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The node's name.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Why it is not needed.
    pub reason: String,
}

/// A network.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Name of the network.
    pub name: String,
    /// All values, constants included.
    pub values: Vec<Value>,
    /// Operators, each after what it reads.
    pub nodes: Vec<Node>,
    /// Values the caller supplies.
    pub inputs: Vec<ValueId>,
    /// Values the caller reads.
    pub outputs: Vec<ValueId>,
    /// Order of axes in rank-4 values.
    pub layout: Layout,
    /// What was taken out on the way.
    pub removed: Vec<Removed>,
    /// The operator of each node in the imported file, by the node's name.
    pub imported: BTreeMap<String, String>,
    /// Scales and integers of the file, if it is quantized.
    pub given: Given,
}

impl Graph {
    /// A graph with nothing in it, in ONNX's layout.
    pub fn new(name: impl Into<String>) -> Self {
        Graph {
            name: name.into(),
            values: Vec::new(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            layout: Layout::Nchw,
            removed: Vec::new(),
            imported: BTreeMap::new(),
            given: Given::default(),
        }
    }

    /// The value `id` stands for.
    ///
    /// # Panics
    /// When `id` is not of this graph; [`Graph::check`] proves that none is.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// The shape of a value.
    pub fn shape(&self, id: ValueId) -> &[usize] {
        &self.values[id.0].shape
    }

    /// The constant floats of a value, if it is constant.
    pub fn konst(&self, id: ValueId) -> Option<&ndarray::ArcArray<f32, ndarray::IxDyn>> {
        self.values[id.0].konst.as_ref().and_then(Tensor::as_f32)
    }

    /// Name of the tensor in the imported file from which [`Value::from_reference`] makes this value.
    pub fn reference_name(&self, id: ValueId) -> Option<&str> {
        self.values[id.0].origin.as_ref().map(|o| o.tensor.as_str())
    }

    /// Index of the node that computes a value.
    pub fn producer(&self, id: ValueId) -> Option<usize> {
        self.nodes.iter().position(|n| n.output == id)
    }

    /// Indices of the nodes that read a value.
    pub fn consumers(&self, id: ValueId) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&n| self.nodes[n].inputs.contains(&id)).collect()
    }

    /// Adds a value. A name already taken gets a number.
    pub fn add_value(&mut self, name: &str, shape: &[usize], origin: Option<Origin>) -> ValueId {
        let name = self.fresh_name(name);
        self.values.push(Value { name, shape: shape.to_vec(), konst: None, origin });
        ValueId(self.values.len() - 1)
    }

    /// Adds a constant. A name already taken gets a number.
    pub fn add_const(&mut self, name: &str, tensor: impl Into<Tensor>) -> ValueId {
        let tensor = tensor.into();
        let id = self.add_value(name, tensor.shape(), None);
        self.values[id.0].konst = Some(tensor);
        id
    }

    /// `name`, or `name` with the first free number.
    pub fn fresh_name(&self, name: &str) -> String {
        let taken: HashSet<&str> = self.values.iter().map(|v| v.name.as_str()).collect();
        fresh(name, |n| taken.contains(n))
    }

    /// Multiply-accumulates of one node: those of convolutions and dense layers.
    pub fn node_macs(&self, node: &Node) -> u64 {
        match node.op {
            Op::Conv { .. } | Op::FullyConnected => {
                let weights = self.shape(node.inputs[1]);
                let taps: usize = weights.iter().skip(1).product();
                self.shape(node.output).iter().product::<usize>() as u64 * taps as u64
            }
            Op::ConvTranspose { .. } => {
                let (x, weights) = (self.shape(node.inputs[0]), self.shape(node.inputs[1]));
                let (pixels, channels) = (x.iter().product::<usize>() as u64, weights[0] as u64);
                let [height, width] = self.layout.spatial_axes();
                pixels * channels * (weights[height] * weights[width]) as u64
            }
            _ => 0,
        }
    }

    /// Multiply-accumulates of the whole network.
    pub fn macs(&self) -> u64 {
        self.nodes.iter().map(|n| self.node_macs(n)).sum()
    }
}

/// A name as it is told and stored on the device. Exporters join the names of all operators that were fused with semicolons; the
/// first one tells enough.
pub fn short_name(name: &str) -> &str {
    name.split(';').find(|part| !part.is_empty()).unwrap_or(name)
}

/// `name`, or `name` with the first number that is not `taken`.
pub(crate) fn fresh(name: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(name) {
        return name.to_owned();
    }
    let mut number = 2usize;
    loop {
        let candidate = format!("{name}_{number}");
        if !taken(&candidate) {
            return candidate;
        }
        number += 1;
    }
}
