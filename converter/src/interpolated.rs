//! Functions of int16 values that are interpolated in tables, as TFLite makes these: sigmoid, hyperbolic tangent, softmax.

use mote_format::{ModelWriter, Sigmoid16, Softmax16};
use mote_kernels::quant::scale_of;

/// The scale of what cannot leave −1..1.
pub(crate) const UNIT: f32 = 1.0 / 32_768.0;

/// A sigmoid, or a tangent where `tanh` is 1, of values at a scale; `None` where the scale leaves its fixed point.
pub(crate) fn sigmoid(writer: &mut ModelWriter, scale: f32, tanh: u8) -> Option<Sigmoid16> {
    let (mult, shift) = units(scale, tanh)?;
    let table: Vec<u8> = (0..256).flat_map(|i| sigmoid_at(i).to_le_bytes()).collect();
    Some(Sigmoid16 { mult, shift, tanh, table: writer.constant(&table) })
}

/// A softmax of values at a scale.
pub(crate) fn softmax(writer: &mut ModelWriter, scale: f32) -> Softmax16 {
    let exp = table(10.0 / 65_535.0, 32_767.0, f64::exp);
    let reciprocal = table(1.0 / 65_535.0, -32_768.0, |x| 1.0 / (1.0 + x));
    Softmax16 {
        scale: scale_of(f64::from(scale) / (10.0 / 65_535.0)),
        exp: writer.constant(&exp),
        reciprocal: writer.constant(&reciprocal),
    }
}

/// The multiplier and shift that lead to units of 1/12288, as TFLite makes them: whole where the scale is 1/4096, or for
/// the tangent 1/2048, and else cut to 15 bits.
fn units(scale: f32, tanh: u8) -> Option<(u16, u8)> {
    let doubled = scale.log2().round() as i32 + 12;
    if near_power(scale) && (doubled == 0 || doubled == 1 && tanh == 1) {
        return Some((3 << doubled, 0));
    }
    let (mut real, mut shift) = (f64::from(scale) * 4096.0 * 3.0, 0);
    while real <= 32_767.0 / 2.0 && shift < 30 {
        (real, shift) = (real * 2.0, shift + 1);
    }
    (real < 32_768.0 && shift < 30).then_some((real as u16, shift))
}

/// The sigmoid of `i / 24` in units of 1/65536, moved by half the error that a line to the next entry makes in the middle.
fn sigmoid_at(i: u16) -> u16 {
    let exact = |x: f64| 65_536.0 / (1.0 + (-x / 24.0).exp());
    let x = f64::from(i);
    let error = (exact(x) + exact(x + 1.0)) / 2.0 - exact(x + 0.5);
    // Nothing follows the last one, which is all that the table's numbers hold.
    if i == 255 { u16::MAX } else { (exact(x) - error / 2.0).round() as u16 }
}

/// Whether LiteRT takes a scale for a power of two.
pub(crate) fn near_power(scale: f32) -> bool {
    let log = scale.log2();
    (log - log.round()).abs() < 1e-3
}

/// A function of `scale · (q − zero)` at every 128th q, in units of 2/65535, each value moved by half the error that a line
/// to the next one makes in the middle: `LUTPopulate` of TFLite.
fn table(scale: f64, zero: f64, f: impl Fn(f64) -> f64) -> Vec<u8> {
    let (low, high) = (scale * (-32_768.0 - zero), scale * (32_767.0 - zero));
    let step = (high - low) / 512.0;
    let unit = 65_536.0 / (2.0 / 65_535.0 * 65_535.0);
    let at = |i: usize| f(low + i as f64 * step) * unit;
    let entry = |i: usize| {
        if i == 512 {
            return (f(high) * unit).round();
        }
        let line = ((at(i + 1) + at(i).round()) / 2.0).round();
        let middle = (f(low + i as f64 * step + step / 2.0) * unit).round();
        at(i).round() - ((line - middle) / 2.0).round()
    };
    (0..=512).flat_map(|i| (entry(i).clamp(-32_768.0, 32_767.0) as i16).to_le_bytes()).collect()
}
