//! Patches in scratch: widened to 16 bits in the order that `product` reads, and the products over them.
//!
//! In a block of four patches each four values of a patch are two words, (0, 2) and (1, 3), followed by those of the
//! next patch; then come the next four values. A single patch has its words one after the other. Zeros stand in front
//! of the values, up to whole fours.

use core::arch::naked_asm;
use core::mem::MaybeUninit;
use core::ptr::null_mut;

use super::product::{self, DOUBLE, Product, RAW, SINGLE};
use crate::isa::{Block, Isa, Layer, Rows, block_bytes};
use crate::quant::{Channels, Output};
use crate::ways;
use mote_format::{Rounding, Scale};

/// Patches of a full block.
pub(super) const PATCHES: usize = 4;
/// Sums of a dense layer that are kept while the parts of its input are widened one after the other.
const SUMS: usize = 16;

/// The first aligned word of a block's scratch, when the scratch holds the block.
pub(super) fn base(block: &mut Block<'_>) -> Option<*mut i8> {
    if block.scratch.len() < block_bytes(block.len, block.count) {
        return None;
    }
    let start = block.scratch.as_mut_ptr();
    // The bytes up to the next word are those that `block_bytes` adds.
    Some(start.wrapping_add(start.addr().wrapping_neg() & 3))
}

/// Zeros in front of a patch's values.
fn lead(len: usize) -> usize {
    len.wrapping_neg() & 3
}

/// Where value `at` of patch `i`, counted with the zeros in front, lies from the base on.
fn place(block: &Block<'_>, i: usize, at: usize) -> usize {
    at / 4 * 8 * block.count + 8 * i + (at & 1) * 4 + (at & 2)
}

/// Puts values at `at` of patch `i`, as many as the patch has room for.
#[inline(never)]
pub(super) fn pack(block: &mut Block<'_>, i: usize, at: usize, x: &[i8]) {
    let Some(base) = base(block) else { return };
    let (len, i) = (x.len().min(block.len.saturating_sub(at)), i.min(block.count - 1));
    if at == 0 {
        // SAFETY: a patch has a first four, for which `base` has found room.
        unsafe { base.add(8 * i).cast::<[u32; 2]>().write([0; 2]) };
    }
    let at = at + lead(block.len);
    let head = (at.wrapping_neg() & 3).min(len);
    let fours = (len - head) / 4;
    if head > 0 {
        singles(block, base, (i, at), &x[..head]);
    }
    if fours > 0 {
        let to = base.wrapping_add(place(block, i, at + head)).cast();
        // SAFETY: that many fours are in `x` from `head` on and, from `at + head` on, in the block, for which `base` has
        // found room; their words are aligned.
        unsafe { widen(block.count)(to, x[head..].as_ptr(), fours, 0, 1) };
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

/// Words of a patch that is collected before it is widened, with the zeros in front.
const COLLECTED: usize = 16;

/// Makes patch `i` of some rows.
#[inline(never)]
pub(super) fn gather(block: &mut Block<'_>, i: usize, x: Rows<'_>) {
    let Some(base) = base(block) else { return };
    let fits = x.count > 0 && x.count * x.len == block.len && x.stride >= x.len;
    if !fits || (x.count - 1) * x.stride + x.len > x.data.len() || i >= block.count {
        return;
    }
    let (to, from) = (base.wrapping_add(8 * i).cast(), x.data.as_ptr());
    if x.len % 4 == 0 {
        // SAFETY: the rows lie in `x`, and there is room for the patch, as was checked; its words are aligned.
        return unsafe { widen(block.count)(to, from, x.len / 4, x.stride - x.len, x.count) };
    }
    let lead = lead(block.len);
    if x.len < 4 || lead + block.len > 4 * COLLECTED {
        return (0..x.count).for_each(|row| pack(block, i, row * x.len, x.row(row)));
    }
    let mut words = MaybeUninit::<[u32; COLLECTED]>::uninit();
    let first: *mut i8 = words.as_mut_ptr().cast();
    // SAFETY: zeros and rows, whose lengths make whole words, lie in `words`. The last four bytes of a row that is no whole
    // fours overlap those before; each row has four at least.
    unsafe {
        first.cast::<u32>().write(0);
        let (mut to, mut from) = (first.add(lead), from);
        for _ in 0..x.count {
            let mut at = 0;
            while at + 4 <= x.len {
                copy_word(to.add(at), from.add(at));
                at += 4;
            }
            copy_word(to.add(x.len - 4), from.add(x.len - 4));
            (to, from) = (to.add(x.len), from.wrapping_add(x.stride));
        }
    }
    // SAFETY: all of these words were written; there is room for the patch.
    unsafe { widen(block.count)(to, first, (lead + block.len) / 4, 0, 1) };
}

/// # Safety
/// There are four bytes at both places.
#[inline(always)]
unsafe fn copy_word(to: *mut i8, from: *const i8) {
    // SAFETY: the caller's promise.
    unsafe { to.cast::<u32>().write_unaligned(from.cast::<u32>().read_unaligned()) };
}

/// The loop that widens `rows` times `fours` values, with `skip` values between rows, one at least of both, for a block of
/// so many patches.
fn widen(patches: usize) -> unsafe extern "C" fn(*mut i32, *const i8, usize, usize, usize) {
    if patches == PATCHES { widen_to_block } else { widen_to_patch }
}

macro_rules! widen {
    ($(#[$doc:meta])* $name:ident $step:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the DSP extension; there are the values, and room for them; `to` is aligned.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(to: *mut i32, x: *const i8, fours: usize, skip: usize, rows: usize) {
            naked_asm!(
                dsp!(),
                "push {{r4, r5, r6, r7, lr}}
                ldr r6, [sp, #20]
                3:
                lsrs lr, r2, #1
                bcc 1f
                ldr r12, [r1], #4
                sxtb16 r4, r12
                sxtb16 r5, r12, ror #8",
                concat!("strd r4, r5, [r0], #", $step),
                "beq 2f
                1:
                ldr r12, [r1], #4
                ldr r7, [r1], #4
                sxtb16 r4, r12
                sxtb16 r5, r12, ror #8",
                concat!("strd r4, r5, [r0], #", $step),
                "sxtb16 r4, r7
                sxtb16 r5, r7, ror #8",
                concat!("strd r4, r5, [r0], #", $step),
                "subs lr, lr, #1
                bne 1b
                2:
                add r1, r1, r3
                subs r6, r6, #1
                bne 3b
                pop {{r4, r5, r6, r7, pc}}",
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

/// The values of a row from which on the loops read whole fours.
const LEAST: usize = 4;

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
        if end > channels.bias.len() || end > channels.mult.len() || self.count == 0 || block.len < LEAST {
            return None;
        }
        let lead = lead(block.len);
        let x: *const u32 = base.cast_const().cast();
        let after = |fours: usize| x.wrapping_add(2 * block.count * fours);
        let aligned = (weights.as_ptr().addr() | w.stride) & 3 == 0;
        let (whole, all) = (block.len / 4, block.len.div_ceil(4));
        // One patch has loops for sixteen aligned weights.
        let sixteens = if aligned { block.len / 16 } else { 0 };
        let fours = if block.count == 1 { whole - 4 * sixteens } else { whole };
        let output = &channels.output;
        Some(Product {
            x_fours: after(all - 4 * sixteens),
            x,
            bias: channels.bias[self.from..].as_ptr(),
            x_end: after(all),
            mult: channels.mult[self.from..].as_ptr(),
            // The loops read an exponent even where the profile has none.
            shift: channels
                .shift
                .get(self.from..end)
                .unwrap_or(bytemuck::cast_slice(&channels.bias[self.from..]))
                .as_ptr(),
            y: null_mut(),
            step: if block.count == 1 { w.stride - block.len } else { self.layer.stride },
            twice: 2 * output.zero + 1,
            profile: profile(output),
            y_end: null_mut(),
            w: weights.as_ptr(),
            lead: 8 * lead,
            first: 4 - lead,
            skip: fours.wrapping_neg() & 3,
            skip_sixteens: sixteens.wrapping_neg() & 3,
        })
    }
}

/// The profile of plain channels, as the loops know it.
pub(super) fn profile(output: &Output) -> i32 {
    if output.round == Rounding::Single { SINGLE } else { DOUBLE }
}

/// Runs the loops over a block, for as many rows as there are outputs at `y`.
///
/// # Safety
/// As of the loops.
unsafe fn outputs(isa: impl Isa, patches: usize, product: &mut Product, y: &mut [i8], count: usize) {
    (product.y, product.y_end) = (y.as_mut_ptr(), y[count..].as_mut_ptr());
    // SAFETY: the caller's promise.
    unsafe { call(isa, patches, product) };
}

/// Runs the loops over a block for the raw sums of `sums.len() / patches` rows.
///
/// # Safety
/// As of the loops.
unsafe fn raw(isa: impl Isa, patches: usize, product: &mut Product, sums: &mut [i32]) {
    let range = sums.as_mut_ptr_range();
    (product.profile, product.y, product.y_end) = (RAW, range.start.cast(), range.end.cast());
    // SAFETY: the caller's promise.
    unsafe { call(isa, patches, product) };
}

/// # Safety
/// As of the loops.
unsafe fn call(isa: impl Isa, patches: usize, product: &mut Product) {
    // SAFETY: the caller's promise.
    unsafe {
        if isa.may(ways::BLOCKS) && patches == PATCHES {
            product::four_patches(product)
        } else {
            product::one_patch(product)
        }
    }
}

/// The arguments for all channels, when the loops can do them.
fn ready(isa: impl Isa, block: &mut Block<'_>, layer: &Layer<'_>) -> Option<Product> {
    if isa.may(ways::SHORT) && block.len < LEAST || isa.may(ways::LONG) && !layer.plain {
        return None;
    }
    Call { layer, from: 0, count: layer.w.count, k: 0 }.product(block)
}

/// The outputs of plain channels.
#[inline(never)]
fn plain(isa: impl Isa, product: &mut Product, patches: usize, layer: &Layer<'_>, y: &mut [i8]) {
    let count = layer.w.count;
    if y.len() < (patches - 1) * layer.stride + count {
        return;
    }
    // SAFETY: the views' lengths were checked here and in `Call::product`; the channels are plain.
    unsafe { outputs(isa, patches, product, y, count) };
    if isa.may(ways::NARROW) && is_narrow(&layer.channels.output) {
        for i in 0..patches {
            hold(isa, &layer.channels.output, &mut y[i * layer.stride..][..count]);
        }
    }
}

/// The layer's outputs for a block of four patches or one.
#[inline(never)]
pub(super) fn product<I: Isa>(isa: I, block: &mut Block<'_>, layer: &Layer<'_>, y: &mut [i8]) {
    let patches = if block.count == PATCHES { PATCHES } else { 1 };
    if block.count != patches || y.len() < (patches - 1) * layer.stride + layer.w.count {
        return;
    }
    // By reference: a copy would take stack of its own.
    match &mut ready(isa, block, layer) {
        Some(product) => plain(isa, product, patches, layer, y),
        None if isa.may(ways::SHORT) && block.len < LEAST => short(isa, block, layer, y),
        None if isa.may(ways::LONG) => mixed(isa, block, layer, y),
        None => {}
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
        unsafe { raw(isa, block.count, product, sums) };
        for (i, &sum) in sums.iter().enumerate() {
            requantize_from(n, &[sum], &layer.channels, &mut y[i * layer.stride + n..][..1]);
        }
        n += 1;
    }
}

/// As [`product`], where rows are shorter than the loops read: zeros in front of their weights meet those in front of the
/// patches' values.
#[inline(never)]
fn short<I: Isa>(isa: I, block: &mut Block<'_>, layer: &Layer<'_>, y: &mut [i8]) {
    let mut longer = Block { scratch: block.scratch, len: LEAST, count: block.count };
    for n in 0..layer.w.count {
        let mut row = [0; LEAST];
        row[lead(block.len)..].copy_from_slice(layer.w.row(n));
        let w = Rows { data: &row, stride: LEAST, count: 1, len: LEAST };
        let layer = Layer { w, channels: layer.channels.part(n, 1), ..*layer };
        product(isa, &mut longer, &layer, &mut y[n..]);
    }
}

static ZERO: i32 = 0;

/// Whether outputs have narrower bounds than those of int8.
fn is_narrow(output: &Output) -> bool {
    (output.min, output.max) != (i8::MIN, i8::MAX)
}

/// Holds outputs, which the loops hold in int8, between narrower bounds.
pub(super) fn hold(isa: impl Isa, output: &Output, y: &mut [i8]) {
    if isa.may(ways::NARROW) && is_narrow(output) {
        y.iter_mut().for_each(|y| *y = (*y).max(output.min).min(output.max));
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
pub(super) fn requantize_from(n: usize, sums: &[i32], channels: &Channels<'_>, y: &mut [i8]) {
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
    let mut m = 0;
    for (count, way) in [(PATCHES, ways::BLOCKS), (1, ways::WHOLE)] {
        if !isa.may(way) || scratch.len() < block_bytes(x.len, count) {
            continue;
        }
        let mut block = Block { scratch, len: x.len, count };
        let mut ready = ready(isa, &mut block, layer);
        while x.count - m >= count {
            for i in 0..count {
                row(isa, &mut block, i, x.row(m + i));
            }
            let y = &mut y[m * layer.stride..];
            match &mut ready {
                Some(product) => plain(isa, product, count, layer, y),
                None if isa.may(ways::SHORT | ways::LONG) => product(isa, &mut block, layer, y),
                None => {}
            }
            m += count;
        }
    }
}

/// As [`matrix`], for rows that are longer than the scratch.
#[inline(never)]
pub(super) fn long<I: Isa>(isa: I, x: Rows<'_>, layer: &Layer<'_>, scratch: &mut [i8], y: &mut [i8]) {
    for m in 0..x.count {
        parts(isa, x.row(m), layer, scratch, &mut y[m * layer.stride..]);
    }
}

/// Makes patch `i` of a row.
#[inline(always)]
fn row(isa: impl Isa, block: &mut Block<'_>, i: usize, x: &[i8]) {
    match base(block) {
        // SAFETY: `base` has found room for a patch of as many values; its words are aligned.
        Some(base) if !x.is_empty() && x.len() % 4 == 0 && x.len() == block.len => unsafe {
            widen(block.count)(base.wrapping_add(8 * i).cast(), x.as_ptr(), x.len() / 4, 0, 1);
        },
        _ if isa.may(ways::UNEVEN) => {
            gather(block, i, Rows { data: x, stride: x.len(), count: 1, len: x.len() })
        }
        _ => {}
    }
}

/// The layer's outputs for a row that is longer than the scratch: part by part, a few channels at a time.
#[inline(always)]
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
        let mut k = 0;
        while k < x.len() {
            let left = x.len() - k;
            // What is left for the last part must be long enough for the loops.
            let len = if left > most && left < most + LEAST { most - LEAST } else { most.min(left) };
            let x_part = &x[k..k + len];
            let mut block = Block { scratch, len: x_part.len(), count: 1 };
            pack(&mut block, 0, 0, x_part);
            let mut product = Call { layer, from, count, k }.product(&mut block);
            let Some(product) = &mut product else { return };
            product.bias = sums.as_ptr();
            // SAFETY: lengths were checked here and in `Call::product`; each of the sums is read before it is written.
            unsafe {
                if plain && k + x_part.len() == x.len() {
                    outputs(isa, 1, product, &mut y[from..], count);
                } else {
                    raw(isa, 1, product, &mut sums[..count]);
                }
            }
            k += len;
        }
        let y = &mut y[from..from + count];
        if plain {
            hold(isa, &layer.channels.output, y);
        } else {
            requantize_from(from, &sums[..count], &layer.channels, y);
        }
    }
}
