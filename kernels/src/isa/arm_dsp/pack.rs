//! Patches in scratch: widened to 16 bits in the order that `product` reads, and the products over them.
//!
//! In a block of four patches each four values of a patch are two words, (0, 2) and (1, 3), followed by those of the
//! next patch; then come the next four values. A single patch has its words one after the other.

use core::arch::naked_asm;
use core::ptr::{NonNull, null, null_mut};

use super::product::{self, DOUBLE, Product, RAW, SINGLE};
use crate::isa::{Block, Isa, Layer, Rows, block_bytes};
use crate::quant::{Channels, Output};
use crate::ways;
use mote_format::{Rounding, Scale};

/// Patches of a full block.
pub(super) const PATCHES: usize = 4;
/// Sums of a dense layer that are kept while the parts of its input are widened one after the other.
const SUMS: usize = 32;

/// The first aligned word of a block's scratch, when the scratch holds the block.
fn base(block: &mut Block<'_>) -> Option<*mut i8> {
    if block.scratch.len() < block_bytes(block.len, block.count) {
        return None;
    }
    let start = block.scratch.as_mut_ptr();
    // The bytes up to the next word are those that `block_bytes` adds.
    Some(start.wrapping_add(start.addr().wrapping_neg() & 3))
}

/// Where value `at` of patch `i` lies from the base on.
fn place(block: &Block<'_>, i: usize, at: usize) -> usize {
    at / 4 * 8 * block.count + 8 * i + (at & 1) * 4 + (at & 2)
}

/// Puts values at `at` of patch `i`, as many as the patch has room for.
#[inline(never)]
pub(super) fn pack(block: &mut Block<'_>, i: usize, at: usize, x: &[i8]) {
    let Some(base) = base(block) else { return };
    let (len, i) = (x.len().min(block.len.saturating_sub(at)), i.min(block.count - 1));
    let head = (at.wrapping_neg() & 3).min(len);
    let fours = (len - head) / 4;
    if head > 0 {
        singles(block, base, (i, at), &x[..head]);
    }
    if fours > 0 {
        let to = base.wrapping_add(place(block, i, at + head)).cast();
        let from = x[head..].as_ptr();
        // SAFETY: that many fours are in `x` from `head` on and, from `at + head` on, in the block, for which `base` has
        // found room; their words are aligned.
        unsafe {
            if block.count == PATCHES {
                widen_to_block(to, from, fours)
            } else {
                widen_to_patch(to, from, fours)
            }
        };
    }
    let done = head + 4 * fours;
    if done < len {
        singles(block, base, (i, at + done), &x[done..len]);
    }
}

/// Values that are no whole fours.
#[inline(never)]
fn singles(block: &Block<'_>, base: *mut i8, (i, at): (usize, usize), x: &[i8]) {
    for (k, &x) in x.iter().enumerate() {
        // SAFETY: the values lie in the patch, so the half word lies in the block, and is aligned.
        unsafe { base.add(place(block, i, at + k)).cast::<i16>().write(x.into()) };
    }
}

macro_rules! widen {
    ($(#[$doc:meta])* $name:ident $step:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the DSP extension; there are `fours`, one at least, and room for them; `to` is aligned.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(to: *mut i32, x: *const i8, fours: usize) {
            naked_asm!(
dsp!(),
                "push {{r4, r5, r6, lr}}
                lsrs r2, r2, #1
                bcc 1f
                ldr r12, [r1], #4
                sxtb16 r4, r12
                sxtb16 r5, r12, ror #8",
                concat!("strd r4, r5, [r0], #", $step),
                "beq 2f
                1:
                ldr r12, [r1], #4
                ldr r3, [r1], #4
                sxtb16 r4, r12
                sxtb16 r5, r12, ror #8",
                concat!("strd r4, r5, [r0], #", $step),
                "sxtb16 r4, r3
                sxtb16 r5, r3, ror #8",
                concat!("strd r4, r5, [r0], #", $step),
                "subs r2, r2, #1
                bne 1b
                2:
                pop {{r4, r5, r6, pc}}",
            )
        }
    };
}

widen! {
    /// Fours of a patch among four.
    widen_to_block "32"
}
widen! {
    /// Fours of a patch by itself.
    widen_to_patch "8"
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
fn pad(block: &Block<'_>, base: *mut i8) {
    for i in 0..block.count {
        singles(block, base, (i, block.len), &[0; 3][..block.len.wrapping_neg() & 3]);
    }
}

/// Some rows of a layer, for a block.
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
        let unrolled = if aligned { block.len - block.len % product::unrolled(block.count) } else { 0 };
        let x: *const u32 = base.cast_const().cast();
        let words = 2 * block.count;
        let output = &channels.output;
        Some(Product {
            mult: channels.mult[self.from..].as_ptr(),
            // The loops read an exponent even where the profile has none.
            shift: channels
                .shift
                .get(self.from..end)
                .unwrap_or(bytemuck::cast_slice(&channels.bias[self.from..]))
                .as_ptr(),
            y: null_mut(),
            stride: self.layer.stride,
            twice: 2 * output.zero + 1,
            profile: if output.round == Rounding::Single { SINGLE } else { DOUBLE },
            y_end: null_mut(),
            x,
            x_end: x.wrapping_add(unrolled / 4 * words),
            x_fours: if unrolled == block.len { null() } else { x.wrapping_add(block.len / 4 * words) },
            rest: block.len & 3,
            w: NonNull::from(weights).cast(),
            skip: w.stride - block.len,
            bias: channels.bias[self.from..].as_ptr(),
        })
    }
}

/// Runs the loops over a block, for as many rows as there are outputs at `y`.
///
/// # Safety
/// As of the loops.
unsafe fn outputs(patches: usize, product: &mut Product, y: &mut [i8], count: usize) {
    (product.y, product.y_end) = (y.as_mut_ptr(), y[count..].as_mut_ptr());
    // SAFETY: the caller's promise.
    unsafe { call(patches, product) };
}

/// Runs the loops over a block for the raw sums of `sums.len() / patches` rows.
///
/// # Safety
/// As of the loops.
unsafe fn raw(patches: usize, product: &mut Product, sums: &mut [i32]) {
    let range = sums.as_mut_ptr_range();
    (product.profile, product.y, product.y_end) = (RAW, range.start.cast(), range.end.cast());
    // SAFETY: the caller's promise.
    unsafe { call(patches, product) };
}

/// # Safety
/// As of the loops.
unsafe fn call(patches: usize, product: &mut Product) {
    // SAFETY: the caller's promise.
    unsafe { if patches == PATCHES { product::four_patches(product) } else { product::one_patch(product) } }
}

/// The layer's outputs for a block of four patches or one.
#[inline(never)]
pub(super) fn product<I: Isa>(isa: I, block: &mut Block<'_>, layer: &Layer<'_>, y: &mut [i8]) {
    let count = layer.w.count;
    let patches = if block.count == PATCHES { PATCHES } else { 1 };
    if block.count != patches || y.len() < (patches - 1) * layer.stride + count {
        return;
    }
    if isa.may(ways::LONG) && !layer.plain {
        return mixed(isa, block, layer, y);
    }
    let mut product = Call { layer, from: 0, count, k: 0 }.product(block);
    let Some(product) = &mut product else { return };
    // SAFETY: the views' lengths were checked here and in `Call::product`; the channels are plain.
    unsafe { outputs(patches, product, y, count) };
    for i in 0..patches {
        hold(&layer.channels.output, &mut y[i * layer.stride..][..count]);
    }
}

/// As [`product`], where some channels are not plain: by way of raw sums.
#[inline(never)]
fn mixed<I: Isa>(isa: I, block: &mut Block<'_>, layer: &Layer<'_>, y: &mut [i8]) {
    let mut n = 0;
    while n < layer.w.count {
        let plain = |&n: &usize| layer.channels.part(n, 1).is_plain();
        let len = (n..layer.w.count).take_while(plain).count();
        if len > 0 {
            let (w, channels) = (Rows { count: len, ..layer.w.from(n) }, layer.channels.part(n, len));
            product(isa, block, &Layer { w, channels, plain: true, stride: layer.stride }, &mut y[n..]);
            n += len;
            continue;
        }
        let mut product = Call { layer, from: n, count: 1, k: 0 }.product(block);
        let Some(product) = &mut product else { return };
        let mut sums = [0i32; PATCHES];
        let sums = &mut sums[..block.count];
        product.bias = &raw const ZERO;
        // SAFETY: the views' lengths were checked in `product` and in `Call::product`; raw sums of one row are as many
        // as there are patches.
        unsafe { raw(block.count, product, sums) };
        for (i, &sum) in sums.iter().enumerate() {
            requantize_from(n, &[sum], &layer.channels, &mut y[i * layer.stride + n..][..1]);
        }
        n += 1;
    }
}

static ZERO: i32 = 0;

/// Holds outputs, which the loops hold in int8, between narrower bounds.
pub(super) fn hold(output: &Output, y: &mut [i8]) {
    if (output.min, output.max) != (i8::MIN, i8::MAX) {
        y.iter_mut().for_each(|y| *y = (*y).clamp(output.min, output.max));
    }
}

/// Sums of consecutive channels to int8, in any profile: what the loops cannot do, in little code.
#[inline(never)]
pub(super) fn requantize(sums: &[i32], channels: &Channels<'_>, y: &mut [i8]) {
    let scales = channels.mult.iter().zip(channels.bias).enumerate();
    for ((y, &sum), (i, (&mult, &bias))) in y.iter_mut().zip(sums).zip(scales) {
        let shift = channels.shift.get(i).copied().unwrap_or(0);
        *y = requantize_one(&channels.output, sum.wrapping_add(bias), Scale { mult, shift });
    }
}

/// As [`requantize`], for the channels from `n` on.
#[inline(never)]
fn requantize_from(n: usize, sums: &[i32], channels: &Channels<'_>, y: &mut [i8]) {
    requantize(sums, &channels.part(n, sums.len()), y);
}

/// One sum to int8, in any profile.
#[inline(never)]
pub(super) fn requantize_one(output: &Output, sum: i32, scale: Scale) -> i8 {
    output.apply(sum, scale)
}

/// The layer's outputs for every row of `x`: by blocks of four where the scratch holds one, otherwise row by row.
#[inline(never)]
pub(super) fn matrix<I: Isa>(isa: I, x: Rows<'_>, layer: &Layer<'_>, scratch: &mut [i8], y: &mut [i8]) {
    let four = isa.may(ways::BLOCKS) && scratch.len() >= block_bytes(x.len, PATCHES);
    let whole = isa.may(ways::WHOLE) && scratch.len() >= block_bytes(x.len, 1);
    let mut m = 0;
    while m < x.count {
        let y = &mut y[m * layer.stride..];
        let count = if four && x.count - m >= PATCHES { PATCHES } else { 1 };
        if whole {
            let mut block = Block { scratch, len: x.len, count };
            for i in 0..count {
                pack(&mut block, i, 0, x.row(m + i));
            }
            product(isa, &mut block, layer, y);
        } else if isa.may(ways::PARTS) {
            parts(isa, x.row(m), layer, scratch, y);
        }
        m += count;
    }
}

/// The layer's outputs for a row that is longer than the scratch: part by part, a few channels at a time.
#[inline(never)]
fn parts(isa: impl Isa, x: &[i8], layer: &Layer<'_>, scratch: &mut [i8], y: &mut [i8]) {
    let most = (scratch.len().saturating_sub(3) / 2) & !15;
    if most == 0 {
        return;
    }
    for from in (0..layer.w.count).step_by(SUMS) {
        let count = SUMS.min(layer.w.count - from);
        let mut sums = [0i32; SUMS];
        let plain = layer.plain || !isa.may(ways::LONG);
        if plain {
            sums[..count].copy_from_slice(&layer.channels.bias[from..from + count]);
        }
        for (i, x_part) in x.chunks(most).enumerate() {
            let k = i * most;
            let mut block = Block { scratch, len: x_part.len(), count: 1 };
            pack(&mut block, 0, 0, x_part);
            let mut product = Call { layer, from, count, k }.product(&mut block);
            let Some(product) = &mut product else { return };
            product.bias = sums.as_ptr();
            // SAFETY: lengths were checked here and in `Call::product`; each of the sums is read before it is written.
            unsafe {
                if plain && k + x_part.len() == x.len() {
                    outputs(1, product, &mut y[from..], count);
                } else {
                    raw(1, product, &mut sums[..count]);
                }
            }
        }
        let y = &mut y[from..from + count];
        if plain {
            hold(&layer.channels.output, y);
        } else {
            requantize_from(from, &sums[..count], &layer.channels, y);
        }
    }
}
