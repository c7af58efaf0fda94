//! A convolution between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND is a dilated one: training frameworks write it so. Found
//! here, and lowered as one convolution; whatever does not fit stays three operators that move and compute.

use super::file::{File, Node};
use std::collections::HashMap;
use tract_tflite::tflite::{BuiltinOperator as B, Padding, TensorType};

/// Explicit geometry of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dilation {
    /// Steps between taps, rows and columns.
    pub(super) steps: [i32; 2],
    /// Rows above and below, columns left and right.
    pub(super) pads: [[usize; 2]; 2],
}

/// What the nodes of a file become.
#[derive(Default)]
pub(super) struct Folds {
    /// Nodes that are part of another.
    part: Vec<usize>,
    /// Convolutions by index: their geometry, input and output.
    whole: HashMap<usize, (Dilation, usize, usize)>,
}

impl Folds {
    /// All such convolutions of a file.
    pub(super) fn find(file: &File<'_>) -> Self {
        let mut folds = Self::default();
        for (i, conv) in file.nodes.iter().enumerate() {
            let Some((front, back)) = neighbours(file, conv) else { continue };
            let ends = (front.inputs.first().copied().flatten(), back.outputs.first().copied());
            let (Some(x), Some(y)) = ends else { continue };
            if let Some(dilation) = geometry(file, [front, conv, back]) {
                folds.part.extend([front.index, back.index]);
                folds.whole.insert(i, (dilation, x, y));
            }
        }
        folds
    }

    /// The node to lower instead, if any is left.
    pub(super) fn replace<'a>(&self, node: &Node<'a>) -> Option<Node<'a>> {
        if self.part.contains(&node.index) {
            return None;
        }
        let mut node = Node {
            name: node.name.clone(),
            inputs: node.inputs.clone(),
            outputs: node.outputs.clone(),
            ..*node
        };
        if let Some(&(_, x, y)) = self.whole.get(&node.index) {
            (node.inputs[0], node.outputs[0]) = (Some(x), y);
        }
        Some(node)
    }

    /// The geometry of a folded convolution.
    pub(super) fn geometry(&self, node: &Node<'_>) -> Option<Dilation> {
        self.whole.get(&node.index).map(|w| w.0)
    }
}

/// The operators in front of and behind a convolution, when they are those and nobody else reads what lies between.
fn neighbours<'f, 'a>(file: &'f File<'a>, conv: &Node<'_>) -> Option<(&'f Node<'a>, &'f Node<'a>)> {
    if ![B::CONV_2D, B::DEPTHWISE_CONV_2D].contains(&conv.code) {
        return None;
    }
    let (&x, &[y]) = (conv.inputs.first()?.as_ref()?, &conv.outputs[..]) else { return None };
    let front = file.nodes.iter().find(|n| n.code == B::SPACE_TO_BATCH_ND && n.outputs == [x])?;
    let back =
        file.nodes.iter().find(|n| n.code == B::BATCH_TO_SPACE_ND && n.inputs.first() == Some(&Some(y)))?;
    let readers = |t: usize| file.nodes.iter().flat_map(|n| &n.inputs).filter(|i| **i == Some(t)).count();
    let inside = |t: usize| readers(t) == 1 && !file.outputs.contains(&t);
    (inside(x) && inside(y)).then_some((front, back))
}

/// The geometry of the dilated convolution, where all three make one.
fn geometry(file: &File<'_>, [front, conv, back]: [&Node<'_>; 3]) -> Option<Dilation> {
    let tensor = |t: Option<&Option<usize>>| t.copied().flatten().map(|t| &file.tensors[t]);
    let (x, w) = (tensor(front.inputs.first())?, tensor(conv.inputs.get(1))?);
    let (spread, y) = (&file.tensors[front.outputs[0]], &file.tensors[*back.outputs.first()?]);
    let result = tensor(back.inputs.first())?;
    let same = |a: &super::file::Tensor<'_>, b: &super::file::Tensor<'_>| {
        a.kind == b.kind && a.scales == b.scales && a.zeros == b.zeros
    };
    let (&[n, h, wide, _], &[images, oh, ow, _]) = (&x.dims[..], &y.dims[..]) else { return None };
    let kind = [TensorType::INT8, TensorType::FLOAT32].contains(&x.kind);
    if !kind || !same(x, spread) || !same(result, y) || images != n || w.dims.len() != 4 {
        return None;
    }
    let list = |node: &Node<'_>, i: usize| tensor(node.inputs.get(i))?.integers();
    let (block, pads) = (list(front, 1)?, list(front, 2)?);
    let (again, crops) = (list(back, 1)?, list(back, 2)?);
    let plain = block.len() == 2 && pads.len() == 4 && crops.len() == 4 && again == block;
    if !plain || !is_dense(conv) {
        return None;
    }
    let mut dilation = Dilation { steps: [0; 2], pads: [[0; 2]; 2] };
    for (axis, (input, output)) in [(h, oh), (wide, ow)].into_iter().enumerate() {
        let step = i32::try_from(block[axis]).ok().filter(|s| (1..256).contains(s))?;
        let extent = w.dims[axis + 1].checked_sub(1)?.checked_mul(step as usize)?.checked_add(1)?;
        // The crop takes away what the padding added in front; the output's length says what is left behind.
        let before = usize::try_from(pads[2 * axis].checked_sub(crops[2 * axis])?).ok()?;
        let after = output.checked_sub(1)?.checked_add(extent)?.checked_sub(input.checked_add(before)?)?;
        let spread = usize::try_from(pads[2 * axis].checked_add(pads[2 * axis + 1])?).ok()?;
        let room = input.checked_add(spread)?;
        let crop = usize::try_from(crops[2 * axis].checked_add(crops[2 * axis + 1])?).ok()?;
        let reach = crop.checked_add(output)?.checked_add(extent - 1)?;
        if before >= extent || after >= extent || reach != room || !room.is_multiple_of(step as usize) {
            return None;
        }
        (dilation.steps[axis], dilation.pads[axis]) = (step, [before, after]);
    }
    Some(dilation)
}

/// A convolution without padding, strides and dilation of its own.
fn is_dense(conv: &Node<'_>) -> bool {
    if let Some(o) = conv.options.builtin_options_as_conv_2_doptions() {
        let steps = [o.stride_h(), o.stride_w(), o.dilation_h_factor(), o.dilation_w_factor()];
        return o.padding() == Padding::VALID && steps == [1; 4];
    }
    conv.options.builtin_options_as_depthwise_conv_2_doptions().is_some_and(|o| {
        let steps = [o.stride_h(), o.stride_w(), o.dilation_h_factor(), o.dilation_w_factor()];
        o.padding() == Padding::VALID && steps == [1; 4]
    })
}
