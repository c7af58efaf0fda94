//! Weights to int8, a scale per output channel; biases to int32 with the input's zero point folded in; and the
//! proof that no sum of a layer can leave 32 bits. Importers of models with integers of their own share the latter.

use crate::error::{Error, Result};
use crate::ir::{Given, GivenLayer};
use mote_format::{Const, ModelWriter, Quant, Requant, Requant16, Rounding, Scale};
use mote_kernels::quant::scale_of;

/// The rounding profile of models that mote quantizes itself: one product and one shift on every target. Those that
/// come with scales of their own are rounded as ONNX Runtime rounds them, in floats.
pub(super) fn rounding(given: &Given) -> Rounding {
    if given.tensors.is_empty() { Rounding::Single } else { Rounding::Float }
}

/// A real multiplier in a rounding profile.
pub(crate) fn multiplier(round: Rounding, real: f64) -> Scale {
    match round {
        Rounding::Float => Scale { mult: (real as f32).to_bits() as i32, shift: 0 },
        _ => scale_of(real),
    }
}

/// The weights of one layer in floats, output channel by output channel.
pub(super) struct Layer<'a> {
    /// For messages.
    pub(super) name: &'a str,
    /// `outputs` runs of equal length.
    pub(super) weights: Vec<f32>,
    /// One per output, or none.
    pub(super) bias: Option<Vec<f32>>,
    /// Number of outputs.
    pub(super) outputs: usize,
    /// Mean of the input that each weight of an output meets, output by output, where it is known: the bias then takes up
    /// what rounding the weights changes of the mean output (Nagel et al. 2019, "Data-free quantization", section 4.2).
    pub(super) means: Option<Vec<f32>>,
    /// The integers that the file gives.
    pub(super) given: Option<&'a GivenLayer>,
    /// How sums are rounded.
    pub(super) round: Rounding,
}

/// The integers of one layer.
pub(super) struct Quantized {
    /// In the order of the floats.
    pub(super) weights: Vec<i8>,
    /// Their zero point.
    pub(super) weight_zero: i8,
    /// Per output, with −zero·Σw.
    pub(super) bias: Vec<i32>,
    /// Real value of a unit of each output's sum over that of the output.
    pub(super) multipliers: Vec<Scale>,
}

/// The integers of one layer over int16.
pub(super) struct Quantized16 {
    /// In the order of the floats.
    pub(super) weights: Vec<i8>,
    /// Per output.
    pub(super) bias: Vec<i64>,
    /// Real value of a unit of each output's sum over that of the output.
    pub(super) multipliers: Vec<f64>,
}

impl Layer<'_> {
    /// Quantizes for an input at `x` and an output at `y`.
    pub(super) fn quantize(&self, x: Quant, y: Quant) -> Result<Quantized> {
        let run = self.weights.len() / self.outputs.max(1);
        let rows = || self.weights.chunks_exact(run).enumerate();
        let own: Option<Vec<_>> = rows().map(|(o, w)| self.given?.row(o, w)).collect();
        let weight_zero = self.given.filter(|_| own.is_some()).map_or(0, |g| g.zero);
        let (weights, bias, multipliers) = (Vec::new(), Vec::new(), Vec::new());
        let mut all = Quantized { weights, weight_zero, bias, multipliers };
        for (o, w) in rows() {
            let mut bias = f64::from(self.bias.as_ref().map_or(0.0, |b| b[o]));
            let (scale, q) = own.as_ref().map_or_else(|| row(w, bias, x.scale, 29), |own| own[o].clone());
            if let Some(means) = &self.means {
                bias -= moved(w, &q, scale, &means[o * run..][..run]);
            }
            let unit = scale * f64::from(x.scale);
            let bias =
                self.given.and_then(|g| g.bias(o, bias / unit)).unwrap_or((bias / unit).round() as i64);
            let folded = fold(bias, x.zero, q.iter().copied());
            all.bias.push(folded.map_err(|reach| self.overflow(o, reach))?);
            all.weights.extend(q.iter().map(|q| (q + i32::from(weight_zero)) as i8));
            all.multipliers.push(match self.round {
                // In the order of ONNX Runtime.
                Rounding::Float => multiplier(self.round, f64::from(x.scale * scale as f32 / y.scale)),
                round => multiplier(round, unit / f64::from(y.scale)),
            });
        }
        Ok(all)
    }

    /// Quantizes for int16 at `x` and at `y`, whose sums have 64 bits.
    pub(super) fn quantize16(&self, x: Quant, y: Quant) -> Quantized16 {
        let run = self.weights.len() / self.outputs.max(1);
        let mut all = Quantized16 { weights: Vec::new(), bias: Vec::new(), multipliers: Vec::new() };
        for (o, w) in self.weights.chunks_exact(run).enumerate() {
            let mut bias = f64::from(self.bias.as_ref().map_or(0.0, |b| b[o]));
            let (scale, q) = row(w, bias, x.scale, 45);
            if let Some(means) = &self.means {
                bias -= moved(w, &q, scale, &means[o * run..][..run]);
            }
            let unit = scale * f64::from(x.scale);
            all.bias.push((bias / unit).round() as i64);
            all.weights.extend(q.iter().map(|&q| q as i8));
            all.multipliers.push(unit / f64::from(y.scale));
        }
        all
    }

    fn overflow(&self, output: usize, reach: i64) -> Error {
        Error::new("cannot quantize a layer")
            .at(format!("node \"{}\", output channel {output}", self.name))
            .cause(format!("its sums can reach {reach}, beyond the 32 bits of an accumulator"))
            .remedy("split the layer, or look for a bias that is far larger than its weights")
    }
}

/// How far the mean sum of an output lies from that of the float weights.
fn moved(weights: &[f32], integers: &[i32], scale: f64, means: &[f32]) -> f64 {
    let errors = weights.iter().zip(integers).map(|(&w, &q)| f64::from(q) * scale - f64::from(w));
    errors.zip(means).map(|(error, &mean)| error * f64::from(mean)).sum()
}

/// The scale of one output's weights, and these as integers; its bias has so many bits at most.
fn row(weights: &[f32], bias: f64, x_scale: f32, bits: i32) -> (f64, Vec<i32>) {
    let scale = weight_scale(weights, bias / f64::from(x_scale) / 2f64.powi(bits));
    let one = |&w: &f32| (f64::from(w) / scale).round().clamp(-127.0, 127.0) as i32;
    (scale, weights.iter().map(one).collect())
}

impl GivenLayer {
    /// The file's scale and integers of output `o`, whose reals are `weights`. A factor that passes have moved into the
    /// weights is in the scale; `None` where the reals are not what the file says for another reason.
    fn row(&self, o: usize, weights: &[f32]) -> Option<(f64, Vec<i32>)> {
        let own = f64::from(if self.scales.len() == 1 { self.scales[0] } else { *self.scales.get(o)? });
        let largest = weights.iter().fold(0f64, |m, &w| m.max(f64::from(w).abs()));
        let peak = f64::from(*self.peaks.get(o)?);
        let found = if peak > 0.0 { largest / peak } else { own };
        let scale = if (found / own - 1.0).abs() < 1e-6 { own } else { found };
        let one = |&w: &f32| {
            let whole = (f64::from(w) / scale).round();
            let close = (f64::from(w) / scale - whole).abs() < 1e-3;
            let stored = i8::try_from(whole as i64 + i64::from(self.zero)).is_ok();
            (close && stored).then_some(whole as i32)
        };
        Some((scale, weights.iter().map(one).collect::<Option<_>>()?))
    }

    /// The file's bias of output `o`, where `found` differs from it by no more than floats do.
    fn bias(&self, o: usize, found: f64) -> Option<i64> {
        let own = f64::from(*self.bias.get(o)?);
        ((own - found).abs() <= 0.5 + own.abs() * 1e-6).then_some(own as i64)
    }
}

/// Symmetric over the channel's weights, and at least `least`, where the bias stays well inside its bits.
fn weight_scale(weights: &[f32], least: f64) -> f64 {
    let largest = weights.iter().fold(0f32, |m, w| m.max(w.abs()));
    let scale = (f64::from(largest) / 127.0).max(least.abs());
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
    let shifts = if round == Rounding::Float { &[] } else { scales };
    let shift: Vec<u8> = shifts.iter().map(|s| s.shift as u8).collect();
    Requant { round, mult, shift: writer.constant(&shift), min, max }
}

/// Stores 15 bits of the multiplier of each 64-bit sum; `None` where one is 128 or more.
pub(crate) fn requant16(
    writer: &mut ModelWriter,
    multipliers: &[f64],
    (min, max): (i16, i16),
) -> Option<Requant16> {
    let scales: Vec<Scale> = multipliers.iter().map(|&real| scale_of(real)).collect();
    let part = |s: &Scale| ((i64::from(s.mult) + (1 << 15)) >> 16).min(0x7FFF) as i16;
    let mult: Vec<u8> = scales.iter().flat_map(|s| part(s).to_le_bytes()).collect();
    let shift: Vec<i8> = scales.iter().map(|s| s.shift).collect();
    let (mult, shift) = (writer.constant(&mult), i8s(writer, &shift));
    let fits = scales.iter().all(|s| s.shift <= 7);
    fits.then_some(Requant16 { round: Rounding::Single, mult, shift, min, max })
}

/// Stores biases of 64-bit sums, in 32 bits where these hold all of them.
pub(crate) fn biases16(writer: &mut ModelWriter, biases: &[i64]) -> Const {
    let narrow: Option<Vec<i32>> = biases.iter().map(|&b| i32::try_from(b).ok()).collect();
    let halves = || biases.iter().flat_map(|&b| [b as i32, (b >> 32) as i32]).collect();
    i32s(writer, narrow.unwrap_or_else(halves).into_iter())
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
