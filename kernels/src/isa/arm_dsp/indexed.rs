//! Layers with weights of four bits over patches in scratch: the arguments of `product::indexed`'s loops.

use core::ptr::{null_mut, without_provenance};

use super::pack::{PATCHES, base, hold, profile, requantize_from};
use super::product::RAW;
use super::product::indexed::{
    Indices, MASK, int4_four_patches, int4_one_patch, palette_four_patches, palette_one_patch,
};
use super::smlad;
use crate::indexed::Indexed;
use crate::isa::{Block, Isa};
use crate::ways;

/// Both halves are 1: a product with it is a sum.
const ONES: i32 = 0x0001_0001;

/// The outputs for a block of four patches or one.
#[inline(never)]
pub(super) fn indexed(isa: impl Isa, block: &mut Block<'_>, layer: &Indexed<'_>, y: &mut [i8]) {
    let (patches, len, count) = (block.count, block.len, layer.channels.bias.len());
    let whole = len > 0 && len % 8 == 0 && count > 0 && layer.rows.len() >= count * len / 2;
    if !whole || patches != 1 && patches != PATCHES || layer.channels.mult.len() < count {
        return;
    }
    let Some(base) = base(block).filter(|_| y.len() >= (patches - 1) * layer.stride + count) else { return };
    // SAFETY: `base` has found room for so many aligned words, which the patches' values and zeros fill.
    let x = unsafe { core::slice::from_raw_parts(base.cast::<i32>().cast_const(), patches * len / 2) };
    let more = match (layer.int4, patches) {
        (false, _) => [0; PATCHES],
        (true, 1) => excess::<1, 2>(x),
        (true, _) => excess::<PATCHES, { 2 * PATCHES }>(x),
    };
    let mut n = 0;
    while n < count {
        let call = Call { layer, x, more, len, from: n };
        let plain = |&n: &usize| layer.channels.part(n, 1).is_plain();
        let all = layer.plain || !isa.may(ways::LONG);
        let rows = if all { count } else { (n..count).take_while(plain).count() };
        if rows > 0 {
            let mut indices = call.indices();
            (indices.y, indices.y_end) = (y[n..].as_mut_ptr(), y[n + rows..].as_mut_ptr());
            // SAFETY: rows, channels, patches and outputs are as many as was checked; the channels are plain.
            unsafe { run(isa, layer, patches, &indices) };
            for i in 0..patches {
                hold(isa, &layer.channels.output, &mut y[i * layer.stride + n..][..rows]);
            }
            n += rows;
            continue;
        }
        let mut indices = call.indices();
        let mut sums = [0i32; PATCHES];
        let range = sums[..patches].as_mut_ptr_range();
        (indices.profile, indices.y, indices.y_end) = (RAW, range.start.cast(), range.end.cast());
        indices.bias = &raw const ZERO;
        // SAFETY: as above; raw sums of one row are as many as there are patches.
        unsafe { run(isa, layer, patches, &indices) };
        for (i, &sum) in sums[..patches].iter().enumerate() {
            requantize_from(n, &[sum], &layer.channels, &mut y[i * layer.stride + n..][..1]);
        }
        n += 1;
    }
}

static ZERO: i32 = 0;

/// What each of so many patches' sums has too much where 8 is added to every weight, taken off.
#[inline(always)]
fn excess<const COUNT: usize, const WORDS: usize>(x: &[i32]) -> [i32; PATCHES] {
    let mut sums = [0i32; PATCHES];
    for fours in x.as_chunks::<WORDS>().0 {
        for i in 0..COUNT {
            sums[i] = smlad(smlad(sums[i], fours[2 * i], ONES), fours[2 * i + 1], ONES);
        }
    }
    sums.map(|sum| sum.wrapping_mul(-8))
}

/// The rows from some channel on, for a block.
struct Call<'a, 'b> {
    layer: &'a Indexed<'b>,
    x: &'a [i32],
    more: [i32; PATCHES],
    len: usize,
    from: usize,
}

impl Call<'_, '_> {
    /// The arguments, but for where outputs go.
    fn indices(&self) -> Indices {
        let Self { layer, from, .. } = *self;
        let (channels, x) = (&layer.channels, self.x.as_ptr_range());
        let mask = without_provenance(MASK);
        Indices {
            x: x.start.cast(),
            palette: if layer.int4 { mask } else { layer.palette.as_ptr() },
            bias: channels.bias[from..].as_ptr(),
            x_end: x.end.cast(),
            mult: channels.mult[from..].as_ptr(),
            // The loops read an exponent even where the profile has none.
            shift: channels
                .shift
                .get(from..)
                .unwrap_or(bytemuck::cast_slice(&channels.bias[from..]))
                .as_ptr(),
            y: null_mut(),
            step: if self.x.len() == self.len / 2 { 0 } else { layer.stride },
            twice: 2 * channels.output.zero + 1,
            profile: profile(&channels.output),
            y_end: null_mut(),
            w: layer.rows[from * self.len / 2..].as_ptr(),
            more: self.more,
        }
    }
}

/// # Safety
/// As of the loops.
unsafe fn run(isa: impl Isa, layer: &Indexed<'_>, patches: usize, call: &Indices) {
    let four = isa.may(ways::BLOCKS) && patches == PATCHES;
    // SAFETY: the caller's promise.
    unsafe {
        match (four, layer.int4) {
            (true, true) => int4_four_patches(call),
            (true, false) => palette_four_patches(call),
            (false, true) => int4_one_patch(call),
            (false, false) => palette_one_patch(call),
        }
    }
}
