//! Patches in scratch: widened to 16 bits in the order that `product` reads, and the products over them.
//!
//! In a block of four patches each four values of a patch are two words, (0, 2) and (1, 3), followed by those of the
//! next patch; then come the next four values. A single patch has its words one after the other.

use core::ptr::null;

use super::product::{self, Product};
use super::{widen, word_at};
use crate::isa::{Block, Layer, Rows, block_bytes};
use crate::quant::Channels;
use mote_format::Rounding;

/// Patches of a full block.
pub(super) const PATCHES: usize = 4;
/// Sums of a dense layer that are kept while the parts of its input are widened one after the other.
const SUMS: usize = 16;

/// The first aligned word of a block's scratch, when the scratch holds the block.
fn base(block: &mut Block<'_>) -> Option<*mut i8> {
    if block.scratch.len() < block_bytes(block.len, block.count) {
        return None;
    }
    let start = block.scratch.as_mut_ptr();
    // The bytes up to the next word are those that `block_bytes` adds.
    Some(start.wrapping_add(start.addr().wrapping_neg() & 3))
}

/// Where value `at` of patch `i` lies from the base on; and the distance from four values to the next four.
fn place(block: &Block<'_>, i: usize, at: usize) -> (usize, usize) {
    let step = 8 * block.count;
    (at / 4 * step + 8 * i + (at & 1) * 4 + (at & 2), step)
}

/// Puts values at `at` of patch `i`, as many as the patch has room for.
#[inline(never)]
pub(super) fn pack(block: &mut Block<'_>, i: usize, at: usize, x: &[i8]) {
    let Some(base) = base(block) else { return };
    let len = x.len().min(block.len.saturating_sub(at));
    let (mut k, i) = (0, i.min(block.count - 1));
    let single = |k: usize| {
        let (offset, _) = place(block, i, at + k);
        // SAFETY: `at + k < block.len`, so the half word lies in the block, which `base` has found room for, and is
        // aligned.
        unsafe { base.add(offset).cast::<i16>().write(i16::from(x[k])) };
    };
    while k < len && (at + k) & 3 != 0 {
        single(k);
        k += 1;
    }
    let (mut offset, step) = place(block, i, at + k);
    while k + 4 <= len {
        // SAFETY: four values from `k` on are in `x` and, from `at + k` on, in the block; their words are aligned.
        unsafe {
            let (even, odd) = widen(word_at(x, k));
            let to = base.add(offset).cast::<i32>();
            to.write(even);
            to.add(1).write(odd);
        }
        offset += step;
        k += 4;
    }
    while k < len {
        single(k);
        k += 1;
    }
}

/// Puts `len` times the same value at `at` of patch `i`.
#[inline(never)]
pub(super) fn fill(block: &mut Block<'_>, i: usize, mut at: usize, len: usize, value: i8) {
    let values = [value; 16];
    let end = (at + len).min(block.len);
    while at < end {
        let part = (end - at).min(values.len() - (at & 3));
        pack(block, i, at, &values[..part]);
        at += part;
    }
}

/// Zeros behind the last values of each patch, up to four.
fn pad(block: &mut Block<'_>, base: *mut i8) {
    for i in 0..block.count {
        for at in block.len..block.len.next_multiple_of(4) {
            let (offset, _) = place(block, i, at);
            // SAFETY: `block_bytes` counts whole fours, and the half word is aligned.
            unsafe { base.add(offset).cast::<i16>().write(0) };
        }
    }
}

/// The layer's outputs for a block; `k` is the first of its values in the rows of weights, `sums` what they start from
/// (the biases when there are none), and the result goes there again unless `last`.
struct Call<'a, 'b> {
    layer: &'a Layer<'b>,
    /// Channels.
    from: usize,
    count: usize,
    /// Where the block's values begin in the rows of weights.
    k: usize,
}

impl Call<'_, '_> {
    /// The arguments, but for where sums come from and go to. `None` when weights or parameters are missing.
    fn product(&self, block: &mut Block<'_>) -> Option<Product> {
        let base = base(block)?;
        let (w, channels) = (&self.layer.w, &self.layer.channels);
        let end = self.from + self.count;
        let weights = w.data.get(self.from * w.stride + self.k..(end - 1) * w.stride + self.k + block.len)?;
        if end > channels.bias.len() || end > channels.mult.len() || self.count == 0 {
            return None;
        }
        if block.len % 4 != 0 {
            pad(block, base);
        }
        let aligned = (weights.as_ptr().addr() | w.stride) & 3 == 0;
        let unrolled = if aligned { block.len & !15 } else { 0 };
        let x: *const u32 = base.cast_const().cast();
        let words = 2 * block.count;
        let output = &channels.output;
        Some(Product {
            mult: channels.mult[self.from..].as_ptr(),
            shift: channels.shift.get(self.from..).map_or(null(), <[i8]>::as_ptr),
            y: core::ptr::null_mut(),
            stride: self.layer.stride,
            zero2: 2 * output.zero + 1,
            profile: if output.round == Rounding::Single { 1 } else { 0 },
            x,
            x_end: x.wrapping_add(unrolled / 4 * words),
            x_fours: if unrolled == block.len { null() } else { x.wrapping_add(block.len / 4 * words) },
            rest: block.len & 3,
            w: weights.as_ptr(),
            skip: w.stride - block.len,
            bias: channels.bias[self.from..].as_ptr(),
            count: self.count,
            narrow: u32::from(output.min != i8::MIN || output.max != i8::MAX),
            min: output.min.into(),
            max: output.max.into(),
        })
    }
}

/// Runs the loop over a block of four patches or of one.
///
/// # Safety
/// As of the loops.
unsafe fn call(count: usize, product: &mut Product) {
    // SAFETY: the caller's promise.
    unsafe { if count == PATCHES { product::four_patches(product) } else { product::one_patch(product) } }
}

/// The layer's outputs for a block of four patches or one.
#[inline(never)]
pub(super) fn product(block: &mut Block<'_>, layer: &Layer<'_>, y: &mut [i8]) {
    let count = layer.w.count;
    let patches = if block.count == PATCHES { PATCHES } else { 1 };
    if block.count != patches || y.len() < (patches - 1) * layer.stride + count {
        return;
    }
    if layer.plain {
        let call_of = Call { layer, from: 0, count, k: 0 };
        if let Some(mut product) = call_of.product(block) {
            product.y = y.as_mut_ptr();
            // SAFETY: the views' lengths were checked here and in `Call::product`; the layer is plain.
            unsafe { call(patches, &mut product) };
        }
        return;
    }
    for n in 0..count {
        let mut sums = [0i32; PATCHES];
        let call_of = Call { layer, from: n, count: 1, k: 0 };
        let Some(mut product) = call_of.product(block) else { return };
        (product.profile, product.bias, product.y) = (2, &raw const ZERO, sums.as_mut_ptr().cast());
        // SAFETY: as above; raw sums of one row are as many as there are patches.
        unsafe { call(patches, &mut product) };
        for (i, &sum) in sums[..patches].iter().enumerate() {
            requantize(&[sum], &layer.channels.part(n, 1), &mut y[i * layer.stride + n..][..1]);
        }
    }
}

static ZERO: i32 = 0;

/// Sums of consecutive channels to int8, in any profile.
#[inline(never)]
pub(super) fn requantize(sums: &[i32], channels: &Channels<'_>, y: &mut [i8]) {
    channels.apply(sums, y);
}

/// The layer's outputs for every row of `x`: by blocks of four where the scratch holds one, otherwise row by row.
#[inline(never)]
pub(super) fn matrix(x: Rows<'_>, layer: &Layer<'_>, scratch: &mut [i8], y: &mut [i8]) {
    let four = scratch.len() >= block_bytes(x.len, PATCHES);
    let whole = scratch.len() >= block_bytes(x.len, 1);
    let mut m = 0;
    while m < x.count {
        let y = &mut y[m * layer.stride..];
        let count = if four && x.count - m >= PATCHES { PATCHES } else { 1 };
        if whole {
            let mut block = Block { scratch, len: x.len, count };
            for i in 0..count {
                pack(&mut block, i, 0, x.row(m + i));
            }
            product(&mut block, layer, y);
        } else {
            parts(x.row(m), layer, scratch, y);
        }
        m += count;
    }
}

/// The layer's outputs for a row that is longer than the scratch: part by part, a few channels at a time.
fn parts(x: &[i8], layer: &Layer<'_>, scratch: &mut [i8], y: &mut [i8]) {
    let most = (scratch.len().saturating_sub(3) / 2) & !15;
    if most == 0 {
        return;
    }
    for from in (0..layer.w.count).step_by(SUMS) {
        let count = SUMS.min(layer.w.count - from);
        let part = layer.channels.part(from, count);
        let mut sums = [0i32; SUMS];
        if layer.plain {
            sums[..count].copy_from_slice(part.bias);
        }
        for (i, x_part) in x.chunks(most).enumerate() {
            let k = i * most;
            let mut block = Block { scratch, len: x_part.len(), count: 1 };
            pack(&mut block, 0, 0, x_part);
            let Some(mut product) = (Call { layer, from, count, k }).product(&mut block) else { return };
            product.bias = sums.as_ptr();
            if layer.plain && k + x_part.len() == x.len() {
                product.y = y[from..from + count].as_mut_ptr();
            } else {
                (product.profile, product.y) = (2, sums.as_mut_ptr().cast());
            }
            // SAFETY: lengths were checked here and in `Call::product`; `sums` has room for `count`, and each is read
            // before it is written.
            unsafe { product::one_patch(&mut product) };
        }
        if !layer.plain {
            requantize(&sums[..count], &part, &mut y[from..from + count]);
        }
    }
}
