//! How a tensor is cut into rows.

/// Bytes of one row of a tensor: its last two dimensions (columns and channels of an image), or all of a tensor
/// with fewer than three. `dims` are the dimensions, `bytes` the whole length.
pub(crate) fn row_bytes(dims: &[u32], bytes: usize) -> usize {
    let lines = if dims.len() < 3 { 1 } else { dims[..dims.len() - 2].iter().product::<u32>() as usize };
    bytes / lines.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_columns_and_channels() {
        assert_eq!(row_bytes(&[1, 96, 64, 3], 96 * 64 * 3), 64 * 3);
        assert_eq!(row_bytes(&[2, 8, 8, 1], 128), 8);
        assert_eq!(row_bytes(&[28, 28, 1], 784), 28);
        assert_eq!(row_bytes(&[1, 640], 640), 640);
        assert_eq!(row_bytes(&[], 1), 1);
        assert_eq!(row_bytes(&[1, 2, 3, 1], 24), 12);
    }
}
