//! Numbers of one type as those of another, in the ways of LiteRT.

use mote_format::{Cast, DType, Shape};

use crate::isa::Isa;
use crate::view::Io;

pub(crate) fn scratch(_: &Cast, _: &Shape, _: &Shape) -> usize {
    0
}

/// A stored number.
enum Number {
    Whole(i32),
    Real(f32),
}

fn read(from: DType, bytes: &[u8]) -> Number {
    match (from, bytes) {
        (DType::U8, &[b]) => Number::Whole(b.into()),
        (DType::I16, &[a, b]) => Number::Whole(i16::from_le_bytes([a, b]).into()),
        (DType::I32, &[a, b, c, d]) => Number::Whole(i32::from_le_bytes([a, b, c, d])),
        (DType::F32, &[a, b, c, d]) => Number::Real(f32::from_le_bytes([a, b, c, d])),
        _ => Number::Whole(i32::from(bytes[0] as i8)),
    }
}

/// Integers wrap. Reals are cut and held inside the range; what is not a number becomes the largest one.
fn write(to: DType, number: Number, y: &mut [u8]) {
    let whole = |min: i32, max: i32| match number {
        Number::Whole(v) => v,
        Number::Real(v) if v.is_nan() => max,
        Number::Real(v) => (v as i32).clamp(min, max),
    };
    match to {
        DType::I8 => y[0] = whole(-128, 127) as u8,
        DType::U8 => y[0] = whole(0, 255) as u8,
        DType::I16 => y.copy_from_slice(&(whole(-32_768, 32_767) as i16).to_le_bytes()),
        DType::I32 => y.copy_from_slice(&whole(i32::MIN, i32::MAX).to_le_bytes()),
        DType::F32 => {
            let real = match number {
                Number::Whole(v) => v as f32,
                Number::Real(v) => v,
            };
            y.copy_from_slice(&real.to_le_bytes());
        }
    }
}

#[inline(always)]
pub(crate) fn naive(p: &Cast, io: Io<'_>) {
    let x = io.x[0].bytes.unwrap_or(&[]).chunks_exact(p.from.size());
    for (x, y) in x.zip(io.y.bytes.chunks_exact_mut(p.to.size())) {
        write(p.to, read(p.from, x), y);
    }
}

#[inline(always)]
pub(crate) fn run<I: Isa>(_: I, p: &Cast, io: Io<'_>) {
    naive(p, io);
}
