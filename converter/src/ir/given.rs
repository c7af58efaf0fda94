//! What a file that is quantized already says of its integers. The graph itself holds the real values that they stand
//! for; lowering gives the integers back.

use mote_format::Quant;
use std::collections::BTreeMap;

/// Scales and integers of a quantized file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// Scale and zero point of activations, by the name of the tensor in the file.
    pub tensors: BTreeMap<String, Quant>,
    /// Integers of the weights of convolutions and dense layers, by the name of the node.
    pub layers: BTreeMap<String, GivenLayer>,
}

/// The integers of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenLayer {
    /// Real value of a unit of the weights: one, or one per output channel.
    pub scales: Vec<f32>,
    /// Per output channel, the largest magnitude of a weight less its zero point.
    pub peaks: Vec<i32>,
    /// Zero point of the weights as int8.
    pub zero: i8,
    /// The bias, in units of the input's and the weights' scale; empty where it is not an integer.
    pub bias: Vec<i32>,
}

impl Given {
    /// The integers of a node, or of a part that importing has made of it, which carries a suffix.
    pub fn layer(&self, node: &str) -> Option<&GivenLayer> {
        let whole = || Some(node.rsplit_once('_')?.0);
        self.layers.get(node).or_else(|| self.layers.get(whole()?))
    }
}
