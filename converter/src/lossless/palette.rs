//! Weights that have sixteen values at most, stored as indices of four bits: the same layer in half the bytes.

use super::rebuild::Rebuild;
use crate::error::Result;
use crate::program::{Operand, Program};
use mote_format::{
    Const, Conv2d, Conv2dPalette, FullyConnected, FullyConnectedPalette, INT4, ModelWriter, Op, PALETTE,
    palette_rows,
};
use std::collections::{BTreeSet, HashSet};

/// The program with the weights of these nodes as indices, where that is possible and takes fewer bytes.
pub fn with_palettes(program: &Program, nodes: &HashSet<String>) -> Result<Program> {
    let mut coded = program.clone();
    for step in coded.steps.iter_mut().filter(|step| nodes.contains(&step.node)) {
        step.op = indexed(step.op, &mut coded.writer).unwrap_or(step.op);
    }
    // Without the weights that are no longer used.
    let mut new = Rebuild::new(&coded);
    for (k, step) in coded.steps.iter().enumerate() {
        let mut inputs = Vec::new();
        for &input in &step.inputs {
            inputs.extend(match input {
                Operand::Arena(x) => new.place(x),
                Operand::Constant(c) => Some(new.whole_constant(c)),
            });
        }
        let op = new.constants(step.op);
        new.push(k, op, inputs, coded.output(k).clone());
    }
    new.finish()
}

/// The operator with weights as indices.
fn indexed(op: Op, writer: &mut ModelWriter) -> Option<Op> {
    match op {
        Op::Conv2d(p) => {
            let (weights, palette) = store(writer, p.weights, p.bias)?;
            Some(Op::Conv2dPalette(Conv2dPalette { layer: Conv2d { weights, ..p }, palette }))
        }
        Op::FullyConnected(p) => {
            let (weights, palette) = store(writer, p.weights, p.bias)?;
            let layer = FullyConnected { weights, ..p };
            Some(Op::FullyConnectedPalette(FullyConnectedPalette { layer, palette }))
        }
        _ => None,
    }
}

/// Stores the indices of the weights of as many rows as there are biases, and the palette: that of int4 where it serves.
fn store(writer: &mut ModelWriter, weights: Const, bias: Const) -> Option<(Const, Const)> {
    let weights: Vec<i8> = writer.bytes(weights).iter().map(|&w| w as i8).collect();
    let values: BTreeSet<i8> = weights.iter().copied().collect();
    let mut palette = INT4;
    if !values.iter().all(|v| INT4.contains(v)) {
        if values.len() > PALETTE {
            return None;
        }
        // Entries that are left over repeat the last.
        palette = [*values.last()?; PALETTE];
        palette.iter_mut().zip(&values).for_each(|(entry, &value)| *entry = value);
    }
    let index = |w: &i8| palette.iter().position(|entry| entry == w).unwrap_or(0) as u8;
    let indices: Vec<u8> = weights.iter().map(index).collect();
    let rows = palette_rows(&indices, weights.len().checked_div(bias.len as usize / 4)?);
    (rows.len() + PALETTE < weights.len())
        .then(|| (writer.constant(&rows), writer.constant(&palette.map(|v| v as u8))))
}
