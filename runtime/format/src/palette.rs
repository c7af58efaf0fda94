//! Weights of four bits: how the indices of a row lie, and which int8 values they stand for. Which operators have such
//! weights is in `ops`.
//!
//! A row begins at a word of four bytes, so it is padded to eight indices; what the padding holds does not matter. The
//! order of a word is that in which half-word lanes unpack it: masked by `0x000f000f` it gives weights 0 and 2, shifted by
//! 4 first weights 1 and 3, by 8 weights 4 and 6, by 12 weights 5 and 7.
//!
//! ```text
//! byte   0         1         2         3
//! bits   0-3  4-7  0-3  4-7  0-3  4-7  0-3  4-7
//! weight 0    1    4    5    2    3    6    7
//! ```

/// Entries of a palette; an index is below.
pub const PALETTE: usize = 16;

/// The palette of int4 weights: index `i` stands for `i − 8`.
pub const INT4: [i8; PALETTE] = [-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7];

/// Bytes of a row of so many indices; `None` when there are too many.
pub const fn palette_row(len: usize) -> Option<usize> {
    len.div_ceil(8).checked_mul(4)
}

/// Index `at` of a row, which has one there; 0 behind its end.
#[inline(always)]
pub fn palette_index(row: &[u8], at: usize) -> usize {
    let (byte, bits) = place(at);
    row.get(byte).map_or(0, |b| usize::from(b >> bits & 15))
}

/// The byte of an index, and its lowest bit there.
#[inline(always)]
const fn place(at: usize) -> (usize, usize) {
    let pair = at / 2 % 4;
    (at / 8 * 4 + (pair % 2 * 2 + pair / 2), at % 2 * 4)
}

/// Rows of `len` indices each, of which four bits count, as they are stored.
#[cfg(feature = "alloc")]
pub fn palette_rows(indices: &[u8], len: usize) -> alloc::vec::Vec<u8> {
    let bytes = palette_row(len).unwrap_or(0);
    let mut rows = alloc::vec![0; indices.len() / len.max(1) * bytes];
    for (row, indices) in rows.chunks_exact_mut(bytes.max(1)).zip(indices.chunks_exact(len.max(1))) {
        for (at, index) in indices.iter().enumerate() {
            let (byte, bits) = place(at);
            row[byte] |= (index & 15) << bits;
        }
    }
    rows
}
