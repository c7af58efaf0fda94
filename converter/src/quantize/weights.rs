//! Weights to int8, a scale per output channel; biases to int32 with the input's zero point folded in; and the
//! proof that no sum of a layer can leave 32 bits. Importers of models with integers of their own share the latter.

use crate::error::{Error, Result};
use mote_format::{Const, ModelWriter, Quant, Requant, Rounding, Scale};
use mote_kernels::quant::scale_of;

/// The rounding profile of models that mote quantizes itself: one product and one shift on every target.
pub(super) const ROUNDING: Rounding = Rounding::Single;

/// The weights of one layer in floats, output channel by output channel.
pub(super) struct Layer<'a> {
    /// For messages.
    pub(super) name: &'a str,
    /// `outputs` runs of equal length.
    pub(super) weights: &'a [f32],
    /// One per output, or none.
    pub(super) bias: Option<&'a [f32]>,
    /// Number of outputs.
    pub(super) outputs: usize,
}

/// The integers of one layer.
pub(super) struct Quantized {
    /// In the order of the floats.
    pub(super) weights: Vec<i8>,
    /// Per output, with −zero·Σw.
    pub(super) bias: Vec<i32>,
    /// Real value of a unit of each output's sum over that of the output.
    pub(super) multipliers: Vec<Scale>,
}

impl Layer<'_> {
    /// Quantizes for an input at `x` and an output at `y`.
    pub(super) fn quantize(&self, x: Quant, y: Quant) -> Result<Quantized> {
        let run = self.weights.len() / self.outputs.max(1);
        let mut all = Quantized { weights: Vec::new(), bias: Vec::new(), multipliers: Vec::new() };
        for (o, w) in self.weights.chunks_exact(run).enumerate() {
            let bias = f64::from(self.bias.map_or(0.0, |b| b[o]));
            let scale = weight_scale(w, bias, f64::from(x.scale));
            let q: Vec<i8> =
                w.iter().map(|&w| (f64::from(w) / scale).round().clamp(-127.0, 127.0) as i8).collect();
            let unit = scale * f64::from(x.scale);
            let folded = fold((bias / unit).round() as i64, x.zero, q.iter().copied());
            all.bias.push(folded.map_err(|reach| self.overflow(o, reach))?);
            all.weights.extend(q);
            all.multipliers.push(scale_of(unit / f64::from(y.scale)));
        }
        Ok(all)
    }

    fn overflow(&self, output: usize, reach: i64) -> Error {
        Error::new("cannot quantize a layer")
            .at(format!("node \"{}\", output channel {output}", self.name))
            .cause(format!("its sums can reach {reach}, beyond the 32 bits of an accumulator"))
            .remedy("split the layer, or look for a bias that is far larger than its weights")
    }
}

/// Symmetric over the channel's weights, and large enough that the bias stays well inside 32 bits.
fn weight_scale(weights: &[f32], bias: f64, x_scale: f64) -> f64 {
    let largest = weights.iter().fold(0f32, |m, w| m.max(w.abs()));
    let for_bias = bias.abs() / (x_scale * f64::from(1 << 29));
    let scale = (f64::from(largest) / 127.0).max(for_bias);
    if scale > 0.0 { scale } else { 1.0 }
}

/// The bias of one output with −zero·Σw in it; or, as an error, what its sums can reach when that leaves 32 bits.
pub(crate) fn fold<W: Into<i64>>(bias: i64, zero: i32, weights: impl Iterator<Item = W>) -> Result<i32, i64> {
    let (sum, magnitude) =
        weights.map(Into::into).fold((0i64, 0i64), |(sum, magnitude), w| (sum + w, magnitude + w.abs()));
    let folded = bias.saturating_sub(i64::from(zero) * sum);
    let reach = folded.saturating_abs().saturating_add(128 * magnitude);
    if reach > i64::from(i32::MAX) { Err(reach) } else { Ok(folded as i32) }
}

/// Stores the multipliers of a layer's sums.
pub(crate) fn requant(
    writer: &mut ModelWriter,
    round: Rounding,
    scales: &[Scale],
    (min, max): (i8, i8),
) -> Requant {
    let mult = i32s(writer, scales.iter().map(|s| s.mult));
    let shift: Vec<u8> = scales.iter().map(|s| s.shift as u8).collect();
    Requant { round, mult, shift: writer.constant(&shift), min, max }
}

/// Stores 32-bit integers.
pub(crate) fn i32s(writer: &mut ModelWriter, values: impl Iterator<Item = i32>) -> Const {
    let bytes: Vec<u8> = values.flat_map(i32::to_le_bytes).collect();
    writer.constant(&bytes)
}

/// Stores int8 values.
pub(crate) fn i8s(writer: &mut ModelWriter, values: &[i8]) -> Const {
    let bytes: Vec<u8> = values.iter().map(|&v| v as u8).collect();
    writer.constant(&bytes)
}
