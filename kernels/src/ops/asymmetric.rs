//! What the operators share whose weights have a zero point z: Σx·(w − z) = Σx·w − z·Σx, so that the micro-kernels for
//! weights without one serve. Intermediate sums may leave 32 bits; the difference is exact all the same.

use crate::isa::{BLOCK, Isa, MAX_PIXELS, Rows, Tile};
use crate::quant::Channels;

/// Every row of `x` times every row of `w` less its zero point, requantized; rows of `y` are `stride` apart.
#[inline(always)]
pub(super) fn matrix<I: Isa>(
    isa: I,
    x: Rows<'_>,
    (w, zero): (Rows<'_>, i8),
    channels: &Channels<'_>,
    stride: usize,
    y: &mut [i8],
) {
    let mut m = 0;
    while m < x.count {
        if x.count - m >= I::Tile::PIXELS {
            lines(isa, x.from(m), (w, zero), channels, stride, &mut y[m * stride..], I::tile);
            m += I::Tile::PIXELS;
        } else {
            lines(isa, x.from(m), (w, zero), channels, stride, &mut y[m * stride..], I::line);
            m += I::Line::PIXELS;
        }
    }
}

/// The first rows of `x`, as many as the tile has.
#[inline(always)]
fn lines<I: Isa, T: Tile>(
    isa: I,
    x: Rows<'_>,
    (w, zero): (Rows<'_>, i8),
    channels: &Channels<'_>,
    stride: usize,
    y: &mut [i8],
    dot: impl Fn(I, Rows<'_>, Rows<'_>) -> T,
) {
    let mut excess = [0; MAX_PIXELS];
    for (i, excess) in excess[..T::PIXELS].iter_mut().enumerate() {
        let sum = x.row(i).iter().fold(0i32, |sum, &x| sum.wrapping_add(x.into()));
        *excess = sum.wrapping_mul(zero.into());
    }
    for n in (0..w.count).step_by(T::CHANNELS) {
        let len = T::CHANNELS.min(w.count - n);
        let tile = dot(isa, x, w.from(n));
        for (i, &excess) in excess[..T::PIXELS].iter().enumerate() {
            let y = &mut y[i * stride + n..][..len];
            for (b, (sums, y)) in tile.pixel(i).chunks(BLOCK).zip(y.chunks_mut(BLOCK)).enumerate() {
                let mut acc = [0; BLOCK];
                let acc = &mut acc[..y.len()];
                acc.iter_mut().zip(sums).for_each(|(acc, sum)| *acc = sum.wrapping_sub(excess));
                isa.requantize(acc, &channels.part(n + b * BLOCK, y.len()), y);
            }
        }
    }
}
